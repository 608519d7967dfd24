import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type TestPostgres } from '../support/postgres-server.ts';
import { type Answer, get, type Stack, startStack, until } from '../support/stack.ts';
import { MIGRATION } from '../support/tables.ts';

const CONFIGURATION = new URL('./cache.queries.config.ts', import.meta.url).pathname;

type Row = Record<string, unknown>;
const rowsOf = (answer: Answer): Row[] => answer.json['rows'] as Row[];
const idsOf = (answer: Answer): unknown[] => rowsOf(answer).map(({ id }) => id);

describe('queries', () => {
  let stack: Stack;
  let server: TestPostgres;
  let db: pg.Client;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
    db = new pg.Client(url);
    await db.connect();
    await db.query(
      `CREATE TABLE notes (id int PRIMARY KEY);
       CREATE TABLE parts (shop text, id int, name text, n bigint, price numeric(12, 2), PRIMARY KEY (shop, id))`,
    );
    await db.query(
      `CREATE TABLE calls (at timestamptz DEFAULT now());
       CREATE FUNCTION note_call() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO calls DEFAULT VALUES; PERFORM pg_sleep(0.3); RETURN 1; END $$`,
    );
    await db.query(MIGRATION);
    await db.query(`SELECT warmfeed.track('parts'), warmfeed.track('notes')`);
    stack = await startStack({
      configuration: CONFIGURATION,
      ranges: 3,
      settings: { POSTGRES: url, WARMFEED_TABLE_POLL: '20ms' },
    });
  });
  afterAll(async () => {
    await stack?.close();
    await db?.end();
    await server?.stop();
  });

  const hit = (path: string) =>
    until(async () => {
      const answer = await stack.get(path);
      return answer.cacheStatus.includes('; hit') ? answer : undefined;
    });
  const shows = (path: string, ids: unknown[]) =>
    until(async () => {
      const answer = await stack.get(path);
      return JSON.stringify(idsOf(answer)) === JSON.stringify(ids) ? answer : undefined;
    });

  describe('of Cosmos DB', () => {
    it('a list of one partition: MISS, HIT, the items as they are served', async () => {
      for (const id of ['a', 'b']) {
        await stack.widgets.items.upsert({ id, region: 'eu', color: 'red', secret: 1 });
      }
      await stack.widgets.items.upsert({ id: 'gone', region: 'eu', color: 'red', deleted: true });
      const first = await shows('queries/widgetsOfRegion?region=eu', ['a', 'b']);
      expect(first.text).not.toContain('secret');
      const again = await hit('queries/widgetsOfRegion?region=eu');
      expect(again.cacheStatus).toContain('detail=watermarked');
      expect(again.text).toBe(first.text);
      expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
      const revalidated = await stack.get('queries/widgetsOfRegion?region=eu', {
        headers: { 'if-none-match': again.headers.get('etag') ?? '', 'cache-control': 'max-stale' },
      });
      expect(revalidated.status).toBe(304);
    });

    it('follows an insert, an update that moves an item out, and a delete', async () => {
      const path = 'queries/widgetsOfColor?color=red';
      await shows(path, ['a', 'b']);
      await hit(path);
      await stack.widgets.items.upsert({ id: 'c', region: 'us', color: 'red' });
      await shows(path, ['a', 'b', 'c']);
      expect((await hit(path)).cacheStatus).toContain('detail=fenced');
      await stack.widgets.items.upsert({ id: 'a', region: 'eu', color: 'blue' });
      await shows(path, ['b', 'c']);
      await shows('queries/widgetsOfColor?color=blue', ['a']);
      await hit(path);
      await stack.widgets.items.upsert({ id: 'b', region: 'eu', color: 'red', deleted: true });
      await shows(path, ['c']);
    });

    it('a change of other tags leaves a list alone', async () => {
      await hit('queries/widgetsOfColor?color=red');
      await stack.widgets.items.upsert({ id: 'z', region: 'eu', color: 'green' });
      await shows('queries/widgetsOfColor?color=green', ['z']);
      await shows('queries/widgetsOfRegion?region=eu', ['a', 'z']);
      expect((await stack.get('queries/widgetsOfColor?color=red')).cacheStatus).toContain('; hit');
    });

    it('rows that do not tell whose they are are answered, and never cached', async () => {
      for (let i = 0; i < 2; i++) {
        const answer = await stack.get('queries/colorsOfRegion?region=eu');
        expect(answer.status).toBe(200);
        expect(answer.cacheStatus).not.toContain('stored');
        expect(answer.cacheStatus).toContain('fwd=miss');
      }
    });

    it('C94: ORDER BY passes over items without the property, on a miss and a hit, until they have it', async () => {
      for (const [id, rank] of Object.entries({ a: 2, b: undefined, c: 1, d: undefined, e: 3 })) {
        await stack.widgets.items.upsert({ id, region: 'ranked', ...(rank === undefined ? {} : { rank }) });
      }
      const path = 'queries/ranked?region=ranked';
      const first = await shows(path, ['c', 'a', 'e']);
      expect((await hit(path)).text).toBe(first.text);
      await stack.widgets.items.upsert({ id: 'b', region: 'ranked', rank: 0 });
      await shows(path, ['b', 'c', 'a', 'e']);
      await stack.widgets.items.upsert({ id: 'c', region: 'ranked' });
      await shows(path, ['b', 'a', 'e']);
    });

    it('goes on after its limit, where one partition answers', async () => {
      for (let i = 0; i < 5; i++) await stack.widgets.items.upsert({ id: `p${i}`, region: 'big', color: 'grey' });
      const all = await shows('queries/widgetsOfRegion?region=big', ['p0', 'p1', 'p2', 'p3', 'p4']);
      expect(all.json['continuation']).toBeUndefined();
    });
  });

  describe('of PostgreSQL', () => {
    const path = 'queries/partsOfShop?shop=eu&least=1';
    const insert = 'INSERT INTO parts (shop, id, name, n) VALUES ($1, $2, $3, $4)';

    it('a list: MISS, HIT, and values as items have them', async () => {
      await db.query(insert, ['eu', 1, 'bolt', '9007199254740993']);
      await db.query(insert, ['eu', 2, '@shop', 5]);
      const first = await shows(path, [1]);
      expect(rowsOf(first)[0]).toEqual({ shop: 'eu', id: 1, name: 'bolt', n: '9007199254740993', price: null });
      expect((await hit(path)).cacheStatus).toContain('detail=watermarked');
    });

    it('follows an insert, an update that moves a row out, one that moves it to another list, and a delete', async () => {
      await db.query(insert, ['eu', 3, 'nut', 3]);
      await shows(path, [1, 3]);
      await hit(path);
      await db.query('UPDATE parts SET n = 0 WHERE id = 3');
      await shows(path, [1]);
      await db.query(`UPDATE parts SET n = 7, shop = 'us' WHERE id = 3`);
      await shows('queries/partsOfShop?shop=us&least=1', [3]);
      await hit(path);
      await db.query('DELETE FROM parts WHERE id = 1');
      await shows(path, []);
    });

    it('C31: a plus in a parameter is a space, %2B a plus: other rows, other entries', async () => {
      await db.query(insert, ['plus', 80, '+15550100', 1]);
      await db.query(insert, ['plus', 81, ' 15550100', 1]);
      await shows('queries/partsNamed?name=%2B15550100', [80]);
      for (const space of ['+', '%20']) await shows(`queries/partsNamed?name=${space}15550100`, [81]);
      expect(idsOf(await hit('queries/partsNamed?name=%2B15550100'))).toEqual([80]);
      expect(idsOf(await hit('queries/partsNamed?name=+15550100'))).toEqual([81]);
      expect(await stack.redis.keys('*{query/partsNamed/*')).toHaveLength(2);
    });

    it('C49: a count is made old by any change', async () => {
      const count = async () => rowsOf(await stack.get('queries/partCount'))[0]?.['n'];
      const before = Number(await count());
      await hit('queries/partCount');
      await db.query(insert, ['eu', 50, 'late', 1]);
      await until(async () => (Number(await count()) === before + 1 ? true : undefined));
    });

    it('a result that people ask for is loaded again before they do', async () => {
      await shows(path, [50]);
      await hit(path);
      await db.query(insert, ['eu', 51, 'hot', 1]);
      const answer = await until(async () => {
        const found = await stack.get(path, { headers: { 'cache-control': 'only-if-cached' } });
        return found.status === 200 && idsOf(found).length === 2 ? found : undefined;
      });
      expect(answer.cacheStatus).toContain('; hit');
    });

    it('is followed by all that it is made of, or lives for its ttl', async () => {
      const both = 'queries/partsAndNotes';
      expect((await hit(both)).cacheStatus).toContain('detail=fenced');
      const before = Number(rowsOf(await hit(both))[0]?.['n']);
      await db.query('INSERT INTO notes VALUES (1)');
      await until(async () => (Number(rowsOf(await stack.get(both))[0]?.['n']) === before + 1 ? true : undefined));
      await db.query('ALTER TABLE notes DISABLE TRIGGER warmfeed_row');
      await until(async () => ((await hit(both)).cacheStatus.includes('detail=leased') ? true : undefined));
    });

    it('TRUNCATE, and a lost checkpoint, make results old', async () => {
      await hit(path);
      await db.query('TRUNCATE parts');
      await shows(path, []);
    });

    it('an item changes while the query is loaded: that result is not kept', async () => {
      await db.query(insert, ['eu', 60, 'moving', 1]);
      await shows(path, [60]);
      const other = new pg.Client(url);
      await other.connect();
      for (let n = 2; n < 12; n++) {
        await Promise.all([other.query('UPDATE parts SET n = $1 WHERE id = 60', [n]), stack.get(path)]);
      }
      await other.end();
      await until(async () => (rowsOf(await stack.get(path))[0]?.['n'] === '11' ? true : undefined));
      expect(rowsOf(await hit(path))[0]?.['n']).toBe('11');
    });

    it('many ask for a cold result of two instances: the database runs it once', async () => {
      const other = await stack.start();
      await until(async () => ((await get(`${other.url}/api/health/ready`)).status === 200 ? true : undefined));
      // What changed before is applied: nothing makes the result old while it is loaded.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await hit('queries/partCount');
      await db.query('TRUNCATE calls');
      const urls = Array.from({ length: 40 }, (_, i) => `${i % 2 === 0 ? stack.host.url : other.url}/api/queries/slow`);
      const answers = await Promise.all(urls.map((each) => get(each)));
      expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['{"rows":[{"n":1}]}']));
      expect((await db.query('SELECT count(*)::int AS n FROM calls')).rows).toEqual([{ n: 1 }]);
      await other.close();
    });

    it('more rows than its limit are an error, not a part', async () => {
      await db.query(`INSERT INTO parts SELECT 'many', n, 'x', 1 FROM generate_series(1, 21) n`);
      expect((await stack.get('queries/partsOfShop?shop=many&least=0')).status).toBe(502);
    });
  });

  it('C38, C46: bad input is 400 and names the parameter', async () => {
    const cases: [string, string][] = [
      ['queries/partsOfShop?shop=eu', 'least'],
      ['queries/partsOfShop?shop=eu&least=x', 'least'],
      ['queries/partsOfShop?shop=eu&least=1e3', 'least'],
      ['queries/partsOfShop?shop=eu&least=9223372036854775808', 'least'],
      ['queries/partsOfShop?shop=eu&shop=us&least=1', 'shop'],
      ['queries/partsOfShop?shop=eu&least=1&more=1', 'more'],
      [`queries/partsOfShop?shop=${'x'.repeat(1100)}&least=1`, 'shop'],
      ['queries/partsOfShop?shop=a%00b&least=1', 'shop'],
      ['queries/partsOfShop?shop=&least=1', 'shop'],
      ['queries/partsOfShop?shop=eu&least=1&continuation=1', 'continuation'],
      ['queries/widgetsOfColor?color=red&continuation=1', 'continuation'],
      ['queries/widgetsOfRegion?region=eu&continuation=rubbish', 'continuation'],
    ];
    for (const [path, name] of cases) {
      const answer = await stack.get(path);
      expect([path, answer.status]).toEqual([path, 400]);
      expect(answer.json['detail']).toContain(name);
    }
    for (const value of ['%ff', 'a%ED%A0%80', '100%']) {
      expect((await stack.get(`queries/partsNamed?name=${value}`)).json['detail']).toContain('name is not valid');
    }
    const keys = await stack.redis.keys('*partsOfShop*x*');
    expect(keys).toEqual([]);
    expect((await stack.get('queries/nothing')).status).toBe(404);
    const injected = await stack.get(
      `queries/partsOfShop?shop=${encodeURIComponent(`'; DROP TABLE parts; --`)}&least=1`,
    );
    expect(injected.json).toEqual({ rows: [] });
    expect((await stack.get('queries/partCount')).status).toBe(200);
  });

  it('C40: HEAD is GET without a body, another method is 405', async () => {
    const answered = await hit('queries/partCount');
    const head = await stack.get('queries/partCount', { method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', answered.headers.get('etag')]);
    expect(head.headers.get('content-length')).toBe(String(answered.text.length));
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const refused = await stack.get('queries/partCount', { method });
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
  });
});
