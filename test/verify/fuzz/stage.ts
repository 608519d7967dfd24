// Where the cache is during a schedule, and what can be done to it there: one Redis server of one's own.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { redisKeys } from '../../../src/core/key.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import type { Kept } from './history.ts';
import type { Fault, Promote } from './schedule.ts';
import { ENTITY } from './warmfeed.ts';

export interface Stage {
  readonly url: string;
  readonly clustering: 'NoCluster' | 'OSSCluster';
  /** As new. */
  reset(): Promise<void>;
  inject(fault: Fault, app: string): Promise<void>;
  promote(fault: Promote, tick: () => number): Promise<Promoted>;
  /** The keys of an app with their TTLs. */
  kept(app: string): Promise<readonly Kept[]>;
  end(): Promise<void>;
}

/** A replica that has taken the place of its primary. */
export interface Promoted {
  /** From which tick on what was acknowledged may be gone. */
  readonly begun: number;
  /** By which tick the primary was gone, and its replica not promoted yet. */
  readonly downAt: number;
  /** Whether a mark lies there now. */
  readonly concerns: (shard: string) => boolean;
}

/** A replica is sent what there is at once. */
const ARGS = ['--repl-diskless-sync-delay', '0'];

export async function startSingleStage(): Promise<Stage> {
  let server = await startRedis({ args: ARGS });
  const { url, port } = server;
  const admin = clientOf(port);

  async function injectInto(fault: Fault, app: string): Promise<void> {
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
        server = await startRedis({ port, args: ARGS });
        return;
      case 'stop':
        return stopFor(server, fault.ms);
      case 'squeeze':
        return squeeze(admin, fault.ms);
      case 'script-flush':
        return void (await admin.script('FLUSH'));
      case 'die':
      case 'bump':
      case 'split':
      case 'promote':
        return;
    }
  }

  /** It takes over the port, as a name would lead to it. */
  async function promote({ heldMs, stopMs }: Promote, tick: () => number): Promise<Promoted> {
    const replica = await startRedis({ args: [...ARGS, '--replicaof', '127.0.0.1', String(port)] });
    const other = clientOf(replica.port);
    await until(async () => (await other.info('replication')).includes('master_link_status:up'));
    if (heldMs > 0) await unlink(admin, replica);
    const begun = tick();
    await sleep(heldMs);
    await stopFor(server, stopMs);
    await server.kill();
    const downAt = tick();
    if (heldMs > 0) signal(replica, 'SIGCONT');
    await other.call('REPLICAOF', 'NO', 'ONE');
    await other.config('SET', 'port', port);
    other.disconnect();
    server = replica;
    return { begun, downAt, concerns: () => true };
  }

  return {
    url,
    clustering: 'NoCluster',
    async reset() {
      await admin.config('SET', 'maxmemory', '0');
      await admin.flushall();
    },
    inject: injectInto,
    promote,
    kept: (app) => keptOf(admin, app),
    async end() {
      admin.disconnect();
      await server.kill();
    },
  };
}

function clientOf(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 10, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  return client;
}

/** What is acknowledged from now on, the primary has alone: its replica is in no state to come back. */
async function unlink(primary: Redis, replica: RedisServer): Promise<void> {
  signal(replica, 'SIGSTOP');
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica');
}

function signal(server: RedisServer, name: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = server.pid();
  if (pid !== undefined) process.kill(pid, name);
}

async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(5);
}

async function stopFor(server: RedisServer, ms: number): Promise<void> {
  if (ms === 0) return;
  signal(server, 'SIGSTOP');
  await sleep(ms);
  signal(server, 'SIGCONT');
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
