// What surrounds the processes of a scenario: the source with its log, partitions and lagging replicas, the feed, and
// what the invariants compare with. Values only; every change makes a new one.

import type { Change, Floor, Partition, SourceRead } from '../../../src/core/ports.ts';
import type { Call } from '../explorer/process.ts';
import type { Bounds } from './bounds.ts';

/** Its place in the log, from 1, is its position. */
export interface Write {
  readonly key: number;
  readonly isGone: boolean;
  readonly at: number;
}

export type Running =
  | { readonly do: 'read'; readonly key: number; readonly least: number }
  | {
      readonly do: 'page';
      readonly versions: readonly (readonly [key: number, version: number])[];
      /** Whose feed it is of, and after how many splits and merges it was delivered. */
      readonly feed: readonly number[];
      readonly layout: number;
    }
  /** `mends`: which failover it makes good, 0: none. */
  | { readonly do: 'bump'; readonly mends: number };

export interface World {
  readonly now: number;
  readonly drawn: number;
  readonly log: readonly Write[];
  /** Lengths of the log at the splits and merges so far. */
  readonly moves: readonly number[];
  /** A feed of the partitions of now has delivered something, so those of before save no checkpoint any more. */
  readonly isTakenOver: boolean;
  /** By key: up to where its feed was delivered for good. */
  readonly checkpoints: readonly number[];
  /** By key: the highest change whose page was handled. */
  readonly completed: readonly number[];
  /** By key: the highest version cached since it was last dropped. */
  readonly cached: readonly number[];
  /** By process. */
  readonly running: readonly (Running | undefined)[];
  /** Tasks begun, by process. */
  readonly begun: readonly number[];
  readonly left: Left;
  /** By shard: its slots when the replica stalled. */
  readonly stalled: readonly (readonly number[] | undefined)[];
  /** The number of the failover after which all was not made old yet; 0: there is none. */
  readonly rolledBack: number;
  /** How far the clock of the generations' shard is behind. */
  readonly skewMs: number;
}

/** What may still happen. */
export interface Left {
  readonly writes: number;
  readonly deletes: number;
  readonly redeliveries: number;
  readonly deaths: number;
  readonly evictions: number;
  readonly flushes: number;
  readonly watermarkLosses: number;
  readonly errors: number;
  readonly purges: number;
  readonly failovers: readonly number[];
  /** How many passes of time have been. */
  readonly passed: number;
}

export function keyOf(world: World): string {
  const { left, log } = world;
  const running = world.running.map((each) => {
    if (each === undefined) return '';
    if (each.do === 'read') return `r${each.key}.${each.least}`;
    return each.do === 'page' ? `p${each.versions.join('.')}/${each.layout}` : `b${each.mends}`;
  });
  return [
    world.now,
    world.drawn,
    log.map(({ key, isGone, at }) => `${key}${isGone ? '-' : '+'}${at}`).join(),
    world.moves.join(),
    world.isTakenOver ? 1 : 0,
    world.checkpoints.join(),
    world.completed.join(),
    world.cached.join(),
    running.join(),
    world.begun.join(),
    Object.values(left).join(),
    world.stalled.map((slots) => slots?.join('.') ?? '').join(),
    world.rolledBack,
    world.skewMs,
  ].join('|');
}

/** Position of the last write of a key up to a position; 0: there is none. */
export function latest(log: readonly Write[], key: number, upTo: number): number {
  for (let i = Math.min(upTo, log.length); i > 0; i--) if (log[i - 1]?.key === key) return i;
  return 0;
}

export const nameOf = (key: number): string => 'abcdef'[key] ?? '?';
export const indexOf = (name: string): number => 'abcdef'.indexOf(name);

function documentAt(log: readonly Write[], position: number) {
  const write = log[position - 1];
  return write === undefined || write.isGone ? undefined : { n: position };
}

export function changeAt(log: readonly Write[], position: number): Change {
  const key = [nameOf(log[position - 1]?.key ?? -1)];
  return { key, version: BigInt(position), document: documentAt(log, position) };
}

const groupsOf = ({ layouts = [] }: Bounds, layout: number) => layouts[layout];

export function partitionOf(bounds: Bounds, layout: number, key: number): Partition {
  const idAt = (at: number, of: number) => {
    const group = groupsOf(bounds, at)?.findIndex((members) => members.includes(of)) ?? 0;
    return `rid/${at}.${group}`;
  };
  const members = groupsOf(bounds, layout)?.find((group) => group.includes(key)) ?? [];
  const ancestors = Array.from({ length: layout }, (_, at) => members.map((member) => idAt(at, member))).flat();
  return { id: idAt(layout, key), ancestors: [...new Set(ancestors)] };
}

/** The keys of each partition now. */
export function feedsOf(bounds: Bounds, { moves }: World): readonly (readonly number[])[] {
  return groupsOf(bounds, moves.length) ?? [Array.from({ length: bounds.keys }, (_, key) => key)];
}

export interface Answered {
  readonly label: string;
  readonly answers: readonly SourceRead[];
}

/** All that the source may answer now: replicas lag up to D, and before a new partition's first write its parent may answer. */
export function answersTo(bounds: Bounds, world: World, call: Call, isLocating: boolean): readonly Answered[] {
  const { log, moves } = world;
  const [asked, options] = call.args as [unknown, { readonly floor?: Floor } | undefined];
  const names = (call.method === 'read' ? [asked] : asked) as readonly (readonly string[])[];
  const keys = names.map(([name]) => indexOf(String(name)));
  const layout = moves.length;
  const isParentThere = layout > 0 && log.length === moves[layout - 1];
  return (isParentThere ? [layout, layout - 1] : [layout]).flatMap((from) => {
    const partition = partitionOf(bounds, from, keys[0] ?? 0);
    const floor = bounds.areFloorsKept !== true ? 0 : Number(options?.floor?.positions.get(partition.id) ?? 0n);
    const highest = from < layout ? (moves[layout - 1] ?? 0) : log.length;
    const least = isLocating ? highest : Math.max(leastOf(bounds, world, call, from), floor);
    return Array.from({ length: Math.max(0, highest - least + 1) }, (_, i) => {
      const asOf = highest - i;
      const answers = keys.map((key): SourceRead => {
        const document = documentAt(log, latest(log, key, asOf));
        return { document, asOf: BigInt(asOf), version: BigInt(asOf), partition: partitionOf(bounds, from, key) };
      });
      return { label: `${partition.id} as of ${asOf}`, answers };
    });
  });
}

function leastOf({ lagMs = 0 }: Bounds, { log, moves }: World, { issuedAt }: Call, layout: number): number {
  const settled = lagMs === 0 ? log.length : log.findLastIndex(({ at }) => at <= issuedAt - lagMs) + 1;
  return Math.max(layout === 0 ? 0 : (moves[layout - 1] ?? 0), Math.min(settled, moves[layout] ?? log.length));
}

/** Pages that the feed of some keys may deliver: positions, ascending. */
export function pagesOf(log: readonly Write[], keys: readonly number[], from: number, isAll: boolean): number[][] {
  const pages = new Map<string, number[]>();
  const add = (all: readonly number[]) => {
    for (let size = 1; size <= all.length; size++) pages.set(all.slice(0, size).join(), all.slice(0, size));
  };
  const undelivered = log.flatMap(({ key }, i) => (i >= from && keys.includes(key) ? [i + 1] : []));
  if (isAll) add(undelivered);
  else {
    for (const end of undelivered) {
      const newest = keys.map((key) => latest(log, key, end)).filter((position) => position > from);
      add(newest.toSorted((a, b) => a - b));
    }
  }
  return [...pages.values()];
}
