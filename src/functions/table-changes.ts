// A timer for each database of tables: each invocation polls their changes for some seconds, and the next one follows
// it at once. So this function runs all the time, and never scales to zero.

import { app } from '@azure/functions';
import type { Poller } from '../core/sync/poll.ts';

export interface WatchedDatabase {
  readonly kind: 'postgres' | 'sql';
  /** Name of the app setting with the connection. */
  readonly connectionName: string;
  readonly pollers: readonly Poller[];
}

/** Short, so that an instance that is to stop need not wait long for it. */
const TURN_MS = 5000;
/** It ends just before a full second, when the timer is due: one that is late leaves a second out. */
const MARGIN_MS = 50;

/** @param now the clock that pollers go by, ms */
export function registerTableChanges(database: WatchedDatabase, now: () => number, stop: AbortSignal): void {
  app.timer(`changes-${database.kind}-${database.connectionName}`.replace(/[^\w-]/g, '-'), {
    // Due all the time; the host runs one invocation after the other.
    schedule: '* * * * * *',
    runOnStartup: true,
    useMonitor: false,
    handler: async () => {
      const end = now() + TURN_MS - (Date.now() % TURN_MS) - MARGIN_MS;
      const turns = await Promise.allSettled(database.pollers.map((poller) => poller.follow(end, stop)));
      const failed = turns.find((turn) => turn.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  });
}
