// Static content: what a blob is to the core, how it is packed into a record, and under which name. A record holds one
// representation of a path: the best that exists for the codings that a client prefers.

import { concat, utf8 } from '../bytes.ts';
import type { Kept } from '../entity.ts';
import { WarmfeedError } from '../errors.ts';
import type { Key } from '../key.ts';

/** A blob as the store describes it. */
export interface Blob {
  /** The store's own ETag: it changes with content and properties. */
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since the epoch, whole seconds. */
  readonly modifiedMs: number;
  readonly type: string;
  readonly encoding?: string | undefined;
  readonly language?: string | undefined;
  readonly disposition?: string | undefined;
}

/** Blob storage. Reads are strongly consistent: they reflect every write that was acknowledged. */
export interface BlobSource {
  readonly name: string;
  /** @throws WarmfeedError SOURCE_* */
  head(name: string, options: { signal?: AbortSignal }): Promise<Blob | undefined>;
  /** `known`: an ETag that need not be sent again. Above `maxBytes` there are no bytes. @throws WarmfeedError SOURCE_* */
  read(
    name: string,
    options: { known?: string | undefined; maxBytes: number; signal?: AbortSignal },
  ): Promise<BlobRead | 'unchanged' | undefined>;
  /** Bytes of that very version. @throws WarmfeedError SOURCE_* */
  slice(name: string, slice: Slice): Promise<Uint8Array | 'changed'>;
  /** @throws WarmfeedError SOURCE_* */
  check(): Promise<void>;
}

export interface BlobRead {
  readonly blob: Blob;
  readonly bytes: Uint8Array | undefined;
}

export interface Slice {
  readonly etag: string;
  readonly offset: number;
  readonly length: number;
  readonly signal?: AbortSignal;
}

export const CODINGS = ['br', 'gzip'] as const;
export type Coding = (typeof CODINGS)[number];

/** A pre-compressed variant lies beside its blob under this suffix. */
export const SUFFIX: Readonly<Record<Coding, string>> = { br: '.br', gzip: '.gz' };

/** Reads of the content; `key` is that of `contentKey`. */
export interface Content extends Kept {
  readonly source: BlobSource;
  readonly ttlMs: number;
  readonly notFoundTtlMs: number;
  /** Larger blobs are read for each request; only their description is cached. */
  readonly maxBytes: number;
}

/** What stands in a record before the bytes. */
export interface Description extends Blob {
  /** Name of the blob that has the bytes. */
  readonly blob: string;
  /** Its bytes are not in the record. */
  readonly large: boolean;
}

export interface Packed {
  readonly description: Description;
  readonly bytes: Uint8Array;
}

/** The body of a record: two bytes of length, the description as JSON, the bytes. */
export function pack(description: Description, bytes: Uint8Array): Uint8Array {
  const text = utf8(JSON.stringify(description));
  return concat(new Uint8Array([text.length >> 8, text.length & 0xff]), text, bytes);
}

/** `bytes` is a view of the body. */
export function unpack(body: Uint8Array): Packed {
  const end = 2 + (((body[0] ?? 0) << 8) | (body[1] ?? 0));
  return { description: JSON.parse(decoder.decode(body.subarray(2, end))) as Description, bytes: body.subarray(end) };
}

const decoder = new TextDecoder();

/** Already compressed by nature: nobody keeps variants of them. */
const COMPRESSED =
  /\.(avif|br|bz2|flac|gif|gz|heic|jpe?g|m4a|mkv|mov|mp3|mp4|ogg|pdf|png|tgz|webm|webp|woff2?|xz|zip|zst)$/i;

/** @param preferred codings that the client likes better than none, best first */
export function contentKey(path: string, preferred: readonly Coding[]): Key {
  return [path, COMPRESSED.test(path) ? '' : preferred.join(',')];
}

/** Every key whose record may hold a blob's bytes, or that it does not exist. */
export function keysOfBlob(name: string): readonly Key[] {
  const paths = [
    name,
    ...Object.values(SUFFIX).flatMap((end) => (name.endsWith(end) ? [name.slice(0, -end.length)] : [])),
  ];
  return paths.flatMap((path) => [
    ...new Map(PREFERENCES.map((codings) => contentKey(path, codings)).map((key) => [String(key[1]), key])).values(),
  ]);
}

const PREFERENCES: readonly (readonly Coding[])[] = [[], ['br'], ['gzip'], ['br', 'gzip'], ['gzip', 'br']];

const LONGEST_PATH = 1024;

/**
 * The name of a blob, of the raw (still percent-encoded) segments of a URL path. Each is decoded once; what could name
 * something else than it seems to is refused.
 * @throws WarmfeedError BAD_KEY
 */
export function blobName(segments: readonly string[]): string {
  const name = segments.map(segmentText).join('/');
  if (name.length > LONGEST_PATH) throw bad(`the path is longer than ${LONGEST_PATH} characters`);
  return name;
}

function segmentText(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw bad('the path is not valid percent-encoded UTF-8');
  }
  if (text === '') throw bad('the path has an empty segment');
  if (/[/\\]/.test(text)) throw bad('a segment of the path has a slash or backslash in it');
  if (/\p{Cc}/u.test(text)) throw bad('the path has a control character');
  // "." and ".." too. Some clients and stores drop dots at the end, so that one blob would have several names.
  if (text.endsWith('.')) throw bad('a segment of the path ends with a dot');
  return text;
}

function bad(message: string): WarmfeedError {
  return new WarmfeedError('BAD_KEY', message);
}
