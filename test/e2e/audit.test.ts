// The auditor end to end: a stale record is put into Redis behind the cache's back, and the auditor finds and evicts it.

import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startHost } from '../../local/host/host.ts';
import { auditReport } from '../../src/core/audit/audit-report.ts';
import { createAuditStore } from '../../src/redis/audit-store.ts';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { buildApp } from '../support/app.ts';
import { startRedis } from '../support/redis-server.ts';
import { startSqlServer } from '../support/sql-server.ts';
import { type Answer, get, startStack, until } from '../support/stack.ts';
import { MIGRATION, startTables } from '../support/tables.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});
vi.spyOn(console, 'error').mockImplementation(() => undefined);

const SETTINGS = { WARMFEED_AUDIT_PER_MINUTE: '6000' };

interface Audited {
  readonly path: string;
  readonly record: string;
  readonly redis: Redis;
  readonly url: string;
  readonly get: (path: string) => Promise<Answer>;
  readonly write: (n: number) => Promise<unknown>;
}

async function cosmos(): Promise<Audited> {
  const stack = await startStack({ settings: SETTINGS });
  ends.push(() => stack.close());
  return {
    path: 'entities/widget/eu/a',
    record: 'wf:warmfeed:c:{widget/eu/a}',
    redis: stack.redis,
    url: stack.redisServer.url,
    get: stack.get,
    write: (n) => stack.widgets.items.upsert({ id: 'a', region: 'eu', n }),
  };
}

async function postgres(): Promise<Audited> {
  const stack = await startTables(SETTINGS);
  ends.push(() => stack.close());
  await stack.db.query(MIGRATION);
  await stack.track();
  return {
    path: 'entities/part/eu/1',
    record: 'wf:warmfeed:c:{part/eu/1}',
    redis: stack.redis,
    url: stack.redisServer.url,
    get: stack.get,
    write: (n) =>
      stack.db.query(
        `INSERT INTO parts (shop, id, name, n) VALUES ('eu', 1, 'bolt', $1) ON CONFLICT (shop, id) DO UPDATE SET n = $1`,
        [n],
      ),
  };
}

async function sql(): Promise<Audited> {
  const server = await startSqlServer();
  ends.push(() => server.end());
  await server.run('DROP TABLE IF EXISTS dbo.goods; DROP TABLE IF EXISTS dbo.notes;');
  await server.run(`CREATE TABLE dbo.goods (shop nvarchar(20) NOT NULL, id int NOT NULL, name nvarchar(60), n bigint,
    price money, PRIMARY KEY (shop, id))`);
  await server.run('CREATE TABLE dbo.notes (id uniqueidentifier PRIMARY KEY, n int)');
  await server.track('dbo.goods');
  const redisServer = await startRedis();
  ends.push(() => redisServer.stop());
  const settings = {
    ...SETTINGS,
    SQL: server.connectionString,
    REDIS_URL: redisServer.url,
    WARMFEED_TABLE_POLL: '20ms',
    WARMFEED_JITTER: '0',
  };
  const root = await buildApp(new URL('cache.sql.config.ts', import.meta.url).pathname);
  const host = await startHost({ root, port: 0, settings, log: () => undefined });
  ends.push(() => host.close());
  const redis = new Redis(redisServer.url);
  ends.push(() => redis.disconnect());
  await server.run(`INSERT INTO dbo.goods (shop, id, name, n) VALUES (N'eu', 1, N'bolt', 0)`);
  return {
    path: 'entities/good/eu/1',
    record: 'wf:warmfeed:c:{good/eu/1}',
    redis,
    url: redisServer.url,
    get: (path) => get(`${host.url}/api/${path}`),
    write: (n) => server.run(`UPDATE dbo.goods SET n = ${n} WHERE id = 1`),
  };
}

describe.each([
  ['Cosmos DB', cosmos],
  ['PostgreSQL', postgres],
  ['Azure SQL', sql],
] as const)('the auditor over %s', (_, start) => {
  it('counts what matches; finds what is stale, whatever it says of itself, and evicts it', async () => {
    const { path, record, redis, url, get: ask, write } = await start();
    const connection = createRedisConnection({ url, onError: () => undefined });
    ends.push(() => connection.close());
    const audits = createAuditStore(connection);
    const report = async () => auditReport(await audits.counts('wf:warmfeed:audit'));
    const hit = (n: number) =>
      until(async () => {
        const answer = await ask(path);
        return Number(answer.json['n']) === n && answer.cacheStatus.includes('; hit') ? true : undefined;
      });
    const stored = async () => (await redis.getBuffer(record)) ?? Buffer.alloc(0);
    await until(async () => {
      await write(1);
      await hit(1).catch(() => undefined);
      return (await redis.zcard('wf:warmfeed:audits')) > 0 ? true : undefined;
    }, 40_000);
    const old = await stored();
    await until(async () => ((await report()).match > 0 ? true : undefined), 20_000);
    expect((await report()).stale).toBe(0);

    let n = 1;
    /** It is looked after 1 and 5 s, then a minute later: on a machine that was too slow for that, once more. */
    const foundStale = async (shown: () => Promise<Buffer>, of: number) => {
      const before = (await report()).stale;
      await until(async () => {
        await write(++n);
        await hit(n);
        await redis.set(record, await shown());
        expect(Number((await ask(path)).json['n'])).toBe(of);
        return until(async () => ((await report()).stale > before ? true : undefined), 8000).catch(() => undefined);
      }, 40_000);
    };
    await foundStale(async () => old, 1);
    await hit(n);

    const forge = async () => (await stored()).toString('latin1').replace(new RegExp(`("n":"?)${n}`), '$19');
    await foundStale(async () => Buffer.from(await forge(), 'latin1'), 9);
    await hit(n);
    const { samples, share, bound95, byDelay } = await report();
    expect(samples).toBeGreaterThan(2);
    expect(share).toBeLessThan(1);
    expect(bound95).toBeGreaterThan(1 - (share ?? 1));
    expect(Object.keys(byDelay)).toEqual(['1', '5', '60']);
  });
});
