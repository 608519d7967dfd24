import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { redisKeys } from '../../src/core/key.ts';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { createSessionStore } from '../../src/redis/session-store.ts';
import { slotOf } from '../../src/redis/slot.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { hasLocale, LOCALE, type RedisServerOptions, startRedis } from '../support/redis-server.ts';
import { type SessionStoreUnderTest, sessionStoreContract } from './session-store.contract.ts';

/** Lets time pass without waiting: everything in these servers becomes so much older. */
async function age(servers: readonly Redis[], ms: number): Promise<void> {
  for (const redis of servers) {
    for (const key of await redis.keys('*')) {
      const left = (await redis.pttl(key)) - ms;
      if (left <= 0) await redis.del(key);
      else if ((await redis.type(key)) === 'zset') {
        for (const name of await redis.zrange(key, 0, '-1')) await redis.zincrby(key, -ms, name);
      } else await ageSession(redis, key, ms);
      if (left > 0) await redis.pexpire(key, left);
    }
  }
}

async function ageSession(redis: Redis, key: string, ms: number): Promise<void> {
  const record = await redis.getBuffer(key);
  if (record === null || record[2] !== 1) return;
  for (const at of [3, 11]) record.writeBigUInt64BE(record.readBigUInt64BE(at) - BigInt(ms), at);
  await redis.setrange(key, 3, record.subarray(3, 19));
}

async function onServer(options: RedisServerOptions = {}): Promise<SessionStoreUnderTest> {
  const server = await startRedis(options);
  const connection = createRedisConnection({ url: server.url, onError: () => undefined });
  const admin = new Redis(server.url);
  return {
    store: createSessionStore(connection),
    advance: (ms) => age([admin], ms),
    async end() {
      admin.disconnect();
      await connection.close();
      await server.stop();
    },
  };
}

async function onCluster(): Promise<SessionStoreUnderTest> {
  const cluster = await startRedisCluster({ replicas: 0 });
  const connection = createRedisConnection({ url: cluster.url, clustering: 'OSSCluster', onError: () => undefined });
  return {
    store: createSessionStore(connection),
    advance: (ms) =>
      age(
        cluster.nodes.map(({ admin }) => admin),
        ms,
      ),
    async end() {
      await connection.close();
      await cluster.stop();
    },
  };
}

sessionStoreContract('redis', () => onServer());
sessionStoreContract('redis cluster', onCluster);
describe.skipIf(!hasLocale())('another locale', () => {
  sessionStoreContract(`redis under ${LOCALE}`, () => onServer({ env: { LC_ALL: LOCALE } }));
});

test('a session and the list that it is in may be in different slots', () => {
  const keys = redisKeys('app');
  expect(slotOf(keys.session('x'))).toBe(slotOf('x'));
  expect(slotOf(keys.subject('y'))).toBe(slotOf('y'));
});
