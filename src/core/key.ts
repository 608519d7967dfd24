// Keys: typed, parsed from URL segments, printed in one canonical, injective form. The only place that knows
// the grammar of Redis keys (documented in docs/record.md).

import { utf8 } from './bytes.ts';
import { WarmfeedError } from './errors.ts';

/** `undefined` is a Cosmos DB partition key that the document lacks: other than null, "" or 0. */
export type KeyPart = string | number | boolean | null | undefined;
export type Key = readonly KeyPart[];

/** How a key segment is read: `text` is any string, `scalar` a JSON scalar (a Cosmos DB partition-key value). */
export interface KeyColumn {
  readonly name: string;
  readonly type: 'text' | 'scalar';
  /** Longest value in UTF-8 bytes: the source's own limit. */
  readonly maxBytes: number;
}

const CONTROL = /\p{Cc}/u;
// Controls and lone surrogates, and what the grammar itself uses.
const SPECIAL = /[\p{Cc}\p{Cs}%/{}=]/gu;

/**
 * Parses raw (still percent-encoded) URL path segments into a key.
 * A segment is a string; one that begins with `=` is a typed literal: `=1`, `=true`, `=null`, `=undefined`, `="=x"`.
 * JSON's own escapes reach what a host decodes twice: `="50\u0025"` is `50%`.
 * @throws WarmfeedError BAD_KEY that says which segment is wrong and why
 */
export function parseKey(columns: readonly KeyColumn[], segments: readonly string[]): Key {
  if (segments.length !== columns.length) {
    const form = columns.map(({ name }) => `{${name}}`).join('/');
    throw badKey(`expected ${columns.length} key segment(s), ${form}, and got ${segments.length}`);
  }
  return columns.map((column, i) => parsePart(column, segments[i] ?? ''));
}

function parsePart(column: KeyColumn, segment: string): KeyPart {
  const text = decode(column, segment);
  const value = text.startsWith('=') ? literal(column, text.slice(1)) : text;
  if (value === '' && column.type === 'text') throw badKey(`segment {${column.name}} is empty`);
  if (value === '' && text === '') throw badKey(`segment {${column.name}} is empty; an empty string is written =""`);
  if (typeof value !== 'string') {
    if (column.type === 'text') throw badKey(`segment {${column.name}} must be text`);
    return value;
  }
  if (CONTROL.test(value)) throw badKey(`segment {${column.name}} has a control character`);
  if (utf8(value).length > column.maxBytes) {
    throw badKey(`segment {${column.name}} is longer than ${column.maxBytes} bytes`);
  }
  return value;
}

function decode(column: KeyColumn, segment: string): string {
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
      if (typeof value === 'string' && !value.isWellFormed()) throw badKey(`segment {${column.name}} is not Unicode`);
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
  return part.replace(SPECIAL, (character) => {
    const code = character.charCodeAt(0);
    return code > 0xff
      ? `%u${code.toString(16).padStart(4, '0')}`
      : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

/** Names of all Redis keys of one app: `wf:<app>:…`; all keys of one item share one hash tag. */
export function redisKeys(app: string) {
  return {
    record: (entity: string, key: Key) => `wf:${app}:c:{${entity}/${keyText(key)}}`,
    watermark: (source: string, partition: string) => `wf:${app}:hw:{${source}}:${partition}`,
    generations: `wf:${app}:gen`,
    feed: (source: string) => `wf:${app}:feed:{${source}}`,
    deadLetters: `wf:${app}:dead`,
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
