// Where the cache is during a schedule, and what can be done to it there.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { redisKeys } from '../../../src/core/key.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import type { Kept } from './history.ts';
import type { Fault, Losing, Pause, Promote } from './schedule.ts';
import { ENTITY } from './warmfeed.ts';

export interface Stage {
  readonly url: string;
  readonly clustering: 'NoCluster' | 'OSSCluster';
  /** As new. */
  reset(): Promise<void>;
  inject(fault: StageFault, app: string): Promise<void>;
  promote(fault: Promote, tick: () => number): Promise<Promoted>;
  /** All servers are there. */
  settled(): Promise<void>;
  /** The keys of an app with their TTLs. */
  kept(app: string): Promise<readonly Kept[]>;
  end(): Promise<void>;
}

export type StageFault = Exclude<Fault, { readonly kind: 'die' | 'bump' | 'split' | 'promote' }>;

/** A replica that has taken the place of its primary. */
export interface Promoted {
  /** From which tick on what was acknowledged may be gone. */
  readonly begun: number;
  /** By which tick the primary was gone, and its replica not promoted yet. */
  readonly downAt: number;
  /** Whether a mark lies there now. */
  readonly concerns: (shard: string) => boolean;
}

export function clientOf(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 10, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  return client;
}

async function loseAll(admin: Redis, pattern: string): Promise<void> {
  const keys = await admin.keys(pattern);
  // Alone, as in a cluster they are of different slots.
  await Promise.all(keys.map((key) => admin.del(key)));
}

/** Does away with keys that are there. */
export async function lose(admin: Redis, fault: Losing, app: string): Promise<void> {
  const keys = redisKeys(app);
  switch (fault.kind) {
    case 'evict':
      return loseAll(admin, keys.record(ENTITY, [`k${fault.key}`]));
    case 'lose-watermarks':
      return loseAll(admin, keys.watermark('*', '*'));
    case 'lose-generations':
      return loseAll(admin, keys.generations);
  }
}

export async function pause(admin: Redis, { ms, writesOnly }: Pause): Promise<void> {
  await admin.call('CLIENT', 'PAUSE', ms, writesOnly ? 'WRITE' : 'ALL');
  await sleep(ms);
}

export async function cut(admin: Redis): Promise<void> {
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

export async function stopFor(server: RedisServer, ms: number): Promise<void> {
  if (ms === 0) return;
  signal(server, 'SIGSTOP');
  await sleep(ms);
  signal(server, 'SIGCONT');
}

export function signal(server: RedisServer, name: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = server.pid();
  if (pid !== undefined) process.kill(pid, name);
}

/** What is acknowledged from now on, the primary has alone: its replica is in no state to come back. */
export async function unlink(primary: Redis, replica: RedisServer): Promise<void> {
  signal(replica, 'SIGSTOP');
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica');
}

/** Redis evicts what has a TTL, least recently used first, while there is more than it may keep. */
export async function squeeze(admin: Redis, ms: number): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
  await admin.config('SET', 'maxmemory-policy', 'volatile-lru');
  await admin.config('SET', 'maxmemory', used + 40_000);
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end; i++) {
    // In a cluster most of them belong elsewhere, and are refused.
    const fillers = Array.from({ length: 20 }, (_, j) =>
      admin.set(`filler:${20 * i + j}`, 'x'.repeat(1000), 'PX', 5000),
    );
    await Promise.allSettled(fillers);
  }
  await admin.config('SET', 'maxmemory', 0);
}

export async function keptOf(admin: Redis, app: string): Promise<Kept[]> {
  const keys = await admin.keys(`wf:${app}:*`);
  // In a cluster there may be some whose slot has gone elsewhere: nobody can ask for them.
  const ttls = await Promise.all(keys.map((key) => admin.pttl(key).catch(() => -2)));
  return keys.map((key, i) => ({ key, ttlMs: ttls[i] ?? -2 }));
}
