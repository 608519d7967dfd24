// Loading one key: under a lease, then into the cache if lease, fence and watermark allow it (protocol A and B).

import { hash64 } from './bytes.ts';
import { type Entity, type Represented, represent } from './entity.ts';
import { isSourceError, isStoreError } from './errors.ts';
import { outcomeOf } from './fill.ts';
import type { Generations, Snapshot } from './generations.ts';
import type { Key, RedisKeys } from './key.ts';
import { lifetimeUnder } from './policy.ts';
import type { Clock, Entropy, Guarantee, Observe, SourceRead, Store, Watermark } from './ports.ts';
import { decodeEntry, type Entry } from './record.ts';
import { admit, floorAt, isSeedable, seed } from './watermark.ts';

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

export interface LoadRequest {
  readonly entity: Entity;
  readonly key: Key;
  readonly recordKey: string;
  /** Load although the value is fresh. */
  readonly force: boolean;
  /** Wait for another holder of the lease, or leave it to it. */
  readonly wait: boolean;
  readonly signal?: AbortSignal;
}

export type LoadAnswer =
  | {
      readonly kind: 'loaded';
      readonly represented: Represented;
      /** What it is cached under; undefined: not cached. */
      readonly guarantee: Guarantee | undefined;
      readonly softMs: number;
      /** The cache could not be asked. */
      readonly bypass: boolean;
    }
  /** Another holder of the lease filled it meanwhile. */
  | { readonly kind: 'filled'; readonly entry: Entry; readonly nowMs: number }
  /** Another holder loads it, and the caller does not wait. */
  | { readonly kind: 'left' };

interface Confirmed {
  readonly answer: SourceRead;
  readonly watermark: Watermark;
}

const CLOSED: Watermark = { state: 'closed' };
const UNTRACKED: Watermark = { state: 'untracked' };
const LONGEST_PAUSE_MS = 100;

export function createLoader(deps: LoaderDeps) {
  const { store, keys, generations, clock, entropy, observe, options } = deps;
  const seeding = new Set<string>();

  /** @throws WarmfeedError SOURCE_*, ROW_INVALID */
  async function load(request: LoadRequest): Promise<LoadAnswer> {
    const token = entropy.token();
    const end = clock.now() + options.waitMs;
    for (let turn = 0; ; turn++) {
      const asked = await acquire(request, token);
      if (asked === undefined) return loadUncached(request, true);
      if (asked.lease.kind === 'granted') return loadUnderLease(request, token, asked.snapshot);
      const entry = asked.lease.kind === 'live' ? decodeEntry(asked.lease.record) : undefined;
      if (entry !== undefined) return { kind: 'filled', entry, nowMs: generations.storeTime(asked.snapshot) };
      if (!request.wait) return { kind: 'left' };
      if (request.force || clock.now() >= end) return loadUncached(request, false);
      await clock.sleep(Math.min(LONGEST_PAUSE_MS, 10 * 2 ** turn) * (0.5 + entropy.random()));
    }
  }

  /** Asks for the lease, under a generation read in the same round trip; undefined: the cache cannot be asked. */
  async function acquire(request: LoadRequest, token: Uint8Array) {
    const { entity, recordKey, force } = request;
    const ask = (snapshot: Snapshot) =>
      store.lease(recordKey, { token, leaseMs: options.leaseMs, stamp: generations.stamp(entity, snapshot), force });
    try {
      const guess = generations.last() ?? (await generations.refresh());
      const guessed = generations.stamp(entity, guess);
      const [lease, snapshot] = await Promise.all([ask(guess), generations.refresh()]);
      // A generation never comes back, so an equal one was current when the lease was granted.
      if (generations.stamp(entity, snapshot) === guessed) return { lease, snapshot };
      return { lease: await ask(snapshot), snapshot };
    } catch (error) {
      if (!isStoreError(error)) throw error;
      observe({ kind: 'store-failed', during: 'lease', error });
      return undefined;
    }
  }

  async function loadUncached(request: LoadRequest, bypass: boolean): Promise<LoadAnswer> {
    const answer = await request.entity.source.read(request.key, signalOf(request));
    return uncached(represent(request.entity, answer.document, entropy.digest), bypass);
  }

  async function loadUnderLease(request: LoadRequest, token: Uint8Array, snapshot: Snapshot): Promise<LoadAnswer> {
    try {
      const first = await request.entity.source.read(request.key, signalOf(request));
      const { answer, watermark } = await confirm(request, snapshot, first);
      const represented = represent(request.entity, answer.document, entropy.digest);
      return await fill(request, token, snapshot, answer, represented, watermark);
    } catch (error) {
      await quietly('release', store.release(request.recordKey, token));
      throw error;
    }
  }

  /**
   * The watermark to compare with, and a later answer where that makes it cacheable. It is read after the grant:
   * an invalidation before it has raised the watermark, a later one takes the lease.
   */
  async function confirm(request: LoadRequest, snapshot: Snapshot, first: SourceRead): Promise<Confirmed> {
    if (first.isTracked === false) return { answer: first, watermark: UNTRACKED };
    const { source } = request.entity;
    const generation = generations.ofSource(source.name, snapshot);
    const watermarkKey = keys.watermark(source.name, first.partition.id);
    try {
      const watermark = await store.watermark(watermarkKey, generation);
      if (watermark.state === 'newer' && (await generations.heal(source.name, watermark.generation))) {
        observe({ kind: 'healed', source: source.name });
      }
      if (watermark.state === 'known' && first.asOf < watermark.position) {
        const floor = floorAt(first.partition, watermark.position);
        // Not worth more of the client's time than waiting for another's load would be.
        const signal = AbortSignal.any([clock.deadline(options.waitMs), ...(request.signal ? [request.signal] : [])]);
        const answer = await source.read(request.key, { signal, floor });
        return { answer, watermark: answer.partition.id === first.partition.id ? watermark : CLOSED };
      }
      if (!isSeedable(watermark, source) || seeding.has(watermarkKey)) return { answer: first, watermark };
      seeding.add(watermarkKey);
      const answer = await source.read(request.key, signalOf(request)).finally(() => seeding.delete(watermarkKey));
      // Only the very partition of a watermark can seed it.
      if (answer.partition.id !== first.partition.id) return { answer, watermark: CLOSED };
      const at = { source, partition: answer.partition, generation };
      return { answer, watermark: await seed(deps, at, watermark, answer.asOf) };
    } catch (error) {
      if (!isStoreError(error) && !isSourceError(error)) throw error;
      observe({ kind: 'store-failed', during: 'watermark', error });
      return { answer: first, watermark: CLOSED };
    }
  }

  async function fill(
    request: LoadRequest,
    token: Uint8Array,
    snapshot: Snapshot,
    answer: SourceRead,
    represented: Represented,
    watermark: Watermark,
  ): Promise<LoadAnswer> {
    const { entity, recordKey } = request;
    const admission = admit(watermark, answer.asOf, options.provisionalMs);
    const isStorable = answer.isStorable !== false;
    if ('refused' in admission || !represented.cacheable || !isStorable) {
      const outcome = 'refused' in admission ? admission.refused : isStorable ? 'too-large' : 'other-key';
      observe({ kind: 'fill', entity: entity.name, by: 'read', outcome });
      await quietly('release', store.release(recordKey, token));
      return uncached(represented, false);
    }
    const { guarantee } = admission;
    const { softMs, hardMs } = lifetimeUnder(guarantee, options.provisionalMs, entity, represented, {
      jitter: options.jitter,
      random: entropy.random(),
      leftMs: answer.expiresAt === undefined ? undefined : answer.expiresAt - generations.storeTime(snapshot),
    });
    const outcome = await quietly(
      'fill',
      store.fill(recordKey, {
        token,
        identity: hash64(answer.partition.id),
        stamp: generations.stamp(entity, snapshot),
        version: answer.version,
        asOf: answer.asOf,
        guarantee,
        value: represented.value,
        softMs,
        hardMs,
      }),
    );
    if (outcome === undefined) return uncached(represented, false);
    observe({ kind: 'fill', entity: entity.name, by: 'read', outcome: outcomeOf(outcome, guarantee) });
    if (outcome !== 'stored') return uncached(represented, false);
    return { kind: 'loaded', represented, guarantee, softMs, bypass: false };
  }

  /** The result of a call whose failure a reader survives; undefined: it failed. */
  async function quietly<T>(during: string, call: Promise<T>): Promise<T | undefined> {
    try {
      return await call;
    } catch (error) {
      observe({ kind: 'store-failed', during, error });
      return undefined;
    }
  }

  return load;
}

function uncached(represented: Represented, bypass: boolean): LoadAnswer {
  return { kind: 'loaded', represented, guarantee: undefined, softMs: 0, bypass };
}

function signalOf(request: LoadRequest): { signal?: AbortSignal } {
  return request.signal === undefined ? {} : { signal: request.signal };
}
