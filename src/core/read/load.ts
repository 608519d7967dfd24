// Loading one key of an entity: under a lease, then into the cache if lease, fence and watermark allow it
// (protocol A and B).

import { hash64 } from '../bytes.ts';
import { type Entity, type Represented, represent } from '../entity.ts';
import type { ReadOptions, SourceRead, Watermark } from '../ports.ts';
import { createConfirm } from '../protocol/confirm.ts';
import { outcomeOf } from '../protocol/fill.ts';
import type { Snapshot } from '../protocol/generations.ts';
import {
  createLeasing,
  type Load,
  type LoadAnswer,
  type LoaderDeps,
  type LoadRequest,
  signalOf,
  survivor,
  uncached,
} from '../protocol/lease.ts';
import { admit } from '../protocol/watermark.ts';
import { lifetimeUnder } from './policy.ts';

/** The load rejects with WarmfeedError SOURCE_*, ROW_INVALID. */
export function createLoader(deps: LoaderDeps): Load<Entity> {
  const { store, generations, entropy, observe, options } = deps;
  const quietly = survivor(observe);
  const confirm = createConfirm(deps);

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
      const again = (how: ReadOptions) => request.entity.source.read(request.key, how);
      const asked = { source: request.entity.source, snapshot, again, ...signalOf(request) };
      const { answer, watermark } = await confirm(first, asked);
      const represented = represent(request.entity, answer.document, entropy.digest);
      return await fill(request, token, snapshot, answer, represented, watermark);
    } catch (error) {
      await quietly('release', store.release(request.recordKey, token));
      throw error;
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
      observe({ kind: 'fill', entity: entity.name, by: 'read', outcome, recordKey });
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
        begunAt: snapshot.storeTimeMs,
      }),
    );
    if (outcome === undefined) return uncached(represented, false);
    observe({ kind: 'fill', entity: entity.name, by: 'read', outcome: outcomeOf(outcome, guarantee), recordKey });
    if (outcome !== 'stored') return uncached(represented, false);
    return { kind: 'loaded', represented, guarantee, softMs, bypass: false };
  }

  return createLeasing(deps, { underLease: loadUnderLease, uncached: loadUncached });
}
