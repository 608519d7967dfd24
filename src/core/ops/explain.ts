// Why a key is cached, stale or missing: its record field by field, against the generations, the configuration and the
// watermark of now. Looks and changes nothing.

import { equalBytes, hash64, hex } from '../bytes.ts';
import { type Entity, type Kept, represent } from '../entity.ts';
import { isSourceError, isWarmfeedError, messageOf } from '../errors.ts';
import { type Key, keyText, type RedisKeys } from '../key.ts';
import type { Entropy, PurgeMode, Source, SourceRead, Store } from '../ports.ts';
import type { Generations, Snapshot } from '../protocol/generations.ts';
import { type Purges, purgedHow, purgesOf } from '../protocol/purges.ts';
import {
  asOfOf,
  type Control,
  decodeControl,
  decodeEntry,
  type Entry,
  etagOf,
  stampOf,
  tagsOf,
  versionOf,
} from '../record.ts';
import type { Pauses } from '../sync/pauses.ts';
import type { OpsStore } from './ops-ports.ts';
import type { PartitionNotes } from './partition-notes.ts';
import { MEANINGS, type Refusals, recordHash } from './refusals.ts';
import { iso, shownWatermark } from './shown.ts';

export type Verdict =
  | 'live'
  | 'stale'
  | 'expired'
  | 'old generation'
  | 'old tags'
  | 'other fingerprint'
  | 'purged'
  | 'softly purged'
  | 'missing'
  | 'leased'
  | 'fenced'
  | 'foreign';

export interface ExplainDeps {
  readonly store: Store;
  readonly ops: OpsStore;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly refusals: Refusals;
  readonly partitions: PartitionNotes;
  readonly pauses: Pauses;
  readonly entropy: Entropy;
  /** An ETag as clients see it. */
  readonly etagText: (etag: Uint8Array) => string;
  readonly leaseMs: number;
}

export interface Asked {
  readonly kept: Kept;
  readonly key: Key;
  /** What its record must be valid under besides the generations; undefined: nothing. */
  readonly marks?: Promise<string>;
  /** Whose partitions it lies in; undefined: none. */
  readonly source?: Source;
  /** Given: the source is read too. */
  readonly read?: Entity;
}

interface Found {
  readonly bytes: Uint8Array | undefined;
  readonly control: Control | undefined;
  readonly entry: Entry | undefined;
  readonly nowMs: number;
  /** Of now: 8 bytes of generation, 8 of the fingerprint. */
  readonly stamp: Uint8Array;
  readonly hasMarks: boolean;
  readonly purges: Purges | undefined;
}

export function createExplain(deps: ExplainDeps) {
  const { store, keys, generations, refusals, leaseMs } = deps;

  /** @throws WarmfeedError STORE_* */
  return async function explain(asked: Asked) {
    const { kept, key } = asked;
    const recordKey = keys.record(kept.name, key);
    const [snapshot, bytes, marks, refusal] = await Promise.all([
      generations.refresh(),
      store.get(recordKey),
      asked.marks,
      refusals.last(recordKey),
    ]);
    const found = foundOf(kept, bytes, snapshot, marks);
    const read = asked.read && (await readSource(asked.read, key));
    const place = await placeOf(asked.source, found, read);
    const { verdict, reasons } = judge(kept, found, leaseMs);
    const refused = refusal && { ...refusal, at: iso(refusal.at), meaning: MEANINGS[refusal.outcome] };
    return {
      entity: kept.name,
      key: keyText(key),
      keyHash: recordHash(recordKey),
      verdict,
      reasons: refused === undefined ? reasons : [...reasons, `the last refused fill: ${refused.meaning}`],
      record: recordOf(found, deps.etagText),
      generation: compared(found, 0),
      fingerprint: compared(found, 8),
      ...place,
      lease: leaseOf(found, leaseMs),
      lastRefusal: refused ?? null,
      purges: purgesFor(kept, found),
      source: asked.source === undefined ? null : await sourceOf(asked.source, found, read),
    };
  };

  function foundOf(kept: Kept, bytes: Uint8Array | undefined, snapshot: Snapshot, marks: string | undefined): Found {
    return {
      bytes,
      control: bytes && decodeControl(bytes),
      entry: bytes && decodeEntry(bytes),
      nowMs: generations.storeTime(snapshot),
      stamp: generations.stamp(kept, snapshot, marks),
      hasMarks: marks !== undefined,
      purges: snapshot.purges,
    };
  }

  /** The record's partition by name, where that is known, and the watermark of it. */
  async function placeOf(source: Source | undefined, { control }: Found, read: ReadOutcome | undefined) {
    if (source === undefined) return { partition: null, watermark: null };
    const answered = read !== undefined && 'answer' in read ? [read.answer.partition.id] : [];
    const ids = [...answered, ...(await deps.partitions.of(source.name)).keys()];
    const identity = control?.identity;
    const isBare = identity === undefined || identity.every((byte) => byte === 0);
    const partition = isBare ? (answered[0] ?? only(ids)) : ids.find((id) => equalBytes(hash64(id), identity));
    if (partition === undefined) return { partition: null, watermark: null };
    return { partition, watermark: shownWatermark(await deps.ops.watermark(keys.watermark(source.name, partition))) };
  }

  async function sourceOf({ name }: Source, found: Found, read: ReadOutcome | undefined) {
    const pause = await deps.pauses.of(name);
    const paused = pause === undefined ? null : { at: iso(pause.at), by: pause.by };
    return { name, paused, read: read ? told(read, found) : null };
  }

  async function readSource(entity: Entity, key: Key): Promise<ReadOutcome> {
    try {
      const answer = await entity.source.read(key);
      return { answer, represented: represent(entity, answer.document, deps.entropy.digest) };
    } catch (error) {
      if (!isSourceError(error) && !(isWarmfeedError(error) && error.code === 'ROW_INVALID')) throw error;
      return { error: `${error.code}: ${messageOf(error)}` };
    }
  }

  function told(read: ReadOutcome, { entry }: Found) {
    if ('error' in read) return { ...NO_READ, state: 'failed', error: read.error };
    const { answer, represented } = read;
    const { value } = represented;
    const etag = value.state === 'value' ? value.etag : undefined;
    const isSame =
      entry === undefined ? null : entry.state === value.state && equalBytes(etag ?? NO_ETAG, etagOf(entry));
    return {
      state: value.state,
      version: String(answer.version),
      asOf: String(answer.asOf),
      partition: answer.partition.id,
      etag: etag === undefined ? null : deps.etagText(etag),
      bodyBytes: value.state === 'value' ? value.body.length : null,
      tags: value.state === 'value' ? value.tags : [],
      sameAsCached: isSame,
      units: answer.units ?? null,
      error: null,
    };
  }
}

export type Explain = ReturnType<typeof createExplain>;
export type Explanation = Awaited<ReturnType<Explain>>;

type ReadOutcome =
  | { readonly answer: SourceRead; readonly represented: ReturnType<typeof represent> }
  | { readonly error: string };

const NO_ETAG = new Uint8Array(12);
const NO_READ = {
  version: null,
  asOf: null,
  partition: null,
  etag: null,
  bodyBytes: null,
  tags: [],
  sameAsCached: null,
  units: null,
};

interface Judgement {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
}

function judge(kept: Kept, found: Found, leaseMs: number): Judgement {
  const { bytes, entry, control, nowMs } = found;
  if (bytes === undefined) return { verdict: 'missing', reasons: [NEVER] };
  if (control === undefined)
    return { verdict: 'foreign', reasons: ['another version of the app, or somebody else, wrote it'] };
  if (entry === undefined) return judgeBare(found, leaseMs);
  if (nowMs >= entry.hardAt) {
    return {
      verdict: 'expired',
      reasons: [`its hard expiry was ${ago(nowMs - entry.hardAt)}; a fence or a lease keeps the key`],
    };
  }
  const stamp = stampOf(entry);
  if (!equalBytes(stamp.subarray(8), found.stamp.subarray(8))) {
    return {
      verdict: 'other fingerprint',
      reasons: ['it was filled under another configuration of the entity: revision or declared options'],
    };
  }
  if (!equalBytes(stamp.subarray(0, 8), found.stamp.subarray(0, 8))) return found.hasMarks ? OLD_TAGS : OLD_GENERATION;
  const how = purgedHow(kept, entry, found.purges);
  if (how === 'drop') return PURGED;
  const fresh = judgeFresh(kept, entry, nowMs);
  return how === 'stale' && fresh.verdict === 'live'
    ? { ...SOFTLY, reasons: [...SOFTLY.reasons, ...fresh.reasons] }
    : fresh;
}

const NEVER = 'nothing is cached under this key: never read, evicted, expired or dropped by a change or a purge';
const OLD_GENERATION: Judgement = {
  verdict: 'old generation',
  reasons: [
    'everything cached of its source or entity was made old since: a purge, a failover, or changes that may have been missed',
  ],
};
const OLD_TAGS: Judgement = {
  verdict: 'old tags',
  reasons: ['an item with one of its tags changed since, or the result, its entity or its source was made old'],
};

const PURGED: Judgement = {
  verdict: 'purged',
  reasons: ['it was purged after its load had begun: the next read loads it'],
};
const SOFTLY: Judgement = {
  verdict: 'softly purged',
  reasons: ['it was purged softly: it is served as stale, and the next read loads it anew behind that'],
};

/** Purges that name the record, whether or not they came after its load had begun. */
function purgesFor(kept: Kept, { entry, purges }: Found) {
  if (entry === undefined || purges === undefined) return [];
  const told = (name: string, mode: PurgeMode, at: number) => {
    return {
      by: name.startsWith('t:') ? 'tag' : 'name',
      name: name.slice(2),
      mode,
      at: iso(at),
      covers: entry.filledAt <= at,
    };
  };
  return purgesOf(kept, entry, purges).flatMap(({ name, dropAt, staleAt }) => [
    ...(dropAt > 0 ? [told(name, 'drop', dropAt)] : []),
    ...(staleAt > 0 ? [told(name, 'stale', staleAt)] : []),
  ]);
}

function judgeBare({ bytes, control, nowMs }: Found, leaseMs: number): Judgement {
  if (control === undefined || bytes?.[2] !== 0) {
    return { verdict: 'foreign', reasons: ['its bytes are not a record of this version'] };
  }
  if (control.leaseDeadline > nowMs) {
    const since = Math.max(0, Math.round(nowMs - (control.leaseDeadline - leaseMs)));
    return { verdict: 'leased', reasons: [`somebody has been loading it for ${since} ms`] };
  }
  if (control.fence > 0n) return { verdict: 'fenced', reasons: ['a change dropped it, and nobody has read it since'] };
  return { verdict: 'missing', reasons: [NEVER] };
}

function judgeFresh(kept: Kept, entry: Entry, nowMs: number): Judgement {
  const guarantee = `filled ${ago(nowMs - entry.filledAt)}, ${GUARANTEES[entry.guarantee]}`;
  const absent = entry.state === 'absent' ? ['the source has no such item, or none that matches'] : [];
  const leftMs = entry.softAt - nowMs;
  if (leftMs > 0) return { verdict: 'live', reasons: [`fresh for ${seconds(leftMs)} more`, ...absent, guarantee] };
  if (-leftMs < kept.staleForMs) {
    const reason = `its ttl ended ${ago(-leftMs)}: it is served as stale, and the next read loads it anew behind that`;
    return { verdict: 'stale', reasons: [reason, ...absent, guarantee] };
  }
  const reason = `its ttl and staleFor ended: only while the source fails is it served, for ${seconds(entry.hardAt - nowMs)} more`;
  return { verdict: 'expired', reasons: [reason, ...absent, guarantee] };
}

const GUARANTEES: Readonly<Record<Entry['guarantee'], string>> = {
  provisional: 'provisionally, while the watermark was unknown: for a second',
  leased: 'under a lease only: no feed tells of its changes',
  fenced: 'under lease and tags: a lagging replica may have answered',
  watermarked: 'under the full guarantee',
};

function recordOf({ bytes, control, entry, nowMs }: Found, etagText: ExplainDeps['etagText']) {
  if (bytes === undefined || control === undefined) return null;
  const shared = {
    bytes: bytes.length,
    format: bytes[1] ?? 0,
    identity: hex(control.identity),
    fence: String(control.fence),
  };
  if (entry === undefined) return { ...shared, ...BARE };
  return {
    ...shared,
    state: entry.state,
    guarantee: entry.guarantee,
    encoding: 0,
    version: String(versionOf(entry)),
    asOf: String(asOfOf(entry)),
    filledAt: iso(entry.filledAt),
    softExpiresAt: iso(entry.softAt),
    hardExpiresAt: iso(entry.hardAt),
    ageMs: Math.max(0, Math.round(nowMs - entry.filledAt)),
    ttlMs: Math.round(entry.softAt - nowMs),
    etag: entry.state === 'value' ? etagText(etagOf(entry)) : null,
    bodyBytes: entry.body.length,
    tags: tagsOf(entry),
    softPurged: entry.isSoft,
  };
}

const BARE = {
  state: 'bare',
  guarantee: null,
  encoding: null,
  version: null,
  asOf: null,
  filledAt: null,
  softExpiresAt: null,
  hardExpiresAt: null,
  ageMs: null,
  ttlMs: null,
  etag: null,
  bodyBytes: null,
  tags: null,
  softPurged: null,
};

/** Half of the stamp, of the record and of now. */
function compared({ entry, stamp }: Found, at: 0 | 8) {
  const now = hex(stamp.subarray(at, at + 8));
  const record = entry === undefined ? null : hex(stampOf(entry).subarray(at, at + 8));
  return { record, now, same: record === null ? null : record === now };
}

function leaseOf({ control, nowMs }: Found, leaseMs: number) {
  if (control === undefined || control.leaseDeadline <= nowMs) return null;
  const leftMs = Math.round(control.leaseDeadline - nowMs);
  return { ageMs: Math.max(0, leaseMs - leftMs), leftMs };
}

function only(ids: readonly string[]): string | undefined {
  return ids.length === 1 ? ids[0] : undefined;
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}

function ago(ms: number): string {
  return `${seconds(ms)} ago`;
}
