// The read algorithm: serve what is cached, refresh behind it, load what is missing, survive failures on either
// side. It knows nothing of HTTP, Redis commands or databases; how one key is loaded is load.ts.

import { hash64 } from './bytes.ts';
import { type Entity, type Represented, represent } from './entity.ts';
import { isSourceError } from './errors.ts';
import type { Key } from './key.ts';
import { createLoader, type LoadAnswer, type LoaderDeps, type LoadRequest } from './load.ts';
import { type Cached, createLookUp } from './look-up.ts';
import { type Directives, judge, refreshesEarly, servesOnError } from './policy.ts';
import type { Floor, Guarantee } from './ports.ts';
import { asOfOf, type Entry, hasIdentity } from './record.ts';

export interface ReadRequest {
  readonly entity: Entity;
  readonly key: Key;
  readonly directives: Directives;
  /** Read your own writes: never answer with less. */
  readonly floor?: Floor;
}

export type ReadAnswer =
  /** Out of the cache. `nowMs` is the store's time that it was judged at. */
  | {
      readonly kind: 'cached';
      readonly how: 'hit' | 'stale' | 'stale-if-error';
      readonly entry: Entry;
      readonly nowMs: number;
      /** Another request's load brought it. */
      readonly collapsed: boolean;
    }
  /** From the source. `bypass`: the cache could not be asked, or must not be. */
  | {
      readonly kind: 'loaded';
      readonly how: 'miss' | 'reload' | 'bypass';
      readonly represented: Represented;
      /** What it is cached under; undefined: not cached. */
      readonly guarantee: Guarantee | undefined;
      readonly softMs: number;
      readonly collapsed: boolean;
    }
  | { readonly kind: 'not-cached' };

/** Bounded work. @throws WarmfeedError SOURCE_BUSY beyond the bound, SOURCE_TIMEOUT past its deadline */
export type Limit = <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export interface ReaderDeps extends LoaderDeps {
  /** The small bulkhead that all reloads asked for by clients share. */
  readonly reloads: Limit;
}

export function createReader(deps: ReaderDeps) {
  const { keys, entropy, observe } = deps;
  const load = createLoader(deps);
  const { one: lookUp } = createLookUp(deps);
  const flights = new Map<string, Promise<LoadAnswer>>();
  const background = new Set<Promise<unknown>>();

  /** @throws WarmfeedError SOURCE_* when neither cache nor source can answer, ROW_INVALID */
  async function read(request: ReadRequest): Promise<ReadAnswer> {
    const { entity, key, directives, floor } = request;
    const recordKey = keys.record(entity.name, key);
    const cached = await lookUp(entity, recordKey);
    if (floor !== undefined && !reaches(cached, floor)) {
      return directives.onlyIfCached ? { kind: 'not-cached' } : readAbove(request, floor);
    }
    const verdict = judge(cached?.entry, cached?.nowMs ?? 0, directives, entity.staleForMs);
    const wanted: LoadRequest = { entity, key, recordKey, force: false, wait: true };
    if (cached !== undefined && verdict === 'hit') {
      const early = !directives.onlyIfCached && refreshesEarly(cached.entry, cached.nowMs, entropy.random);
      if (early) inBackground({ ...wanted, force: true });
      return { kind: 'cached', how: 'hit', ...cached, collapsed: false };
    }
    if (cached !== undefined && verdict === 'stale') {
      if (!directives.onlyIfCached) inBackground(wanted);
      return { kind: 'cached', how: 'stale', ...cached, collapsed: false };
    }
    if (directives.onlyIfCached) return { kind: 'not-cached' };
    try {
      if (verdict !== 'reload') return await join(wanted);
      return answerOf(await deps.reloads((signal) => load({ ...wanted, force: true, signal })), 'reload', false);
    } catch (error) {
      if (!isSourceError(error)) throw error;
      observe({ kind: 'source-failed', entity: entity.name, error });
      return staleOr(error, entity, recordKey);
    }
  }

  /** Concurrent misses of one key in this process share one load. */
  async function join(wanted: LoadRequest): Promise<ReadAnswer> {
    const flight = flights.get(wanted.recordKey);
    const answer = await (flight ?? takeOff(wanted));
    // A background refresh does not wait for another's lease; who needs the value does.
    return answer.kind === 'left' ? join(wanted) : answerOf(answer, 'miss', flight !== undefined);
  }

  function takeOff(wanted: LoadRequest): Promise<LoadAnswer> {
    const flight = load(wanted).finally(() => flights.delete(wanted.recordKey));
    flights.set(wanted.recordKey, flight);
    return flight;
  }

  function inBackground(wanted: LoadRequest): void {
    if (flights.has(wanted.recordKey)) return;
    const work = takeOff({ ...wanted, wait: false })
      .catch((error: unknown) => observe({ kind: 'source-failed', entity: wanted.entity.name, error }))
      .finally(() => background.delete(work));
    background.add(work);
  }

  /** Reads past the cache and never changes it: nobody else asked for this. */
  async function readAbove({ entity, key }: ReadRequest, floor: Floor): Promise<ReadAnswer> {
    const answer = await deps.reloads((signal) => entity.source.read(key, { signal, floor }));
    const represented = represent(entity, answer.document, entropy.digest);
    return { kind: 'loaded', how: 'bypass', represented, guarantee: undefined, softMs: 0, collapsed: false };
  }

  async function staleOr(error: unknown, entity: Entity, recordKey: string): Promise<ReadAnswer> {
    // Looked up again: an invalidation may have come since.
    const cached = await lookUp(entity, recordKey);
    if (cached === undefined || !servesOnError(cached.entry, cached.nowMs, entity.staleIfErrorMs)) throw error;
    return { kind: 'cached', how: 'stale-if-error', ...cached, collapsed: false };
  }

  /** Waits for refreshes that outlived their request. */
  async function drain(): Promise<void> {
    await Promise.allSettled(background);
  }

  return { read, drain };
}

export type Reader = ReturnType<typeof createReader>;

function answerOf(answer: LoadAnswer, how: 'miss' | 'reload', collapsed: boolean): ReadAnswer {
  switch (answer.kind) {
    case 'filled':
      return { kind: 'cached', how: 'hit', entry: answer.entry, nowMs: answer.nowMs, collapsed: true };
    case 'loaded': {
      const { represented, guarantee, softMs, bypass } = answer;
      return { kind: 'loaded', how: bypass ? 'bypass' : how, represented, guarantee, softMs, collapsed };
    }
    case 'left':
      return { kind: 'not-cached' };
  }
}

function reaches(cached: Cached | undefined, floor: Floor): boolean {
  if (cached === undefined) return false;
  for (const [partition, position] of floor.positions) {
    if (hasIdentity(cached.entry, hash64(partition)) && asOfOf(cached.entry) >= position) return true;
  }
  return false;
}
