// What an entity is to the core, and how a document becomes the bytes that are cached and served.
// A fill from a read and a refresh from a change pass through here alike, so they give identical bytes.

import { fitsUtf8, utf8 } from './bytes.ts';
import { messageOf, WarmfeedError } from './errors.ts';
import type { KeyColumn } from './key.ts';
import type { Document, Entropy, Representation, Source } from './ports.ts';

/** What records are kept of: an entity, or the static content. */
export interface Kept {
  readonly name: string;
  readonly source: { readonly name: string };
  /** 8 bytes; a record with another fingerprint is not live. */
  readonly fingerprint: Uint8Array;
  readonly staleForMs: number;
  readonly staleIfErrorMs: number;
  /** The longest ttl of its records; undefined: it depends on the document. */
  readonly longestTtlMs?: number;
  /** What else its records are made of: when one of these becomes old, they do. */
  readonly madeOf?: readonly Kept[];
}

export interface Entity extends Kept {
  readonly source: Source;
  readonly columns: readonly KeyColumn[];
  readonly ttlMs: (document: Document) => number;
  readonly notFoundTtlMs: number;
  readonly onChange: 'refresh' | 'refresh-cached' | 'evict';
  readonly match: (document: Document) => boolean;
  readonly deletedWhen: (document: Document) => boolean;
  readonly select: (document: Document) => unknown;
  readonly tags: (document: Document) => readonly string[];
  readonly maxBytes: number;
  readonly http: EntityHttp;
}

/** What other caches are told; nothing unless configured. Seconds. */
export interface EntityHttp {
  readonly maxAgeS: number | undefined;
  readonly staleWhileRevalidateS: number | undefined;
  readonly staleIfErrorS: number | undefined;
  readonly public: boolean;
}

export interface Represented {
  readonly value: Representation;
  /** False for a body above `maxBytes`: answered, never cached. */
  readonly cacheable: boolean;
  readonly ttlMs: number;
}

/**
 * @throws WarmfeedError ROW_INVALID when one of the entity's functions throws or gives something that is no JSON
 */
export function represent(entity: Entity, document: Document | undefined, digest: Entropy['digest']): Represented {
  try {
    if (document === undefined || !entity.match(document) || entity.deletedWhen(document)) {
      return { value: { state: 'absent' }, cacheable: true, ttlMs: entity.notFoundTtlMs };
    }
    const text = JSON.stringify(entity.select(document)) as string | undefined;
    if (text === undefined) throw new TypeError('select returned nothing');
    const body = utf8(text);
    const tags = entity.tags(document).map(checkedTag);
    if (!fitsUtf8(tags.join('\n'), MAX_TAG_BYTES)) throw new TypeError(`tags exceed ${MAX_TAG_BYTES} bytes`);
    return {
      value: { state: 'value', body, etag: digest(body), tags },
      cacheable: body.length <= entity.maxBytes,
      ttlMs: entity.ttlMs(document),
    };
  } catch (cause) {
    throw new WarmfeedError('ROW_INVALID', `entity ${entity.name}: ${messageOf(cause)}`, { cause });
  }
}

export const MAX_TAG_BYTES = 16_384;

/** @throws TypeError */
export function checkedTag(tag: unknown): string {
  if (isTag(tag)) return tag;
  throw new TypeError(`tag ${JSON.stringify(tag)} is empty, no text, or has control characters`);
}

/** Tags are stored one a line, so they have no controls. */
export function isTag(tag: unknown): tag is string {
  return typeof tag === 'string' && tag !== '' && tag.isWellFormed() && !/\p{Cc}/u.test(tag);
}
