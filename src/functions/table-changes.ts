// A timer for each database of tables: one invocation polls their changes until the next one is due. So a function of
// it runs all the time, and never scales to zero.

import { app } from '@azure/functions';
import type { Poller } from '../core/poll.ts';

export interface WatchedDatabase {
  readonly kind: 'postgres' | 'sql';
  /** Name of the app setting with the connection. */
  readonly connection: string;
  readonly pollers: readonly Poller[];
}

const TURN_MS = 60_000;
/** An invocation that were late for its successor would leave a turn out. */
const MARGIN_MS = 150;

/** @param now the clock that pollers go by, ms */
export function registerTableChanges(database: WatchedDatabase, now: () => number, stop: AbortSignal): void {
  app.timer(`changes-${database.kind}-${database.connection}`.replace(/[^\w-]/g, '-'), {
    schedule: '0 * * * * *',
    runOnStartup: true,
    handler: async () => {
      const end = now() + TURN_MS - (Date.now() % TURN_MS) - MARGIN_MS;
      const turns = await Promise.allSettled(database.pollers.map((poller) => poller.follow(end, stop)));
      const failed = turns.find((turn) => turn.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  });
}
