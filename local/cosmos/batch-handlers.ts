/** Several operations in one request: a transactional batch (all or none, one LSN) or bulk (each for itself). */

import { enter, fullKey, partitionOf } from './document-handlers.ts';
import { create, modify, type Outcome, parseDocument, read, remove, replace, upsert } from './documents.ts';
import { badRequest, CosmosError, codeOf } from './errors.ts';
import { isObject, type Json } from './json.ts';
import { keyOf, parseKey } from './partition-key.ts';
import { applyPatch, parsePatch } from './patch.ts';
import type { PartitionRange } from './range.ts';
import { positionHeaders, type Reply } from './reply.ts';
import { type CosmosRequest, jsonBody, minimal } from './request.ts';
import type { Site } from './site.ts';
import { type Container, locate, type Store } from './store.ts';
import { addressedRange } from './target.ts';
import { begin, type Transaction } from './transaction.ts';

interface Step {
  type: string;
  id: string;
  body: Json | undefined;
  ifMatch: string | undefined;
  key: string | undefined;
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const parseSteps = (request: CosmosRequest): Step[] => {
  const list = jsonBody(request);
  if (!Array.isArray(list)) throw badRequest('A batch is a JSON array of operations.');
  if (list.length === 0 || list.length > 100) throw badRequest('A batch has 1 to 100 operations.');
  return list.map((one: unknown) => {
    if (!isObject(one)) throw badRequest('An operation of a batch is a JSON object.');
    return {
      type: text(one['operationType']) ?? '',
      id: text(one['id']) ?? '',
      body: one['resourceBody'],
      ifMatch: text(one['ifMatch']),
      key: text(one['partitionKey']),
    };
  });
};

const run = (store: Store, tx: Transaction, { type, id, body, ifMatch }: Step): Outcome => {
  switch (type) {
    case 'Create':
      return create(store, tx, parseDocument(body));
    case 'Upsert':
      return upsert(store, tx, parseDocument(body), ifMatch);
    case 'Read':
      return read(tx, id);
    case 'Replace':
      return replace(store, tx, id, parseDocument(body), ifMatch);
    case 'Delete':
      return remove(tx, id, ifMatch);
    case 'Patch': {
      const patch = parsePatch(body);
      return modify(store, tx, id, (document) => applyPatch(document, patch), ifMatch);
    }
    default:
      throw badRequest(`Operation type ${JSON.stringify(type)} is unknown.`);
  }
};

/** One element of the answer, as text: stored documents go out as they are. */
const success = ({ status, document }: Outcome, bare: boolean): string => {
  const etag = document ? `,"eTag":${JSON.stringify(document.etag)}` : '';
  const body = document && !bare ? `,"resourceBody":${document.text}` : '';
  return `{"statusCode":${status},"requestCharge":6${etag}${body}}`;
};

const failure = (status: number, substatus = 0, message = ''): string =>
  JSON.stringify({
    statusCode: status,
    subStatusCode: substatus,
    requestCharge: 1,
    message: message || codeOf(status),
  });

const failed = (error: unknown): { status: number; text: string } => {
  if (!(error instanceof CosmosError)) throw error;
  return { status: error.status, text: failure(error.status, error.substatus, error.message) };
};

const answer = (container: Container, ranges: PartitionRange[], results: string[], ok: boolean): Reply => {
  const tokens = ranges.map((range) => `${range.id}:-1#${range.lsn}`).join(',');
  const [first] = ranges;
  const position = first ? positionHeaders(container, first, first.lsn) : {};
  return {
    status: ok ? 200 : 207,
    headers: {
      ...position,
      'x-ms-session-token': tokens,
      'x-ms-request-charge': String(results.length * 6),
    },
    body: `[${results.join(',')}]`,
  };
};

export const runBatch = (site: Site, request: CosmosRequest): Reply => {
  const { container, now } = enter(site, request);
  const partition = partitionOf(container, request);
  const steps = parseSteps(request);
  const tx = begin(container, partition, now);
  const done: Outcome[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      if (step.key !== undefined && locate(container, fullKey(container, parseKey(step.key))).key !== partition.key)
        throw badRequest('All operations of a transactional batch have one partition key.', 1001);
      done.push(run(site.store, tx, step));
    } catch (error) {
      const { text: own } = failed(error);
      const results = steps.map((_, at) => (at === index ? own : failure(424)));
      return answer(container, [partition.range], results, false);
    }
  }
  tx.commit();
  const results = done.map((outcome) => success(outcome, minimal(request)));
  return answer(container, [partition.range], results, true);
};

/**
 * The client routes bulk requests by range, and must do so anew after a split; which range an operation falls into is
 * decided by its key alone.
 */
export const runBulk = (site: Site, request: CosmosRequest): Reply => {
  const { container, now } = enter(site, request);
  addressedRange(container, request);
  const ranges = new Set<PartitionRange>();
  let ok = true;
  const results = parseSteps(request).map((step) => {
    try {
      const key = step.key === undefined ? keyOf(parseDocument(step.body), container.definition) : parseKey(step.key);
      const partition = locate(container, fullKey(container, key));
      ranges.add(partition.range);
      const tx = begin(container, partition, now);
      const outcome = run(site.store, tx, step);
      tx.commit();
      return success(outcome, minimal(request));
    } catch (error) {
      ok = false;
      return failed(error).text;
    }
  });
  return answer(container, [...ranges], results, ok);
};
