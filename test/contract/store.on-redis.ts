// A store on a real server, with what tests need to look behind it.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createRedisConnection, type RedisConnection } from '../../src/redis/connection.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from '../support/redis-server.ts';
import type { StoreUnderTest } from './store.bench.ts';

export interface StoreOnRedis extends StoreUnderTest {
  readonly server: RedisServer;
  readonly connection: RedisConnection;
  /** Another client, for looking and breaking. */
  readonly admin: Redis;
  readonly errors: readonly Error[];
}

export async function storeOnRedis(options: RedisServerOptions = {}): Promise<StoreOnRedis> {
  const server = await startRedis(options);
  const errors: Error[] = [];
  const connection = createRedisConnection({ url: server.url, onError: (error) => errors.push(error) });
  const admin = new Redis(server.url, { retryStrategy: () => 20 });
  admin.on('error', () => undefined);
  return {
    server,
    connection,
    admin,
    errors,
    store: createRedisStore(connection),
    advance: (ms) => sleep(ms + 2),
    peek: async (key) => (await admin.getBuffer(key)) ?? undefined,
    async poke(key, content, ttlMs) {
      await admin.del(key);
      if (content === 'list') await admin.rpush(key, 'a');
      else await admin.set(key, Buffer.from(content));
      if (ttlMs !== undefined) await admin.pexpire(key, ttlMs);
    },
    ttl: (key) => admin.pttl(key),
    async end() {
      admin.disconnect();
      await connection.close();
      await server.stop();
    },
  };
}
