/** Writes to one logical partition that become visible together, under one LSN, or not at all. */
import { expiresAt } from './expiry.ts';
import { append, type Change, type Item, type Partition, type StoredDocument } from './range.ts';
import type { Container } from './store.ts';

export interface Transaction {
  container: Container;
  partition: Partition;
  now: number;
  get: (id: string) => StoredDocument | undefined;
  /** Undefined deletes. */
  set: (id: string, document: StoredDocument | undefined) => void;
  /** The LSN; the range's present one if nothing was written. */
  commit: () => number;
}

const itemOf = (container: Container, partition: Partition, id: string): Item => {
  const known = partition.items.get(id);
  if (known) return known;
  container.ordinals += 1;
  const item: Item = { id, partition, ordinal: container.ordinals, current: undefined };
  partition.items.set(id, item);
  partition.range.items.push(item);
  return item;
};

const watch = (container: Container, change: Change): void => {
  if (!change.document) return;
  const end = expiresAt(container, change.document);
  if (end === Number.POSITIVE_INFINITY) return;
  container.mortal.add(change.item);
  container.nextExpiry = Math.min(container.nextExpiry, end);
};

export const begin = (container: Container, partition: Partition, now: number): Transaction => {
  const staged = new Map<string, StoredDocument | undefined>();
  // Every version, for the feed that shows them all.
  const steps: [id: string, document: StoredDocument | undefined][] = [];
  return {
    container,
    partition,
    now,
    get: (id) => (staged.has(id) ? staged.get(id) : partition.items.get(id)?.current?.document),
    set: (id, document) => {
      staged.set(id, document);
      steps.push([id, document]);
    },
    commit: () => {
      const { range } = partition;
      if (steps.length === 0) return range.lsn;
      range.partitions.set(partition.key, partition);
      const changes = steps.map(([id, document]) => ({ item: itemOf(container, partition, id), document }));
      const lsn = append(range, changes, now);
      for (const change of changes) watch(container, change);
      return lsn;
    },
  };
};
