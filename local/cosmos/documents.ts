/** What each operation on one document does inside a transaction, and when it is refused. Knows no HTTP. */
import { badRequest, CosmosError, conflict, keyMismatch, notFound, preconditionFailed } from './errors.ts';
import { checkDocumentTtl } from './expiry.ts';
import { isObject, type JsonObject } from './json.ts';
import { keyOf, keyText } from './partition-key.ts';
import type { StoredDocument } from './range.ts';
import { documentRid } from './resource-id.ts';
import type { Store } from './store.ts';
import type { Transaction } from './transaction.ts';

export interface Outcome {
  status: 200 | 201 | 204;
  document: StoredDocument | undefined;
}

const system = new Set(['_rid', '_self', '_etag', '_attachments', '_ts', '_lsn']);
const maxBytes = 2 * 1024 * 1024;

export const parseDocument = (value: unknown): JsonObject => {
  if (isObject(value)) return value;
  throw badRequest('The request payload is invalid: a document is a JSON object.');
};

const idOf = (body: JsonObject): string => {
  const id = body['id'];
  if (typeof id !== 'string' || id === '')
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  if (id.length > 1023) throw badRequest(`Id ${JSON.stringify(id)} is too long`);
  return id;
};

const put = (store: Store, tx: Transaction, body: JsonObject, existing: StoredDocument | undefined): StoredDocument => {
  const { container } = tx;
  const id = idOf(body);
  checkDocumentTtl(body);
  if (keyText(keyOf(body, container.definition)) !== tx.partition.key) throw keyMismatch();
  let rid = existing?.rid;
  if (rid === undefined) {
    container.ordinals += 1;
    rid = documentRid(container.rid, container.ordinals);
  }
  const etag = store.nextEtag();
  const ts = Math.floor(tx.now / 1000);
  const own = Object.fromEntries(Object.entries(body).filter(([name]) => !system.has(name)));
  const stored: JsonObject = {
    ...own,
    _rid: rid,
    _self: `dbs/${container.database.rid.text}/colls/${container.rid.text}/docs/${rid}/`,
    _etag: etag,
    _attachments: 'attachments/',
    _ts: ts,
  };
  const text = JSON.stringify(stored);
  if (text.length > maxBytes) throw new CosmosError(413, 'Request size is too large: a document has at most 2 MB.');
  const document = { body: stored, text, rid, etag, ts };
  tx.set(id, document);
  return document;
};

const missing = (id: string) =>
  notFound(`Entity with the specified id ${JSON.stringify(id)} does not exist in the system.`);

export const checkMatch = (document: StoredDocument, ifMatch: string | undefined): void => {
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== document.etag) throw preconditionFailed();
};

/** The document, its `if-match` checked. */
const need = (tx: Transaction, id: string, ifMatch: string | undefined): StoredDocument => {
  const document = tx.get(id);
  if (!document) throw missing(id);
  checkMatch(document, ifMatch);
  return document;
};

export const create = (store: Store, tx: Transaction, body: JsonObject): Outcome => {
  const id = idOf(body);
  if (tx.get(id)) throw conflict(`Entity with the specified id ${JSON.stringify(id)} already exists in the system.`);
  return { status: 201, document: put(store, tx, body, undefined) };
};

export const upsert = (store: Store, tx: Transaction, body: JsonObject, ifMatch: string | undefined): Outcome => {
  const existing = tx.get(idOf(body));
  if (existing) checkMatch(existing, ifMatch);
  return { status: existing ? 200 : 201, document: put(store, tx, body, existing) };
};

export const read = (tx: Transaction, id: string): Outcome => ({ status: 200, document: need(tx, id, undefined) });

export const replace = (
  store: Store,
  tx: Transaction,
  id: string,
  body: JsonObject,
  ifMatch: string | undefined,
): Outcome => {
  const existing = need(tx, id, ifMatch);
  if (idOf(body) !== id) throw badRequest('The id of a document cannot be changed by replacing it.');
  return { status: 200, document: put(store, tx, body, existing) };
};

export const remove = (tx: Transaction, id: string, ifMatch: string | undefined): Outcome => {
  need(tx, id, ifMatch);
  tx.set(id, undefined);
  return { status: 204, document: undefined };
};

/** Patching is replacing by what `change` makes of the present document. */
export const modify = (
  store: Store,
  tx: Transaction,
  id: string,
  change: (body: JsonObject) => JsonObject,
  ifMatch: string | undefined,
): Outcome => {
  const existing = need(tx, id, ifMatch);
  const body = change(structuredClone(existing.body));
  if (idOf(body) !== id) throw badRequest('The id of a document cannot be patched.');
  return { status: 200, document: put(store, tx, body, existing) };
};
