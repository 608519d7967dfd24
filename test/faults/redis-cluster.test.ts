// The whole app over a Redis Cluster.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const IDS = Array.from({ length: 60 }, (_, i) => `c${i}`);
let cluster: RedisCluster;
let stack: Stack;
beforeAll(async () => {
  cluster = await startRedisCluster();
  // The stack's own Redis stays unused.
  stack = await startStack({
    settings: {
      REDIS_URL: cluster.url,
      WARMFEED_REDIS_CLUSTERING: 'OSSCluster',
      WARMFEED_REDIS_TIMEOUT: '500ms',
    },
  });
});
const loads: { stop(): Promise<unknown> }[] = [];
afterAll(async () => {
  // Of a test that failed.
  for (const load of loads) await load.stop();
  await stack?.close();
  await cluster?.stop();
});

const write = (id: string, n: number) => stack.widgets.items.upsert({ id, region: 'eu', n });
const read = (id: string) => stack.get(`entities/widget/eu/${id}`);
const keyOf = (id: string) => `wf:warmfeed:c:{widget/eu/${id}}`;

async function hitOf(id: string, n: number): Promise<void> {
  await until(async () => {
    const answer = await read(id);
    expect(answer.status).toBe(200);
    return answer.json['n'] === n && answer.cacheStatus.includes('; hit') ? true : undefined;
  }, 30_000);
}

async function redisState(): Promise<unknown> {
  const { dependencies } = (await stack.get('health/ready')).json as { dependencies?: { state: string }[] };
  return dependencies?.[0]?.state;
}

/** Reads and writes of all items, all the time. */
function traffic(from: number) {
  const end = new AbortController();
  const latest = new Map(IDS.map((id) => [id, from]));
  const statuses: number[] = [];
  const reading = (async () => {
    for (let i = 0; !end.signal.aborted; i++) {
      const ids = [0, 1, 2, 3].map((j) => IDS[(7 * i + 15 * j) % IDS.length] ?? '');
      statuses.push(...(await Promise.all(ids.map(read))).map(({ status }) => status));
      await sleep(2);
    }
  })();
  const writing = (async () => {
    for (let i = 0; !end.signal.aborted; i++) {
      const id = IDS[(11 * i) % IDS.length] ?? '';
      const n = (latest.get(id) ?? 0) + 1;
      await write(id, n);
      latest.set(id, n);
      await sleep(5);
    }
  })();
  const load = {
    statuses,
    async stop() {
      end.abort();
      await Promise.all([reading, writing]);
      return latest;
    },
  };
  loads.push(load);
  return load;
}

describe('Redis Cluster', () => {
  it('miss, hit, and a change is visible', async () => {
    await write('one', 1);
    expect((await read('one')).cacheStatus).toContain('fwd=miss');
    await hitOf('one', 1);
    await write('one', 2);
    await hitOf('one', 2);
    expect((await stack.get('health/ready')).json['dependencies']).toMatchObject([
      { name: 'redis', state: 'ok' },
      {},
      {},
    ]);
    expect(await stack.redis.dbsize()).toBe(0);
  });

  it('C108: items lie on all primaries, and a batch of changes finds every one', async () => {
    await Promise.all(IDS.map((id) => write(id, 1)));
    for (const id of IDS) await hitOf(id, 1);
    for (const node of cluster.nodes.slice(0, 3)) expect(await node.admin.dbsize()).toBeGreaterThan(5);
    await Promise.all(IDS.map((id) => write(id, 2)));
    for (const id of IDS) await hitOf(id, 2);
    const reads = stack.sourceReads();
    const answers = await Promise.all(IDS.map(read));
    for (const answer of answers) expect([answer.status, answer.cacheStatus.includes('; hit')]).toEqual([200, true]);
    expect(stack.sourceReads()).toBe(reads);
  });

  it.each(['a slot of items', 'the watermark’s slot'])('%s migrates under load', async (which) => {
    const load = traffic(2);
    const [mark = ''] = (await Promise.all(cluster.nodes.map(({ admin }) => admin.keys('wf:warmfeed:hw:*')))).flat();
    const slot = await cluster.slotOf(which === 'a slot of items' ? keyOf('c1') : mark);
    const from = await cluster.nodeOf(slot);
    const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as ClusterNode;
    await cluster.beginMigration(slot, to);
    await sleep(500);
    while ((await cluster.moveKeys(slot, from, to)) > 0) await sleep(50);
    await sleep(500);
    await cluster.endMigration(slot, from, to);
    await sleep(300);
    const latest = await load.stop();
    expect(load.statuses.filter((status) => status !== 200)).toEqual([]);
    for (const id of IDS) await hitOf(id, latest.get(id) ?? 0);
    for (const id of IDS) await write(id, 2);
    for (const id of IDS) await hitOf(id, 2);
  });

  it('C65: a primary is killed under load, then another in good order: no 5xx, and no change is missed', async () => {
    const load = traffic(2);
    await sleep(500);
    const mark = (await Promise.all(cluster.nodes.map(({ admin }) => admin.keys('wf:warmfeed:hw:*')))).flat()[0] ?? '';
    const victim = await cluster.nodeOf(mark);
    await victim.server.kill();
    const during = load.statuses.length;
    await until(async () => ((await redisState()) === 'warn' ? true : undefined));
    await cluster.settled();
    await until(async () => ((await redisState()) === 'ok' ? true : undefined), 30_000);
    const other = (await cluster.nodeOf(keyOf('c1'))) === (await cluster.nodeOf(mark)) ? 'c2' : 'c1';
    const moved = await cluster.nodeOf(keyOf(other));
    if (moved !== (await cluster.nodeOf(mark))) await cluster.failover(await cluster.replicaOf(moved));
    await victim.server.start();
    await cluster.settled();
    await sleep(500);
    const latest = await load.stop();
    expect(load.statuses.length - during).toBeGreaterThan(50);
    expect(load.statuses.filter((status) => status !== 200)).toEqual([]);
    for (const id of IDS) await hitOf(id, latest.get(id) ?? 0);
    expect(stack.logs.filter((line) => line.includes('redirections'))).toEqual([]);
  });
});
