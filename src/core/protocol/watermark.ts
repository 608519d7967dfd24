// The applied watermark of a partition: which reads may be cached, and how an unknown one becomes known
// (protocol A and B). Readers and change workers share these rules.

import type { RedisKeys } from '../key.ts';
import type {
  FillOutcome,
  Floor,
  Guarantee,
  Observe,
  Partition,
  Position,
  Source,
  Store,
  Watermark,
} from '../ports.ts';

export type Admission =
  | { readonly guarantee: Guarantee }
  | { readonly refused: Extract<FillOutcome, 'watermark' | 'generation' | 'closed'> };

/** Whether a read with this as-of may be cached. @param provisionalMs 0 switches provisional fills off */
export function admit(watermark: Watermark, asOf: Position, provisionalMs: number): Admission {
  switch (watermark.state) {
    case 'known':
      return asOf >= watermark.position ? { guarantee: 'watermarked' } : { refused: 'watermark' };
    case 'unknown':
      return provisionalMs > 0 && asOf >= watermark.pending ? { guarantee: 'provisional' } : { refused: 'watermark' };
    case 'newer':
      return { refused: 'generation' };
    case 'closed':
      return { refused: 'closed' };
    case 'untracked':
      return { guarantee: 'leased' };
  }
}

/** Whether a read issued now may make the watermark known: it was found missing at least the replica lag ago. */
export function isSeedable(
  watermark: Watermark,
  source: Source,
): watermark is Extract<Watermark, { state: 'unknown' }> {
  return watermark.state === 'unknown' && watermark.ageMs >= source.replicaLagMs;
}

/**
 * SEED, by the caller's read that was issued after `watermark` was found seedable and answered by `partition`.
 * Ancestors are closed first, so that nobody fills under their positions any more.
 * @returns the watermark to compare fills with
 */
export async function seed(
  deps: { store: Store; keys: RedisKeys; observe: Observe },
  at: { source: Source; partition: Partition; generation: string },
  watermark: Extract<Watermark, { state: 'unknown' }>,
  asOf: Position,
): Promise<Watermark> {
  const { store, keys, observe } = deps;
  const key = keys.watermark(at.source.name, at.partition.id);
  await closeAncestors(deps, at.source, at.partition);
  const position = await store.seed(key, watermark.nonce, asOf);
  if (position === undefined) return store.watermark(key, at.generation);
  observe({ kind: 'seeded', source: at.source.name, partition: at.partition.id, position });
  return { state: 'known', position };
}

export async function closeAncestors(
  { store, keys }: { store: Store; keys: RedisKeys },
  source: Source,
  partition: Partition,
): Promise<void> {
  await Promise.all(partition.ancestors.map((ancestor) => store.close(keys.watermark(source.name, ancestor))));
}

export function floorAt(partition: Partition, position: Position): Floor {
  return { positions: new Map([[partition.id, position]]) };
}
