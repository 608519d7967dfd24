// Loading one representation of static content under its lease. Blob storage has no positions: it is strongly
// consistent, so whoever loads under a lease that is still his own has what is current; an invalidation takes the lease.

import { concat, utf8 } from '../bytes.ts';
import type { Represented } from '../entity.ts';
import type { Entropy } from '../ports.ts';
import {
  createLeasing,
  type Load,
  type LoaderDeps,
  type LoadRequest,
  signalOf,
  type Terms,
} from '../protocol/lease.ts';
import {
  type Blob,
  type BlobRead,
  type Coding,
  type Content,
  type Description,
  type Packed,
  pack,
  SUFFIX,
  unpack,
} from './content.ts';

const TERMS: Terms = { guarantee: 'leased', identity: new Uint8Array(8), version: 0n, asOf: 0n };

/** The load rejects with WarmfeedError SOURCE_*. */
export function createContentLoader(deps: LoaderDeps): Load<Content> {
  const { digest } = deps.entropy;
  return createLeasing(deps, {
    load: async (request) => ({ represented: await find(request, digest), terms: TERMS }),
    find: (request) => find(request, digest),
  });
}

interface Candidate {
  readonly name: string;
  readonly coding: Coding | undefined;
}

/** The best representation that exists now. A variant counts only beside the blob that it is a variant of. */
async function find(request: LoadRequest<Content>, digest: Entropy['digest']): Promise<Represented> {
  const { entity, key, known } = request;
  const [path = '', preferred = ''] = key.map(String);
  const old = known?.state === 'value' ? unpack(known.body) : undefined;
  const codings = preferred.split(',').filter((coding): coding is Coding => coding in SUFFIX);
  const variants: Candidate[] = codings.map((coding) => ({ name: path + SUFFIX[coding], coding }));
  const candidates: Candidate[] = [...variants, { name: path, coding: undefined }];
  // With nothing to choose from, the read itself tells.
  const heads = variants.length === 0 ? [] : await headsOf(request, candidates);
  const original = heads.at(-1);
  if (variants.length > 0 && original === undefined) return absent(entity);
  for (const [i, candidate] of candidates.entries()) {
    const head = heads[i];
    if (variants.length > 0 && head === undefined) continue;
    const found = await readOne(request, candidate.name, head, old);
    // Gone since: the next best.
    if (found === undefined) continue;
    return representBlob(entity, describe(found, candidate, original), found.bytes, digest);
  }
  return absent(entity);
}

function headsOf(request: LoadRequest<Content>, candidates: readonly Candidate[]) {
  return Promise.all(candidates.map(({ name }) => request.entity.source.head(name, signalOf(request))));
}

/** A blob, out of what is cached where its ETag says that this still holds. */
async function readOne(
  request: LoadRequest<Content>,
  name: string,
  head: Blob | undefined,
  old: Packed | undefined,
): Promise<BlobRead | undefined> {
  const { source, maxBytes } = request.entity;
  const cached =
    old?.description.blob === name && old.description.size <= maxBytes !== old.description.large ? old : undefined;
  if (head !== undefined && cached?.description.etag === head.etag) return reuse(cached);
  if (head !== undefined && head.size > maxBytes) return { blob: head, bytes: undefined };
  const read = await source.read(name, { known: cached?.description.etag, maxBytes, ...signalOf(request) });
  return read === 'unchanged' ? cached && reuse(cached) : read;
}

/** A variant is its original in another coding: all but the bytes is the original's. */
function describe({ blob, bytes }: BlobRead, { name, coding }: Candidate, original: Blob | undefined): Description {
  const { etag, size } = blob;
  const large = bytes === undefined;
  if (coding === undefined || original === undefined) return { ...blob, blob: name, large };
  const modifiedMs = Math.max(blob.modifiedMs, original.modifiedMs);
  return { ...original, etag, size, modifiedMs, encoding: coding, blob: name, large };
}

function representBlob(
  content: Content,
  description: Description,
  bytes: Uint8Array | undefined,
  digest: Entropy['digest'],
): Represented {
  const { type, encoding, blob, etag } = description;
  // By the bytes where they are at hand, so that the same file uploaded again has the same ETag.
  const mark = utf8(JSON.stringify(bytes === undefined ? [type, encoding, blob, etag] : [type, encoding]));
  const value = {
    state: 'value' as const,
    body: pack(description, bytes ?? new Uint8Array()),
    etag: digest(concat(mark, bytes ?? new Uint8Array())),
    tags: [],
  };
  return { value, cacheable: true, ttlMs: content.ttlMs };
}

function absent({ notFoundTtlMs }: Content): Represented {
  return { value: { state: 'absent' }, cacheable: true, ttlMs: notFoundTtlMs };
}

function reuse({ description, bytes }: Packed): BlobRead {
  return { blob: description, bytes: description.large ? undefined : bytes };
}
