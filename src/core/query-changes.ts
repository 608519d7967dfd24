// What changes of items do to cached query results: the tags that they have now and the lists that they were found in
// are bumped, and results that people ask for are loaded again, so that nobody waits.

import type { Entity } from './entity.ts';
import { type Key, keyText, type RedisKeys } from './key.ts';
import type { Document, Observe } from './ports.ts';
import { ANY, dependenciesOf, type Query } from './query.ts';
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
}

export interface QueryChangesDeps {
  readonly store: QueryStore;
  readonly keys: RedisKeys;
  readonly queries: readonly Query[];
  readonly observe: Observe;
  /** Loads a result if nobody else does, and never rejects. */
  readonly refresh: (query: Query, key: Key) => Promise<void>;
  /** Fields of an index beyond which it is dropped. */
  readonly mostFields: number;
}

const AT_ONCE = 8;

export function createQueryChanges(deps: QueryChangesDeps): QueryChanges {
  const { store, keys, queries, observe, refresh, mostFields } = deps;
  const byTitle = new Map(queries.map((query) => [query.title, query]));
  const concerned = new Set(queries.flatMap((query) => query.of.map((entity) => entity.name)));
  const refreshed = new Set(
    queries.filter(({ onChange }) => onChange === 'refresh').flatMap((query) => query.of.map(({ name }) => name)),
  );

  async function apply(entity: Entity, items: readonly ItemState[]): Promise<void> {
    const index = keys.queryIndex(entity.name);
    const changes = items.map((item) => changeOf(entity, item));
    const known = changes.filter((change) => change !== undefined);
    const bumped = known.length < changes.length ? await dropped(index) : await store.change(index, known, mostFields);
    if (refreshed.has(entity.name) && bumped.length > 0) await refreshHot(entity, bumped);
  }

  /** An item whose tags nobody can tell may be in every list. */
  async function dropped(index: string): Promise<'all'> {
    await store.drop(index);
    return 'all';
  }

  async function refreshHot(entity: Entity, bumped: readonly string[] | 'all'): Promise<void> {
    const affected = (tags: readonly string[]) => bumped === 'all' || tags.some((tag) => bumped.includes(tag));
    const hot = await store.hot(keys.hotQueries(entity.name)).catch((error: unknown) => {
      observe({ kind: 'store-failed', during: 'hot', error });
      return [];
    });
    const wanted = hot.flatMap((text) => {
      const found = hotQuery(text);
      if (found === undefined) return [];
      const of = dependenciesOf(found.query, found.key).find((dependency) => dependency.entity.name === entity.name);
      return of !== undefined && affected(of.tags) ? [found] : [];
    });
    const queue = wanted.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { query, key } of queue) await refresh(query, key);
      }),
    );
  }

  /** Undefined: noted by a deployment whose queries were others. */
  function hotQuery(text: string): { readonly query: Query; readonly key: Key } | undefined {
    try {
      const [title, key] = JSON.parse(text) as [string, Key];
      const query = byTitle.get(title);
      if (query?.onChange !== 'refresh' || key.length !== query.params.length + 1) return undefined;
      dependenciesOf(query, key);
      return { query, key };
    } catch {
      return undefined;
    }
  }

  return { concerns: (entity) => concerned.has(entity.name), apply };
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
