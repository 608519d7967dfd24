// Results that became old and that people ask for are loaded again, behind the pages of changes that made them old: no
// page waits for it, and neither does who asks next.

import type { Key, RedisKeys } from '../key.ts';
import type { Observe } from '../ports.ts';
import { dependenciesOf, type Query } from './query.ts';
import type { QueryStore } from './query-ports.ts';

/** Tags that were bumped; `all`: the whole index was dropped. */
export type Bumped = readonly string[] | 'all';

export interface HotRefreshDeps {
  readonly store: Pick<QueryStore, 'hot'>;
  readonly keys: RedisKeys;
  readonly queries: readonly Query[];
  readonly observe: Observe;
  /** Loads a result if nobody else does, and never rejects. */
  readonly refresh: (query: Query, key: Key) => Promise<void>;
}

const AT_ONCE = 8;

export function createHotRefresh({ store, keys, queries, observe, refresh }: HotRefreshDeps) {
  const refreshed = queries.filter(({ onChange }) => onChange === 'refresh');
  const byTitle = new Map(refreshed.map((query) => [query.title, query]));
  const concerned = new Set(refreshed.flatMap(({ of }) => of.map(({ name }) => name)));
  const pending = new Map<string, Set<string> | 'all'>();
  let work: Promise<void> | undefined;
  let isEnding = false;

  /** Notes what became old; `start` does something about it. */
  function note(entity: string, bumped: Bumped): void {
    if (!concerned.has(entity) || bumped.length === 0) return;
    const before = pending.get(entity);
    pending.set(entity, bumped === 'all' || before === 'all' ? 'all' : new Set([...(before ?? []), ...bumped]));
  }

  /** @returns when nothing is left to do; never rejects */
  async function start(): Promise<void> {
    if (pending.size > 0 && !isEnding) {
      work ??= run().finally(() => {
        work = undefined;
      });
    }
    await work;
  }

  async function run(): Promise<void> {
    for (const [entity, bumped] of pending) {
      pending.delete(entity);
      const queue = (await affected(entity, bumped)).values();
      const worker = async () => {
        for (const { query, key } of queue) {
          if (isEnding) return;
          await refresh(query, key);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }
  }

  async function affected(entity: string, bumped: Set<string> | 'all') {
    const hot = await store.hot(keys.hotQueries(entity)).catch((error: unknown) => {
      observe({ kind: 'store-failed', during: 'hot', error });
      return [];
    });
    return hot.flatMap((text) => {
      const found = parse(text);
      const tags = found?.of.find((dependency) => dependency.entity.name === entity)?.tags ?? [];
      return found !== undefined && tags.some((tag) => bumped === 'all' || bumped.has(tag)) ? [found] : [];
    });
  }

  /** Undefined: noted by a deployment whose queries were others. */
  function parse(text: string) {
    try {
      const [title, key] = JSON.parse(text) as [string, Key];
      const query = byTitle.get(title);
      if (query === undefined || key.length !== query.params.length + 1) return undefined;
      return { query, key, of: dependenciesOf(query, key) };
    } catch {
      return undefined;
    }
  }

  /** Waits for the loads that are under way; the others are left to who asks. */
  async function drain(): Promise<void> {
    isEnding = true;
    await work;
  }

  return { note, start, drain };
}

export type HotRefresh = ReturnType<typeof createHotRefresh>;
