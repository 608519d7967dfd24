// Results of queries: what a hit costs with few and with very many tags in an index, and what it costs a page of changes
// to look up every item there.

import { Redis } from 'ioredis';
import { hash64 } from '../src/core/bytes.ts';
import { parseKey } from '../src/core/key.ts';
import type { QueryRead, Source } from '../src/core/ports.ts';
import type { Query } from '../src/core/query/query.ts';
import { createQueryChanges } from '../src/core/query/query-changes.ts';
import { createHotRefresh } from '../src/core/query/query-hot.ts';
import { createQueryReader } from '../src/core/query/query-read.ts';
import { NO_DIRECTIVES } from '../src/core/read/policy.ts';
import { createSync } from '../src/core/sync/sync.ts';
import { createQueryStore } from '../src/redis/query-store.ts';
import { type BenchApp, createBenchApp, documentOf, expectHit, sourceOf } from './app.ts';
import type { Context } from './context.ts';
import { latency, speed } from './hit.ts';
import { msOf, race, ratios, spread, usedBy } from './measure.ts';
import type { Figure } from './report.ts';

const ROWS = 5;
const PAGE = 1000;
const AT_ONCE = 100;
const MOST_FIELDS = 100_000;

export async function queries(context: Context): Promise<Figure[]> {
  const counts = context.isQuick ? [100, 1000] : [100, 10_000];
  const figures: Figure[] = [];
  for (const count of counts) figures.push(...(await ofLists(context, count)));
  return figures;
}

/** Each list has rows of its own. */
async function ofLists(context: Context, lists: number): Promise<Figure[]> {
  const lister = listing();
  const app = createBenchApp(context.redis, lister, `lists${lists}`);
  const client = new Redis(context.redis, { enableAutoPipelining: true });
  await app.settled();
  const { query, reader, sync } = withQueries(app, lister);
  const keyOf = (list: number) => [...parseKey(query.params, [String(list)]), ''];
  const read = (list: number) => reader.read({ entity: query, key: keyOf(list), directives: NO_DIRECTIVES });
  const empty = await usedBy(client);
  for (let at = 0; at < lists; at += AT_ONCE) {
    context.progress(`${at} of ${lists} lists`);
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, lists - at) }, (_, i) => read(at + i)));
  }
  const bytes = ((await usedBy(client)) - empty) / lists;
  const any = () => Math.floor(Math.random() * lists);
  const answer = await read(any());
  expectHit(answer);
  context.progress(`hits of ${lists} lists`);
  const contenders = [
    { name: 'bare', call: () => client.getBuffer(app.keys.record(query.name, keyOf(any()))) },
    { name: 'hit', call: () => read(any()) },
  ];
  const [bare = [], hit = []] = await race(contenders, { inFlight: 64, rounds: context.rounds, roundMs: 80 });
  const told: number[] = [];
  const untold: number[] = [];
  for (let round = 0; round <= context.rounds; round++) {
    context.progress(`pages of changes, ${lists} lists, round ${round}`);
    const page = () =>
      Array.from({ length: PAGE }, (_, i) => {
        const item = `${any()}-${i % ROWS}`;
        return { key: [item], version: ++lister.head, document: { ...documentOf(200), id: item } };
      });
    const [one, other] = [await msOf(() => sync.apply(page())), await msOf(() => app.sync.apply(page()))];
    if (round > 0) {
      told.push(one);
      untold.push(other);
    }
  }
  client.disconnect();
  await app.close();
  const number = lists.toLocaleString('en');
  return [
    {
      what: `hit of any of ${number} lists of ${ROWS} rows, a tag each`,
      value: spread(hit.map(speed)),
      unit: 'per second',
      ratio: ratios(hit.map(speed), bare.map(speed)),
      to: 'auto-pipelined getBuffer',
      also: { ...latency(hit), 'bytes a list': Math.round(bytes) },
    },
    {
      what: `changes of 200 bytes, pages of ${PAGE}, each of a row of one of ${number} lists`,
      value: spread(told.map((ms) => (PAGE / ms) * 1000)),
      unit: 'per second',
      ratio: ratios(untold, told),
      to: 'the same where nothing lists them',
    },
  ];
}

type Lister = ReturnType<typeof sourceOf>;

function listing(): Lister {
  const source = sourceOf(documentOf(200));
  const query = async ({ values }: { values: Readonly<Record<string, unknown>> }): Promise<QueryRead> => {
    const ids = Array.from({ length: ROWS }, (_, i) => `${String(values['list'])}-${i}`);
    const at = { asOf: source.head, partition: { id: 'bench/0', ancestors: [] } };
    const rows = ids.map((id) => ({ ...documentOf(200), id }));
    return { rows, keys: ids.map((id) => [id]), at, isTracked: true, continuation: undefined };
  };
  return Object.assign(source, { query });
}

/** An item is `list-row`, and has its list as its tag. */
function tagsOf(document: object): string[] {
  return [`list:${String((document as { id?: unknown }).id).split('-')[0]}`];
}

const reloads = <T>(work: (signal: AbortSignal) => Promise<T>) => work(AbortSignal.timeout(10_000));

function withQueries({ connection, deps, entity: plain }: BenchApp, source: Source) {
  const entity = { ...plain, source, tags: tagsOf };
  const query: Query = {
    name: 'query/list',
    title: 'list',
    source,
    fingerprint: hash64('list'),
    staleForMs: 0,
    staleIfErrorMs: 0,
    madeOf: [entity],
    of: [entity],
    run: (statement, options) => (source.query as NonNullable<Source['query']>)(statement, options),
    isOfItems: true,
    text: '',
    params: [{ name: 'list', type: 'text', maxBytes: 100 }],
    partition: () => ['0'],
    tags: ({ list }) => [`list:${String(list)}`],
    row: (row) => row,
    ttlMs: 3_600_000,
    maxRows: 100,
    maxBytes: 100_000,
    onChange: 'evict',
    http: entity.http,
  };
  const store = createQueryStore(connection);
  const reader = createQueryReader({ ...deps, queries: store, reloads });
  const hot = createHotRefresh({ ...deps, store, queries: [query], refresh: reader.refresh });
  const changes = createQueryChanges({ ...deps, store, queries: [query], hot, mostFields: MOST_FIELDS });
  return { query, reader, sync: createSync({ ...deps, queries: changes, source, entities: [entity] }) };
}
