// Purging: by key, by tag, an entity, a query. Complete in every process when it resolves; doing it again does no harm.

import type { RedisKeys } from '../key.ts';
import type { PurgeMode, Store } from '../ports.ts';
import { allSettled } from '../protocol/fill.ts';
import type { Generations } from '../protocol/generations.ts';
import { keptName, tagName } from '../protocol/purges.ts';
import type { QueryStore } from '../query/query-ports.ts';

export interface PurgeDeps {
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly queries: QueryStore;
  /** Entities that results of queries depend on. */
  readonly indexed: readonly string[];
}

/** `full`: too many purges of other tags are listed; nothing was done. */
export type PurgeReply = 'done' | 'full';

/** Every method rejects with WarmfeedError STORE_*: then it is to be called again. */
export function createPurge({ store, keys, generations, queries, indexed }: PurgeDeps) {
  return {
    /** A load under way cannot fill them any more. */
    async records(recordKeys: readonly string[], mode: PurgeMode): Promise<PurgeReply> {
      const purge = (key: string) => (mode === 'drop' ? store.drop(key) : store.soften(key));
      await allSettled([...new Set(recordKeys)].map(purge));
      return 'done';
    },

    /** Items and results that carry one of the tags, exactly. */
    async tags(tags: readonly string[], mode: PurgeMode): Promise<PurgeReply> {
      const isListed = await generations.purge(tags.map(tagName), mode, async () => {
        // Through their own generations too: results of before they carried their tags.
        if (mode === 'drop') await allSettled(indexed.map((entity) => queries.bump(keys.queryIndex(entity), tags)));
      });
      return isListed ? 'done' : 'full';
    },

    /** @param name of an entity, the content, or `query/…`; results made of an entity go with it */
    async kept(name: string, mode: PurgeMode): Promise<PurgeReply> {
      if (mode === 'stale') return (await generations.purge([keptName(name)], mode)) ? 'done' : 'full';
      await generations.bumpEntities([name]);
      return 'done';
    },
  };
}

export type Purge = ReturnType<typeof createPurge>;
