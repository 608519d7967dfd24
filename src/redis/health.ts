// Whether Redis can serve, and whether it is set up so that watermarks survive when memory runs out.

import type { Redis } from 'ioredis';
import type { RedisConnection } from './connection.ts';

/** @returns what an operator should change though it works; rejects where Redis does not answer */
export async function redisCheck(connection: RedisConnection): Promise<string | undefined> {
  await connection.settled();
  if (!connection.ready()) throw new Error('not connected');
  const { isCluster } = connection.client;
  const nodes = connection.primaries();
  const looks = await Promise.all(nodes.map(async (node) => node && look(node, isCluster).catch(() => undefined)));
  const answers = looks.filter((answer) => answer !== undefined);
  if (!answers.some(({ isServing }) => isServing)) throw new Error('does not serve');
  const missing = nodes.length - answers.filter(({ isServing }) => isServing).length;
  // The other nodes' keys are served, and the source has the rest: no reason to take the app out of service.
  if (missing > 0) return `${missing} of ${nodes.length} primaries of the cluster cannot be reached or do not serve`;
  const evicting = answers.find(({ policy }) => policy?.startsWith('allkeys-'))?.policy;
  if (evicting === undefined) return undefined;
  return `its eviction policy ${evicting} may evict watermarks and generations: set volatile-lru`;
}

async function look(node: Redis, isCluster: boolean) {
  const [memory, state] = await Promise.all([node.info('memory'), isCluster ? node.cluster('INFO') : undefined]);
  return {
    policy: /^maxmemory_policy:(\S+)/m.exec(memory)?.[1],
    isServing: !String(state).includes('cluster_state:fail'),
  };
}
