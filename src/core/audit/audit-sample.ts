// Which changes are audited: some of each page, no more than so many a minute. They wait in the store, so that any
// instance can go on with them.

import type { Key, RedisKeys } from '../key.ts';
import type { Clock, Entropy, Observe, Partition, Position } from '../ports.ts';
import type { Work } from '../sync/page.ts';
import type { AuditStore } from './audit-ports.ts';
import { DELAYS_S } from './audit-report.ts';

/** A change that was applied, to be looked at. */
export interface Sample {
  readonly entity: string;
  /** As JSON values; `{}` for undefined. */
  readonly key: readonly unknown[];
  readonly partition: string;
  readonly version: Position;
  readonly delayS: number;
  /** Cache and source differed, and both were as they are told here. */
  readonly doubt?: Doubt;
}

export interface Doubt {
  readonly cached: string;
  readonly source: string;
  /** What the source had applied when it answered. */
  readonly position: Position;
  readonly looks: number;
}

/** Positions are beyond JSON's numbers. */
interface Written extends Omit<Sample, 'version' | 'doubt'> {
  readonly version: string;
  readonly doubt?: Omit<Doubt, 'position'> & { readonly position: string };
}

export interface SamplerDeps {
  readonly audits: AuditStore;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observe: Observe;
  readonly perMinute: number;
}

const MOST_OF_PAGE = 4;
/** Where nobody audits, no more than so many wait. */
export const MOST_WAITING = 2000;

export function createSampler({ audits, keys, clock, entropy, observe, perMinute }: SamplerDeps) {
  let left = perMinute;
  let at = clock.now();

  /** Takes samples of a page that was applied. Never rejects, and nothing waits for it. */
  async function sample(works: readonly Work[], partition: Partition): Promise<void> {
    const now = clock.now();
    left = Math.min(perMinute, left + ((now - at) * perMinute) / 60_000);
    at = now;
    const chosen = some(works, Math.min(MOST_OF_PAGE, Math.floor(left)), entropy.random);
    if (chosen.length === 0) return;
    left -= chosen.length;
    const samples = chosen.flatMap(({ entity, change }) => {
      const of = { entity: entity.name, key: jsonOf(change.key), partition: partition.id, version: change.version };
      return DELAYS_S.map((delayS) => ({ text: textOf({ ...of, delayS }), inMs: delayS * 1000 }));
    });
    try {
      await audits.add(keys.audits, samples, MOST_WAITING);
    } catch (error) {
      observe({ kind: 'store-failed', during: 'audit', error });
    }
  }

  return sample;
}

export type Sampler = ReturnType<typeof createSampler>;

function some<T>(all: readonly T[], count: number, random: () => number): readonly T[] {
  if (all.length <= count) return all;
  const indexes = new Set<number>();
  // Drawn again where it was drawn already; a source of randomness that is stuck ends it.
  for (let draws = 0; indexes.size < count && draws < 10 * count; draws++) {
    indexes.add(Math.floor(random() * all.length));
  }
  return [...indexes].map((i) => all[i] as T);
}

function jsonOf(key: Key): readonly unknown[] {
  return key.map((part) => (part === undefined ? {} : part));
}

export function textOf({ version, doubt, ...rest }: Sample): string {
  const position = doubt && { doubt: { ...doubt, position: String(doubt.position) } };
  return JSON.stringify({ ...rest, version: String(version), ...position });
}

/** Undefined for what is none: another deployment's, say. */
export function sampleOf(text: string): Sample | undefined {
  try {
    const { version, doubt, ...rest } = JSON.parse(text) as Written;
    if (typeof rest.entity !== 'string' || !Array.isArray(rest.key)) return undefined;
    const position = doubt && { doubt: { ...doubt, position: BigInt(doubt.position) } };
    return { ...rest, version: BigInt(version), ...position };
  } catch {
    return undefined;
  }
}
