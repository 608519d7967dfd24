// What happened in the last minutes, over all instances: each counts in its process and adds its counts to a hash of ten
// seconds now and then. A read costs a few additions.

import type { RedisKeys } from '../key.ts';
import type { CacheEvent } from '../ports.ts';
import { type OnRead, outcomeIndex, READ_OUTCOMES } from '../read/read-outcome.ts';
import type { OnSession } from '../session/session-outcome.ts';
import type { OpsStore } from './ops-ports.ts';

export const BUCKET_MS = 10_000;
/** How far back it can be asked. */
export const MOST_MINUTES = 15;
export const LATENCY_BOUNDS_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500];
export const LAG_BOUNDS_MS = [
  50, 100, 250, 500, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000,
];
const KEEP_MS = 20 * 60_000;

/** @param nowMs milliseconds since the epoch */
export function createStats(deps: { ops: OpsStore; keys: RedisKeys; nowMs: () => number }) {
  const { ops, keys, nowMs } = deps;
  let counts = emptyCounts();

  const onRead: OnRead = (entity, outcome, ms) => {
    let reads = counts.reads.get(entity);
    if (reads === undefined) counts.reads.set(entity, (reads = READ_OUTCOMES.map(() => 0)));
    increment(reads, outcomeIndex(outcome));
    increment(counts.latency, placeIn(LATENCY_BOUNDS_MS, ms));
  };

  const onSession: OnSession = (call, outcome) => add(`s:${call}:${outcome}`, 1);

  function observe(event: CacheEvent): void {
    if (event.kind === 'fill') add(`f:${event.outcome}`, 1);
    else if (event.kind === 'dead-letter') add('letters', 1);
    else if (event.kind === 'store-failed') add('store', 1);
    else if (event.kind === 'source-failed' || event.kind === 'poll-failed') add('source', 1);
    else if (event.kind === 'batch') {
      add('changes', event.report.changes);
      for (const at of event.committedAt) add(`a:${event.source}:${placeIn(LAG_BOUNDS_MS, nowMs() - at)}`, 1);
    }
  }

  function add(name: string, n: number): void {
    counts.others.set(name, (counts.others.get(name) ?? 0) + n);
  }

  /** Adds what was counted since to the bucket of now. @throws WarmfeedError STORE_*: those counts are lost */
  async function flush(): Promise<void> {
    const counted = counts;
    counts = emptyCounts();
    const fields = new Map(counted.others);
    for (const [entity, reads] of counted.reads) {
      reads.forEach((n, i) => n > 0 && fields.set(`r:${entity}:${READ_OUTCOMES[i]}`, n));
    }
    counted.latency.forEach((n, i) => n > 0 && fields.set(`l:${i}`, n));
    await ops.count(keys.stats(bucketOf(nowMs())), fields, KEEP_MS);
  }

  /** Buckets of the last minutes, oldest first, this process's counts of now in them. @throws WarmfeedError STORE_* */
  async function read(minutes: number): Promise<readonly Bucket[]> {
    await flush();
    const last = bucketOf(nowMs());
    const count = (minutes * 60_000) / BUCKET_MS;
    const starts = Array.from({ length: count }, (_, i) => last - (count - 1 - i) * BUCKET_MS);
    return Promise.all(starts.map(async (at) => bucketFrom(at, await ops.fields(keys.stats(at)))));
  }

  return { onRead, onSession, observe, flush, read };
}

export type Stats = ReturnType<typeof createStats>;

type Counted = Readonly<Record<string, number>>;

export interface Bucket {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly byEntity: ReadonlyMap<string, Counted>;
  /** By what was asked of them. */
  readonly sessions: ReadonlyMap<string, Counted>;
  readonly latency: readonly number[];
  /** From commit to visible, by source. */
  readonly lag: ReadonlyMap<string, readonly number[]>;
  readonly fills: Counted;
  readonly changes: number;
  readonly letters: number;
  readonly storeFailures: number;
  readonly sourceFailures: number;
}

function bucketFrom(at: number, fields: ReadonlyMap<string, string>): Bucket {
  const byEntity = new Map<string, Record<string, number>>();
  const sessions = new Map<string, Record<string, number>>();
  const latency = zeros(LATENCY_BOUNDS_MS);
  const lag = new Map<string, number[]>();
  const fills: Record<string, number> = {};
  for (const [field, text] of fields) {
    const [, kind, name = '', last = ''] = /^([rlafs]):(?:(.*):)?([^:]*)$/s.exec(field) ?? [];
    const n = Number(text);
    if (kind === 'r') byEntity.set(name, { ...byEntity.get(name), [last]: n });
    else if (kind === 's') sessions.set(name, { ...sessions.get(name), [last]: n });
    else if (kind === 'l') latency[Number(last)] = n;
    else if (kind === 'f') fills[last] = n;
    else if (kind === 'a') {
      const counts = lag.get(name) ?? zeros(LAG_BOUNDS_MS);
      counts[Number(last)] = n;
      lag.set(name, counts);
    }
  }
  const of = (name: string) => Number(fields.get(name) ?? 0);
  const failures = { storeFailures: of('store'), sourceFailures: of('source') };
  return { at, byEntity, sessions, latency, lag, fills, changes: of('changes'), letters: of('letters'), ...failures };
}

/** The bound that a share of the values is within; null: none, or beyond the last. */
export function quantile(bounds: readonly number[], counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, n) => sum + n, 0);
  let seen = 0;
  for (const [i, n] of counts.entries()) {
    seen += n;
    if (n > 0 && seen >= total * share) return bounds[i] ?? null;
  }
  return null;
}

export function zeros(bounds: readonly number[]): number[] {
  return Array.from({ length: bounds.length + 1 }, () => 0);
}

export function addTo(sum: number[], counts: readonly number[]): void {
  counts.forEach((n, i) => {
    sum[i] = (sum[i] ?? 0) + n;
  });
}

function emptyCounts() {
  return { reads: new Map<string, number[]>(), latency: zeros(LATENCY_BOUNDS_MS), others: new Map<string, number>() };
}

function placeIn(bounds: readonly number[], value: number): number {
  let i = 0;
  while (i < bounds.length && value > (bounds[i] ?? 0)) i++;
  return i;
}

function increment(counts: number[], at: number): void {
  counts[at] = (counts[at] ?? 0) + 1;
}

function bucketOf(ms: number): number {
  return Math.floor(ms / BUCKET_MS) * BUCKET_MS;
}
