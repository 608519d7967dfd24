// What happens when blobs change: the records that may hold them are dropped, and with them the leases of loads that
// began before. Nothing here depends on the order of events, nor on how often one comes.

import type { RedisKeys } from '../key.ts';
import type { Store } from '../ports.ts';
import { allSettled } from '../protocol/fill.ts';
import type { Generations } from '../protocol/generations.ts';
import { type Content, keysOfBlob } from './content.ts';

export interface ContentChangesDeps {
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
}

export function createContentChanges(content: Content, { store, keys, generations }: ContentChangesDeps) {
  return {
    /** @throws WarmfeedError STORE_* unless every record is dropped */
    async dropBlobs(names: readonly string[]): Promise<void> {
      const records = names.flatMap(keysOfBlob).map((key) => keys.record(content.name, key));
      await allSettled([...new Set(records)].map((record) => store.drop(record)));
    },
    /** Makes all content old: a whole folder was renamed or deleted. @throws WarmfeedError STORE_* */
    dropAll: () => generations.bump(content.source.name),
  };
}

export type ContentChanges = ReturnType<typeof createContentChanges>;
