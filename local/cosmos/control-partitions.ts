/** The part of the control that changes containers as an operator or the service would: splits, merges, recreation. */
import { badRequest } from './errors.ts';
import { isObject } from './json.ts';
import { mergeRanges, splitRange } from './lineage.ts';
import type { PartitionRange } from './range.ts';
import { type Container, needContainer, recreateContainer, type Store } from './store.ts';

/** By name or rid. */
export interface ContainerName {
  database: string;
  container: string;
}

export interface RangeInfo {
  id: string;
  minInclusive: string;
  maxExclusive: string;
  /** All ancestors, the oldest first. */
  parents: string[];
  lsn: number;
}

export interface PartitionControl {
  /** Of the present ranges, in order of their keys. */
  ranges: (name: ContainerName) => RangeInfo[];
  split: (what: ContainerName & { range: string }) => [RangeInfo, RangeInfo];
  /** Two ranges next to each other. */
  merge: (what: ContainerName & { ranges: [string, string] }) => RangeInfo;
  /** Deletes and makes the container again, empty; returns the rids. */
  recreate: (name: ContainerName) => { oldRid: string; rid: string };
}

const infoOf = ({ id, min, max, parents, lsn }: PartitionRange): RangeInfo => ({
  id,
  minInclusive: min,
  maxExclusive: max,
  parents: [...parents],
  lsn,
});

export const createPartitionControl = (store: Store): PartitionControl => {
  const find = ({ database, container }: ContainerName): Container => needContainer(store, database, container);
  return {
    ranges: (name) => find(name).ranges.map(infoOf),
    split: ({ range, ...name }) => {
      const [low, high] = splitRange(find(name), range);
      return [infoOf(low), infoOf(high)];
    },
    merge: ({ ranges, ...name }) => infoOf(mergeRanges(find(name), ranges)),
    recreate: (name) => {
      const old = find(name);
      return { oldRid: old.rid.text, rid: recreateContainer(store, old).rid.text };
    },
  };
};

const text = (value: unknown, name: string): string => {
  if (typeof value === 'string') return value;
  throw badRequest(`The body needs ${JSON.stringify(name)}, a string.`);
};

type Call = (control: PartitionControl, body: Record<string, unknown>, name: ContainerName) => unknown;

const calls: Record<string, Call> = {
  ranges: (control, _body, name) => ({ ranges: control.ranges(name) }),
  split: (control, body, name) => ({ ranges: control.split({ ...name, range: text(body['range'], 'range') }) }),
  merge: (control, body, name) => {
    const [one, two] = Array.isArray(body['ranges']) ? (body['ranges'] as unknown[]) : [];
    const ranges: [string, string] = [text(one, 'ranges'), text(two, 'ranges')];
    return { ranges: [control.merge({ ...name, ranges })] };
  },
  recreate: (control, _body, name) => control.recreate(name),
};

/** `POST /_control/{call}`; undefined if there is no such call. */
export const callPartitions = (control: PartitionControl, call: string, body: unknown): unknown => {
  const run = Object.hasOwn(calls, call) ? calls[call] : undefined;
  if (!run) return undefined;
  const given = isObject(body) ? body : {};
  const name = { database: text(given['database'], 'database'), container: text(given['container'], 'container') };
  return run(control, given, name);
};
