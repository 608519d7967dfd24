// A timer that has every change feed's positions looked after.

import { app } from '@azure/functions';
import type { FeedWatch } from '../core/feed-watch.ts';

export function registerFeedWatch(watches: readonly FeedWatch[], schedule: string): void {
  app.timer('watch-feeds', {
    schedule,
    // The check is idempotent, and a feed that starts should not wait for the next turn.
    runOnStartup: true,
    handler: async () => {
      await Promise.all(watches.map((watch) => watch.check()));
    },
  });
}
