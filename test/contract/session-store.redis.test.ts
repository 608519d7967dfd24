import { describe, expect, test } from 'vitest';
import { redisKeys } from '../../src/core/key.ts';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { createSessionStore } from '../../src/redis/session-store.ts';
import { slotOf } from '../../src/redis/slot.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { hasLocale, LOCALE } from '../support/redis-server.ts';
import { type SessionStoreUnderTest, sessionStoreContract } from './session-store.contract.ts';
import { age, sessionsOnServer } from './session-store.on-redis.ts';

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

sessionStoreContract('redis', () => sessionsOnServer());
sessionStoreContract('redis cluster', onCluster);
describe.skipIf(!hasLocale())('another locale', () => {
  sessionStoreContract(`redis under ${LOCALE}`, () => sessionsOnServer({ env: { LC_ALL: LOCALE } }));
});

test('a session and the list that it is in may be in different slots', () => {
  const keys = redisKeys('app');
  expect(slotOf(keys.session('x'))).toBe(slotOf('x'));
  expect(slotOf(keys.subject('y'))).toBe(slotOf('y'));
});
