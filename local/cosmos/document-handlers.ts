/** Requests for one document: headers in, an operation in a transaction of its own, headers out. */
import { create, modify, type Outcome, parseDocument, remove, replace, upsert } from './documents.ts';
import { badRequest, keyMismatch, notFound } from './errors.ts';
import { sweep } from './expiry.ts';
import { type KeyComponent, parseKey } from './partition-key.ts';
import { applyPatch, parsePatch } from './patch.ts';
import type { Item, Partition } from './range.ts';
import { checkSession, seen } from './replica.ts';
import { atPosition, positionHeaders, type Reply } from './reply.ts';
import { type CosmosRequest, header, jsonBody, minimal } from './request.ts';
import type { Site } from './site.ts';
import { type Container, locate, needContainer } from './store.ts';
import { begin, type Transaction } from './transaction.ts';

export interface Place {
  container: Container;
  now: number;
}

/** The container, with what is past its time to live turned into deletions. */
export const enter = ({ store }: Site, { segments }: CosmosRequest): Place => {
  const container = needContainer(store, segments[1] ?? '', segments[3] ?? '');
  const now = Date.now();
  sweep(container, now);
  return { container, now };
};

export const fullKey = (container: Container, components: KeyComponent[]): KeyComponent[] => {
  if (components.length !== container.definition.paths.length) throw keyMismatch();
  return components;
};

export const partitionOf = (container: Container, request: CosmosRequest): Partition => {
  const text = header(request, 'x-ms-documentdb-partitionkey');
  if (text === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  return locate(container, fullKey(container, parseKey(text)));
};

const write = (site: Site, request: CosmosRequest, operate: (tx: Transaction) => Outcome): Reply => {
  const { container, now } = enter(site, request);
  const partition = partitionOf(container, request);
  const { range } = partition;
  const outcome = atPosition(positionHeaders(container, range, range.lsn), () => {
    const tx = begin(container, partition, now);
    const { status, document } = operate(tx);
    return { status, document, lsn: tx.commit() };
  });
  const { status, document, lsn } = outcome;
  return {
    status,
    headers: {
      ...positionHeaders(container, range, lsn),
      'x-ms-item-lsn': String(lsn),
      'x-ms-request-charge': '6',
      ...(document ? { etag: document.etag } : {}),
    },
    body: document && !minimal(request) ? document.text : '',
  };
};

const idOf = ({ segments }: CosmosRequest): string => segments[5] ?? '';
const ifMatch = (request: CosmosRequest): string | undefined => header(request, 'if-match');

export const createDocument = (site: Site, request: CosmosRequest): Reply =>
  write(site, request, (tx) => create(site.store, tx, parseDocument(jsonBody(request))));

export const upsertDocument = (site: Site, request: CosmosRequest): Reply =>
  write(site, request, (tx) => upsert(site.store, tx, parseDocument(jsonBody(request)), ifMatch(request)));

export const replaceDocument = (site: Site, request: CosmosRequest): Reply =>
  write(site, request, (tx) =>
    replace(site.store, tx, idOf(request), parseDocument(jsonBody(request)), ifMatch(request)),
  );

export const deleteDocument = (site: Site, request: CosmosRequest): Reply =>
  write(site, request, (tx) => remove(tx, idOf(request), ifMatch(request)));

export const patchDocument = (site: Site, request: CosmosRequest): Reply =>
  write(site, request, (tx) => {
    const patch = parsePatch(jsonBody(request));
    return modify(site.store, tx, idOf(request), (body) => applyPatch(body, patch), ifMatch(request));
  });

/** By id; in a container that is addressed by rid the document may be, too. */
const find = (container: Container, partition: Partition, request: CosmosRequest): Item | undefined => {
  const id = idOf(request);
  const item = partition.items.get(id);
  if (item || request.segments[3] !== container.rid.text) return item;
  return [...partition.items.values()].find((one) => one.current?.document?.rid === id);
};

export const readDocument = (site: Site, request: CosmosRequest): Reply => {
  const { container, now } = enter(site, request);
  const partition = partitionOf(container, request);
  const lsn = site.replica.lsn(partition.range, now);
  const headers = positionHeaders(container, partition.range, lsn);
  return atPosition(headers, () => {
    checkSession(header(request, 'x-ms-session-token'), partition.range, lsn);
    const item = find(container, partition, request);
    const found = item && seen(container, item, lsn, now);
    if (!found) throw notFound('Entity with the specified id does not exist in the system.');
    const { document } = found;
    const all = { ...headers, 'x-ms-item-lsn': String(found.lsn), etag: document.etag };
    const match = header(request, 'if-none-match');
    if (match !== undefined && (match === '*' || match === document.etag))
      return { status: 304, headers: all, body: '' };
    return { status: 200, headers: all, body: document.text };
  });
};
