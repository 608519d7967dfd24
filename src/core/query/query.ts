// What a named query is to the core: declared text, typed parameters, the entity that its rows are items of, and the
// tags by which a change finds it (protocol D).

import { fitsUtf8, hash64, hex, utf8 } from '../bytes.ts';
import { checkedTag, type Entity, type EntityHttp, type Kept, MAX_TAG_BYTES, type Represented } from '../entity.ts';
import { messageOf, WarmfeedError } from '../errors.ts';
import type { Key, KeyColumn } from '../key.ts';
import type { Document, Entropy, QueryRead, QueryStatement, QueryValue, RunQuery, Source } from '../ports.ts';

export type QueryValues = Readonly<Record<string, QueryValue>>;

export interface Query extends Kept {
  /** That of the first entity. */
  readonly source: Source;
  /** As it is called over HTTP; `name` has `query/` before it. */
  readonly title: string;
  /** The entities that it is made of; the first one's source runs it. */
  readonly of: readonly [Entity, ...Entity[]];
  readonly run: RunQuery;
  /** Whether its rows are items of the first entity. */
  readonly isOfItems: boolean;
  readonly text: string;
  /** The declared parameters, in order; the key is their values, then the continuation or ''. */
  readonly params: readonly KeyColumn[];
  readonly partition: ((values: QueryValues) => Key) | undefined;
  /** Of the first entity; of the others, and where any change counts, it is `*`. */
  readonly tags: ((values: QueryValues) => readonly string[]) | undefined;
  /** What is served of a row; undefined: it does not belong. */
  readonly row: (document: Document) => unknown;
  readonly ttlMs: number;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly onChange: 'refresh' | 'evict';
  readonly http: EntityHttp;
}

/** The tag that every change of an entity has. */
export const ANY = '*';

/** Rows are served as their entities say, so results are of another fingerprint where one of these is. 8 bytes. */
export function fingerprintOf(own: Uint8Array, of: readonly Entity[]): Uint8Array {
  return hash64([own, ...of.map(({ fingerprint }) => fingerprint)].map(hex).join('/'));
}

export function valuesOf({ params }: Query, key: Key): QueryValues {
  return Object.fromEntries(params.map(({ name, type }, i) => [name, valueOf(type, String(key[i]))]));
}

/** A value as its type has it in JSON; numbers that JavaScript cannot hold stay text. */
function valueOf(type: KeyColumn['type'], text: string): QueryValue {
  if (type === 'boolean') return text === 'true';
  return type === 'int' || type === 'smallint' || type === 'number' ? Number(text) : text;
}

export function statementOf(query: Query, key: Key): QueryStatement {
  const values = valuesOf(query, key);
  const continuation = key[query.params.length];
  return {
    text: query.text,
    values,
    partition: query.partition?.(values),
    maxRows: query.maxRows,
    continuation: typeof continuation === 'string' && continuation !== '' ? continuation : undefined,
  };
}

/**
 * The index and the tags that an entry depends on, for each entity that it is made of.
 * @throws WarmfeedError ROW_INVALID when the tags of these values cannot be told
 */
export function dependenciesOf(
  query: Query,
  key: Key,
): readonly { readonly entity: Entity; readonly tags: readonly string[] }[] {
  const [first, ...others] = query.of;
  return [{ entity: first, tags: tagsOf(query, key) }, ...others.map((entity) => ({ entity, tags: [ANY] }))];
}

function tagsOf(query: Query, key: Key): readonly string[] {
  try {
    const tags = (query.tags?.(valuesOf(query, key)) ?? [ANY]).map(checkedTag);
    if (tags.length === 0) throw new TypeError('without a tag no change would find its result');
    return [...new Set(tags)];
  } catch (cause) {
    throw new WarmfeedError('ROW_INVALID', `query ${query.title}: ${messageOf(cause)}`, { cause });
  }
}

/** @throws WarmfeedError ROW_INVALID when a function of the configuration throws or gives something that is no JSON */
export function representRows(query: Query, key: Key, read: QueryRead, digest: Entropy['digest']): Represented {
  try {
    const rows = read.rows.map(query.row).filter((row) => row !== undefined);
    const { continuation } = read;
    const text = JSON.stringify(continuation === undefined ? { rows } : { rows, continuation });
    const body = utf8(text);
    return {
      value: { state: 'value', body, etag: digest(body), tags: tagsOfResult(query, key) },
      cacheable: body.length <= query.maxBytes,
      ttlMs: query.ttlMs,
    };
  } catch (cause) {
    throw new WarmfeedError('ROW_INVALID', `query ${query.title}: ${messageOf(cause)}`, { cause });
  }
}

/** What a result is purged by: its tags, but for the one that every change has, and as far as they fit. */
function tagsOfResult(query: Query, key: Key): readonly string[] {
  const tags = dependenciesOf(query, key).flatMap((dependency) => dependency.tags);
  const own = [...new Set(tags)].filter((tag) => tag !== ANY);
  return fitsUtf8(own.join('\n'), MAX_TAG_BYTES) ? own : [];
}
