// A real Redis Cluster of one's own: three primaries with a replica each, on free ports, up within a second or two.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort, type RedisServer, startRedis } from './redis-server.ts';

export interface ClusterNode {
  readonly server: RedisServer;
  /** Another client, for looking and breaking. */
  readonly admin: Redis;
  readonly id: string;
}

export interface RedisClusterOptions {
  readonly primaries?: number;
  readonly replicas?: number;
  readonly args?: readonly string[];
  /** More arguments for one node: its TLS port, say. */
  readonly argsOf?: (node: number) => readonly string[];
}

export type RedisCluster = Awaited<ReturnType<typeof startRedisCluster>>;

const SLOTS = 16_384;

export async function startRedisCluster(options: RedisClusterOptions = {}) {
  const { primaries = 3, replicas = 1 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'warmfeed-cluster-'));
  const nodes: ClusterNode[] = [];

  /** Its ports may be taken by somebody else in between, so that it may need a second try. */
  async function startServer(index: number): Promise<RedisServer> {
    // Its table outlives the server, so that a node that was killed comes back as itself.
    const own = `--cluster-enabled yes --cluster-config-file ${join(directory, `${index}.conf`)}
      --cluster-announce-ip 127.0.0.1 --cluster-port ${await freePort()} --cluster-node-timeout 1000
      --cluster-require-full-coverage no --cluster-replica-validity-factor 0 --cluster-allow-replica-migration no
      --repl-diskless-sync-delay 0`.split(/\s+/);
    return startRedis({ args: [...own, ...(options.args ?? []), ...(options.argsOf?.(index) ?? [])] });
  }

  /** A node that knows nobody yet. */
  async function start(): Promise<ClusterNode> {
    const index = nodes.length;
    const server = await startServer(index).catch(() => startServer(index));
    const admin = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 20 });
    admin.on('error', () => undefined);
    const node = { server, admin, id: String(await admin.call('CLUSTER', 'MYID')) };
    nodes.push(node);
    return node;
  }

  const meet = async (to: ClusterNode, node: ClusterNode) =>
    to.admin.call('CLUSTER', 'MEET', '127.0.0.1', node.server.port, await busOf(node));
  const alive = () => nodes.filter((node) => node.server.pid() !== undefined);
  const nodeOf = (key: string | number) => ownerOf(alive(), typeof key === 'number' ? key : undefined, key);

  async function form(): Promise<void> {
    for (let i = 0; i < primaries + replicas * primaries; i++) await start();
    for (const [i, node] of nodes.entries()) {
      await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      for (const other of nodes.slice(0, i)) await meet(other, node);
    }
    const firsts = nodes.slice(0, primaries);
    for (const [i, node] of firsts.entries()) {
      const [from, to] = [Math.ceil((SLOTS * i) / primaries), Math.ceil((SLOTS * (i + 1)) / primaries) - 1];
      await node.admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    }
    await every(nodes, async (node) => (await linesOf(node)).length === nodes.length);
    for (const [i, node] of nodes.slice(primaries).entries()) {
      await node.admin.call('CLUSTER', 'REPLICATE', firsts[i % primaries]?.id ?? '');
    }
    await settled();
  }

  /** Everybody agrees: all slots are served, and every replica follows its primary. */
  async function settled(): Promise<void> {
    await every(alive(), async (node) => {
      const lines = (await linesOf(node)).filter((line) => !/\bfail\b|noaddr/.test(line));
      const served = lines.filter((line) => /\bmaster\b/.test(line)).flatMap((line) => line.split(' ').slice(8));
      const count = served.reduce((sum, range) => {
        const [from = 0, to = from] = range.split('-').map(Number);
        return sum + to - from + 1;
      }, 0);
      const replication = await infoOf(node);
      const isLinked = /^role:master|^master_link_status:up/m.test(replication);
      const isUp = String(await node.admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
      return isUp && count === SLOTS && lines.length === alive().length && isLinked;
    });
  }

  try {
    await form();
  } catch (error) {
    await stop();
    throw error;
  }

  async function stop(): Promise<void> {
    for (const { admin } of nodes) admin.disconnect();
    await Promise.all(nodes.map(({ server }) => server.kill()));
    await rm(directory, { recursive: true, force: true });
  }

  return {
    /** Of any node. */
    url: nodes[0]?.server.url ?? '',
    nodes,
    alive,
    settled,
    stop,
    /** The primary that has a key, or a slot. */
    nodeOf,
    async slotOf(key: string): Promise<number> {
      return Number(await nodes.find((node) => node.server.pid())?.admin.call('CLUSTER', 'KEYSLOT', key));
    },
    async replicaOf(primary: ClusterNode): Promise<ClusterNode> {
      for (const node of alive()) {
        if (new RegExp(`^${node.id} .*\\bslave\\S* ${primary.id} `, 'm').test((await linesOf(node)).join('\n')))
          return node;
      }
      throw new Error('it has no replica');
    },
    async primaries(): Promise<ClusterNode[]> {
      const running = alive();
      const texts = await Promise.all(running.map(infoOf));
      return running.filter((_, i) => /^role:master/m.test(texts[i] ?? ''));
    },
    slotsOf,
    /** It takes the place of its primary, which is gone, without asking anybody. */
    async takeOver(replica: ClusterNode): Promise<void> {
      await every([replica], async (node) => {
        if (/^role:master/m.test(await infoOf(node))) return true;
        await node.admin.call('CLUSTER', 'FAILOVER', 'TAKEOVER');
        return false;
      });
    },
    /** Its replica takes over in good order. */
    async failover(replica: ClusterNode): Promise<void> {
      await every([replica], async (node) => {
        if (/^role:master/m.test(await infoOf(node))) return true;
        // Refused, or given up, where the primary was not heard of for a while.
        await node.admin.call('CLUSTER', 'FAILOVER');
        return false;
      });
    },
    /** Another primary, without slots. */
    async add(): Promise<ClusterNode> {
      const node = await start();
      for (const other of alive()) if (other !== node) await meet(other, node);
      await settled();
      return node;
    },
    /** From now on the slot's keys may be here or there: absent ones are asked for at the new node. */
    async beginMigration(slot: number, to: ClusterNode): Promise<ClusterNode> {
      const from = await nodeOf(slot);
      await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
      await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
      return from;
    },
    /** These, or some of those that are there. Returns how many there were. */
    async moveKeys(slot: number, from: ClusterNode, to: ClusterNode, some?: readonly string[]): Promise<number> {
      const keys = some ?? ((await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[]);
      if (keys.length > 0)
        await from.admin.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5000, 'REPLACE', 'KEYS', ...keys);
      return keys.length;
    },
    async endMigration(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
      await to.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      await from.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
    },
  };
}

async function busOf({ admin, id }: ClusterNode): Promise<string> {
  const line = String(await admin.call('CLUSTER', 'NODES'))
    .split('\n')
    .find((each) => each.startsWith(id));
  return /@(\d+)/.exec(line ?? '')?.[1] ?? '';
}

async function linesOf({ admin }: ClusterNode): Promise<string[]> {
  const lines = String(await admin.call('CLUSTER', 'NODES'))
    .trim()
    .split('\n');
  return lines.filter((line) => !line.includes('handshake'));
}

function infoOf({ admin }: ClusterNode): Promise<string> {
  return admin.info('replication');
}

async function ownerOf(nodes: readonly ClusterNode[], slot: number | undefined, key: string | number) {
  const wanted = slot ?? Number(await nodes[0]?.admin.call('CLUSTER', 'KEYSLOT', key));
  for (const node of nodes) {
    if ((await slotsOf(node)).some(([from, to]) => from <= wanted && wanted <= to)) return node;
  }
  throw new Error(`nobody has slot ${wanted}`);
}

/** Ranges, both ends included; a replica has none. */
async function slotsOf(node: ClusterNode): Promise<(readonly [from: number, to: number])[]> {
  const own = (await linesOf(node)).find((line) => line.includes('myself,master'));
  const ranges = own?.split(' ').slice(8) ?? [];
  return ranges
    .filter((range) => !range.startsWith('['))
    .map((range) => {
      const [from = -1, to = from] = range.split('-').map(Number);
      return [from, to] as const;
    });
}

async function every(nodes: readonly ClusterNode[], is: (node: ClusterNode) => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (const node of nodes) {
    while (!(await is(node).catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`the cluster does not settle:\n${(await linesOf(node)).join('\n')}`);
      await sleep(20);
    }
  }
}
