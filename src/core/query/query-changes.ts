// What changes of items do to cached query results: the tags that they have now and the lists that they were found in
// are bumped.

import type { Entity } from '../entity.ts';
import { type Key, keyText, type RedisKeys } from '../key.ts';
import type { Document } from '../ports.ts';
import { ANY, type Query } from './query.ts';
import type { HotRefresh } from './query-hot.ts';
import type { IndexedChange, QueryStore } from './query-ports.ts';

/** An item as it is now; undefined: it is gone. */
export interface ItemState {
  readonly key: Key;
  readonly document: Document | undefined;
}

export interface QueryChanges {
  /** Whether results depend on the entity. */
  concerns(entity: Entity): boolean;
  /** After the watermark was raised. @throws WarmfeedError STORE_* */
  apply(entity: Entity, items: readonly ItemState[]): Promise<void>;
  /** Once the page is done: what became old and is asked for is loaded again. Never rejects. */
  refreshHot(): Promise<void>;
}

export interface QueryChangesDeps {
  readonly store: QueryStore;
  readonly keys: RedisKeys;
  readonly queries: readonly Query[];
  readonly hot: Pick<HotRefresh, 'note' | 'start'>;
  /** Fields of an index beyond which it is dropped. */
  readonly mostFields: number;
}

export function createQueryChanges(deps: QueryChangesDeps): QueryChanges {
  const { store, keys, queries, hot, mostFields } = deps;
  const concerned = new Set(queries.flatMap((query) => query.of.map((entity) => entity.name)));

  async function apply(entity: Entity, items: readonly ItemState[]): Promise<void> {
    const index = keys.queryIndex(entity.name);
    const changes = items.map((item) => changeOf(entity, item));
    const known = changes.filter((change) => change !== undefined);
    const bumped = known.length < changes.length ? await dropped(index) : await store.change(index, known, mostFields);
    hot.note(entity.name, bumped);
  }

  /** An item whose tags nobody can tell may be in every list. */
  async function dropped(index: string): Promise<'all'> {
    await store.drop(index);
    return 'all';
  }

  return { concerns: (entity) => concerned.has(entity.name), apply, refreshHot: hot.start };
}

/** Undefined: the entity's own functions fail on it. */
function changeOf(entity: Entity, { key, document }: ItemState): IndexedChange | undefined {
  try {
    const isThere = document !== undefined && entity.match(document) && !entity.deletedWhen(document);
    return { item: keyText(key), tags: [ANY, ...(isThere ? entity.tags(document) : [])] };
  } catch {
    return undefined;
  }
}
