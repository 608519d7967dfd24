// The composition root: settings → clients → core → functions. The only import with effects.

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { app } from '@azure/functions';
import type { CacheDefinition } from './config/define.ts';
import { problemsOf, type ResolvedConfig, resolveConfig } from './config/resolve.ts';
import { ConfigError, messageOf } from './core/errors.ts';
import { createFeedWatch, type FeedState } from './core/feed-watch.ts';
import { createGenerations } from './core/generations.ts';
import { redisKeys } from './core/key.ts';
import type { Clock, Entropy } from './core/ports.ts';
import { createReader } from './core/read.ts';
import { createSync } from './core/sync.ts';
import { registerCosmosChanges } from './functions/cosmos-changes.ts';
import { registerEntities } from './functions/entities.ts';
import { registerFeedWatch } from './functions/feed-watch.ts';
import { registerHealth } from './functions/health.ts';
import { createLog } from './functions/log.ts';
import { registerTraceContext } from './functions/trace-context.ts';
import { createRedisConnection } from './redis/connection.ts';
import { redisCheck } from './redis/health.ts';
import { entraTokens } from './redis/identity.ts';
import { createRedisStore } from './redis/store.ts';
import { cosmosKeyColumns, createCosmosClients, createCosmosSource } from './sources/cosmos.ts';
import { createLimit, guard } from './sources/guard.ts';
import { type BreakerState, createTelemetry, observeAll } from './telemetry/telemetry.ts';

const clock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => sleep(ms),
  deadline: (ms) => AbortSignal.timeout(ms),
};

let tokens = randomBytes(0);

const entropy: Entropy = {
  random: () => Math.random(),
  token: () => {
    // By the thousand: a change batch needs one for each key.
    if (tokens.length === 0) tokens = randomBytes(8 * 1024);
    const token = tokens.subarray(0, 8);
    tokens = tokens.subarray(8);
    return token;
  },
  digest: (bytes) => createHash('sha256').update(bytes).digest().subarray(0, 12),
};

const FEED_REMARKS: Record<FeedState, string | undefined> = {
  watched: undefined,
  starting: 'its trigger has no leases yet: is there a lease container, and may the app write to it?',
  lost: 'its positions are being renewed',
};

try {
  start(resolveConfig(loadDefinition(), process.env));
} catch (error) {
  // A throw here would leave an app without any function, and the host saying nothing.
  console.error(error instanceof ConfigError ? error.message : error);
  registerHealth({ checks: [], problems: problemsOf(error) });
}

/** Required, not imported, so that an error in the user's file is reported like every other one. */
function loadDefinition(): CacheDefinition {
  return (require('./cache.config.ts') as { default: CacheDefinition }).default;
}

function start({ settings, leasePrefix, containers }: ResolvedConfig): void {
  const telemetry = createTelemetry({
    otlpEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    insightsConnection: settings.APPLICATIONINSIGHTS_CONNECTION_STRING,
    insightsAuthentication: settings.APPLICATIONINSIGHTS_AUTHENTICATION_STRING,
    serviceName: process.env['WEBSITE_SITE_NAME'] ?? settings.WARMFEED_APP,
    exportIntervalMs: settings.OTEL_METRIC_EXPORT_INTERVAL,
    onError: (error) => console.error('telemetry:', messageOf(error)),
  });
  if (telemetry.isOn) registerTraceContext(telemetry.under);
  const observe = observeAll(
    createLog(() => clock.now()),
    telemetry.observe,
  );
  const keys = redisKeys(settings.WARMFEED_APP);
  const connection = createRedisConnection({
    url: settings.REDIS_URL,
    clustering: settings.WARMFEED_REDIS_CLUSTERING,
    tokens: settings.REDIS_URL__credential === 'managedidentity' ? entraTokens() : undefined,
    socketTimeoutMs: settings.WARMFEED_REDIS_TIMEOUT,
    connectTimeoutMs: settings.WARMFEED_REDIS_CONNECT_TIMEOUT,
    onError: (error) => console.error(error.message),
  });
  const store = telemetry.store(createRedisStore(connection, { deadLettersCap: settings.WARMFEED_DEAD_LETTERS }));
  const clients = createCosmosClients();
  const limits = {
    concurrency: settings.WARMFEED_SOURCE_CONCURRENCY,
    queue: settings.WARMFEED_SOURCE_QUEUE,
    timeoutMs: settings.WARMFEED_SOURCE_TIMEOUT,
    breakerFailures: settings.WARMFEED_BREAKER_FAILURES,
    breakerResetMs: settings.WARMFEED_BREAKER_RESET,
  };
  const watched = containers.map((container) => {
    const { changeFeedMode } = container.source;
    // Leases of one mode are of no use to the other.
    const prefix = changeFeedMode === 'LatestVersion' ? leasePrefix : `${leasePrefix}all-`;
    const source = createCosmosSource(
      {
        ...container.source,
        replicaLagMs: settings.WARMFEED_REPLICA_LAG,
        requestTimeoutMs: settings.WARMFEED_SOURCE_TIMEOUT,
        leases: { container: settings.WARMFEED_LEASE_CONTAINER, prefix },
      },
      clients,
    );
    const onBreaker = (state: BreakerState) => telemetry.onBreaker(source.name, state);
    const guarded = telemetry.source(guard(source, { ...limits, onBreaker }));
    const columns = cosmosKeyColumns(container.source.partitionKey);
    const entities = container.entities.map((entity) => ({ ...entity, source: guarded, columns }));
    const fromBeginning = changeFeedMode === 'LatestVersion' && settings.WARMFEED_FEED_FROM_BEGINNING;
    return { definition: container.source, source, entities, prefix, fromBeginning };
  });
  const entities = watched.flatMap((container) => container.entities);

  const ttlMs = settings.WARMFEED_GENERATION_TTL;
  const generations = createGenerations({ store, key: keys.generations, clock, entities, ttlMs });
  const deps = {
    store,
    keys,
    generations,
    clock,
    entropy,
    observe,
    options: {
      leaseMs: settings.WARMFEED_LEASE,
      fenceMs: settings.WARMFEED_FENCE,
      waitMs: settings.WARMFEED_WAIT,
      provisionalMs: settings.WARMFEED_PROVISIONAL_TTL,
      jitter: settings.WARMFEED_JITTER,
    },
  };
  const reloads = createLimit({
    concurrency: settings.WARMFEED_RELOAD_CONCURRENCY,
    timeoutMs: settings.WARMFEED_RELOAD_TIMEOUT,
  });
  const reader = createReader({ ...deps, reloads });

  registerEntities({
    entities,
    reader,
    clientDirectives: settings.WARMFEED_CLIENT_DIRECTIVES,
    onRead: telemetry.onRead,
  });
  for (const container of watched) {
    const sync = createSync({ ...deps, source: container.source, entities: container.entities });
    registerCosmosChanges(telemetry.sync(sync, container.source.name), {
      connection: container.definition.connectionName,
      database: container.definition.database,
      container: container.definition.container,
      leaseContainer: settings.WARMFEED_LEASE_CONTAINER,
      leasePrefix: container.prefix,
      mode: container.definition.changeFeedMode,
      pollMs: settings.WARMFEED_FEED_POLL,
      acquireMs: settings.WARMFEED_FEED_ACQUIRE,
      batch: settings.WARMFEED_FEED_BATCH,
      fromBeginning: container.fromBeginning,
    });
  }
  const watches = watched.map(({ source, fromBeginning }) =>
    createFeedWatch({ source: source.name, positions: () => source.feedPositions(), fromBeginning }, deps),
  );
  registerFeedWatch(watches, settings.WARMFEED_FEED_WATCH);
  registerHealth({
    problems: [],
    checks: [
      { name: 'redis', check: () => redisCheck(connection) },
      ...watched.map(({ source }) => ({ name: source.name, check: () => source.check().then(() => undefined) })),
      ...watches.map((watch) => ({
        name: `feed of ${watch.source}`,
        check: async () => FEED_REMARKS[(await watch.look()).state],
      })),
    ],
  });

  app.hook.appTerminate(async () => {
    await reader.drain();
    clients.dispose();
    await connection.close();
    await telemetry.shutdown();
  });
}
