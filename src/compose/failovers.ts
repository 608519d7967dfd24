// Looks for failovers of Redis: at once whenever it has been connected to, and by a timer for those that break no
// connection.

import type { Settings } from '../config/settings.ts';
import type { RedisKeys } from '../core/key.ts';
import type { Observe } from '../core/ports.ts';
import { createFailoverWatch, type FailoverWatchDeps } from '../core/sync/failover-watch.ts';
import { registerFailoverWatch } from '../functions/failover-watch.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createShards } from '../redis/shards.ts';
import { lookForFailovers } from './failover-looks.ts';

interface FailoverDeps extends Omit<FailoverWatchDeps, 'shards'> {
  readonly settings: Settings;
  readonly keys: RedisKeys;
  readonly connection: RedisConnection;
}

/**
 * @param stop aborted, a look that failed is not repeated any more
 * @returns what is to be told of applied changes
 */
export function watchFailovers(deps: FailoverDeps, stop: AbortSignal): Observe {
  const { settings, keys, connection } = deps;
  const isProxied = settings.WARMFEED_REDIS_CLUSTERING === 'EnterpriseCluster';
  const watch = createFailoverWatch({ ...deps, shards: createShards(connection, { name: keys.shard, isProxied }) });
  registerFailoverWatch(watch, settings.WARMFEED_FAILOVER_WATCH);
  return lookForFailovers(watch, connection, stop);
}
