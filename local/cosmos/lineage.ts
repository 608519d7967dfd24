/** Splitting and merging the ranges of a container. Both happen between two requests, so that none sees half of it. */
import { badRequest, notFound } from './errors.ts';
import { createRange, type Partition, type PartitionRange, timeIn } from './range.ts';
import { rangeRid } from './resource-id.ts';
import type { Container } from './store.ts';

const need = (container: Container, id: string): PartitionRange => {
  const range = container.ranges.find((one) => one.id === id);
  if (!range) throw notFound(`Container ${container.id} has no range ${JSON.stringify(id)}.`);
  return range;
};

const digits = 32;

/** The first 32 hex digits of a border as a number; hashes use the lower quarter of the space only. */
const numberOf = (border: string): bigint =>
  border === 'FF' ? 1n << 126n : BigInt(`0x${border.slice(0, digits).padEnd(digits, '0')}`);

const halfway = ({ min, max }: PartitionRange): string =>
  ((numberOf(min) + numberOf(max)) / 2n).toString(16).toUpperCase().padStart(digits, '0');

/** The median key of the documents, so that both halves get some; halfway where there are too few keys. */
const borderOf = (range: PartitionRange): string => {
  const keys = range.items
    .filter(({ current }) => current?.document)
    .map(({ partition }) => partition.epk)
    .toSorted();
  const [lowest = ''] = keys;
  const border = keys.slice(keys.length >> 1).find((key) => key > lowest) ?? halfway(range);
  if (border <= range.min || border >= range.max) throw badRequest(`Range ${range.id} is too narrow to be split.`);
  return border;
};

/**
 * The child of a split starts at its parent's position. That of a merge starts above both: positions of different ranges
 * are not comparable, and no session or fence of either parent may be ahead of it.
 */
const succeed = (container: Container, parents: PartitionRange[], min: string, max: string): PartitionRange => {
  const { nextRange } = container;
  container.nextRange += 1;
  const holds = ({ epk }: Partition): boolean => min <= epk && epk < max;
  const highest = Math.max(...parents.map(({ lsn }) => lsn));
  const lsn = parents.length > 1 ? highest + 1 : highest;
  const log = parents.flatMap((parent) => parent.log.filter(({ item }) => holds(item.partition)));
  const items = parents.flatMap((parent) => parent.items.filter(({ partition }) => holds(partition)));
  const ancestors = new Set(parents.flatMap(({ id, parents: older }) => [...older, id]));
  const now = Date.now();
  const child: PartitionRange = {
    ...createRange(String(nextRange), rangeRid(container.rid, nextRange + 1), min, max),
    parents: [...ancestors].toSorted((a, b) => Number(a) - Number(b)),
    origin: { parents, at: Math.max(...parents.map((parent) => timeIn(parent, now))), lsn, entries: log.length },
    lsn,
    log: log.toSorted((a, b) => a.lsn - b.lsn),
    items: items.toSorted((a, b) => a.ordinal - b.ordinal),
  };
  for (const parent of parents)
    for (const partition of parent.partitions.values()) {
      if (!holds(partition)) continue;
      partition.range = child;
      child.partitions.set(partition.key, partition);
    }
  return child;
};

export const splitRange = (container: Container, id: string): [PartitionRange, PartitionRange] => {
  const parent = need(container, id);
  const border = borderOf(parent);
  const children: [PartitionRange, PartitionRange] = [
    succeed(container, [parent], parent.min, border),
    succeed(container, [parent], border, parent.max),
  ];
  container.ranges.splice(container.ranges.indexOf(parent), 1, ...children);
  return children;
};

export const mergeRanges = (container: Container, ids: [string, string]): PartitionRange => {
  const [low, high] = ids.map((id) => need(container, id)).toSorted((a, b) => (a.min < b.min ? -1 : 1));
  if (!low || !high || low.max !== high.min) throw badRequest('Only two ranges next to each other can be merged.');
  const child = succeed(container, [low, high], low.min, high.max);
  container.ranges.splice(container.ranges.indexOf(low), 2, child);
  return child;
};
