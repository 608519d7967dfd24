// When it is looked for failovers of Redis by itself: at once whenever it has been connected to, until a look is done;
// and after changes were applied, where only heartbeats show one.

import type { CacheEvent, Observe } from '../core/ports.ts';
import type { FailoverWatch } from '../core/sync/failover-watch.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { clock } from './runtime.ts';

const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;
/** How long after changes were applied a heartbeat follows, where only those show a failover. */
const BEAT_MS = 250;

/**
 * @param stop aborted, a look that failed is not repeated any more
 * @returns what is to be told of applied changes: a failover that loses them is to lose a heartbeat after them, too
 */
export function lookForFailovers(
  watch: FailoverWatch,
  connection: Pick<RedisConnection, 'onNodes' | 'ready'>,
  stop: AbortSignal,
): Observe {
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
  return afterChanges;
}
