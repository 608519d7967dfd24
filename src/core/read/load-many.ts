// Loading many keys of one entity at a time: leases in one round trip, one grouped read of the source, one watermark
// for each partition. What is then done with the answers is the caller's.

import { hash64 } from '../bytes.ts';
import type { Entity } from '../entity.ts';
import type { Key, RedisKeys } from '../key.ts';
import type { Guarantee, LeaseReply, Partition, SourceRead, Watermark } from '../ports.ts';
import { allSettled, type FillerDeps, type Held } from '../protocol/fill.ts';
import type { Snapshot } from '../protocol/generations.ts';
import { isPurged } from '../protocol/lease.ts';
import { admit, floorAt, isSeedable, seed } from '../protocol/watermark.ts';
import { leastOf } from '../sync/refresh.ts';

export interface ManyLoaderDeps extends FillerDeps {
  readonly keys: RedisKeys;
  readonly options: FillerDeps['options'] & { readonly leaseMs: number };
}

/** A key under the caller's lease. */
export interface LeasedKey extends Held {
  readonly key: Key;
}

export interface LoadedKey {
  readonly held: LeasedKey;
  readonly answer: SourceRead;
  /** What it may be cached under; undefined: not at all. */
  readonly guarantee: Guarantee | undefined;
  /** 8 bytes: hash of the partition id. */
  readonly identity: Uint8Array;
}

interface Answered {
  readonly held: LeasedKey;
  readonly answer: SourceRead;
}

const UNTRACKED: Watermark = { state: 'untracked' };

export function createManyLoader(deps: ManyLoaderDeps) {
  const { store, keys, generations, entropy, observe, options } = deps;

  /** Asks for the lease of each key that is not fresh. @throws WarmfeedError STORE_* */
  async function lease(entity: Entity, all: readonly Key[], snapshot: Snapshot) {
    const stamp = generations.stamp(entity, snapshot);
    const asked = all.map((key): LeasedKey => {
      return { entity, key, recordKey: keys.record(entity.name, key), token: entropy.token() };
    });
    const ask = ({ recordKey, token }: LeasedKey, force: boolean) =>
      store.lease(recordKey, { token, leaseMs: options.leaseMs, stamp, force });
    const replies = await allSettled(asked.map((one) => ask(one, false)));
    const again = replies.map((reply, i) => {
      return isPurged(entity, reply, snapshot) ? ask(asked[i] as LeasedKey, true) : Promise.resolve(reply);
    });
    const leased = await allSettled(again);
    return asked.map((held, i) => ({ held, reply: leased[i] as LeaseReply }));
  }

  /** Reads what is held. @throws WarmfeedError SOURCE_*, STORE_* */
  async function load(entity: Entity, held: readonly LeasedKey[], snapshot: Snapshot) {
    const answers = await entity.source.readMany(held.map(({ key }) => key));
    let units = unitsOf(answers);
    const loaded: LoadedKey[] = [];
    for (const [id, group] of byPartition(held, answers)) {
      const { partition } = group[0].answer;
      const identity = hash64(id);
      const confirmed = await confirm(entity, partition, group, snapshot);
      units += confirmed.units;
      for (const { held: one, answer } of confirmed.group) {
        const admission = admissionOf(answer, id, confirmed.watermark);
        if ('refused' in admission) {
          const outcome = admission.refused;
          observe({ kind: 'fill', entity: entity.name, by: 'read', outcome, recordKey: one.recordKey });
        }
        const guarantee = 'guarantee' in admission ? admission.guarantee : undefined;
        loaded.push({ held: one, answer, guarantee, identity });
      }
    }
    return { loaded, units };
  }

  function admissionOf(answer: SourceRead, partition: string, watermark: Watermark) {
    if (answer.partition.id !== partition) return { refused: 'closed' } as const;
    if (answer.isStorable === false) return { refused: 'other-key' } as const;
    return admit(watermark, answer.asOf, options.provisionalMs);
  }

  /** The watermark of a partition; answers that are behind it, or came too early to seed it, are read again. */
  async function confirm(entity: Entity, partition: Partition, group: readonly Answered[], snapshot: Snapshot) {
    if (group.some(({ answer }) => answer.isTracked === false)) return { watermark: UNTRACKED, group, units: 0 };
    const { source } = entity;
    const generation = generations.ofSource(source.name, snapshot);
    // Read after the leases were granted.
    let watermark: Watermark = await store.watermark(keys.watermark(source.name, partition.id), generation);
    const seedable = isSeedable(watermark, source) ? watermark : undefined;
    const least = watermark.state === 'known' ? watermark.position : seedable?.pending;
    const isBehind = seedable !== undefined || group.some(({ answer }) => least !== undefined && answer.asOf < least);
    if (!isBehind || least === undefined) return { watermark, group, units: 0 };
    const floor = floorAt(partition, least);
    const answers = await source.readMany(
      group.map(({ held }) => held.key),
      { floor },
    );
    const again = group.map(({ held, answer }, i) => ({ held, answer: answers[i] ?? answer }));
    const lowest = leastOf(answers.filter((answer) => answer.partition.id === partition.id));
    if (seedable !== undefined && lowest !== undefined) {
      watermark = await seed(deps, { source, partition, generation }, seedable, lowest);
    }
    return { watermark, group: again, units: unitsOf(answers) };
  }

  /** Gives leases back; whether that succeeds or not, they end by themselves. */
  async function release(held: readonly Held[]): Promise<void> {
    await Promise.allSettled(held.map(({ recordKey, token }) => store.release(recordKey, token)));
  }

  return { lease, load, release };
}

function byPartition(held: readonly LeasedKey[], answers: readonly SourceRead[]) {
  const groups = new Map<string, [Answered, ...Answered[]]>();
  held.forEach((one, i) => {
    const answer = answers[i];
    if (answer === undefined) return;
    const group = groups.get(answer.partition.id);
    if (group === undefined) groups.set(answer.partition.id, [{ held: one, answer }]);
    else group.push({ held: one, answer });
  });
  return groups;
}

function unitsOf(answers: readonly SourceRead[]): number {
  return answers.reduce((sum, { units = 0 }) => sum + units, 0);
}
