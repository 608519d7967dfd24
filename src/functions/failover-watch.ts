// A timer that looks for failovers of Redis that broke no connection.

import { app } from '@azure/functions';
import { messageOf } from '../core/errors.ts';
import type { FailoverWatch } from '../core/sync/failover-watch.ts';

export function registerFailoverWatch(watch: FailoverWatch, schedule: string): void {
  app.timer('watch-failovers', {
    schedule,
    useMonitor: false,
    handler: async (_timer, context) => {
      await watch.check().catch((error: unknown) => {
        context.error(`Redis cannot be looked at for failovers: ${messageOf(error)}`);
      });
    },
  });
}
