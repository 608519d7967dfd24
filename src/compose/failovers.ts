// Looks for failovers of Redis: at once whenever it has been connected to, and by a timer for those that break no
// connection.

import type { Settings } from '../config/settings.ts';
import type { RedisKeys } from '../core/key.ts';
import type { CacheEvent, Observe } from '../core/ports.ts';
import { createFailoverWatch, type FailoverWatchDeps } from '../core/sync/failover-watch.ts';
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
/** How long after changes were applied a heartbeat follows, where only those show a failover. */
const BEAT_MS = 250;

/**
 * @param stop aborted, a look that failed is not repeated any more
 * @returns what is to be told of applied changes: a failover that loses them is to lose a heartbeat after them, too
 */
export function watchFailovers(deps: FailoverDeps, stop: AbortSignal): Observe {
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

  let isBeatDue = false;

  function afterChanges(event: CacheEvent): void {
    if (event.kind !== 'batch' || isBeatDue || !watch.needsHeartbeats()) return;
    isBeatDue = true;
    void clock.sleep(BEAT_MS).then(() => {
      isBeatDue = false;
      return lookUntilDone();
    });
  }

  connection.onNodes(() => void lookUntilDone());
  registerFailoverWatch(watch, settings.WARMFEED_FAILOVER_WATCH);
  return afterChanges;
}
