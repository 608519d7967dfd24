// What surrounds the processes of a scenario: the source with its log, partitions and lagging replicas, the feed, and
// what the invariants compare with. Values only; every change makes a new one.

import type {
  Change,
  Floor,
  Partition,
  PurgeMode,
  QueryRead,
  QueryStatement,
  SourceRead,
} from '../../../src/core/ports.ts';
import type { Call } from '../explorer/process.ts';
import type { Rows } from '../explorer/system.ts';
import type { Bounds } from './bounds.ts';
import type { Operation } from './tables.ts';

/** Its place in the log, from 1, is its position. */
export interface Write {
  readonly key: number;
  readonly isGone: boolean;
  readonly at: number;
  /** The letter of the lists that it is in from now on; '': none. */
  readonly letter: string;
}

export type Running =
  /** `least` and `stalest`: what they show at least, and as stale, by key. */
  | {
      readonly do: 'read';
      readonly keys: readonly number[];
      readonly least: readonly number[];
      readonly stalest: readonly number[];
    }
  | {
      readonly do: 'query';
      readonly list: string;
      readonly least: readonly number[];
      readonly stalest: readonly number[];
    }
  | {
      readonly do: 'page';
      readonly versions: readonly (readonly [key: number, version: number])[];
      /** Whose feed it is of, and after how many splits and merges it was delivered. */
      readonly feed: readonly number[];
      readonly layout: number;
      /** Of the feed's positions. */
      readonly positions: number;
    }
  | { readonly do: 'watch'; readonly positions: number }
  /** `told`: versions that the log told of meanwhile; `from`: how much had been done to the table. */
  | { readonly do: 'poll'; readonly told: readonly (readonly [key: number, version: number])[]; readonly from: number }
  /** `mends`: which failover it makes good. */
  | { readonly do: 'bump'; readonly mends: number }
  /** `least`: what the source had when it began, by key. */
  | { readonly do: 'purge'; readonly mode: PurgeMode; readonly least: readonly number[] };

export interface World {
  readonly now: number;
  readonly drawn: number;
  readonly log: readonly Write[];
  /** What was done to the table, and how much of it a poll had before it that ended well. */
  readonly done: readonly Operation[];
  readonly polled: number;
  /** Lengths of the log when the container was made anew; all was gone then. */
  readonly eras: readonly number[];
  /** Lengths of the log at the splits and merges so far. */
  readonly moves: readonly number[];
  /** A feed of the partitions of now has delivered something, so those of before save no checkpoint any more. */
  readonly isTakenOver: boolean;
  readonly positions: Positions;
  /** By key: up to where its feed was delivered for good. */
  readonly checkpoints: readonly number[];
  /** By key: the highest change whose page was handled, or that was there before a purge. */
  readonly completed: readonly number[];
  /** The same for soft purges: what is older may be served, as stale. */
  readonly softened: readonly number[];
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

/** Of the feed. */
export interface Positions {
  /** Another one each time that they are made; odd: there are none. */
  readonly number: number;
  readonly since: number;
  /** Changes may have passed unseen, and not all was made old yet. */
  readonly areMissed: boolean;
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
  /** How many purges have begun. */
  readonly purged: number;
  readonly indexLosses: number;
  readonly checkpointLosses: number;
  readonly recreations: number;
  readonly failovers: readonly number[];
  /** How many passes of time have been. */
  readonly passed: number;
}

export const logText = ({ key, isGone, at, letter }: Write): string => `${key}${isGone ? '-' : '+'}${letter}${at}`;

export function keyOf(world: World): string {
  const { left, log } = world;
  const running = world.running.map((each) => {
    if (each === undefined) return '';
    if (each.do === 'read') {
      const owed = each.keys.map((key) => `${each.least[key]}.${each.stalest[key]}`);
      return `r${each.keys.join('.')}/${owed.join('.')}`;
    }
    if (each.do === 'query') return `q${each.list}.${each.least.join('.')}.${each.stalest.join('.')}`;
    if (each.do === 'purge') return `u${each.mode}.${each.least.join('.')}`;
    if (each.do === 'poll') return `t${each.told.join('.')}/${each.from}`;
    if (each.do === 'watch') return `w${each.positions}`;
    return each.do === 'page' ? `p${each.versions.join('.')}/${each.layout}/${each.positions}` : `b${each.mends}`;
  });
  return [
    world.now,
    world.drawn,
    log.map(logText).join(),
    world.done.join(),
    world.polled,
    world.eras.join(),
    world.moves.join(),
    world.isTakenOver ? 1 : 0,
    Object.values(world.positions).join(),
    world.checkpoints.join(),
    world.completed.join(),
    world.softened.join(),
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

/** What a read that was begun before a loss may show is open. */
export function withoutFloor(running: Running | undefined): Running | undefined {
  if (running?.do !== 'read' && running?.do !== 'query') return running;
  const none = running.least.map(() => 0);
  return { ...running, least: none, stalest: none };
}

/** Each at least what the other has. */
export const raised = (all: readonly number[], by: readonly number[]): readonly number[] =>
  all.map((each, i) => Math.max(each, by[i] ?? 0));

export const nameOf = (key: number): string => 'abcdef'[key] ?? '?';
export const indexOf = (name: string): number => 'abcdef'.indexOf(name);

function documentAt(log: readonly Write[], position: number) {
  const write = log[position - 1];
  if (write === undefined || write.isGone) return undefined;
  return write.letter === '' ? { n: position } : { n: position, lists: [write.letter] };
}

/** The items of a list at a position: `n` by name. */
export function rowsAt(log: readonly Write[], keys: number, list: string, position: number): Rows {
  const rows: Record<string, number> = {};
  for (let key = 0; key < keys; key++) {
    const n = latest(log, key, position);
    if (n > 0 && log[n - 1]?.letter === list.slice(0, 1) && !log[n - 1]?.isGone) rows[nameOf(key)] = n;
  }
  return rows;
}

/** Where positions of the container that had a write begin. */
function baseAt(eras: readonly number[], index: number): number {
  return eras.findLast((base) => base < index) ?? 0;
}

/** A change as the feed delivers it: its position counts from when its container was made. */
export function changeAt({ log, eras }: World, index: number): Change {
  const key = [nameOf(log[index - 1]?.key ?? -1)];
  const container = `${containerOf(eras.filter((base) => base < index).length)}/`;
  return { key, version: BigInt(index - baseAt(eras, index)), document: documentAt(log, index), container };
}

const groupsOf = ({ layouts = [] }: Bounds, layout: number) => layouts[layout];

const containerOf = (era: number): string => `rid${era === 0 ? '' : era}`;

export function partitionOf(bounds: Bounds, layout: number, key: number, era = 0): Partition {
  const idAt = (at: number, of: number) => {
    const group = groupsOf(bounds, at)?.findIndex((members) => members.includes(of)) ?? 0;
    return `${containerOf(era)}/${at}.${group}`;
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
  const [asked] = call.args as [unknown];
  const names = (call.method === 'read' ? [asked] : asked) as readonly (readonly string[])[];
  const keys = names.map(([name]) => indexOf(String(name)));
  const places = placesOf(bounds, world, call, keys[0] ?? 0, isLocating);
  // Items of one partition that are read together may be answered by several requests.
  const choices = bounds.areAnswersApart
    ? productOf(keys.map(() => places))
    : places.map((place) => keys.map(() => place));
  return choices.map((chosen) => {
    const answers = keys.map((key, i) => answerAt(bounds, world, key, chosen[i] as Place));
    const told = new Set(answers.map(({ partition }, i) => `${partition.id} as of ${chosen[i]?.asOf}`));
    return { label: [...told].join(', '), answers };
  });
}

/** Where a request is answered: by a partition of which layout, and as of when. */
interface Place {
  readonly from: number;
  readonly asOf: number;
}

function placesOf(bounds: Bounds, world: World, call: Call, key: number, isLocating: boolean): readonly Place[] {
  const { log, moves, eras } = world;
  const base = eras.at(-1) ?? 0;
  const [, options] = call.args as [unknown, { readonly floor?: Floor } | undefined];
  const layout = moves.length;
  const isParentThere = layout > 0 && log.length === moves[layout - 1];
  return (isParentThere ? [layout, layout - 1] : [layout]).flatMap((from) => {
    const { id } = partitionOf(bounds, from, key, eras.length);
    const floor = bounds.areFloorsKept !== true ? 0 : base + Number(options?.floor?.positions.get(id) ?? 0n);
    const highest = from < layout ? (moves[layout - 1] ?? 0) : log.length;
    const least = isLocating ? highest : Math.max(base, leastOf(bounds, world, call, from), floor);
    return Array.from({ length: Math.max(0, highest - least + 1) }, (_, i) => ({ from, asOf: highest - i }));
  });
}

function answerAt(bounds: Bounds, { log, eras }: World, key: number, { from, asOf }: Place): SourceRead {
  const document = documentAt(log, latest(log, key, asOf));
  const position = BigInt(asOf - (eras.at(-1) ?? 0));
  return { document, asOf: position, version: position, partition: partitionOf(bounds, from, key, eras.length) };
}

function productOf<T>(all: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return all.reduce<readonly (readonly T[])[]>(
    (some, each) => some.flatMap((begun) => each.map((one) => [...begun, one])),
    [[]],
  );
}

function leastOf({ lagMs = 0 }: Bounds, { log, moves }: World, { issuedAt }: Call, layout: number): number {
  const settled = lagMs === 0 ? log.length : log.findLastIndex(({ at }) => at <= issuedAt - lagMs) + 1;
  return Math.max(layout === 0 ? 0 : (moves[layout - 1] ?? 0), Math.min(settled, moves[layout] ?? log.length));
}

export interface AnsweredQuery {
  readonly label: string;
  readonly answer: QueryRead;
}

/** The same for a query. */
export function rowsTo(bounds: Bounds, world: World, call: Call): readonly AnsweredQuery[] {
  const { values } = call.args[0] as QueryStatement;
  const list = String(values['list']);
  const partition = partitionOf(bounds, 0, 0);
  const least = leastOf(bounds, world, call, 0);
  return Array.from({ length: world.log.length - least + 1 }, (_, i) => {
    const asOf = world.log.length - i;
    const rows = Object.entries(rowsAt(world.log, bounds.keys, list, asOf)).map(([id, n]) => ({ id, n }));
    const at = bounds.queries === 'cross-partition' ? undefined : { asOf: BigInt(asOf), partition };
    const answer = { rows, keys: rows.map(({ id }) => [id]), at, isTracked: true, continuation: undefined };
    return { label: `${rows.map(({ id, n }) => `${id}@${n}`).join() || 'no rows'} as of ${asOf}`, answer };
  });
}

/** A blob as it is: reads of blobs never lag. */
export function blobNow({ log }: World, { args }: Call): { readonly label: string; readonly value: unknown } {
  const [name, { known }] = args as [string, { readonly known?: string }];
  const n = latest(log, indexOf(name.slice(0, 1)), log.length);
  if (n === 0) return { label: 'no blob', value: undefined };
  if (known === String(n)) return { label: `still ${n}`, value: 'unchanged' };
  const bytes = new TextEncoder().encode(JSON.stringify({ n }));
  const blob = { etag: String(n), size: bytes.length, modifiedMs: 0, type: 'text/plain' };
  return { label: `blob ${n}`, value: { blob, bytes } };
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
