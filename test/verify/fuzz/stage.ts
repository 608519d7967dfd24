// Where the cache is during a schedule, and what can be done to it there: one Redis server of one's own.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { redisKeys } from '../../../src/core/key.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import type { Kept } from './history.ts';
import type { Fault } from './schedule.ts';
import { ENTITY } from './warmfeed.ts';

export interface Stage {
  readonly url: string;
  readonly clustering: 'NoCluster' | 'OSSCluster';
  /** As new. */
  reset(): Promise<void>;
  /** @returns what it took away; undefined: nothing that was acknowledged */
  inject(fault: Fault, app: string): Promise<void>;
  /** The keys of an app with their TTLs. */
  kept(app: string): Promise<readonly Kept[]>;
  end(): Promise<void>;
}

export async function startSingleStage(): Promise<Stage> {
  const server = await startRedis();
  const admin = new Redis(server.url, { retryStrategy: () => 10, maxRetriesPerRequest: null });
  admin.on('error', () => undefined);
  return {
    url: server.url,
    clustering: 'NoCluster',
    async reset() {
      await admin.config('SET', 'maxmemory', '0');
      await admin.flushall();
    },
    inject: (fault, app) => injectInto(server, admin, fault, app),
    kept: (app) => keptOf(admin, app),
    async end() {
      admin.disconnect();
      await server.kill();
    },
  };
}

async function injectInto(server: RedisServer, admin: Redis, fault: Fault, app: string): Promise<void> {
  const keys = redisKeys(app);
  switch (fault.kind) {
    case 'evict':
      return void (await admin.del(keys.record(ENTITY, [`k${fault.key}`])));
    case 'lose-watermarks':
      return lose(admin, `wf:${app}:hw:*`);
    case 'lose-generations':
      return void (await admin.del(keys.generations));
    case 'flush':
      return void (await admin.flushall());
    case 'pause':
      await admin.call('CLIENT', 'PAUSE', fault.ms, fault.writesOnly ? 'WRITE' : 'ALL');
      return sleep(fault.ms);
    case 'cut':
      return void (await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
    case 'kill':
      await server.kill();
      await sleep(fault.ms);
      return server.start();
    case 'stop':
      return stopFor(server, fault.ms);
    case 'squeeze':
      return squeeze(admin, fault.ms);
    case 'script-flush':
      return void (await admin.script('FLUSH'));
    case 'die':
    case 'bump':
    case 'split':
      return;
  }
}

async function stopFor(server: RedisServer, ms: number): Promise<void> {
  const pid = server.pid();
  if (pid === undefined) return;
  process.kill(pid, 'SIGSTOP');
  await sleep(ms);
  process.kill(pid, 'SIGCONT');
}

/** Redis evicts what has a TTL, least recently used first, while there is more than it may keep. */
async function squeeze(admin: Redis, ms: number): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
  await admin.config('SET', 'maxmemory-policy', 'volatile-lru');
  await admin.config('SET', 'maxmemory', used + 40_000);
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end; i++) {
    const fillers = Array.from({ length: 20 }, (_, j) =>
      admin.set(`filler:${20 * i + j}`, 'x'.repeat(1000), 'PX', 5000),
    );
    await Promise.allSettled(fillers);
  }
  await admin.config('SET', 'maxmemory', 0);
}

async function lose(admin: Redis, pattern: string): Promise<void> {
  const keys = await admin.keys(pattern);
  if (keys.length > 0) await admin.del(...keys);
}

async function keptOf(admin: Redis, app: string): Promise<Kept[]> {
  const keys = await admin.keys(`wf:${app}:*`);
  const ttls = await Promise.all(keys.map((key) => admin.pttl(key)));
  return keys.map((key, i) => ({ key, ttlMs: ttls[i] ?? -2 }));
}
