// How much may happen in a scenario: the search follows every order of it.

import type { PurgeMode } from '../../../src/core/ports.ts';
import type { Setup } from '../explorer/system.ts';

export interface Bounds {
  readonly keys: number;
  readonly writes: number;
  /** How many of the writes may be deletes. */
  readonly deletes?: number;
  readonly readers?: number;
  /** Reads of each reader, one after the other. */
  readonly reads?: number;
  /** Readers may also ask for a reload. */
  readonly isReloading?: boolean;
  /** Readers of all items in one request, and processes that warm them. */
  readonly groupedReaders?: number;
  readonly warmers?: number;
  /** Whether each item of a grouped read may be answered as of another time, and by another partition. */
  readonly areAnswersApart?: boolean;
  readonly workers?: number;
  /** Pages delivered again: to another worker meanwhile, or because one died or did not save its checkpoint. */
  readonly redeliveries?: number;
  /** Pages hold every version and delete, not only the newest of a key. */
  readonly allVersions?: boolean;
  readonly deaths?: number;
  readonly evictions?: number;
  readonly flushes?: number;
  readonly watermarkLosses?: number;
  /** Calls of the store that fail, with or without effect. */
  readonly errors?: number;
  /** Shards that go back to what their replica had when it stalled, and how often. */
  readonly failovers?: Partial<Record<Shard, number>>;
  /** How far the clock of the generations' shard is behind after its failover. */
  readonly skewMs?: number;
  /** What an operator purges, each once, in this order. */
  readonly purges?: readonly PurgeOf[];
  /** Time that passes, once each, in this order. Milliseconds. */
  readonly passes?: readonly number[];
  /** D; 0: reads go to a primary and lag never. */
  readonly lagMs?: number;
  /** Whether a read with a floor reaches it; if not, it lags like any other, and its as-of says so. */
  readonly areFloorsKept?: boolean;
  /** How the scenario begins: watermarks known, or nothing in the store. */
  readonly start?: 'followed' | 'empty';
  /** Which keys are in one partition, at first and after each split or merge. */
  readonly layouts?: readonly (readonly (readonly number[])[])[];
  /** Lists are read in place of items: an item is in those whose names begin with its letter, or in none. */
  readonly lists?: readonly string[];
  /** Letters that a write may choose from; '' for an item that is in no list. */
  readonly letters?: readonly string[];
  readonly queries?: Setup['queries'];
  /** Each list was read once when the scenario begins. */
  readonly isAsked?: boolean;
  /** Blobs in place of items; pages are events that drop them. */
  readonly isContent?: boolean;
  /** Lists that were asked for are loaded again behind the changes. */
  readonly isHot?: boolean;
  /** A table of PostgreSQL in place of a container; workers poll it. */
  readonly tables?: { readonly transactions: number; readonly aborts?: number; readonly forgets?: number };
  /** A table of Azure SQL; `restores`: to what it was at first; `pauses`: its tracking ends, and begins anew. */
  readonly tracked?: {
    readonly commits: number;
    readonly forgets?: number;
    readonly restores?: number;
    readonly pauses?: number;
  };
  /** Polls of each worker. */
  readonly polls?: number;
  readonly checkpointLosses?: number;
  /** How often the feed loses its positions, and begins anew with what comes then; at first it is there, or not yet. */
  readonly feed?: { readonly losses: number; readonly isNew?: boolean; readonly checks: number };
  /** Indexes of lists that are lost. */
  readonly indexLosses?: number;
  /** Times that the container is deleted and made anew: another identity, and positions from the start. */
  readonly recreations?: number;
  /** How many of the splits and merges are over when the scenario begins. */
  readonly moved?: number;
  /** Writes of the first key that are made, and not delivered, when the scenario begins. */
  readonly written?: number;
  /** Without a fault all that was written ends cached. */
  readonly endsCached?: boolean;
  readonly entity?: Setup['entity'];
  readonly isOrdered?: boolean;
  readonly options?: Partial<Setup['options']>;
}

export interface PurgeOf {
  readonly by: 'entity' | 'key' | 'tag';
  readonly mode: PurgeMode;
}

export const SHARDS = ['records', 'watermarks', 'generations'] as const;
export type Shard = (typeof SHARDS)[number];

export const isTable = ({ tables, tracked }: Bounds): boolean => tables !== undefined || tracked !== undefined;

export const SOURCE = 'cosmos';
export const FIELDS = [`s:${SOURCE}`, 'e:widget', 'e:query/lists'] as const;
/** A day, so that what expires is what a scenario lets expire. */
const LONG = 86_400_000;
export const OPTIONS: Setup['options'] = {
  leaseMs: LONG,
  fenceMs: LONG,
  waitMs: 0,
  provisionalMs: 0,
  generationMs: 1000,
};
