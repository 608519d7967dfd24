// Keys: typed, parsed from URL segments, printed in one canonical, injective form. The only place that knows
// the grammar of Redis keys (documented in docs/record.md).

import { fitsUtf8 } from './bytes.ts';
import { WarmfeedError } from './errors.ts';
import { canonical, KEY_TYPES, type KeyType } from './key-type.ts';

/** `undefined` is a Cosmos DB partition key that the document lacks: other than null, "" or 0. */
export type KeyPart = string | number | boolean | null | undefined;
export type Key = readonly KeyPart[];

/**
 * How a key segment is read: `text` is any string, `scalar` a JSON scalar (a Cosmos DB partition-key value), the others
 * are of one canonical text each (core/key-type.ts), which is the key part.
 */
export interface KeyColumn {
  readonly name: string;
  readonly type: 'text' | 'scalar' | KeyType;
  /** Longest value in UTF-8 bytes: the source's own limit. */
  readonly maxBytes: number;
}

const CONTROL = /\p{Cc}/u;
// Controls and lone surrogates, and what the grammar itself uses.
const SPECIAL = /[\p{Cc}\p{Cs}%/{}=]/gu;
/** Printable ASCII with nothing special: most keys, and nothing about them needs a closer look. */
const PLAIN = /^[ -$&-.0-<>-z|~]+$/;

/**
 * Parses raw (still percent-encoded) URL path segments into a key.
 * A segment is a string; one that begins with `=` is a typed literal: `=1`, `=true`, `=null`, `=undefined`, `="=x"`.
 * JSON's own escapes reach what a host decodes twice: `="50\u0025"` is `50%`.
 * @throws WarmfeedError BAD_KEY that says which segment is wrong and why
 */
export function parseKey(columns: readonly KeyColumn[], segments: readonly string[]): Key {
  expectLength(columns, segments.length);
  return columns.map((column, i) => parsePart(column, segments[i] ?? ''));
}

/**
 * A key given as JSON values, one a column: strings, or for columns of other types also numbers, booleans and null;
 * `{}` is a Cosmos DB partition key that the document lacks, as the service itself writes it.
 * @throws WarmfeedError BAD_KEY that says which value is wrong and why
 */
export function keyOfJson(columns: readonly KeyColumn[], values: readonly unknown[]): Key {
  expectLength(columns, values.length);
  return columns.map((column, i) => {
    const value = values[i];
    if (column.type === 'scalar') return checkedPart(column, isUndefined(value) ? undefined : scalarOf(column, value));
    if (column.type === 'text') {
      if (typeof value !== 'string') throw badKey(`{${column.name}} must be text`);
      return checkedPart(column, value);
    }
    const isNumber = typeof value === 'number' && Number.isSafeInteger(value);
    if (typeof value === 'string' || typeof value === 'boolean' || isNumber) return typed(column, String(value));
    throw badKey(`{${column.name}} must be ${KEY_TYPES[column.type].form}`);
  });
}

function isUndefined(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function scalarOf(column: KeyColumn, value: unknown): KeyPart {
  if (typeof value === 'number') return value === 0 ? 0 : value;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  throw badKey(`{${column.name}} must be a string, number, boolean, null or {}`);
}

function expectLength(columns: readonly KeyColumn[], length: number): void {
  if (length === columns.length) return;
  const form = columns.map(({ name }) => `{${name}}`).join('/');
  throw badKey(`expected ${columns.length} key segment(s), ${form}, and got ${length}`);
}

function typed({ name, type }: KeyColumn, text: string): string {
  const value = type === 'text' || type === 'scalar' ? text : canonical(type, text);
  if (value !== undefined) return value;
  throw badKey(`segment {${name}} must be ${KEY_TYPES[type as KeyType].form}`);
}

function parsePart(column: KeyColumn, segment: string): KeyPart {
  const text = decode(column, segment);
  if (column.type !== 'text' && column.type !== 'scalar') return typed(column, text);
  const value = text.startsWith('=') ? literal(column, text.slice(1)) : text;
  if (text === '' && column.type === 'scalar')
    throw badKey(`segment {${column.name}} is empty; an empty string is written =""`);
  if (typeof value !== 'string' && column.type === 'text') throw badKey(`segment {${column.name}} must be text`);
  return checkedPart(column, value);
}

function checkedPart(column: KeyColumn, value: KeyPart): KeyPart {
  if (typeof value !== 'string' || (value.length <= column.maxBytes && PLAIN.test(value))) return value;
  if (value === '' && column.type === 'text') throw badKey(`segment {${column.name}} is empty`);
  if (!value.isWellFormed()) throw badKey(`segment {${column.name}} is not Unicode`);
  if (CONTROL.test(value)) throw badKey(`segment {${column.name}} has a control character`);
  if (!fitsUtf8(value, column.maxBytes)) {
    throw badKey(`segment {${column.name}} is longer than ${column.maxBytes} bytes`);
  }
  return value;
}

function decode(column: KeyColumn, segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badKey(`segment {${column.name}} is not valid percent-encoded UTF-8`);
  }
}

function literal(column: KeyColumn, text: string): KeyPart {
  if (text === 'undefined') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') {
      return value;
    }
    // -0 and 0 are one value in JSON, and 1e999 is none at all.
    if (typeof value === 'number' && Number.isFinite(value)) return value === 0 ? 0 : value;
  } catch {
    // falls through: not JSON
  }
  throw badKey(`segment {${column.name}} begins with "=" but is no JSON string, number, boolean, null or undefined`);
}

/** The canonical text of a key, e.g. `FR/CDG`, `=1/a%2Fb`: two keys have the same text iff they are the same key. */
export function keyText(key: Key): string {
  return key.map(partText).join('/');
}

function partText(part: KeyPart): string {
  if (typeof part !== 'string') return `=${String(part)}`;
  if (PLAIN.test(part)) return part;
  return part.replace(SPECIAL, (character) => {
    const code = character.charCodeAt(0);
    return code > 0xff
      ? `%u${code.toString(16).padStart(4, '0')}`
      : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

/** The key that has this canonical text; undefined: none has. */
export function keyOfText(text: string): Key | undefined {
  try {
    const key = text.split('/').map((part) => {
      if (part.startsWith('=')) return part === '=undefined' ? undefined : (JSON.parse(part.slice(1)) as KeyPart);
      return part.replace(/%u([\da-f]{4})|%([\dA-F]{2})/g, (_, wide?: string, narrow?: string) =>
        String.fromCharCode(Number.parseInt(wide ?? narrow ?? '', 16)),
      );
    });
    return text !== '' && keyText(key) === text ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Names of all Redis keys of one app: `wf:<app>:…`; all keys of one item share one hash tag. */
export function redisKeys(app: string) {
  return {
    record: (entity: string, key: Key) => `wf:${app}:c:{${entity}/${keyText(key)}}`,
    watermark: (source: string, partition: string) => `wf:${app}:hw:{${source}}:${partition}`,
    generations: `wf:${app}:gen`,
    feed: (source: string) => `wf:${app}:feed:{${source}}`,
    checkpoint: (source: string) => `wf:${app}:ck:{${source}}`,
    /** Of an entity's query results. */
    queryIndex: (entity: string) => `wf:${app}:q:{${entity}}`,
    hotQueries: (entity: string) => `wf:${app}:qh:{${entity}}`,
    /** What a shard of the store is marked with, for tags that lie in different ones. */
    shard: (tag: string) => `wf:${app}:shard:{${tag}}`,
    /** Samples that wait for their audit, and the counts of verdicts. */
    audits: `wf:${app}:audits`,
    audit: `wf:${app}:audit`,
    deadLetters: `wf:${app}:dead`,
    /** Why the last fill of a record was refused, by the hash of its key. */
    refusal: (hash: string) => `wf:${app}:no:{${hash}}`,
    warmJob: (id: string) => `wf:${app}:warm:{${id}}`,
    warmJobs: `wf:${app}:warm`,
    /** Counts of ten seconds. */
    stats: (bucket: number) => `wf:${app}:st:{${bucket}}`,
    /** Sources whose changes are held, and the last failure of each source. */
    paused: `wf:${app}:paused`,
    failures: `wf:${app}:failures`,
    /** What is known of a source's partitions. */
    partitions: (source: string) => `wf:${app}:pt:{${source}}`,
    /** By the SHA-256 of its id. */
    session: (name: string) => `wf:${app}:s:{${name}}`,
    /** Sessions of a subject, by the SHA-256 of it. */
    subject: (name: string) => `wf:${app}:su:{${name}}`,
  };
}

export type RedisKeys = ReturnType<typeof redisKeys>;

function badKey(message: string): WarmfeedError {
  return new WarmfeedError('BAD_KEY', message);
}
