// Looks for failovers of Redis: at once whenever it has been connected to, and by a timer for those that break no
// connection.

import type { Settings } from '../config/settings.ts';
import { createFailoverWatch, type FailoverWatchDeps } from '../core/failover-watch.ts';
import type { RedisKeys } from '../core/key.ts';
import { registerFailoverWatch } from '../functions/failover-watch.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createShards } from '../redis/shards.ts';
import { clock } from './runtime.ts';

interface FailoverDeps extends Omit<FailoverWatchDeps, 'shards'> {
  readonly settings: Settings;
  readonly keys: RedisKeys;
  readonly connection: RedisConnection;
}

const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

/** @param stop aborted, a look that failed is not repeated any more */
export function watchFailovers(deps: FailoverDeps, stop: AbortSignal): void {
  const { settings, keys, connection } = deps;
  const isProxied = settings.WARMFEED_REDIS_CLUSTERING === 'EnterpriseCluster';
  const watch = createFailoverWatch({ ...deps, shards: createShards(connection, { name: keys.shard, isProxied }) });
  let isTrying = false;
  let isWanted = false;

  async function lookUntilDone(): Promise<void> {
    isWanted = true;
    if (isTrying) return;
    isTrying = true;
    let pauseMs = PAUSE_MS;
    while (isWanted && !stop.aborted) {
      isWanted = false;
      const isDone = await watch.check().then(
        () => true,
        () => false,
      );
      // A connection that is made anew wants a look anew.
      if (isDone || !connection.ready()) continue;
      isWanted = true;
      await clock.sleep(pauseMs);
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    }
    isTrying = false;
  }

  connection.onNodes(() => void lookUntilDone());
  registerFailoverWatch(watch, settings.WARMFEED_FAILOVER_WATCH);
}
