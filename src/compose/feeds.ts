// Registers what follows the sources: a trigger for each container, a timer for each database of tables.

import type { Settings } from '../config/settings.ts';
import { iso } from '../core/ops/shown.ts';
import { createFeedWatch } from '../core/sync/feed-watch.ts';
import type { Pauses } from '../core/sync/pauses.ts';
import { createPoller } from '../core/sync/poll.ts';
import { createSync, type Sync, type SyncDeps } from '../core/sync/sync.ts';
import { registerCosmosChanges } from '../functions/cosmos-changes.ts';
import { registerFeedWatch } from '../functions/feed-watch.ts';
import type { HealthCheck } from '../functions/health.ts';
import { registerTableChanges } from '../functions/table-changes.ts';
import { clock } from './runtime.ts';
import type { OpenedSources } from './sources.ts';

type FeedDeps = Omit<SyncDeps, 'source' | 'entities'> & {
  readonly traced: (sync: Sync, source: string) => Sync;
  readonly pauses: Pauses;
  /** Told of changes that could not be applied. */
  readonly failed: (source: string, error: unknown) => void;
};

/** How the feed of a source stands. */
export interface FeedCheck extends HealthCheck {
  readonly source: string;
}

/** @param stop aborted, nobody waits for the end of a pause any more */
export function followContainers(
  watched: OpenedSources['watched'],
  settings: Settings,
  deps: FeedDeps,
  stop: AbortSignal,
): FeedCheck[] {
  const feeds = watched.map(({ definition, source, entities, prefix, fromBeginning }) => {
    const sync = held(deps.traced(createSync({ ...deps, source, entities }), source.name), source.name, deps, stop);
    const waits = registerCosmosChanges(
      sync,
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
  return feeds.map(({ watch, waits }) =>
    feedCheck(watch.source, deps, async () => (await watch.look()).remark ?? waits()),
  );
}

/** A page of a paused source waits, and is given back to the feed if the pause lasts. */
function held(sync: Sync, source: string, { pauses, failed }: FeedDeps, stop: AbortSignal): Sync {
  return {
    ...sync,
    async apply(items, origin) {
      try {
        await pauses.hold(source, stop);
        return await sync.apply(items, origin);
      } catch (error) {
        failed(source, error);
        throw error;
      }
    },
  };
}

function feedCheck(source: string, { pauses }: FeedDeps, check: HealthCheck['check']): FeedCheck {
  return {
    name: `feed of ${source}`,
    source,
    check: async () => {
      const pause = await pauses.of(source);
      return pause === undefined ? check() : `its changes are held since ${iso(pause.at)}, by ${pause.by}`;
    },
  };
}

/** @param stop aborted, no poll is begun any more @returns how each feed stands */
export function followTables(
  polled: OpenedSources['polled'],
  settings: Settings,
  deps: FeedDeps,
  stop: AbortSignal,
): FeedCheck[] {
  const options = {
    pauseMs: settings.WARMFEED_TABLE_POLL,
    pageSize: settings.WARMFEED_TABLE_BATCH,
    pruneMs: settings.WARMFEED_OUTBOX_RETENTION / 10,
  };
  const pollers = polled.map(({ definition, source, log, entities }) => {
    const sync = deps.traced(createSync({ ...deps, source, entities }), source.name);
    const names = entities.map((entity) => entity.name);
    const isPaused = async () => (await deps.pauses.of(source.name)) !== undefined;
    const poller = createPoller({ ...deps, clock, source, log, sync, entities: names, options, isPaused });
    return { definition, poller };
  });
  const databases = Map.groupBy(pollers, ({ definition }) => `${definition.kind}/${definition.connectionName}`);
  for (const ofOne of databases.values()) {
    const [first] = ofOne;
    if (first === undefined) continue;
    const { kind, connectionName } = first.definition;
    const database = { kind, connectionName, pollers: ofOne.map(({ poller }) => poller) };
    registerTableChanges(database, () => clock.now(), stop);
  }
  return pollers.map(({ poller }) => feedCheck(poller.source, deps, () => poller.remark()));
}
