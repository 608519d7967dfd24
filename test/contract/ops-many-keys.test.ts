// A purge costs the same whether there are a few keys or a million: the commands that the nodes of a cluster ran for it,
// those in scripts too, are counted.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPurge } from '../../src/core/ops/purge.ts';
import { createGenerations } from '../../src/core/protocol/generations.ts';
import { createRedisConnection, type RedisConnection } from '../../src/redis/connection.ts';
import { createQueryStore } from '../../src/redis/query-store.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { createWorld } from '../support/world.ts';

const MILLION = 1_000_000;
const NODES = 3;
const PART = 20_000;
/** What tests and clients ask a server for besides. */
const OTHERS = /^(info|debug|cluster|config|ping|hello|client|command|auth|readonly|select)/;

let cluster: RedisCluster;
let connection: RedisConnection;
beforeAll(async () => {
  cluster = await startRedisCluster({ primaries: NODES, replicas: 0, args: ['--enable-debug-command', 'yes'] });
  connection = createRedisConnection({ url: cluster.url, clustering: 'OSSCluster', onError: () => undefined });
}, 120_000);
afterAll(async () => {
  await connection?.close();
  await cluster?.stop();
});

/** Calls of each command since the last time, over all nodes. */
async function calls(): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { admin } of cluster.nodes) {
    for (const [, name = '', n] of (await admin.info('commandstats')).matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)) {
      if (!OTHERS.test(name)) sums[name] = (sums[name] ?? 0) + Number(n);
    }
    await admin.config('RESETSTAT');
  }
  return sums;
}

test('a purge by tag, key or entity, hard and soft, with no keys and with a million', async () => {
  const world = createWorld();
  const store = createRedisStore(connection);
  const sleepless = { ...world.clock, sleep: async () => undefined };
  const generations = createGenerations({
    store,
    key: world.keys.generations,
    clock: sleepless,
    entities: [world.entity],
    ttlMs: 1000,
  });
  const purge = createPurge({
    store,
    keys: world.keys,
    generations,
    queries: createQueryStore(connection),
    indexed: [world.entity.name],
  });
  const all = async () => {
    for (const mode of ['drop', 'stale'] as const) {
      await purge.tags(['a', 'b'], mode);
      await purge.records(['1', '2', '3'].map(world.recordKey), mode);
      await purge.kept(world.entity.name, mode);
    }
  };
  await generations.refresh();
  await all();
  await calls();
  await all();
  const few = await calls();
  // In parts: a node that is silent for longer is taken for dead.
  for (let i = 0; i < MILLION / PART; i++) {
    await cluster.nodes[i % NODES]?.admin.call('DEBUG', 'POPULATE', PART, `wf:test:c:${i}`, 200);
  }
  await cluster.settled();
  const sizes = await Promise.all(cluster.nodes.map(({ admin }) => admin.dbsize()));
  expect(sizes.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(MILLION);
  await calls();
  await all();
  const many = await calls();
  expect(few['hset']).toBeGreaterThan(0);
  expect(many).toEqual(few);
  expect(Object.keys(many)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(keys|\w*scan|flush)/)]));
}, 120_000);
