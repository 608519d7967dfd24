// Whether Redis can serve, and whether it is set up so that watermarks survive when memory runs out.

import type { RedisConnection } from './connection.ts';

/** @returns what an operator should change though it works; rejects where Redis does not answer */
export async function redisCheck(connection: RedisConnection): Promise<string | undefined> {
  await connection.settled();
  if (!connection.ready()) throw new Error('not connected');
  const memory = await connection.client.info('memory');
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  if (policy?.startsWith('allkeys-')) {
    return `its eviction policy ${policy} may evict watermarks and generations: set volatile-lru`;
  }
  return undefined;
}
