// Reading a query's result: like an item, but valid only while none of its tags changed. Who asks is noted now and
// then, so that changes know which results are worth loading again.

import type { Key } from '../key.ts';
import { createReaderOf, type ReadAnswer, type ReaderDeps, type ReadRequest } from '../read/read.ts';
import { dependenciesOf, type Query } from './query.ts';
import { createQueryLoader, type QueryLoaderDeps } from './query-load.ts';

const NOTE_MS = 30_000;
/** Notes of a process; beyond, all are forgotten, and made again. */
const NOTES_MOST = 10_000;

export function createQueryReader(deps: QueryLoaderDeps & ReaderDeps) {
  const { keys, queries, clock, observe } = deps;
  const load = createQueryLoader(deps);
  const reader = createReaderOf<Query>(deps, { load, marks: marksOfQuery(deps) });
  const noted = new Map<string, number>();

  async function read(request: ReadRequest<Query>): Promise<ReadAnswer> {
    const answer = await reader.read(request);
    const isKept = answer.kind === 'cached' || (answer.kind === 'loaded' && answer.guarantee !== undefined);
    if (isKept && request.entity.onChange === 'refresh') note(request.entity, request.key);
    return answer;
  }

  function note(query: Query, key: Key): void {
    const text = JSON.stringify([query.title, key]);
    const before = noted.get(text);
    if (before !== undefined && clock.now() - before < NOTE_MS) return;
    if (noted.size >= NOTES_MOST) noted.clear();
    noted.set(text, clock.now());
    for (const { name } of query.of) {
      queries.noteHot(keys.hotQueries(name), text).catch((error: unknown) => {
        observe({ kind: 'store-failed', during: 'note', error });
      });
    }
  }

  /** Loads a result if nobody else does; never rejects. */
  async function refresh(query: Query, key: Key): Promise<void> {
    const recordKey = keys.record(query.name, key);
    try {
      await load({ entity: query, key, recordKey, force: false, wait: false, known: undefined });
    } catch (error) {
      observe({ kind: 'source-failed', entity: query.name, error });
    }
  }

  return { read, refresh, drain: () => reader.drain() };
}

/** What a result's record must be valid under now. The promise rejects with WarmfeedError STORE_*. */
export function marksOfQuery({ keys, queries }: Pick<QueryLoaderDeps, 'keys' | 'queries'>) {
  return async (query: Query, key: Key): Promise<string> => {
    const of = dependenciesOf(query, key);
    const marks = await Promise.all(of.map(({ entity, tags }) => queries.marks(keys.queryIndex(entity.name), tags)));
    return marks.join('/');
  };
}

export type QueryReader = ReturnType<typeof createQueryReader>;
