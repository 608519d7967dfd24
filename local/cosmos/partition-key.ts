/** What a document's logical partition is, and where its effective partition key lies on ["", "FF"). */
import { badRequest } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { murmur128 } from './murmur.ts';

export interface KeyDefinition {
  paths: string[];
  kind: 'Hash' | 'MultiHash';
  version: 2;
}

/** `undefined` is a document without the path, which is another partition than null. */
export type KeyComponent = undefined | null | boolean | number | string;

const component = (value: unknown): KeyComponent => {
  if (value === 0) return 0;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  if (value === undefined || (isObject(value) && Object.keys(value).length === 0)) return undefined;
  throw badRequest('Partition key component must be a string, a number, a boolean, null or {}.');
};

/** The `x-ms-documentdb-partitionkey` header (or an operation's `partitionKey`): a JSON array. */
export const parseKey = (text: string): KeyComponent[] => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest(`Partition key ${text} is not valid JSON.`);
  }
  if (!Array.isArray(value)) throw badRequest(`Partition key ${text} is not a JSON array.`);
  return value.map(component);
};

const segments = (path: string): string[] =>
  [...path.matchAll(/\/(?:"([^"]*)"|'([^']*)'|([^/]+))/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

export const keyOf = (document: JsonObject, definition: KeyDefinition): KeyComponent[] =>
  definition.paths.map((path) => {
    let value: Json | undefined = document;
    for (const name of segments(path)) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    return component(value);
  });

/** Canonical and injective: undefined is `{}`, everything else is itself. */
export const keyText = (components: KeyComponent[]): string =>
  JSON.stringify(components.map((value) => (value === undefined ? {} : value)));

const bytesOf = (value: KeyComponent): Buffer => {
  if (value === undefined) return Buffer.from([0]);
  if (value === null) return Buffer.from([1]);
  if (typeof value === 'boolean') return Buffer.from([value ? 3 : 2]);
  if (typeof value === 'string') return Buffer.concat([Buffer.from([8]), Buffer.from(value), Buffer.from([0xff])]);
  const number = Buffer.alloc(9, 5);
  number.writeDoubleLE(value, 1);
  return number;
};

const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(16, '0');

const hash = (bytes: Buffer): string => {
  const [low, high] = murmur128(bytes);
  return hex(high & 0x3fffffffffffffffn) + hex(low);
};

/** The same as the SDKs compute: bulk requests and feed ranges are routed by the client. */
export const effectiveKey = (components: KeyComponent[], definition: KeyDefinition): string =>
  definition.kind === 'MultiHash'
    ? components.map((value) => hash(bytesOf(value))).join('')
    : hash(Buffer.concat(components.map(bytesOf)));

/** Borders of `count` ranges of equal width; hashes use the lower quarter of the space only. */
export const evenBorders = (count: number): string[] => {
  const width = (1n << 126n) / BigInt(count);
  const inner = Array.from({ length: count - 1 }, (_, index) =>
    (width * BigInt(index + 1)).toString(16).toUpperCase().padStart(32, '0'),
  );
  return ['', ...inner, 'FF'];
};

export const parseDefinition = (value: unknown): KeyDefinition => {
  if (!isObject(value) || !Array.isArray(value['paths']) || value['paths'].length === 0)
    throw badRequest('A container needs a partitionKey with paths.');
  const paths = value['paths'].map((path) => {
    if (typeof path !== 'string' || !path.startsWith('/')) throw badRequest('A partition key path starts with "/".');
    return path;
  });
  const kind = value['kind'] ?? (paths.length > 1 ? 'MultiHash' : 'Hash');
  if (kind !== 'Hash' && kind !== 'MultiHash')
    throw badRequest(`Partition kind ${JSON.stringify(kind)} is not served.`);
  if (kind === 'Hash' && paths.length > 1) throw badRequest('Several partition key paths need kind MultiHash.');
  return { paths, kind, version: 2 };
};
