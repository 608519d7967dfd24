// Who may load a key, and what the others do meanwhile: one load under a lease for all instances, a bounded wait, then
// a load that is not cached. How it ends: stored, or not, and the lease given back; the answer is the same. What a load is, is
// its caller's (load.ts, content-load.ts, query-load.ts).

import { equalBytes } from '../bytes.ts';
import type { Kept, Represented } from '../entity.ts';
import { isStoreError } from '../errors.ts';
import type { Key, RedisKeys } from '../key.ts';
import type { Clock, Entropy, FillOutcome, Guarantee, LeaseReply, Observe, Position, Stamp, Store } from '../ports.ts';
import { lifetimeUnder } from '../read/policy.ts';
import { decodeEntry, type Entry } from '../record.ts';
import { outcomeOf } from './fill.ts';
import type { Generations, Snapshot } from './generations.ts';
import { purgedHow } from './purges.ts';

export interface LoaderOptions {
  readonly leaseMs: number;
  /** How long a reader waits for another's load before it loads uncached. */
  readonly waitMs: number;
  readonly provisionalMs: number;
  /** Share of the ttl taken off at random, 0 to 1. */
  readonly jitter: number;
}

export interface LoaderDeps {
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observe: Observe;
  readonly options: LoaderOptions;
}

export interface LoadRequest<E extends Kept> {
  readonly entity: E;
  readonly key: Key;
  readonly recordKey: string;
  /** Load although the value is fresh. */
  readonly force: boolean;
  /** Wait for another holder of the lease, or leave it to it. */
  readonly wait: boolean;
  /** What is cached, however old: a source may say that it still holds. */
  readonly known: Entry | undefined;
  readonly signal?: AbortSignal;
}

/** What a load was cached under. */
export interface Stored {
  readonly stamp: Stamp;
  /** The store's time of before it, ms. */
  readonly begunAt: number;
}

export type LoadAnswer =
  | {
      readonly kind: 'loaded';
      readonly represented: Represented;
      /** What it is cached under; undefined: not cached. */
      readonly guarantee: Guarantee | undefined;
      readonly softMs: number;
      /** Undefined: not cached. */
      readonly stored: Stored | undefined;
      /** The cache could not be asked. */
      readonly bypass: boolean;
    }
  /** Another holder of the lease filled it meanwhile. */
  | { readonly kind: 'filled'; readonly entry: Entry; readonly nowMs: number }
  /** Another holder loads it, and the caller does not wait. */
  | { readonly kind: 'left' };

export type Load<E extends Kept> = (request: LoadRequest<E>) => Promise<LoadAnswer>;

/** What a load found out before it asked for the lease: records are valid under these marks. */
export interface Preparation {
  readonly marks: string;
}

/** What a load under a lease found, and what it may be stored under, or why it may not. */
export interface Loaded {
  readonly represented: Represented;
  /** `refused: undefined`: why, is told already. */
  readonly terms: Terms | { readonly refused: FillOutcome | undefined };
}

export interface Terms {
  readonly guarantee: Guarantee;
  /** 8 bytes: hash of the partition id; zeros where there is none. */
  readonly identity: Uint8Array;
  readonly version: Position;
  readonly asOf: Position;
  /** When the source itself drops it: the store's time, ms. */
  readonly expiresAt?: number | undefined;
  readonly marks?: string;
}

export interface LoadWork<E extends Kept, P extends Preparation | undefined = undefined> {
  /** Before every request for the lease. @throws WarmfeedError STORE_* */
  prepare?(request: LoadRequest<E>): Promise<P>;
  load(request: LoadRequest<E>, snapshot: Snapshot, prepared: P): Promise<Loaded>;
  /** For one who has no lease. */
  find(request: LoadRequest<E>): Promise<Represented>;
}

const LONGEST_PAUSE_MS = 100;

export function createLeasing<E extends Kept, P extends Preparation | undefined = undefined>(
  deps: LoaderDeps,
  work: LoadWork<E, P>,
): Load<E> {
  const { store, generations, clock, entropy, observe, options } = deps;
  const quietly = survivor(observe);
  const keep = createKeeper(deps);

  async function load(request: LoadRequest<E>): Promise<LoadAnswer> {
    const token = entropy.token();
    const end = clock.now() + options.waitMs;
    for (let turn = 0; ; turn++) {
      const asked = await acquire(request, token);
      if (asked === undefined) return uncached(await work.find(request), true);
      if (asked.lease.kind === 'granted') return underLease(request, token, asked.snapshot, asked.prepared);
      const entry = asked.lease.kind === 'live' ? decodeEntry(asked.lease.record) : undefined;
      if (entry !== undefined) return { kind: 'filled', entry, nowMs: generations.storeTime(asked.snapshot) };
      if (!request.wait) return { kind: 'left' };
      if (request.force || clock.now() >= end) return uncached(await work.find(request), false);
      await clock.sleep(Math.min(LONGEST_PAUSE_MS, 10 * 2 ** turn) * (0.5 + entropy.random()));
    }
  }

  async function underLease(request: LoadRequest<E>, token: Uint8Array, snapshot: Snapshot, prepared: P) {
    try {
      return await keep(request, token, snapshot, await work.load(request, snapshot, prepared));
    } catch (error) {
      await quietly('release', store.release(request.recordKey, token));
      throw error;
    }
  }

  /** Asks for the lease, under a generation read in the same round trip; undefined: the cache cannot be asked. */
  async function acquire(request: LoadRequest<E>, token: Uint8Array) {
    const { entity, recordKey, force } = request;
    try {
      const prepared = (await work.prepare?.(request)) as P;
      const stampOf = (snapshot: Snapshot) => generations.stamp(entity, snapshot, prepared?.marks);
      const ask = (snapshot: Snapshot, isForced = force) =>
        store.lease(recordKey, { token, leaseMs: options.leaseMs, stamp: stampOf(snapshot), force: isForced });
      const guess = generations.last() ?? (await generations.refresh());
      const [first, snapshot] = await Promise.all([ask(guess), generations.refresh()]);
      // A generation never comes back, so an equal one was current when the lease was granted.
      const lease = equalBytes(stampOf(snapshot), stampOf(guess)) ? first : await ask(snapshot);
      if (!isPurged(entity, lease, snapshot)) return { lease, snapshot, prepared };
      return { lease: await ask(snapshot, true), snapshot, prepared };
    } catch (error) {
      if (!isStoreError(error)) throw error;
      observe({ kind: 'store-failed', during: 'lease', error });
      return undefined;
    }
  }

  return load;
}

/** Stores what was loaded if it may be, and lease, fence and what is there allow it. */
function createKeeper({ store, generations, entropy, observe, options }: LoaderDeps) {
  const quietly = survivor(observe);
  return async function keep(
    { entity, recordKey }: LoadRequest<Kept>,
    token: Uint8Array,
    snapshot: Snapshot,
    { represented, terms }: Loaded,
  ): Promise<LoadAnswer> {
    const tell = (outcome: FillOutcome) =>
      observe({ kind: 'fill', entity: entity.name, by: 'read', outcome, recordKey });
    if ('refused' in terms) {
      if (terms.refused !== undefined) tell(terms.refused);
      await quietly('release', store.release(recordKey, token));
      return uncached(represented, false);
    }
    const { marks, expiresAt, ...position } = terms;
    const { guarantee } = terms;
    const life = lifetimeUnder(guarantee, options.provisionalMs, entity, represented, {
      jitter: options.jitter,
      random: entropy.random(),
      leftMs: expiresAt === undefined ? undefined : expiresAt - generations.storeTime(snapshot),
    });
    const stored = { stamp: generations.stamp(entity, snapshot, marks), begunAt: snapshot.storeTimeMs };
    const { value } = represented;
    const reply = await quietly('fill', store.fill(recordKey, { token, value, ...stored, ...position, ...life }));
    if (reply !== undefined) tell(outcomeOf(reply, guarantee));
    if (reply !== 'stored') return uncached(represented, false);
    return { kind: 'loaded', represented, guarantee, softMs: life.softMs, stored, bypass: false };
  };
}

/** Whether what is fresh by its times was purged, so that it is to be loaded all the same. */
export function isPurged(kept: Kept, reply: LeaseReply, { purges }: Snapshot): boolean {
  const entry = reply.kind === 'live' ? decodeEntry(reply.record) : undefined;
  return entry !== undefined && purgedHow(kept, entry, purges) !== undefined;
}

/** Gives the result of a call whose failure a reader survives; undefined: it failed. */
export function survivor(observe: Observe) {
  return async <T>(during: string, call: Promise<T>): Promise<T | undefined> => {
    try {
      return await call;
    } catch (error) {
      observe({ kind: 'store-failed', during, error });
      return undefined;
    }
  };
}

function uncached(represented: Represented, bypass: boolean): LoadAnswer {
  return { kind: 'loaded', represented, guarantee: undefined, softMs: 0, stored: undefined, bypass };
}

export function signalOf({ signal }: { readonly signal?: AbortSignal }): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
