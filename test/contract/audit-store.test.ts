// The auditor's list: the scripts and their specification take the same out, on one server and on a cluster.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditStore } from '../../src/core/audit/audit-ports.ts';
import { createAuditStore } from '../../src/redis/audit-store.ts';
import { createRedisConnection, type RedisConnection } from '../../src/redis/connection.ts';
import { createMemoryAuditStore } from '../support/memory-audit-store.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedis } from '../support/redis-server.ts';

const servers = {
  server: async () => {
    const started = await startRedis();
    return { url: started.url, clustering: 'NoCluster' as const, stop: () => started.kill() };
  },
  cluster: async () => {
    const started = await startRedisCluster({ replicas: 0 });
    return { url: started.url, clustering: 'OSSCluster' as const, stop: () => started.stop() };
  },
};

describe.each(['memory', 'server', 'cluster'] as const)('the list of audits: %s', (kind) => {
  let store: AuditStore = createMemoryAuditStore(() => performance.now());
  let connection: RedisConnection | undefined;
  let stop: () => unknown = () => undefined;
  beforeAll(async () => {
    if (kind === 'memory') return;
    const started = await servers[kind]();
    stop = started.stop;
    connection = createRedisConnection({ ...started, onError: () => undefined });
    store = createAuditStore(connection);
  });
  afterAll(async () => {
    await connection?.close();
    await stop();
  });

  test('gives what is due, in its order and once, and tells when the next one is', async () => {
    const at = (text: string, inMs: number) => ({ text, inMs });
    expect(await store.take('l1', 5)).toEqual({ due: [], nextMs: undefined });
    await store.add('l1', [at('later', 60_000), at('b é', 2), at('a', 1), at('c', 3)], 10);
    await sleep(20);
    expect((await store.take('l1', 2)).due).toEqual(['a', 'b é']);
    const rest = await store.take('l1', 2);
    expect(rest.due).toEqual(['c']);
    expect(rest.nextMs).toBeGreaterThan(50_000);
    expect(rest.nextMs).toBeLessThanOrEqual(60_000);
  });

  test('two that take at a time never take the same', async () => {
    await store.add(
      'l2',
      Array.from({ length: 100 }, (_, i) => ({ text: `s${i}`, inMs: 0 })),
      1000,
    );
    await sleep(5);
    const takes = await Promise.all(Array.from({ length: 20 }, () => store.take('l2', 7)));
    const taken = takes.flatMap(({ due }) => due);
    expect([taken.length, new Set(taken).size]).toEqual([100, 100]);
  });

  test('beyond its cap leaves out what is due last', async () => {
    await store.add('l3', [{ text: 'far', inMs: 60_000 }], 3);
    await store.add(
      'l3',
      ['x', 'y', 'z'].map((text, i) => ({ text, inMs: i })),
      3,
    );
    await sleep(20);
    expect(await store.take('l3', 10)).toEqual({ due: ['x', 'y', 'z'], nextMs: undefined });
  });

  test('counts', async () => {
    await Promise.all([store.count('c', '1:match'), store.count('c', '1:match'), store.count('c', '5:stale')]);
    expect(await store.counts('c')).toEqual(
      new Map([
        ['1:match', 2],
        ['5:stale', 1],
      ]),
    );
    expect(await store.counts('none')).toEqual(new Map());
  });

  test('the list ends by itself; the counts do not', async () => {
    if (connection === undefined || connection.client.isCluster) return;
    const admin = connection.client as Redis;
    await store.add('l4', [{ text: 'x', inMs: 60_000 }], 3);
    expect(await admin.pttl('l4')).toBeGreaterThan(60_000);
    expect(await admin.pttl('c')).toBe(-1);
  });
});
