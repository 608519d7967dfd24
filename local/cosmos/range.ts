/**
 * A partition range: an append-only log in LSN order, and the items that it leads to. A transaction is one LSN.
 * Everything else (latest versions, older states, the change feed) is derived from here.
 */
import type { JsonObject } from './json.ts';
import type { KeyComponent } from './partition-key.ts';

export interface StoredDocument {
  body: JsonObject;
  text: string;
  rid: string;
  etag: string;
  /** Seconds, as `_ts`. */
  ts: number;
}

export interface Entry {
  lsn: number;
  /** Milliseconds; never decreasing along a log. */
  at: number;
  item: Item;
  previous: Entry | undefined;
  /** Undefined: deleted. */
  document: StoredDocument | undefined;
  expired: boolean;
}

export interface Item {
  id: string;
  partition: Partition;
  ordinal: number;
  current: Entry | undefined;
}

export interface Partition {
  key: string;
  components: KeyComponent[];
  epk: string;
  range: PartitionRange;
  /** In order of ordinals; an item that was deleted stays, for readers of an older state. */
  items: Map<string, Item>;
}

/** How a range came to be. Its log starts with what its parents' logs said of its interval, their LSNs unchanged. */
export interface Origin {
  parents: PartitionRange[];
  at: number;
  lsn: number;
  /** Length of the log at birth; from there on it is in order of time. */
  entries: number;
}

export interface PartitionRange {
  id: string;
  rid: string;
  min: string;
  max: string;
  /** Ids of all ancestors, the oldest first. */
  parents: string[];
  origin: Origin;
  lsn: number;
  log: Entry[];
  partitions: Map<string, Partition>;
  /** In order of ordinals. */
  items: Item[];
}

/** Making the container was LSN 1, so that no position is ever 0. */
export const firstLsn = 1;

export const createRange = (id: string, rid: string, min: string, max: string): PartitionRange => ({
  id,
  rid,
  min,
  max,
  parents: [],
  origin: { parents: [], at: Number.NEGATIVE_INFINITY, lsn: firstLsn, entries: 0 },
  lsn: firstLsn,
  log: [],
  partitions: new Map(),
  items: [],
});

export interface Change {
  item: Item;
  document: StoredDocument | undefined;
  expired?: boolean;
}

/** Never before what the log already says. */
export const timeIn = ({ log, origin }: PartitionRange, now: number): number =>
  Math.max(now, origin.at, log.at(-1)?.at ?? 0);

export const append = (range: PartitionRange, changes: Change[], now: number): number => {
  const lsn = range.lsn + 1;
  const at = timeIn(range, now);
  for (const { item, document, expired = false } of changes) {
    const entry: Entry = { lsn, at, item, previous: item.current, document, expired };
    item.current = entry;
    range.log.push(entry);
  }
  range.lsn = lsn;
  return lsn;
};

/** Index of the first element for which `after` holds; `after` must be monotone along the list, from `start` on. */
export const firstIndex = <T>(list: T[], after: (element: T) => boolean, start = 0): number => {
  let low = start;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = list[middle];
    if (entry !== undefined && after(entry)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/**
 * The LSN that a replica lagging behind `time` has. The child of a split was part of its parent then; a merged range has
 * no single position before its birth, so its replicas start with everything from before.
 */
export const lsnAt = ({ log, origin }: PartitionRange, time: number): number => {
  const [parent, other] = origin.parents;
  if (time < origin.at) return parent && !other ? lsnAt(parent, time) : origin.lsn;
  const end = firstIndex(log, (entry) => entry.at > time, origin.entries);
  return end === origin.entries ? origin.lsn : (log[end - 1]?.lsn ?? origin.lsn);
};

/** The entry of an item that was current at an LSN. */
export const entryAt = (item: Item, lsn: number): Entry | undefined => {
  let entry = item.current;
  while (entry !== undefined && entry.lsn > lsn) entry = entry.previous;
  return entry;
};
