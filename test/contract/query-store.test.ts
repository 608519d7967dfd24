// The index of query results: the scripts and their readable specification answer the same random histories alike, on
// one server (also where bytes are ordered by a locale) and on a cluster; and what only a real server does.

import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisKeys } from '../../src/core/key.ts';
import type { Capture, QueryStore } from '../../src/core/query/query-ports.ts';
import { createRedisConnection, type RedisConnection } from '../../src/redis/connection.ts';
import { createQueryStore } from '../../src/redis/query-store.ts';
import { createMemoryQueryStore } from '../support/memory-query-store.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { hasLocale, LOCALE, startRedis } from '../support/redis-server.ts';

type Step =
  | { readonly kind: 'capture'; readonly tags: readonly string[] }
  | { readonly kind: 'change'; readonly items: readonly { readonly item: string; readonly tags: readonly string[] }[] }
  | { readonly kind: 'admit'; readonly of: number; readonly tags: readonly string[]; readonly items: readonly string[] }
  | { readonly kind: 'marks'; readonly tags: readonly string[] }
  | { readonly kind: 'bump'; readonly tags: readonly string[] }
  | { readonly kind: 'drop' };

const tag = fc.constantFrom('*', 'a', 'b', 'a:b', 'é|x', 'A');
const tags = fc.uniqueArray(tag, { minLength: 1, maxLength: 3 });
const item = fc.constantFrom('1', '2', 'x/y', '%7B', 'ü');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: tags.map((of): Step => ({ kind: 'capture', tags: of })) },
  {
    weight: 4,
    arbitrary: fc
      .array(fc.record({ item, tags: fc.uniqueArray(tag, { maxLength: 3 }) }), { minLength: 1, maxLength: 4 })
      .map((items): Step => ({ kind: 'change', items })),
  },
  {
    weight: 5,
    arbitrary: fc
      .record({ of: fc.nat(5), tags, items: fc.uniqueArray(item, { maxLength: 3 }) })
      .map((of): Step => ({ kind: 'admit', ...of })),
  },
  { weight: 3, arbitrary: tags.map((of): Step => ({ kind: 'marks', tags: of })) },
  { weight: 2, arbitrary: tags.map((of): Step => ({ kind: 'bump', tags: of })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'drop' }) },
);

/** What a store answers to a history; incarnations by the order in which they came up. */
async function replay(store: QueryStore, index: string, steps: readonly Step[]): Promise<unknown[]> {
  const incarnations: string[] = [];
  const captures: Capture[] = [];
  const named = (marks: string) => {
    const [incarnation = '', ...rest] = marks.split('|');
    if (incarnation !== '-' && !incarnations.includes(incarnation)) incarnations.push(incarnation);
    return [incarnations.indexOf(incarnation), ...rest].join('|');
  };
  const answers: unknown[] = [];
  for (const one of steps) {
    switch (one.kind) {
      case 'capture': {
        const capture = await store.capture(index, one.tags);
        captures.unshift(capture);
        answers.push([named(capture.marks), capture.seq]);
        break;
      }
      case 'change': {
        const bumped = await store.change(index, one.items, 20);
        answers.push(typeof bumped === 'string' ? bumped : bumped.toSorted());
        break;
      }
      case 'bump':
        await store.bump(index, one.tags);
        break;
      case 'admit': {
        const capture = captures[one.of];
        if (capture !== undefined) answers.push(await store.admit(index, capture, one.tags, one.items));
        break;
      }
      case 'marks':
        answers.push(named(await store.marks(index, one.tags)));
        break;
      case 'drop':
        await store.drop(index);
        break;
    }
  }
  return answers;
}

interface Tested {
  readonly connection: RedisConnection;
  end(): Promise<void>;
}

async function single(options: Parameters<typeof startRedis>[0] = {}): Promise<Tested> {
  const server = await startRedis(options);
  const connection = createRedisConnection({ url: server.url, onError: () => undefined });
  return {
    connection,
    async end() {
      await connection.close();
      await server.stop();
    },
  };
}

const servers: [string, () => Promise<Tested>][] = [
  ['a server', single],
  ...(hasLocale()
    ? [[`a server under ${LOCALE}`, () => single({ env: { LC_ALL: LOCALE } })] as [string, () => Promise<Tested>]]
    : []),
  [
    'a cluster',
    async () => {
      const cluster = await startRedisCluster();
      const connection = createRedisConnection({
        url: cluster.url,
        clustering: 'OSSCluster',
        onError: () => undefined,
      });
      return {
        connection,
        async end() {
          await connection.close();
          await cluster.stop();
        },
      };
    },
  ],
];

describe.each(servers)('query index on %s', (_, start) => {
  let tested: Tested;
  let store: QueryStore;
  const keys = redisKeys('test');
  beforeAll(async () => {
    tested = await start();
    store = createQueryStore(tested.connection);
  });
  afterAll(() => tested?.end());

  test('does what its specification does', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const index = keys.queryIndex(`e${++runs}`);
        expect(await replay(store, index, steps)).toEqual(await replay(createMemoryQueryStore(), index, steps));
      }),
      { numRuns: 300 },
    );
  });

  test('an item in thousands of lists: one change makes all of them old', async () => {
    const index = keys.queryIndex('popular');
    const lists = Array.from({ length: 3000 }, (__, i) => `list:${i}`);
    for (let at = 0; at < lists.length; at += 500) {
      const some = lists.slice(at, at + 500);
      const capture = await store.capture(index, some);
      expect(await store.admit(index, capture, some, ['star'])).toBe(true);
    }
    const before = await store.marks(index, ['list:0', 'list:2999']);
    expect(await store.change(index, [{ item: 'star', tags: [] }], 100_000)).toHaveLength(3000);
    expect(await store.marks(index, ['list:0', 'list:2999'])).not.toBe(before);
    // It is in none of them now.
    expect(await store.change(index, [{ item: 'star', tags: ['new'] }], 100_000)).toEqual(['new']);
  });

  test('hot queries: newest first, each once', async () => {
    const list = keys.hotQueries('e');
    for (const query of ['a', 'b', 'a']) await store.noteHot(list, query);
    expect(await store.hot(list)).toHaveLength(2);
  });
});

test('a full Redis: a change drops the index, which makes everything old, and does not fail', async () => {
  const server = await startRedis();
  const admin = new Redis(server.url);
  const connection = createRedisConnection({ url: server.url, onError: () => undefined });
  const store = createQueryStore(connection);
  const index = redisKeys('test').queryIndex('e');
  await store.capture(index, ['a']);
  await admin.config('SET', 'maxmemory', '1');
  expect(await store.change(index, [{ item: '1', tags: ['a'] }], 1000)).toBe('all');
  expect(await store.marks(index, ['a'])).toBe('-');
  await admin.config('SET', 'maxmemory', '0');
  admin.disconnect();
  await connection.close();
  await server.stop();
});
