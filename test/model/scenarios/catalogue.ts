// The scenarios: each with a bound that is explored to its end in every run, and one that is searched for as long as
// there is time (`npm run verify`).

import type { Bounds } from './bounds.ts';

export interface Scenario {
  readonly title: string;
  readonly bounds: Bounds;
  /** What there is more of in the deep search. */
  readonly deep: Partial<Bounds>;
}

const ONE = { keys: 1, writes: 1, readers: 1, workers: 1, lagMs: 1000 } as const;
const GROUPED = { keys: 2, writes: 1, groupedReaders: 1, workers: 1, lagMs: 1000, areAnswersApart: true } as const;
const EXPIRING = { options: { leaseMs: 10_000, fenceMs: 60_000 } } as const;
const ALL = { by: 'entity', mode: 'drop' } as const;
const LIST = { keys: 1, writes: 1, letters: ['x', ''], lists: ['x'], readers: 1, workers: 1 } as const;
const EVICTING = { entity: { onChange: 'evict' } } as const;
const HOT = { ...LIST, ...EVICTING, readers: 0, writes: 2, isAsked: true, isHot: true } as const;
const TAG = { by: 'tag', mode: 'drop' } as const;
const SOFT_TAG = { by: 'tag', mode: 'stale' } as const;
const KEY = { by: 'key', mode: 'drop' } as const;
const SOFT_KEY = { by: 'key', mode: 'stale' } as const;
const PURGED = { keys: 1, written: 1, writes: 1, letters: ['x'], readers: 2, reads: 2, ...EVICTING } as const;
const BLOBS = { keys: 1, writes: 1, readers: 1, workers: 1, isContent: true } as const;
const FEED = { ...ONE, writes: 0, written: 1, workers: 0 } as const;
const TABLE = { keys: 1, writes: 0, tables: { transactions: 1 }, readers: 1, workers: 1, polls: 2 } as const;
const TRACKED = { keys: 1, writes: 0, readers: 1, workers: 1, polls: 2 } as const;
const SPLIT = [[[0]], [[0]]];
const SPLIT_TWICE = [[[0]], [[0]], [[0]]];
const SPLIT_AND_MERGE = [[[0, 1]], [[0], [1]], [[0, 1]]];

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'two items, a lagging reader, a change worker, no fault: all ends cached',
    bounds: { ...ONE, keys: 2, writes: 2, endsCached: true },
    deep: { writes: 3, reads: 2 },
  },
  {
    title: 'pages of all versions, with deletes',
    bounds: { ...ONE, writes: 2, deletes: 2, allVersions: true, evictions: 1 },
    deep: { keys: 2, writes: 3, redeliveries: 1 },
  },
  {
    title: 'a worker that wakes up late, redelivery, eviction',
    bounds: { ...ONE, workers: 2, redeliveries: 1, evictions: 1 },
    deep: { writes: 2, readers: 2, redeliveries: 2 },
  },
  {
    title: 'two items, two workers, redelivery, eviction',
    bounds: { ...ONE, keys: 2, workers: 2, redeliveries: 1, evictions: 1 },
    deep: { writes: 2 },
  },
  {
    title: 'the same where calls of one moment take effect in any order (a cluster)',
    bounds: { ...ONE, workers: 2, redeliveries: 1, evictions: 1, isOrdered: false },
    deep: { writes: 2, readers: 2 },
  },
  {
    title: 'leases and fences that expire',
    bounds: { ...ONE, evictions: 1, passes: [10_001], ...EXPIRING },
    deep: { readers: 2, workers: 2, redeliveries: 1, passes: [10_001, 50_001] },
  },
  {
    title: 'readers and workers that die',
    bounds: { ...ONE, deaths: 1, redeliveries: 1, passes: [10_001], ...EXPIRING },
    deep: { writes: 2, reads: 2, deaths: 2, evictions: 1 },
  },
  {
    title: 'calls of the store that fail, with effect or without',
    bounds: { ...ONE, errors: 2, evictions: 1 },
    deep: { writes: 2, readers: 2, redeliveries: 1 },
  },
  {
    title: 'reloads of what is cached',
    bounds: { ...ONE, reads: 2, isReloading: true, evictions: 1 },
    deep: { writes: 2, readers: 2 },
  },
  {
    title: 'stale values, refreshed behind the read',
    bounds: { ...ONE, reads: 2, passes: [2000], entity: { ttlMs: () => 1000, staleForMs: 1e9 } },
    deep: { writes: 2, readers: 2, evictions: 1 },
  },
  {
    title: 'changes that only evict',
    bounds: { ...ONE, ...EVICTING, reads: 2, evictions: 1 },
    deep: { writes: 2, readers: 2, workers: 2, redeliveries: 1 },
  },
  {
    title: 'readers that wait for each other',
    bounds: { ...ONE, writes: 0, written: 1, readers: 2, options: { waitMs: 1 } },
    deep: { writes: 1, evictions: 1, options: { waitMs: 6 } },
  },
  {
    title: 'a grouped read of two items, one change',
    bounds: { ...GROUPED, evictions: 1 },
    deep: { writes: 2, readers: 1, workers: 2, redeliveries: 1 },
  },
  {
    title: 'grouped reads where nothing is known at first',
    bounds: { ...GROUPED, ...EVICTING, writes: 0, written: 1, reads: 2, start: 'empty', passes: [1000] },
    deep: { entity: {}, writes: 1, evictions: 1, watermarkLosses: 1, options: { provisionalMs: 1000 } },
  },
  {
    title: 'a grouped read, and a split',
    bounds: { ...GROUPED, writes: 0, written: 1, layouts: [[[0, 1]], [[0], [1]]] },
    deep: { writes: 2, reads: 2, evictions: 1 },
  },
  {
    title: 'two items are warmed while they change, and all is made old',
    bounds: { ...GROUPED, groupedReaders: 0, warmers: 1, purges: [ALL] },
    deep: { writes: 2, readers: 1, purges: [ALL, TAG], evictions: 1 },
  },
  {
    title: 'nothing is known at first, reads seed',
    bounds: { ...ONE, reads: 2, start: 'empty', passes: [1000] },
    deep: { writes: 2, readers: 2, evictions: 1 },
  },
  {
    title: 'the watermark is lost',
    bounds: { ...ONE, reads: 2, watermarkLosses: 1, passes: [1000] },
    deep: { readers: 2, watermarkLosses: 2, evictions: 1, redeliveries: 1 },
  },
  {
    title: 'everything is lost',
    bounds: { ...ONE, flushes: 1, passes: [1000] },
    deep: { reads: 3, workers: 2, redeliveries: 1 },
  },
  {
    title: 'provisional values',
    bounds: { ...ONE, reads: 2, start: 'empty', passes: [1000], isReloading: true, options: { provisionalMs: 1000 } },
    deep: { writes: 2, readers: 2, evictions: 1, redeliveries: 1 },
  },
  {
    title: 'provisional values, the watermark lost',
    bounds: { ...ONE, watermarkLosses: 1, evictions: 1, passes: [1000], options: { provisionalMs: 1000 } },
    deep: { writes: 2, reads: 3 },
  },
  {
    title: 'the shard of the records falls back',
    bounds: { ...ONE, failovers: { records: 1 } },
    deep: { writes: 2, reads: 2, redeliveries: 1 },
  },
  {
    title: 'the shard of the watermark falls back',
    bounds: { ...ONE, evictions: 1, failovers: { watermarks: 1 } },
    deep: { writes: 2, reads: 2, redeliveries: 1 },
  },
  {
    title: 'the shards of records and watermark fall back',
    bounds: { ...ONE, writes: 0, written: 1, failovers: { records: 1, watermarks: 1 }, readers: 0 },
    deep: { writes: 1, readers: 1, reads: 2, evictions: 1 },
  },
  {
    title: 'the shard of the generations falls back, its clock too',
    bounds: { ...ONE, writes: 0, written: 1, failovers: { generations: 1 }, skewMs: 60_000 },
    deep: { writes: 1, failovers: { records: 1, watermarks: 1, generations: 1 } },
  },
  {
    title: 'a purge, with the drop at the grant',
    bounds: { ...ONE, purges: [ALL] },
    deep: { readers: 2, evictions: 1, deaths: 1, redeliveries: 1 },
  },
  {
    title: 'a purge and a failover of the generations',
    bounds: { ...ONE, writes: 0, written: 1, purges: [ALL], failovers: { generations: 1 }, readers: 0 },
    deep: { writes: 1, readers: 1, reads: 2, failovers: { records: 1, generations: 1 } },
  },
  {
    title: 'a hard purge by tag, and loads under way',
    bounds: { ...PURGED, reads: 1, purges: [TAG] },
    deep: { reads: 2, purges: [TAG, TAG], workers: 1 },
  },
  {
    title: 'a hard purge by key, and loads under way',
    bounds: { ...PURGED, purges: [KEY] },
    deep: { reads: 3, purges: [KEY, KEY], workers: 1 },
  },
  {
    title: 'soft purges by key and by tag, a hard one besides',
    bounds: { ...PURGED, readers: 1, reads: 3, purges: [SOFT_KEY, TAG] },
    deep: { readers: 2, purges: [SOFT_KEY, SOFT_TAG, TAG], workers: 1 },
  },
  {
    title: 'a purge by tag, and changes that evict',
    bounds: { ...PURGED, readers: 1, reads: 1, workers: 1, purges: [TAG] },
    deep: { readers: 2, reads: 2, purges: [SOFT_TAG, TAG], evictions: 1, redeliveries: 1 },
  },
  {
    title: 'a split, with a late worker of the parent',
    bounds: { ...ONE, workers: 2, evictions: 1, layouts: SPLIT },
    deep: { writes: 2, reads: 2, passes: [1000], redeliveries: 1 },
  },
  {
    title: 'a split while the watermark is unknown, provisional values',
    bounds: { ...ONE, start: 'empty', passes: [1000], layouts: SPLIT, options: { provisionalMs: 1000 } },
    deep: { writes: 2, reads: 2, evictions: 1, watermarkLosses: 1 },
  },
  {
    title: 'a chain of splits',
    bounds: { ...ONE, workers: 2, layouts: SPLIT_TWICE },
    deep: { writes: 2, reads: 2, evictions: 1, passes: [1000] },
  },
  {
    title: 'two items that a split parts and a merge joins',
    bounds: { ...ONE, keys: 2, layouts: SPLIT_AND_MERGE },
    deep: { writes: 2, reads: 2, workers: 2, evictions: 1 },
  },
  {
    title: 'a split, and the shard of the records falls back',
    bounds: { ...ONE, layouts: SPLIT, failovers: { records: 1 } },
    deep: { writes: 2, evictions: 1, failovers: { records: 1, watermarks: 1 } },
  },
  {
    title: 'the container is made anew, with a late worker of the old one',
    bounds: { ...ONE, written: 1, readers: 0, recreations: 1 },
    deep: { readers: 1, reads: 2, passes: [1000], evictions: 1 },
  },
  {
    title: 'a list of one partition, a lagging reader; items enter and leave',
    bounds: { ...LIST, ...EVICTING, writes: 2, reads: 2, queries: 'one-partition', lagMs: 1000 },
    deep: { keys: 2, readers: 2, writes: 3, deletes: 1 },
  },
  {
    title: 'a list of several partitions; items enter and leave, a change comes again',
    bounds: {
      ...LIST,
      ...EVICTING,
      letters: ['x', 'y'],
      reads: 2,
      queries: 'cross-partition',
      redeliveries: 1,
      workers: 2,
    },
    deep: { writes: 3, keys: 2 },
  },
  {
    title: 'two lists that share a tag',
    bounds: { ...LIST, ...EVICTING, lists: ['x', 'xx'], reads: 2, queries: 'one-partition', lagMs: 1000 },
    deep: { writes: 2, keys: 2, readers: 2 },
  },
  {
    title: 'the index of lists is lost',
    bounds: { ...LIST, ...EVICTING, reads: 2, queries: 'one-partition', indexLosses: 2, evictions: 1, lagMs: 1000 },
    deep: { writes: 2, keys: 2, reads: 3, workers: 2, redeliveries: 1 },
  },
  {
    title: 'lists, and a purge',
    bounds: { ...LIST, ...EVICTING, queries: 'cross-partition', purges: [ALL] },
    deep: { writes: 2, readers: 2, indexLosses: 1 },
  },
  {
    title: 'lists, and a purge of their tag',
    bounds: { ...LIST, ...EVICTING, queries: 'cross-partition', purges: [TAG] },
    deep: { reads: 2, purges: [SOFT_TAG, TAG], indexLosses: 1 },
  },
  {
    title: 'a list that is stale, its refresh and who joins it',
    bounds: { ...LIST, ...EVICTING, queries: 'cross-partition', isAsked: true, reads: 2, purges: [SOFT_KEY] },
    deep: { isOrdered: false },
  },
  {
    title: 'lists that people ask for, loaded again behind the changes: all ends cached',
    bounds: { ...HOT, queries: 'cross-partition', endsCached: true },
    deep: { keys: 2, writes: 3 },
  },
  {
    title: 'the same, a lagging reader and the refresh',
    bounds: { ...HOT, writes: 1, readers: 1, queries: 'one-partition', lagMs: 1000, evictions: 1 },
    deep: { keys: 2, writes: 2, workers: 2, redeliveries: 1, deaths: 1 },
  },
  {
    title: 'blobs, loads and events that come again',
    bounds: { ...BLOBS, readers: 2, workers: 2, redeliveries: 1, evictions: 1 },
    deep: { keys: 2, writes: 2, reads: 2 },
  },
  {
    title: 'blobs that are reloaded where they changed, leases that expire',
    bounds: { ...BLOBS, reads: 2, isReloading: true, passes: [10_001], ...EXPIRING },
    deep: { writes: 2, readers: 2, redeliveries: 1 },
  },
  {
    title: 'the feed loses its positions, and is watched',
    bounds: { ...FEED, feed: { losses: 1, checks: 1 } },
    deep: { feed: { losses: 2, checks: 3 }, writes: 1, reads: 2, workers: 1, deaths: 1, passes: [1000] },
  },
  {
    title: 'a feed that nobody followed before is watched',
    bounds: { ...FEED, feed: { losses: 0, isNew: true, checks: 2 } },
    deep: { feed: { losses: 1, isNew: true, checks: 3 }, writes: 1, workers: 1, flushes: 1, passes: [1000, 60_001] },
  },
  {
    title: 'a table, a transaction, a poller',
    bounds: { ...TABLE, evictions: 1 },
    deep: { keys: 2, tables: { transactions: 2, aborts: 1 } },
  },
  {
    title: 'a table, transactions that overlap or abort, two pollers',
    bounds: { ...TABLE, tables: { transactions: 1, aborts: 1 }, polls: 1, workers: 2 },
    deep: { tables: { transactions: 3, aborts: 1 }, polls: 2, evictions: 1 },
  },
  {
    title: 'a table whose checkpoint, watermark and changes are lost',
    bounds: { ...TABLE, checkpointLosses: 1 },
    deep: {
      tables: { transactions: 2, forgets: 1 },
      polls: 3,
      watermarkLosses: 1,
      evictions: 1,
    },
  },
  {
    title: 'a table of Azure SQL whose changes are forgotten',
    bounds: { ...TRACKED, tracked: { commits: 1, forgets: 1 } },
    deep: {
      tracked: { commits: 2, forgets: 1 },
      polls: 3,
      checkpointLosses: 1,
      watermarkLosses: 1,
      evictions: 1,
      deaths: 1,
    },
  },
  {
    title: 'a table of Azure SQL whose tracking ends and begins anew',
    bounds: { ...TRACKED, polls: 1, tracked: { commits: 1, pauses: 1 } },
    deep: { tracked: { commits: 2, pauses: 1 }, polls: 3, evictions: 1, workers: 2, deaths: 1 },
  },
  {
    title: 'a table of Azure SQL whose database is restored',
    // What was changed before keeps its fence as long as its record lives.
    bounds: { ...TRACKED, tracked: { commits: 2, restores: 1 }, entity: { ttlMs: () => 1_000_000 } },
    deep: { polls: 3, evictions: 1, workers: 2, deaths: 1 },
  },
  {
    title: 'a table whose changes are forgotten, and pollers that die',
    bounds: { ...TABLE, tables: { transactions: 1, forgets: 1 }, deaths: 1 },
    deep: { tables: { transactions: 2, forgets: 1 }, polls: 3, checkpointLosses: 1 },
  },
];
