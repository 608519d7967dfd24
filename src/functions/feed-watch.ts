// A timer that has every change feed's positions looked after.

import { app } from '@azure/functions';
import { messageOf } from '../core/errors.ts';
import type { FeedWatch } from '../core/sync/feed-watch.ts';

export function registerFeedWatch(watches: readonly FeedWatch[], schedule: string): void {
  app.timer('watch-feeds', {
    schedule,
    // The check is idempotent, and a feed that starts should not wait for the next turn.
    runOnStartup: true,
    handler: async (_timer, context) => {
      const checks = await Promise.allSettled(watches.map((watch) => watch.check()));
      checks.forEach((check, i) => {
        if (check.status === 'fulfilled') return;
        context.error(`the change feed of ${watches[i]?.source} cannot be looked after: ${messageOf(check.reason)}`);
      });
    },
  });
}
