// The whole thing for end-to-end tests: real Redis, the Cosmos DB emulator over HTTP, and the built app in the
// in-process host.

import { CosmosClient, type Database } from '@azure/cosmos';
import { Redis } from 'ioredis';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { type HostOptions, startHost } from '../../local/host/host.ts';
import { buildApp } from './app.ts';
import { startRedis } from './redis-server.ts';

export interface StackOptions {
  readonly configuration?: string;
  readonly settings?: Record<string, string>;
  readonly host?: Partial<HostOptions>;
  readonly ranges?: number;
  /** Whether the all-versions feed carries them, which is an opt-in of the account. */
  readonly previousImages?: boolean;
  readonly redisArgs?: string[];
  /** What the database has besides, before the app starts. */
  readonly prepare?: (database: Database) => Promise<void>;
}

const CONFIGURATION = new URL('../e2e/cache.config.ts', import.meta.url).pathname;

export async function startStack(options: StackOptions = {}) {
  const root = buildApp(options.configuration ?? CONFIGURATION);
  const redisServer = await startRedis(options.redisArgs === undefined ? {} : { args: options.redisArgs });
  const emulator = await startCosmosEmulator({
    ranges: options.ranges ?? 1,
    previousImages: options.previousImages ?? true,
  });
  const client = new CosmosClient(emulator.connectionString);
  const { database } = await client.databases.create({ id: 'shop' });
  const widgets = (await database.containers.create({ id: 'widgets', partitionKey: '/region', defaultTtl: -1 }))
    .container;
  for (const id of ['leases', 'sessions']) {
    await database.containers.create({ id, partitionKey: '/id', defaultTtl: -1 });
  }
  await options.prepare?.(database);
  const settings = {
    COSMOS: emulator.connectionString,
    COSMOS_DATABASE: 'shop',
    REDIS_URL: redisServer.url,
    WARMFEED_REPLICA_LAG: '0s',
    WARMFEED_FEED_POLL: '50ms',
    WARMFEED_FEED_ACQUIRE: '200ms',
    WARMFEED_JITTER: '0',
    // Its reads of the source would be counted with the others.
    WARMFEED_AUDIT_PER_MINUTE: '0',
    ...options.settings,
  };
  const logs: string[] = [];
  const start = async (over: Partial<HostOptions> = {}) =>
    startHost({
      root: await root,
      port: 0,
      settings,
      log: ({ level, category, message }) => logs.push(`${level} [${category}] ${message}`),
      ...options.host,
      ...over,
    });
  let host = await start();
  const redis = new Redis(redisServer.url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  await running();

  /** The feed has its positions, and what was cached before them is old. */
  async function running(): Promise<void> {
    await until(
      async () => ((await get(`${host.url}/api/health/ready`)).json['status'] === 'ok' ? true : undefined),
      20_000,
    );
  }

  return {
    emulator,
    client,
    database,
    widgets,
    redis,
    redisServer,
    settings,
    logs,
    root: await root,
    get host() {
      return host;
    },
    start,
    async restart(over: Partial<HostOptions> = {}) {
      await host.close();
      host = await start(over);
      await running();
    },
    get: (path: string, init?: RequestInit) => get(`${host.url}/api/${path}`, init),
    /** Point reads of the source since `control.record(true)`. */
    sourceReads: () => emulator.control.counts()['read'] ?? 0,
    async close() {
      await host.close();
      redis.disconnect();
      client.dispose();
      await emulator.close();
      await redisServer.stop();
    },
  };
}

export type Stack = Awaited<ReturnType<typeof startStack>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, unknown>;
  readonly cacheStatus: string;
}

export async function get(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // not every answer is JSON
  }
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    cacheStatus: response.headers.get('cache-status') ?? '',
  };
}

/** Polls until there is a result; the condition is the assertion, so no test passes by waiting. */
export async function until<T>(probe: () => Promise<T | undefined> | T | undefined, ms = 10_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${probe.toString().slice(0, 200)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
