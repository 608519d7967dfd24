// Azure SQL end to end: on the server that the setting SQL names, or on the TDS emulator.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHost } from '../../local/host/host.ts';
import { buildApp } from '../support/app.ts';
import { startSlowProxy } from '../support/proxies.ts';
import { startRedis } from '../support/redis-server.ts';
import { type SqlServer, startSqlServer } from '../support/sql-server.ts';
import { get, until } from '../support/stack.ts';

const CONFIGURATION = new URL('cache.sql.config.ts', import.meta.url).pathname;
const FEED = 'feed of sql/SQL/dbo.goods';
const good = (shop: string, id: number, name: string, n: string) => ({ shop, id, name, n, price: null });

async function start(server: SqlServer) {
  const [root, redisServer] = await Promise.all([buildApp(CONFIGURATION), startRedis()]);
  await server.run('DROP TABLE IF EXISTS dbo.goods; DROP TABLE IF EXISTS dbo.notes;');
  await server.run(`CREATE TABLE dbo.goods (shop nvarchar(20) NOT NULL, id int NOT NULL, name nvarchar(60), n bigint,
    price money, PRIMARY KEY (shop, id))`);
  await server.run('CREATE TABLE dbo.notes (id uniqueidentifier PRIMARY KEY, n int)');
  const redis = new Redis(redisServer.url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  const proxy = await startSlowProxy(server.port, 0);
  const settings = {
    SQL: server.connectionString.replace(`,${server.port}`, `,${proxy.port}`),
    REDIS_URL: redisServer.url,
    WARMFEED_TABLE_POLL: '20ms',
    WARMFEED_JITTER: '0',
  };
  const logs: string[] = [];
  const open = () =>
    startHost({ root, port: 0, settings, log: ({ level, message }) => logs.push(`${level} ${message}`) });
  let host = await open();
  const stack = {
    redis,
    proxy,
    logs,
    get: (path: string, init?: RequestInit) => get(`${host.url}/api/${path}`, init),
    async dependency(name: string) {
      const { json } = await stack.get('health/ready');
      return (json['dependencies'] as { name: string; state: string; detail?: string }[]).find(
        (each) => each.name === name,
      );
    },
    followed: () => until(async () => ((await stack.dependency(FEED))?.state === 'ok' ? true : undefined)),
    /** Waits until a cached answer is as told. */
    shows: (path: string, expected: unknown) =>
      until(async () => {
        const answer = await stack.get(path, { headers: { 'cache-control': 'only-if-cached' } });
        if (answer.status === 504) return undefined;
        const found = answer.status === 200 ? answer.json : answer.status;
        return JSON.stringify(found) === JSON.stringify(expected) ? answer : undefined;
      }),
    /** Absence is not cached where the collation folds keys. */
    gone: (path: string) => until(async () => ((await stack.get(path)).status === 404 ? true : undefined)),
    named: (path: string, name: string) =>
      until(async () => ((await stack.get(path)).json['name'] === name ? true : undefined)),
    stopHost: () => host.close(),
    async startHost() {
      host = await open();
    },
    async close() {
      await host.close();
      redis.disconnect();
      proxy.close();
      await redisServer.stop();
    },
  };
  return stack;
}

describe('Azure SQL', () => {
  let server: SqlServer;
  let stack: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    server = await startSqlServer();
    stack = await start(server);
  });
  afterAll(async () => {
    await stack?.close();
    await server?.end();
  });

  const run = (text: string) => server.run(text);
  const insert = (shop: string, id: number, name: string, n: number | string) =>
    run(`INSERT INTO dbo.goods (shop, id, name, n) VALUES (N'${shop}', ${id}, N'${name}', ${n})`);

  it('without change tracking: cached under the lease only, and readiness says what to do', async () => {
    await insert('eu', 1, 'bolt', 1);
    const miss = await stack.get('entities/good/eu/1');
    expect(miss.json).toEqual(good('eu', 1, 'bolt', '1'));
    expect(miss.cacheStatus).toMatch(/fwd=miss; .*stored; .*detail=leased/);
    expect((await stack.get('entities/good/eu/1')).cacheStatus).toMatch(/; hit; .*detail=leased/);
    const feed = await stack.dependency(FEED);
    expect(feed).toMatchObject({ state: 'warn', detail: expect.stringContaining('infra/sql') as string });
    expect((await stack.get('health/ready')).status).toBe(200);
  });

  it('with it: what was cached before is old, and the guarantee is the full one', async () => {
    await stack.get('entities/good/eu/1');
    await server.track('dbo.goods');
    await server.track('dbo.goods');
    await stack.followed();
    const again = await stack.get('entities/good/eu/1');
    expect(again.cacheStatus).toMatch(/fwd=miss; .*detail=watermarked/);
    expect((await stack.get('entities/good/eu/1')).cacheStatus).toMatch(/; hit; .*detail=watermarked/);
  });

  it('follows inserts, updates and deletes; `evict` evicts', async () => {
    expect((await stack.get('entities/good/eu/2')).status).toBe(404);
    await insert('eu', 2, 'nut', '9007199254740993');
    await stack.shows('entities/good/eu/2', good('eu', 2, 'nut', '9007199254740993'));
    expect((await stack.get('entities/brief/eu/2')).text).toBe('"nut"');
    await run(`UPDATE dbo.goods SET name = N'wing nut', price = 1.5 WHERE id = 2`);
    await stack.shows('entities/good/eu/2', { ...good('eu', 2, 'wing nut', '9007199254740993'), price: '1.5000' });
    await until(async () => ((await stack.get('entities/brief/eu/2')).text === '"wing nut"' ? true : undefined));
    await run('DELETE FROM dbo.goods WHERE id = 2');
    await stack.gone('entities/good/eu/2');
  });

  it('T06: a primary key that is changed: both keys follow', async () => {
    await insert('eu', 3, 'cog', 3);
    await stack.shows('entities/good/eu/3', good('eu', 3, 'cog', '3'));
    await run('UPDATE dbo.goods SET id = 33 WHERE id = 3');
    await stack.gone('entities/good/eu/3');
    await stack.shows('entities/good/eu/33', good('eu', 33, 'cog', '3'));
  });

  it('T05: TRUNCATE makes everything old', async () => {
    await insert('eu', 4, 'pin', 4);
    await stack.shows('entities/good/eu/4', good('eu', 4, 'pin', '4'));
    await run('TRUNCATE TABLE dbo.goods');
    await until(async () => ((await stack.get('entities/good/eu/4')).status === 404 ? true : undefined));
    await insert('eu', 4, 'new pin', 5);
    await stack.shows('entities/good/eu/4', good('eu', 4, 'new pin', '5'));
  });

  it('an open transaction in between: later commits are followed, and its own when it commits', async () => {
    await insert('eu', 5, 'old', 0);
    await stack.shows('entities/good/eu/5', good('eu', 5, 'old', '0'));
    const long = server.db.transaction();
    await long.begin();
    await long.request().query(`UPDATE dbo.goods SET name = N'by the long one' WHERE id = 4`);
    await run('UPDATE dbo.goods SET n = 1 WHERE id = 5');
    await stack.shows('entities/good/eu/5', good('eu', 5, 'old', '1'));
    await stack.shows('entities/good/eu/4', good('eu', 4, 'new pin', '5'));
    await long.commit();
    await stack.shows('entities/good/eu/4', good('eu', 4, 'by the long one', '5'));
  });

  it('another spelling of a text key is answered, never cached', async () => {
    const upper = await stack.get('entities/good/EU/5');
    expect(upper.json).toEqual(good('eu', 5, 'old', '1'));
    expect(upper.cacheStatus).not.toContain('stored');
    expect((await stack.get('entities/good/EU/5')).cacheStatus).not.toContain('; hit');
  });

  it('changes while the app was down are followed; a lost checkpoint makes everything old', async () => {
    await insert('eu', 8, 'one', 1);
    await stack.shows('entities/good/eu/8', good('eu', 8, 'one', '1'));
    await stack.stopHost();
    await run(`UPDATE dbo.goods SET name = N'two' WHERE id = 8`);
    await stack.startHost();
    await stack.shows('entities/good/eu/8', good('eu', 8, 'two', '1'));
    await stack.stopHost();
    const [checkpoint = ''] = await stack.redis.keys('wf:*:ck:{sql/SQL/dbo.goods}');
    await stack.redis.del(checkpoint);
    await run(`UPDATE dbo.goods SET name = N'three' WHERE id = 8`);
    await stack.startHost();
    await stack.named('entities/good/eu/8', 'three');
  });

  it('changes that were forgotten before they were read make everything old', async ({ skip }) => {
    if (server.emulator === undefined) return skip('a real server forgets when its retention is over');
    await stack.shows('entities/good/eu/8', good('eu', 8, 'three', '1'));
    await stack.stopHost();
    await run(`UPDATE dbo.goods SET name = N'four' WHERE id = 8`);
    await server.emulator.control.expireChanges('dbo.goods', 1_000_000);
    await stack.startHost();
    await stack.named('entities/good/eu/8', 'four');
  });

  it('change tracking that began anew: changes in between are not kept', async () => {
    await stack.named('entities/good/eu/8', 'four');
    await run('ALTER TABLE dbo.goods DISABLE CHANGE_TRACKING');
    await until(async () => ((await stack.dependency(FEED))?.state === 'warn' ? true : undefined));
    await run(`UPDATE dbo.goods SET name = N'five' WHERE id = 8`);
    await run('ALTER TABLE dbo.goods ENABLE CHANGE_TRACKING');
    await stack.named('entities/good/eu/8', 'five');
    await stack.followed();
  });

  it('lists follow an insert, an update that moves a row out, and a delete; a count follows every change', async () => {
    const path = 'queries/goodsOfShop?shop=list&least=1';
    const shows = (ids: number[]) =>
      until(async () => {
        const rows = (await stack.get(path)).json['rows'] as { id: number }[];
        return JSON.stringify(rows.map(({ id }) => id)) === JSON.stringify(ids) ? true : undefined;
      });
    const isHit = () => until(async () => ((await stack.get(path)).cacheStatus.includes('; hit') ? true : undefined));
    const count = async () => ((await stack.get('queries/goodsCount')).json['rows'] as { n: number }[])[0]?.n ?? 0;
    await shows([]);
    const before = await count();
    await insert('list', 1, 'one', 1);
    await insert('list', 2, 'two', 2);
    await shows([1, 2]);
    await isHit();
    expect((await stack.get(path)).cacheStatus).toContain('detail=watermarked');
    await until(async () => ((await count()) === before + 2 ? true : undefined));
    await run(`UPDATE dbo.goods SET shop = N'elsewhere' WHERE shop = N'list' AND id = 1`);
    await shows([2]);
    await isHit();
    await run(`DELETE FROM dbo.goods WHERE shop = N'list'`);
    await shows([]);
    await until(async () => ((await count()) === before + 1 ? true : undefined));
    expect((await stack.get('queries/goodsOfShop?shop=x&least=one')).status).toBe(400);
  });

  it('C98, T23: keys are typed: one canonical key, and what does not parse is 400', async () => {
    await run(`INSERT INTO dbo.notes VALUES ('6F9619FF-8B86-D011-B42D-00C04FC964FF', 1)`);
    const upper = await stack.get('entities/note/6F9619FF-8B86-D011-B42D-00C04FC964FF');
    expect(upper.json).toEqual({ id: '6f9619ff-8b86-d011-b42d-00c04fc964ff', n: 1 });
    for (const bad of ['abc', '12abc', '%201', '1e3', '0x10', '2147483648', '1.0']) {
      const answer = await stack.get(`entities/good/eu/${bad}`);
      expect([bad, answer.status]).toEqual([bad, 400]);
      expect(answer.json['detail']).toContain('{id}');
    }
    expect((await stack.get('entities/good/a%00b/1')).status).toBe(400);
    expect((await stack.get("entities/good/'%3B DROP TABLE goods%3B--/1")).status).toBe(404);
    expect((await stack.get('entities/good/eu/8')).status).toBe(200);
  });

  it('the database down: stale within the bound, 503 for the rest, and well again', async () => {
    await insert('eu', 9, 'cached', 9);
    await stack.shows('entities/good/eu/9', good('eu', 9, 'cached', '9'));
    stack.proxy.hold();
    expect((await stack.get('entities/good/eu/9')).cacheStatus).toContain('; hit');
    const [fresh, stale] = await Promise.all([
      stack.get('entities/good/eu/77'),
      stack.get('entities/good/eu/9', { headers: { 'cache-control': 'no-cache' } }),
    ]);
    expect(fresh.status).toBe(503);
    expect(stale.json).toEqual(good('eu', 9, 'cached', '9'));
    expect(stale.cacheStatus).toContain('fwd=stale');
    stack.proxy.letGo();
    await run(`UPDATE dbo.goods SET name = N'well again' WHERE id = 9`);
    await stack.shows('entities/good/eu/9', good('eu', 9, 'well again', '9'));
  });
});
