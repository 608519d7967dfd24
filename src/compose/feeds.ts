// Registers what follows the sources: a trigger for each container, a timer for each database of tables.

import type { Settings } from '../config/settings.ts';
import { createFeedWatch } from '../core/feed-watch.ts';
import { createPoller } from '../core/poll.ts';
import { createSync, type Sync, type SyncDeps } from '../core/sync.ts';
import { registerCosmosChanges } from '../functions/cosmos-changes.ts';
import { registerFeedWatch } from '../functions/feed-watch.ts';
import type { HealthCheck } from '../functions/health.ts';
import { registerTableChanges } from '../functions/table-changes.ts';
import { clock } from './runtime.ts';
import type { OpenedSources } from './sources.ts';

type FeedDeps = Omit<SyncDeps, 'source' | 'entities'> & { readonly traced: (sync: Sync, source: string) => Sync };

/** @returns how each feed stands */
export function followContainers(watched: OpenedSources['watched'], settings: Settings, deps: FeedDeps): HealthCheck[] {
  const feeds = watched.map(({ definition, source, entities, prefix, fromBeginning }) => {
    const waits = registerCosmosChanges(
      deps.traced(createSync({ ...deps, source, entities }), source.name),
      {
        connection: definition.connectionName,
        database: definition.database,
        container: definition.container,
        leaseContainer: settings.WARMFEED_LEASE_CONTAINER,
        leasePrefix: prefix,
        mode: definition.changeFeedMode,
        pollMs: settings.WARMFEED_FEED_POLL,
        acquireMs: settings.WARMFEED_FEED_ACQUIRE,
        batch: settings.WARMFEED_FEED_BATCH,
        fromBeginning,
      },
      source.ready,
    );
    const feed = { source: source.name, positions: () => source.feedPositions(), fromBeginning };
    return { waits, watch: createFeedWatch(feed, { ...deps, clock }) };
  });
  const watches = feeds.map(({ watch }) => watch);
  if (watches.length > 0) registerFeedWatch(watches, settings.WARMFEED_FEED_WATCH);
  return feeds.map(({ watch, waits }) => ({
    name: `feed of ${watch.source}`,
    check: async () => (await watch.look()).remark ?? waits(),
  }));
}

/** @param stop aborted, no poll is begun any more @returns how each feed stands */
export function followTables(
  polled: OpenedSources['polled'],
  settings: Settings,
  deps: FeedDeps,
  stop: AbortSignal,
): HealthCheck[] {
  const options = {
    pauseMs: settings.WARMFEED_TABLE_POLL,
    pageSize: settings.WARMFEED_TABLE_BATCH,
    pruneMs: settings.WARMFEED_OUTBOX_RETENTION / 10,
  };
  const pollers = polled.map(({ definition, source, log, entities }) => {
    const sync = deps.traced(createSync({ ...deps, source, entities }), source.name);
    const names = entities.map((entity) => entity.name);
    return { definition, poller: createPoller({ ...deps, clock, source, log, sync, entities: names, options }) };
  });
  const databases = Map.groupBy(pollers, ({ definition }) => `${definition.kind}/${definition.connectionName}`);
  for (const ofOne of databases.values()) {
    const [first] = ofOne;
    if (first === undefined) continue;
    const { kind, connectionName } = first.definition;
    const database = { kind, connectionName, pollers: ofOne.map(({ poller }) => poller) };
    registerTableChanges(database, () => clock.now(), stop);
  }
  return pollers.map(({ poller }) => ({ name: `feed of ${poller.source}`, check: () => poller.remark() }));
}
