// What is looked at of the shards of Redis: one mark in each, whose id another server does not have.

import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { redisKeys } from '../../src/core/key.ts';
import type { Shard } from '../../src/core/sync/failover-watch.ts';
import { createRedisConnection, type RedisConnectionOptions } from '../../src/redis/connection.ts';
import { createShards } from '../../src/redis/shards.ts';
import { SLOTS, slotOf } from '../../src/redis/slot.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/stack.ts';

const name = redisKeys('r').shard;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function open(url: string, options: Partial<RedisConnectionOptions> = {}, isProxied = false) {
  const connection = createRedisConnection({ url, onError: () => undefined, ...options });
  ends.push(() => connection.close());
  await connection.settled();
  const shards = createShards(connection, { name, isProxied });
  const look = async () => {
    const looks = await shards.look();
    return looks.flatMap((each): Shard[] => (each.status === 'fulfilled' ? [each.value] : []));
  };
  return { connection, shards, look };
}

async function server() {
  const started = await startRedis();
  ends.push(() => started.kill());
  const admin = new Redis(started.url, { retryStrategy: () => 20 });
  admin.on('error', () => undefined);
  ends.push(() => admin.disconnect());
  return { started, admin };
}

describe('one server', () => {
  test('counts heartbeats, keeps its mark, and is another one after a restart', async () => {
    const { started } = await server();
    const { connection, shards, look } = await open(started.url);
    const [first] = await look();
    expect(first).toEqual({
      name: 'wf:r:shard:{0}',
      id: expect.stringMatching(/^\w{40}$/) as string,
      marked: undefined,
      beats: 1,
    });
    await shards.mark(first?.name ?? '', first?.id ?? '');
    expect(await look()).toEqual([{ ...first, marked: first?.id, beats: 2 }]);
    await started.kill();
    await started.start();
    await until(() => (connection.ready() ? true : undefined));
    const [after] = await look();
    expect([after?.beats, after?.marked, after?.id === first?.id]).toEqual([1, undefined, false]);
  });

  test('another one after it was promoted, though it has the mark', async () => {
    const { started: primary } = await server();
    const { started, admin } = await server();
    const { shards, look } = await open(primary.url);
    const [of] = await look();
    await shards.mark(of?.name ?? '', of?.id ?? '');
    await admin.call('REPLICAOF', '127.0.0.1', String(primary.port));
    await until(async () => ((await admin.hget(of?.name ?? '', 'id')) === of?.id ? true : undefined));
    const replica = await open(started.url);
    // A replica counts no heartbeat, so nothing is said of it.
    expect(await replica.look()).toEqual([]);
    await admin.call('REPLICAOF', 'NO', 'ONE');
    const [promoted] = await until(async () => {
      const found = await replica.look();
      return found.length > 0 ? found : undefined;
    });
    expect(promoted?.marked).toBe(of?.id);
    expect(promoted?.id).not.toBe(of?.id);
  });

  test('that does not let itself be asked has no id', async () => {
    const { started, admin } = await server();
    await admin.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', '-info');
    const { look } = await open(`redis://app:secret@127.0.0.1:${started.port}`);
    const [shard] = await until(async () => {
      const found = await look();
      return found.length > 0 ? found : undefined;
    });
    expect(shard).toMatchObject({ id: undefined, beats: 1 });
  });

  test('behind a proxy: 64 marks, one in each range of slots', async () => {
    const { started } = await server();
    const { look } = await open(started.url, { clustering: 'EnterpriseCluster' }, true);
    const found = await look();
    expect(new Set(found.map((shard) => Math.floor((slotOf(shard.name) * 64) / SLOTS))).size).toBe(64);
    expect(new Set(found.map(({ id, beats }) => `${id} ${beats}`))).toEqual(new Set(['undefined 1']));
  });
});

describe('a cluster', () => {
  test('one mark in each primary, the same for every process, also after one of them has failed over', async () => {
    const cluster = await startRedisCluster();
    ends.push(() => cluster.stop());
    const one = await open(cluster.url, { clustering: 'OSSCluster' });
    const other = await open(cluster.url, { clustering: 'OSSCluster' });
    const first = await one.look();
    expect(first).toHaveLength(3);
    expect(new Set(first.map(({ id }) => id)).size).toBe(3);
    const owners = await Promise.all(first.map((shard) => cluster.nodeOf(shard.name)));
    expect(new Set(owners).size).toBe(3);
    const again = await other.look();
    expect(again.map((shard) => shard.name).toSorted()).toEqual(first.map((shard) => shard.name).toSorted());
    const [moved] = first;
    const [owner] = owners;
    if (moved === undefined || owner === undefined) throw new Error('no shard');
    let calls = 0;
    one.connection.onNodes(() => calls++);
    await cluster.failover(await cluster.replicaOf(owner));
    const after = await until(async () => {
      const found = (await one.look()).find((shard) => shard.name === moved.name);
      return found !== undefined && found.id !== moved.id ? found : undefined;
    });
    expect(after.beats).toBeGreaterThan(moved.beats);
    await until(() => (calls > 0 ? true : undefined));
  });
});
