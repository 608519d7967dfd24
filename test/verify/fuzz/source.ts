// A database in memory that tells what it is asked truthfully and late: families of partitions with one order of
// positions each, replicas that lag, loads that take long or fail, splits. It also remembers everything, for the check.

import { setTimeout as sleep } from 'node:timers/promises';
import { WarmfeedError } from '../../../src/core/errors.ts';
import { type Key, keyText } from '../../../src/core/key.ts';
import type { Change, Partition, ReadOptions, Source, SourceRead } from '../../../src/core/ports.ts';
import type { Recorder } from './history.ts';
import type { Random } from './random.ts';
import type { Schedule } from './schedule.ts';

/** The clocks of harness and Redis tell whole milliseconds, so the real lag stays below the one that is promised. */
const CLOCK_MS = 3;
const FILLER = 'x'.repeat(200);

interface Write {
  readonly key: string;
  readonly position: number;
  readonly isDelete: boolean;
  readonly atMs: number;
}

/** A leaf has every key of its family whose number, divided by the families, ends in its bits. */
export interface Range {
  readonly partition: Partition;
  readonly bits: string;
  readonly family: number;
  /** Up to where its feed was handled. */
  checkpoint: number;
}

export interface Page {
  readonly items: readonly Change[];
  readonly end: number;
}

export function createFuzzSource(schedule: Schedule, random: Random, { history, tick }: Recorder) {
  const { keys, families, replicaLagMs } = schedule;
  const logs: Write[][] = Array.from({ length: families }, () => []);
  const last = new Map<string, Write>();
  const byKey = new Map<string, Write[]>();
  let ranges: Range[] = logs.map((_, family) => ({
    partition: { id: `rid/${family}.`, ancestors: [] },
    bits: '',
    family,
    checkpoint: 0,
  }));
  const state = { isCalm: false, loads: 0 };

  const nameOf = (index: number) => `k${index}`;
  const indexOf = (key: string) => Number(key.slice(1));
  const familyOf = (key: string) => indexOf(key) % families;
  const bitsOf = (key: string) =>
    Math.floor(indexOf(key) / families)
      .toString(2)
      .padStart(8, '0');
  const rangeOf = (key: string) =>
    ranges.find(({ family, bits }) => family === familyOf(key) && bitsOf(key).endsWith(bits)) as Range;
  const headOf = (family: number) => logs[family]?.at(-1)?.position ?? 0;

  /** Writes some keys of one family in one transaction: they share its position. */
  function write(of: Random): void {
    const first = of.below(keys);
    const both = of.chance(0.1) ? [first, (first + families) % keys] : [first];
    const family = first % families;
    const log = logs[family] as Write[];
    const position = headOf(family) + of.between(1, 3);
    for (const index of new Set(both.filter((each) => each % families === family))) {
      const written = { key: nameOf(index), position, isDelete: of.chance(0.2), atMs: performance.now() };
      log.push(written);
      last.set(written.key, written);
      const own = byKey.get(written.key) ?? [];
      own.push(written);
      byKey.set(written.key, own);
      history.writes.push({ key: written.key, position, absent: written.isDelete, tick: tick() });
    }
  }

  /** What a replica has that lags by so much. */
  function laggingAt(family: number, lagMs: number): number {
    const log = logs[family] as Write[];
    const till = performance.now() - lagMs;
    let at = log.length;
    while (at > 0 && (log[at - 1] as Write).atMs > till) at--;
    // A transaction is seen whole or not at all.
    const position = log[at - 1]?.position ?? 0;
    return position === log[at]?.position
      ? (log.findLast((each) => each.position < position)?.position ?? 0)
      : position;
  }

  function readAt(key: string, asOf: number): SourceRead {
    const found = byKey.get(key)?.findLast(({ position }) => position <= asOf);
    const document = found === undefined || found.isDelete ? undefined : documentOf(found);
    return { document, asOf: BigInt(asOf), version: BigInt(asOf), partition: rangeOf(key).partition };
  }

  async function read(key: Key, { floor, signal }: ReadOptions = {}): Promise<SourceRead> {
    state.loads++;
    const name = keyText(key);
    const answer = answerNow(name, floor);
    if (state.isCalm) return answer;
    const isSlow = random.chance(schedule.slowLoads);
    const ms = isSlow ? random.between(1, schedule.leaseMs * 3) : random.below(4);
    if (ms > 0) await sleep(ms);
    if (signal?.aborted === true) throw new WarmfeedError('SOURCE_TIMEOUT', 'too late', { retryable: true });
    if (random.chance(schedule.failingLoads)) {
      throw new WarmfeedError('SOURCE_THROTTLED', 'not now', { retryable: true });
    }
    return answer;
  }

  /** Taken when it is asked; it may arrive much later. */
  function answerNow(name: string, floor: ReadOptions['floor']): SourceRead {
    const family = familyOf(name);
    const lagMs = state.isCalm ? 0 : random.pick([0, 0, random.next()]) * (replicaLagMs - CLOCK_MS);
    const { partition } = rangeOf(name);
    const least = [partition.id, ...partition.ancestors].map((id) => Number(floor?.positions.get(id) ?? 0n));
    return readAt(name, Math.max(laggingAt(family, lagMs), ...least));
  }

  /** The next page of a range, whole transactions; undefined: there is nothing more. */
  function page(range: Range, size: number, from = range.checkpoint): Page | undefined {
    const log = logs[range.family] as Write[];
    const rest = log.filter(({ position, key }) => position > from && bitsOf(key).endsWith(range.bits));
    const end = rest[Math.min(size, rest.length) - 1]?.position;
    if (end === undefined) return undefined;
    const items = rest.filter(({ position }) => position <= end).map(changeOf);
    return { items, end };
  }

  const source: Source = {
    name: 'cosmos/FUZZ/db/items',
    replicaLagMs,
    changesHold: 'documents',
    read,
    readMany: (all, options) => Promise.all(all.map((key) => read(key, options))),
    scan: async () => ({ keys: [], continuation: undefined, units: 0 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change: (item) => item as Change,
  };

  return {
    source,
    state,
    write,
    page,
    nameOf,
    keys: Array.from({ length: keys }, (_, index) => nameOf(index)),
    ranges: () => ranges,
    rangeOf,
    /** The last write of a key: what its writer may ask to see. */
    lastOf: (key: string) => last.get(key)?.position ?? 0,
    isBehind: () => ranges.some((range) => page(range, 1) !== undefined),
    /** Two children go on where the parent's feed is. */
    split(family: number): void {
      const parent = ranges.find((range) => range.family === family && range.bits.length < 3);
      if (parent === undefined) return;
      const { id, ancestors } = parent.partition;
      const children = ['0', '1'].map((bit): Range => {
        const bits = `${bit}${parent.bits}`;
        return { ...parent, bits, partition: { id: `rid/${family}.${bits}`, ancestors: [...ancestors, id] } };
      });
      ranges = [...ranges.filter((range) => range !== parent), ...children];
    },
  };
}

export type FuzzSource = ReturnType<typeof createFuzzSource>;

function documentOf({ position }: Write) {
  return { n: position, filler: FILLER };
}

function changeOf(written: Write): Change {
  const document = written.isDelete ? undefined : documentOf(written);
  return { key: [written.key], version: BigInt(written.position), document };
}
