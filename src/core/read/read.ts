// The read algorithm: serve what is cached, refresh behind it, load what is missing, survive failures on either
// side. It knows nothing of HTTP, Redis commands or databases; how one key is loaded is load.ts.

import { equalBytes, hash64 } from '../bytes.ts';
import { type Entity, type Kept, type Represented, represent } from '../entity.ts';
import { isSourceError } from '../errors.ts';
import type { Key } from '../key.ts';
import type { Floor, Guarantee } from '../ports.ts';
import type { Load, LoadAnswer, LoaderDeps, LoadRequest } from '../protocol/lease.ts';
import { type Cached, createLookUp } from '../protocol/look-up.ts';
import { asOfOf, type Entry, hasIdentity } from '../record.ts';
import { createLoader } from './load.ts';
import { type Directives, judge, refreshesEarly, servesOnError } from './policy.ts';

export interface ReadRequest<E extends Kept = Entity> {
  readonly entity: E;
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

/** How what is kept is loaded, and read past the cache. */
export interface Loading<E extends Kept> {
  readonly load: Load<E>;
  /** Only where a request can have a floor. */
  readonly above?: (request: ReadRequest<E>, floor: Floor, signal: AbortSignal) => Promise<Represented>;
  /** What its records must be valid under now, besides the generations. */
  readonly marks?: (entity: E, key: Key) => Promise<string>;
}

/** The reader of entities. */
export function createReader(deps: ReaderDeps): Reader {
  return createReaderOf(deps, {
    load: createLoader(deps),
    above: async ({ entity, key }, floor, signal) => {
      const answer = await entity.source.read(key, { signal, floor });
      return represent(entity, answer.document, deps.entropy.digest);
    },
  });
}

export function createReaderOf<E extends Kept>(deps: ReaderDeps, { load, above, marks }: Loading<E>): Reader<E> {
  const { keys, entropy, observe, generations } = deps;
  const { one: lookUp } = createLookUp(deps);
  const flights = new Map<string, Promise<LoadAnswer>>();
  const background = new Set<Promise<unknown>>();

  async function read(request: ReadRequest<E>): Promise<ReadAnswer> {
    const { entity, key, directives, floor } = request;
    const recordKey = keys.record(entity.name, key);
    const asked = marks?.(entity, key);
    const cached = await lookUp(entity, recordKey, asked);
    const verdict = judge(cached?.entry, cached?.nowMs ?? 0, directives, entity.staleForMs, cached?.isPurged);
    const wanted = (): LoadRequest<E> => ({ entity, key, recordKey, force: false, wait: true, known: cached?.entry });
    if (cached !== undefined && reaches(cached, floor)) {
      const { entry, nowMs } = cached;
      if (verdict === 'hit') {
        const early = !directives.onlyIfCached && refreshesEarly(entry, nowMs, entropy.random);
        if (early) inBackground({ ...wanted(), force: true });
        return { kind: 'cached', how: 'hit', entry, nowMs, collapsed: false };
      }
      if (verdict === 'stale') {
        if (!directives.onlyIfCached) inBackground(wanted());
        return { kind: 'cached', how: 'stale', ...cached, collapsed: false };
      }
    }
    if (directives.onlyIfCached) return { kind: 'not-cached' };
    try {
      if (floor !== undefined && above !== undefined) return await passBy(request, floor, above);
      if (verdict !== 'reload') return await join(wanted(), asked);
      return answerOf(await deps.reloads((signal) => load({ ...wanted(), force: true, signal })), 'reload', false);
    } catch (error) {
      if (!isSourceError(error)) throw error;
      observe({ kind: 'source-failed', entity: entity.name, error });
      return staleOr(error, request, recordKey);
    }
  }

  /** A load that others share knows of no floor. It never changes the cache: nobody else asked for this. */
  async function passBy(
    request: ReadRequest<E>,
    floor: Floor,
    readAbove: NonNullable<Loading<E>['above']>,
  ): Promise<ReadAnswer> {
    const represented = await deps.reloads((signal) => readAbove(request, floor, signal));
    return { kind: 'loaded', how: 'bypass', represented, guarantee: undefined, softMs: 0, collapsed: false };
  }

  /**
   * Concurrent misses of one key in this process share one load. What one that began before this request brought may
   * be older than a change or a purge that was handled in between, unless it is cached and still holds: then the next
   * one answers.
   */
  async function join(wanted: LoadRequest<E>, asked: Promise<string> | undefined): Promise<ReadAnswer> {
    for (let isLater = false; ; isLater = true) {
      const flight = flights.get(wanted.recordKey);
      const answer = await (flight ?? takeOff(wanted));
      // A background refresh does not wait for another's lease; who needs the value does.
      if (answer.kind === 'left') continue;
      const isEnough = flight === undefined || isLater || (await holds(wanted.entity, answer, asked));
      if (isEnough) return answerOf(answer, 'miss', flight !== undefined);
    }
  }

  /**
   * Stored, so no change took its lease away, and under what this request knows to be current; where the cache cannot
   * be asked, no load can say more.
   */
  async function holds(entity: E, answer: LoadAnswer, asked: Promise<string> | undefined): Promise<boolean> {
    if (answer.kind !== 'loaded' || answer.stored === undefined) return answer.kind === 'loaded' && answer.bypass;
    const now = generations.last();
    const current = await asked?.catch(() => undefined);
    if (now === undefined || (asked !== undefined && current === undefined)) return false;
    const { stamp, begunAt } = answer.stored;
    return equalBytes(stamp, generations.stamp(entity, now, current)) && begunAt > (now.purges?.latest ?? 0);
  }

  function takeOff(wanted: LoadRequest<E>): Promise<LoadAnswer> {
    const flight = load(wanted).finally(() => flights.delete(wanted.recordKey));
    flights.set(wanted.recordKey, flight);
    return flight;
  }

  function inBackground(wanted: LoadRequest<E>): void {
    if (flights.has(wanted.recordKey)) return;
    const work = takeOff({ ...wanted, wait: false })
      .catch((error: unknown) => observe({ kind: 'source-failed', entity: wanted.entity.name, error }))
      .finally(() => background.delete(work));
    background.add(work);
  }

  async function staleOr(
    error: unknown,
    { entity, key, floor }: ReadRequest<E>,
    recordKey: string,
  ): Promise<ReadAnswer> {
    // Looked up again: an invalidation may have come since.
    const cached = await lookUp(entity, recordKey, marks?.(entity, key));
    if (cached === undefined || !reaches(cached, floor)) throw error;
    if (!servesOnError(cached.entry, cached.nowMs, entity.staleIfErrorMs)) throw error;
    return { kind: 'cached', how: 'stale-if-error', ...cached, collapsed: false };
  }

  async function drain(): Promise<void> {
    await Promise.allSettled(background);
  }

  return { read, drain };
}

export interface Reader<E extends Kept = Entity> {
  /** @throws WarmfeedError SOURCE_* when neither cache nor source can answer, ROW_INVALID */
  read(request: ReadRequest<E>): Promise<ReadAnswer>;
  /** Waits for refreshes that outlived their request. */
  drain(): Promise<void>;
}

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

function reaches(cached: Cached, floor: Floor | undefined): boolean {
  if (floor === undefined) return true;
  for (const [partition, position] of floor.positions) {
    if (hasIdentity(cached.entry, hash64(partition)) && asOfOf(cached.entry) >= position) return true;
  }
  return false;
}
