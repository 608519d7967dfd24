/** Queries through the real client, in one logical partition and over three ranges; and what is refused. */
import type { Container, FeedOptions, JSONValue } from '@azure/cosmos';
import { beforeAll, describe, expect, it } from 'vitest';
import { failure, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos({ ranges: 3 });
let container: Container;

const documents = Array.from({ length: 60 }, (_, n) => ({
  id: `i${n}`,
  pk: `p${n % 6}`,
  n,
  name: `Name ${n % 10}`,
  tags: n % 2 === 0 ? ['even', 'all'] : ['all'],
  ...(n % 3 === 0 ? { third: { of: n / 3 } } : {}),
  mixed: n % 2 === 0 ? n : String(n),
}));

beforeAll(async () => {
  container = await cosmos.container();
  for (const document of documents) await container.items.create(document);
});

const ask = async (query: string, parameters: Record<string, JSONValue> = {}, options: FeedOptions = {}) => {
  const list = Object.entries(parameters).map(([name, value]) => ({ name: `@${name}`, value }));
  return (await container.items.query({ query, parameters: list }, options).fetchAll()).resources as unknown[];
};

describe('in one logical partition', () => {
  const options = { partitionKey: 'p1' };
  it.each([
    ['SELECT VALUE c.n FROM c ORDER BY c.n DESC', [55, 49, 43, 37, 31, 25, 19, 13, 7, 1]],
    ['SELECT TOP 2 c.id, c.third.of FROM c WHERE IS_DEFINED(c.id) ORDER BY c.n', [{ id: 'i1' }, { id: 'i7' }]],
    ['SELECT VALUE COUNT(1) FROM c WHERE c.n > 30', [5]],
    ['SELECT COUNT(1) AS n, MAX(c.n) AS most FROM c', [{ n: 10, most: 55 }]],
    ["SELECT VALUE c.n FROM c WHERE c.id IN ('i1', 'i7', 'i0')", [1, 7]],
    ['SELECT VALUE {a: c.n, b: [c.nothing, c.pk]} FROM c WHERE c.n = 1', [{ a: 1, b: ['p1'] }]],
  ])('%s', async (query, expected) => {
    expect(await ask(query, {}, options)).toEqual(expected);
  });

  it('pages without loss or repetition, ordered or not', async () => {
    for (const query of ['SELECT * FROM c', 'SELECT * FROM c ORDER BY c.n']) {
      const iterator = container.items.query<{ n: number }>(query, { partitionKey: 'p2', maxItemCount: 3 });
      const sizes: number[] = [];
      const seen: number[] = [];
      while (iterator.hasMoreResults()) {
        const { resources } = await iterator.fetchNext();
        sizes.push(resources.length);
        seen.push(...resources.map(({ n }) => n));
      }
      expect(sizes).toEqual([3, 3, 3, 1]);
      expect(seen).toEqual([2, 8, 14, 20, 26, 32, 38, 44, 50, 56]);
    }
  });
});

describe('over three ranges', () => {
  it('finds by parameters', async () => {
    expect(await ask('SELECT VALUE c.id FROM c WHERE c.n = @n AND c.pk = @pk', { n: 14, pk: 'p2' })).toEqual(['i14']);
    const found = await ask('SELECT VALUE c.n FROM c WHERE ARRAY_CONTAINS(@ids, c.id)', { ids: ['i3', 'i40', 'x'] });
    expect(new Set(found)).toEqual(new Set([3, 40]));
  });

  it('compares without coercion', async () => {
    expect(await ask('SELECT VALUE c.n FROM c WHERE c.mixed BETWEEN 1 AND 5')).toEqual(expect.arrayContaining([2, 4]));
    expect(await ask('SELECT VALUE c.n FROM c WHERE c.mixed BETWEEN 1 AND 5')).toHaveLength(2);
    expect(await ask("SELECT VALUE c.n FROM c WHERE c.mixed = '3'")).toEqual([3]);
    expect(await ask('SELECT VALUE c.n FROM c WHERE c.mixed IN (3, 4)')).toEqual([4]);
    expect(await ask('SELECT VALUE c.n FROM c WHERE NOT (c.third.of >= 0)')).toEqual([]);
  });

  it('orders, limits and merges', async () => {
    expect(await ask('SELECT VALUE c.n FROM c ORDER BY c.n')).toEqual(documents.map(({ n }) => n));
    expect(await ask('SELECT TOP 4 c.id FROM c WHERE c.n >= 10 ORDER BY c.n DESC')).toEqual(
      [59, 58, 57, 56].map((n) => ({ id: `i${n}` })),
    );
    expect(await ask('SELECT VALUE c.third.of FROM c ORDER BY c.third.of')).toHaveLength(20);
  });

  it('aggregates', async () => {
    expect(await ask('SELECT VALUE COUNT(1) FROM c')).toEqual([60]);
    expect(await ask('SELECT VALUE SUM(c.n) FROM c')).toEqual([1770]);
    expect(await ask('SELECT VALUE AVG(c.n) FROM c')).toEqual([29.5]);
    expect(await ask('SELECT VALUE MIN(c.n) FROM c WHERE c.n > 6')).toEqual([7]);
    expect(await ask('SELECT VALUE MAX(c.n) FROM c')).toEqual([59]);
  });

  it('joins, looks into arrays and calls functions', async () => {
    expect(await ask("SELECT t FROM c JOIN t IN c.tags WHERE t = 'even'")).toHaveLength(30);
    expect(
      await ask("SELECT VALUE 1 FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'even')"),
    ).toHaveLength(30);
    expect(await ask("SELECT * FROM c WHERE STARTSWITH(c.name, 'name 3', true) AND CONTAINS(c.id, '3')")).toHaveLength(
      6,
    );
    expect(await ask('SELECT ARRAY(SELECT VALUE t FROM t IN c.tags) AS all FROM c WHERE c.n = 4')).toEqual([
      { all: ['even', 'all'] },
    ]);
  });

  it('shows documents as they are stored', async () => {
    const [found] = await ask('SELECT * FROM c WHERE c.n = 5');
    expect(found).toEqual((await container.item('i5', 'p5').read()).resource);
  });
});

const ascending = (path: string) => ({ path, order: 'ascending' as const });

describe('what is not served is refused, never answered wrongly', () => {
  it.each([
    'SELECT DISTINCT c.pk FROM c',
    'SELECT DISTINCT c FROM c',
    'SELECT * FROM c OFFSET 1 LIMIT 2',
    'SELECT c.pk, COUNT(1) FROM c GROUP BY c.pk',
    'SELECT c.pk, COUNT(1) FROM c',
    "SELECT * FROM c WHERE c.name LIKE 'N%'",
    'SELECT * FROM c WHERE NOSUCH(c.n)',
    'SELECT * FROM c WHERE LENGTH(c.name, 1) > 1',
    'SELECT * FROM c WHERE c.n = @missing',
    'SELECT * FROM c WHERE d.n = 1',
    'SELECT * FROM c ORDER BY c.name, c.n',
    'SELECT udf.f(c.n) FROM c',
    'SELEC',
  ])('%s', async (query) => {
    for (const options of [{}, { partitionKey: 'p1' }]) {
      const error = await failure(container.items.query(query, options).fetchAll());
      expect(error).toMatchObject({ code: 400 });
      expect(error.message.length).toBeGreaterThan(20);
    }
  });

  it('orders by several paths where a composite index allows it', async () => {
    const composite = await cosmos.container({
      indexingPolicy: { compositeIndexes: [[ascending('/a'), ascending('/b')]], includedPaths: [{ path: '/*' }] },
    });
    for (const [a, b] of [
      [2, 1],
      [1, 2],
      [1, 1],
    ] as const)
      await composite.items.create({ id: `${a}${b}`, pk: `${a}${b}`, a, b });
    const run = async (by: string) =>
      (await composite.items.query(`SELECT VALUE c.id FROM c ORDER BY ${by}`).fetchAll()).resources;
    expect(await run('c.a, c.b')).toEqual(['11', '12', '21']);
    expect(await run('c.a DESC, c.b DESC')).toEqual(['21', '12', '11']);
    expect((await failure(run('c.a, c.b DESC'))).code).toBe(400);
  });
});
