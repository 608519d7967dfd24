// Loading one key of an entity: under a lease, then into the cache if lease, fence and watermark allow it
// (protocol A and B).

import { hash64 } from './bytes.ts';
import { type Entity, type Represented, represent } from './entity.ts';
import { isSourceError, isStoreError } from './errors.ts';
import { outcomeOf } from './fill.ts';
import type { Snapshot } from './generations.ts';
import {
  createLeasing,
  type Load,
  type LoadAnswer,
  type LoaderDeps,
  type LoadRequest,
  signalOf,
  survivor,
  uncached,
} from './lease.ts';
import { lifetimeUnder } from './policy.ts';
import type { SourceRead, Watermark } from './ports.ts';
import { admit, floorAt, isSeedable, seed } from './watermark.ts';

interface Confirmed {
  readonly answer: SourceRead;
  readonly watermark: Watermark;
}

const CLOSED: Watermark = { state: 'closed' };
const UNTRACKED: Watermark = { state: 'untracked' };

/** The load rejects with WarmfeedError SOURCE_*, ROW_INVALID. */
export function createLoader(deps: LoaderDeps): Load<Entity> {
  const { store, keys, generations, clock, entropy, observe, options } = deps;
  const quietly = survivor(observe);
  const seeding = new Set<string>();

  async function loadUncached(request: LoadRequest<Entity>, bypass: boolean): Promise<LoadAnswer> {
    const answer = await request.entity.source.read(request.key, signalOf(request));
    return uncached(represent(request.entity, answer.document, entropy.digest), bypass);
  }

  async function loadUnderLease(
    request: LoadRequest<Entity>,
    token: Uint8Array,
    snapshot: Snapshot,
  ): Promise<LoadAnswer> {
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
  async function confirm(request: LoadRequest<Entity>, snapshot: Snapshot, first: SourceRead): Promise<Confirmed> {
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
    request: LoadRequest<Entity>,
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

  return createLeasing(deps, { underLease: loadUnderLease, uncached: loadUncached });
}
