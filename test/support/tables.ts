// The whole thing over tables: real Redis, real PostgreSQL, and the built app in the in-process host.

import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import pg from 'pg';
import { startHost } from '../../local/host/host.ts';
import { buildApp } from './app.ts';
import { startPostgres } from './postgres-server.ts';
import { startSlowProxy } from './proxies.ts';
import { startRedis } from './redis-server.ts';
import { get, until } from './stack.ts';

export const MIGRATION = readFileSync(new URL('../../infra/sql/postgres.sql', import.meta.url), 'utf8');
const CONFIGURATION = new URL('../e2e/cache.tables.config.ts', import.meta.url).pathname;

const TABLES = `
  CREATE TABLE parts (shop text, id int, name text, n bigint, price numeric(12, 2), PRIMARY KEY (shop, id));
  CREATE TABLE logs (id uuid PRIMARY KEY, n int)`;

export async function startTables(settings: Record<string, string> = {}) {
  const [root, server, redisServer] = await Promise.all([buildApp(CONFIGURATION), startPostgres(), startRedis()]);
  const url = await server.createDatabase();
  const db = await connected(url);
  await db.query(TABLES);
  const redis = new Redis(redisServer.url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  const logs: string[] = [];
  const proxy = await startSlowProxy(server.port, 0);
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  const all = {
    POSTGRES: proxied.href,
    REDIS_URL: redisServer.url,
    WARMFEED_TABLE_POLL: '20ms',
    WARMFEED_JITTER: '0',
    ...settings,
  };
  const start = (over: Record<string, string> = {}) =>
    startHost({
      root,
      port: 0,
      settings: { ...all, ...over },
      log: ({ level, category, message }) => logs.push(`${level} [${category}] ${message}`),
    });
  let host = await start();
  const stack = {
    db,
    /** Between the app and its database. */
    proxy,
    redis,
    redisServer,
    logs,
    /** Another session of the database. */
    session: () => connected(url),
    get: (path: string, init?: RequestInit) => get(`${host.url}/api/${path}`, init),
    /** How the readiness names a dependency. */
    async dependency(name: string) {
      const { json } = await stack.get('health/ready');
      return (json['dependencies'] as { name: string; state: string; detail?: string }[]).find(
        (each) => each.name === name,
      );
    },
    /** The outbox is in place, and what was cached before it is old. */
    async track(table = 'parts') {
      await db.query(`SELECT warmfeed.track('${table}')`);
      const name = `feed of postgres/POSTGRES/${table}`;
      await until(async () => ((await stack.dependency(name))?.state === 'ok' ? true : undefined));
    },
    /** Waits until a cached answer is as told. */
    shows: (path: string, expected: unknown) =>
      until(async () => {
        const answer = await stack.get(path, { headers: { 'cache-control': 'only-if-cached' } });
        if (answer.status === 504) return undefined;
        const found = answer.status === 200 ? answer.json : answer.status;
        return JSON.stringify(found) === JSON.stringify(expected) ? answer : undefined;
      }),
    async stopHost() {
      await host.close();
    },
    async startHost(over: Record<string, string> = {}) {
      host = await start(over);
    },
    async close() {
      await host.close();
      redis.disconnect();
      proxy.close();
      await db.end();
      await redisServer.stop();
      await server.stop();
    },
  };
  return stack;
}

export type Tables = Awaited<ReturnType<typeof startTables>>;

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
