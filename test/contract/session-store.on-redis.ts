// Sessions on a real Redis whose time passes without waiting.

import { Redis } from 'ioredis';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { createSessionStore } from '../../src/redis/session-store.ts';
import { type RedisServerOptions, startRedis } from '../support/redis-server.ts';
import type { SessionStoreUnderTest } from './session-store.contract.ts';

/** Lets time pass without waiting: everything in these servers becomes so much older. */
export async function age(servers: readonly Redis[], ms: number): Promise<void> {
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

export async function sessionsOnServer(options: RedisServerOptions = {}): Promise<SessionStoreUnderTest> {
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
