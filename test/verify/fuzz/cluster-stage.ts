// The cache in a Redis Cluster: three primaries with a replica each, that come and go, and slots that move.

import { setTimeout as sleep } from 'node:timers/promises';
import { redisKeys } from '../../../src/core/key.ts';
import { slotOf } from '../../../src/redis/slot.ts';
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../../support/redis-cluster.ts';
import type { Migrate, Promote } from './schedule.ts';
import {
  cut,
  keptOf,
  lose,
  type Promoted,
  pause,
  type Stage,
  type StageFault,
  signal,
  squeeze,
  stopFor,
  unlink,
} from './stage.ts';
import { ENTITY } from './warmfeed.ts';

const PRIMARIES = 3;
/** Who takes over is decided by the schedule alone. */
const ARGS = ['--cluster-replica-no-failover', 'yes'];

export async function startClusterStage(): Promise<Stage> {
  const cluster = await startRedisCluster({ primaries: PRIMARIES, args: ARGS });
  /** Nodes that come back, while there is traffic. */
  let mending = Promise.resolve();

  /** Whoever needs it is told whether it failed. */
  function mend(work: Promise<void>): void {
    mending = work;
    work.catch(() => undefined);
  }

  async function mended(): Promise<void> {
    await mending;
    await cluster.settled();
  }

  async function primaryOf(number: number): Promise<ClusterNode> {
    const primaries = await cluster.primaries();
    return primaries[number % primaries.length] as ClusterNode;
  }

  async function all(work: (node: ClusterNode) => Promise<unknown>): Promise<void> {
    await Promise.all((await cluster.primaries()).map(work));
  }

  async function inject(fault: StageFault, app: string): Promise<void> {
    switch (fault.kind) {
      case 'evict':
      case 'lose-watermarks':
      case 'lose-generations':
        return all(({ admin }) => lose(admin, fault, app));
      case 'flush':
        return all(({ admin }) => admin.flushall());
      case 'pause':
        return pause((await primaryOf(fault.node)).admin, fault);
      case 'cut':
        return all(({ admin }) => cut(admin));
      case 'kill':
        return restart(await primaryOf(fault.node), fault.ms);
      case 'stop':
        return stopFor((await primaryOf(fault.node)).server, fault.ms);
      case 'squeeze':
        return squeeze((await primaryOf(fault.node)).admin, fault.ms);
      case 'script-flush':
        return all(({ admin }) => admin.script('FLUSH'));
      case 'migrate':
        return migrate(cluster, fault, app);
    }
  }

  /** Its replica waits for it, and is emptied by it. */
  async function restart({ server }: ClusterNode, ms: number): Promise<void> {
    await server.kill();
    await sleep(ms);
    await server.start();
    mend(cluster.settled());
  }

  async function promote({ node, heldMs, stopMs }: Promote, tick: () => number): Promise<Promoted> {
    const primary = await primaryOf(node);
    const replica = await cluster.replicaOf(primary);
    if (heldMs > 0) await unlink(primary.admin, replica.server);
    await sleep(heldMs);
    await stopFor(primary.server, stopMs);
    const begun = tick();
    await primary.server.kill();
    const downAt = tick();
    if (heldMs > 0) signal(replica.server, 'SIGCONT');
    await cluster.takeOver(replica);
    const slots = await cluster.slotsOf(replica);
    mend(primary.server.start().then(() => cluster.settled()));
    return {
      begun,
      downAt,
      concerns: (shard) => slots.some(([from, to]) => from <= slotOf(shard) && slotOf(shard) <= to),
    };
  }

  return {
    url: cluster.url,
    clustering: 'OSSCluster',
    async reset() {
      await mended();
      await all(({ admin }) => Promise.all([admin.config('SET', 'maxmemory', '0'), admin.flushall()]));
    },
    async inject(fault, app) {
      await mending;
      await inject(fault, app);
    },
    async promote(fault, tick) {
      await mended();
      return promote(fault, tick);
    },
    settled: mended,
    kept: async (app) => (await Promise.all((await cluster.primaries()).map(({ admin }) => keptOf(admin, app)))).flat(),
    end: () => cluster.stop(),
  };
}

/** All keys of a slot go to another primary, some at a time, while they are used. */
async function migrate(cluster: RedisCluster, { what, key, node, pauseMs }: Migrate, app: string): Promise<void> {
  const keys = redisKeys(app);
  const patterns = {
    record: keys.record(ENTITY, [`k${key}`]),
    watermark: keys.watermark('*', '*'),
    generations: keys.generations,
    mark: keys.shard('*'),
  };
  const primaries = await cluster.primaries();
  const all = await Promise.all(primaries.map(({ admin }) => admin.keys(patterns[what])));
  const [some] = all.flat();
  if (some === undefined) return;
  const slot = slotOf(some);
  const from = await cluster.nodeOf(slot);
  const others = primaries.filter((each) => each !== from);
  const to = others[node % others.length] as ClusterNode;
  await cluster.beginMigration(slot, to);
  await sleep(pauseMs);
  while ((await cluster.moveKeys(slot, from, to)) > 0) await sleep(pauseMs);
  await cluster.endMigration(slot, from, to);
}
