// The watermark that an answer of a source is to be compared with, and a later answer where that makes it cacheable.

import { isSourceError, isStoreError } from '../errors.ts';
import type { Partition, Position, ReadOptions, Source, Watermark } from '../ports.ts';
import type { Snapshot } from './generations.ts';
import type { LoaderDeps } from './lease.ts';
import { floorAt, isSeedable, seed } from './watermark.ts';

/** An answer with its place in the order of changes. */
interface Positioned {
  readonly asOf: Position;
  readonly partition: Partition;
  readonly isTracked?: boolean;
}

interface Asked<A extends Positioned> {
  readonly source: Source;
  readonly snapshot: Snapshot;
  /** Asks the source once more. */
  readonly again: (options: ReadOptions) => Promise<A>;
  readonly signal?: AbortSignal;
}

const CLOSED: Watermark = { state: 'closed' };
const UNTRACKED: Watermark = { state: 'untracked' };

export function createConfirm({ store, keys, generations, clock, observe, options }: LoaderDeps) {
  const seeding = new Set<string>();

  /**
   * To be called under the lease: an invalidation before the grant has raised the watermark that is read here, a later
   * one takes the lease.
   */
  return async function confirm<A extends Positioned>(
    first: A,
    { source, snapshot, again, signal: caller }: Asked<A>,
  ): Promise<{ readonly answer: A; readonly watermark: Watermark }> {
    if (first.isTracked === false) return { answer: first, watermark: UNTRACKED };
    const generation = generations.ofSource(source.name, snapshot);
    const watermarkKey = keys.watermark(source.name, first.partition.id);
    const callers = caller === undefined ? {} : { signal: caller };
    try {
      const watermark = await store.watermark(watermarkKey, generation);
      if (watermark.state === 'newer' && (await generations.heal(source.name, watermark.generation))) {
        observe({ kind: 'healed', source: source.name });
      }
      if (watermark.state === 'known' && first.asOf < watermark.position) {
        const floor = floorAt(first.partition, watermark.position);
        // Not worth more of the client's time than waiting for another's load would be.
        const signal = AbortSignal.any([clock.deadline(options.waitMs), ...(caller ? [caller] : [])]);
        const answer = await again({ signal, floor });
        return { answer, watermark: answer.partition.id === first.partition.id ? watermark : CLOSED };
      }
      if (!isSeedable(watermark, source) || seeding.has(watermarkKey)) return { answer: first, watermark };
      seeding.add(watermarkKey);
      const answer = await again(callers).finally(() => seeding.delete(watermarkKey));
      // Only the very partition of a watermark can seed it.
      if (answer.partition.id !== first.partition.id) return { answer, watermark: CLOSED };
      const at = { source, partition: answer.partition, generation };
      return { answer, watermark: await seed({ store, keys, observe }, at, watermark, answer.asOf) };
    } catch (error) {
      if (!isStoreError(error) && !isSourceError(error)) throw error;
      observe({ kind: 'store-failed', during: 'watermark', error });
      return { answer: first, watermark: CLOSED };
    }
  };
}
