// All keys of a container, from end to end: the latest-version change feed from its beginning, up to where it is
// drained. Its continuation outlives splits and restarts.

import type { ChangeFeedIteratorOptions, Container } from '@azure/cosmos';
import type { ScannedPage, ScanRequest } from '../core/ports.ts';
import { isObject, keyOf } from './cosmos-key.ts';
import { untilAborted } from './deadline.ts';

const DRAINED = 304;

export async function scanKeys(
  container: Container,
  partitionKey: readonly string[],
  { continuation, limit, since }: ScanRequest,
  signal: AbortSignal,
): Promise<ScannedPage> {
  const { ChangeFeedStartFrom } = await import('@azure/cosmos');
  const start = since === undefined ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Time(new Date(since));
  const from = continuation === undefined ? start : ChangeFeedStartFrom.Continuation(continuation);
  const options: ChangeFeedIteratorOptions = { changeFeedStartFrom: from, maxItemCount: limit };
  const feed = container.items.getChangeFeedIterator(options);
  // The SDK's feed takes no signal itself.
  const page = await untilAborted(signal, feed.readNext());
  const documents = page.statusCode === DRAINED ? [] : ((page.result ?? []) as readonly unknown[]);
  const keys = documents.flatMap((document) => {
    const id = isObject(document) ? document['id'] : undefined;
    return isObject(document) && typeof id === 'string' ? [keyOf(partitionKey, document, id)] : [];
  });
  return {
    keys,
    continuation: page.statusCode === DRAINED ? undefined : page.continuationToken,
    units: page.requestCharge,
  };
}
