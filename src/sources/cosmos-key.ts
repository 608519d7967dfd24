// How keys, documents and ids of a Cosmos DB container correspond.

import { WarmfeedError } from '../core/errors.ts';
import type { Key, KeyColumn, KeyPart } from '../core/key.ts';
import type { Document } from '../core/ports.ts';

const MAX_ID_BYTES = 1023;
const MAX_PARTITION_KEY_BYTES = 2048;

/** A key as the service takes it. */
export interface Address {
  readonly partition: readonly KeyPart[];
  readonly id: string;
}

/** The columns of a key: the partition-key paths, then the id unless it is one of them. */
export function cosmosKeyColumns(partitionKey: readonly string[]): KeyColumn[] {
  const names = partitionKey.map((path) => segmentsOf(path).at(-1) ?? '');
  const columns = partitionKey.map((path, i): KeyColumn => {
    if (path === '/id') return ID;
    const name = names[i] ?? '';
    const isTaken = name === 'id' || names.indexOf(name) !== names.lastIndexOf(name);
    return {
      name: isTaken ? segmentsOf(path).join('.') : name,
      type: 'scalar',
      maxBytes: MAX_PARTITION_KEY_BYTES,
    };
  });
  return columns.includes(ID) ? columns : [...columns, ID];
}

const ID: KeyColumn = { name: 'id', type: 'text', maxBytes: MAX_ID_BYTES };

/** @throws WarmfeedError BAD_KEY */
export function addressOf(partitionKey: readonly string[], key: Key): Address {
  const idAt = partitionKey.includes('/id') ? partitionKey.indexOf('/id') : partitionKey.length;
  const id = key[idAt];
  if (key.length !== Math.max(partitionKey.length, idAt + 1) || typeof id !== 'string' || id === '') {
    throw new WarmfeedError('BAD_KEY', `a key is ${[...partitionKey, 'the id'].join(', ')}, and the id is a text`);
  }
  return { partition: key.slice(0, partitionKey.length), id };
}

/** The key of a document; what is no scalar counts as missing, as it does for the service. */
export function keyOf(partitionKey: readonly string[], document: Document, id: string): Key {
  const parts = partitionKey.map((path) => scalarAt(document, segmentsOf(path)));
  return partitionKey.includes('/id') ? parts : [...parts, id];
}

function scalarAt(document: Document, segments: readonly string[]): KeyPart {
  let value: unknown = document;
  for (const segment of segments) {
    value = isObject(value) && Object.hasOwn(value, segment) ? value[segment] : undefined;
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  return typeof value === 'number' ? value : undefined;
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').slice(1);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The document as it was written: without what the service adds, in the same order. */
export function withoutSystemProperties(document: Document): Document {
  const { _rid, _self, _etag, _ts, _lsn, _attachments, ...own } = document;
  return own;
}

const NOT_IN_A_PATH = /[/\\?#%\p{Cc}]|^\s|\s$|^\.\.?$/u;

/**
 * Whether an id survives as a path segment of a URL. Some characters are refused or cut off on the way, and the
 * ids `.` and `..` would address another resource. Such items are found by query (cases C34, C35).
 */
export function isPathSafe(id: string): boolean {
  return !NOT_IN_A_PATH.test(id) && id.isWellFormed();
}

/** The rid of the container is the first 8 bytes of every rid in it. */
export function containerRid(rid: unknown): string | undefined {
  if (typeof rid !== 'string') return undefined;
  const bytes = Buffer.from(rid.replaceAll('-', '/'), 'base64');
  return bytes.length < 8 ? undefined : bytes.subarray(0, 8).toString('base64').replaceAll('/', '-');
}
