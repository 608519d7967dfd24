// The composition root: settings → clients → core → functions. The only import with effects.

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { app } from '@azure/functions';
import type { CacheDefinition } from './config/define.ts';
import { problemsOf, type ResolvedConfig, resolveConfig } from './config/resolve.ts';
import { ConfigError } from './core/errors.ts';
import { createFeedWatch } from './core/feed-watch.ts';
import { createGenerations } from './core/generations.ts';
import { redisKeys } from './core/key.ts';
import { createPoller } from './core/poll.ts';
import type { Clock, Entropy } from './core/ports.ts';
import { createReader } from './core/read.ts';
import { createSync } from './core/sync.ts';
import { registerCosmosChanges } from './functions/cosmos-changes.ts';
import { registerEntities } from './functions/entities.ts';
import { registerFeedWatch } from './functions/feed-watch.ts';
import { registerHealth } from './functions/health.ts';
import { createLog } from './functions/log.ts';
import { registerTableChanges } from './functions/table-changes.ts';
import { createRedisConnection } from './redis/connection.ts';
import { redisCheck } from './redis/health.ts';
import { createRedisStore } from './redis/store.ts';
import { cosmosKeyColumns, createCosmosClients, createCosmosSource } from './sources/cosmos.ts';
import { createLimit, guard } from './sources/guard.ts';
import { createSqlTable } from './sources/mssql.ts';
import { createSqlPools } from './sources/mssql-client.ts';
import { createPostgresTable } from './sources/postgres.ts';
import { createPostgresPools } from './sources/postgres-client.ts';
import { tableKeyColumns } from './sources/table.ts';

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

function start({ settings, leasePrefix, containers, tables }: ResolvedConfig): void {
  const observe = createLog(() => clock.now());
  const keys = redisKeys(settings.WARMFEED_APP);
  const connection = createRedisConnection({
    url: settings.REDIS_URL,
    clustering: settings.WARMFEED_REDIS_CLUSTERING,
    socketTimeoutMs: settings.WARMFEED_REDIS_TIMEOUT,
    connectTimeoutMs: settings.WARMFEED_REDIS_CONNECT_TIMEOUT,
    onError: (error) => console.error(error.message),
  });
  const store = createRedisStore(connection, { deadLettersCap: settings.WARMFEED_DEAD_LETTERS });
  const { watched, polled, closeSources } = openSources({ settings, leasePrefix, containers, tables });
  const entities = [...watched, ...polled].flatMap((place) => place.entities);

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

  registerEntities({ entities, reader, clientDirectives: settings.WARMFEED_CLIENT_DIRECTIVES });
  const feeds = watched.map((container) => ({
    waits: registerCosmosChanges(createSync({ ...deps, source: container.source, entities: container.entities }), {
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
    }),
    watch: createFeedWatch(
      {
        source: container.source.name,
        positions: () => container.source.feedPositions(),
        fromBeginning: container.fromBeginning,
      },
      deps,
    ),
  }));
  const watches = feeds.map(({ watch }) => watch);
  if (watches.length > 0) registerFeedWatch(watches, settings.WARMFEED_FEED_WATCH);
  const stopping = new AbortController();
  const pollers = polled.map(({ definition, source, log, entities: polledEntities }) => {
    const sync = createSync({ ...deps, source, entities: polledEntities });
    const names = polledEntities.map((entity) => entity.name);
    const pollOptions = {
      pauseMs: settings.WARMFEED_TABLE_POLL,
      pageSize: settings.WARMFEED_TABLE_BATCH,
      pruneMs: settings.WARMFEED_OUTBOX_RETENTION / 10,
    };
    const poller = createPoller({ ...deps, source, log, sync, entities: names, options: pollOptions });
    return { definition, source, poller };
  });
  const databases = Map.groupBy(pollers, ({ definition }) => `${definition.kind}/${definition.connectionName}`);
  for (const ofOne of databases.values()) {
    const [first] = ofOne;
    if (first === undefined) continue;
    const { kind, connectionName } = first.definition;
    const database = { kind, connectionName, pollers: ofOne.map(({ poller }) => poller) };
    registerTableChanges(database, () => clock.now(), stopping.signal);
  }
  registerHealth({
    problems: [],
    checks: [
      { name: 'redis', check: () => redisCheck(connection) },
      ...watched.map(({ source }) => ({ name: source.name, check: () => source.check().then(() => undefined) })),
      ...feeds.map(({ watch, waits }) => ({
        name: `feed of ${watch.source}`,
        check: async () => (await watch.look()).remark ?? waits(),
      })),
      ...pollers.flatMap(({ source, poller }) => [
        { name: source.name, check: () => source.check().then(() => undefined) },
        { name: `feed of ${source.name}`, check: () => poller.remark() },
      ]),
    ],
  });

  app.hook.appTerminate(async () => {
    stopping.abort();
    await reader.drain();
    await closeSources();
    await connection.close();
  });
}

function openSources({ settings, leasePrefix, containers, tables }: ResolvedConfig) {
  const clients = createCosmosClients();
  const pool = { size: settings.WARMFEED_POOL_SIZE, timeoutMs: settings.WARMFEED_SOURCE_TIMEOUT };
  const postgresPools = createPostgresPools(pool);
  const sqlPools = createSqlPools(pool);
  const requestTimeoutMs = settings.WARMFEED_SOURCE_TIMEOUT;
  const limits = {
    concurrency: settings.WARMFEED_SOURCE_CONCURRENCY,
    queue: settings.WARMFEED_SOURCE_QUEUE,
    timeoutMs: settings.WARMFEED_SOURCE_TIMEOUT,
    breakerFailures: settings.WARMFEED_BREAKER_FAILURES,
    breakerResetMs: settings.WARMFEED_BREAKER_RESET,
  };
  const watched = containers.map(({ source: definition, entities }) => {
    const { changeFeedMode } = definition;
    // Leases of one mode are of no use to the other.
    const prefix = changeFeedMode === 'LatestVersion' ? leasePrefix : `${leasePrefix}all-`;
    const leases = { container: settings.WARMFEED_LEASE_CONTAINER, prefix };
    const replicaLagMs = settings.WARMFEED_REPLICA_LAG;
    const source = createCosmosSource({ ...definition, replicaLagMs, requestTimeoutMs, leases }, clients);
    const of = { source: guard(source, limits), columns: cosmosKeyColumns(definition.partitionKey) };
    const fromBeginning = changeFeedMode === 'LatestVersion' && settings.WARMFEED_FEED_FROM_BEGINNING;
    return { definition, source, prefix, fromBeginning, entities: entities.map((entity) => ({ ...entity, ...of })) };
  });
  const polled = tables.map(({ source: definition, entities }) => {
    const { connectionName, table } = definition;
    const common = { connectionName, table, columns: tableKeyColumns(definition.key), requestTimeoutMs };
    const retentionMs = settings.WARMFEED_OUTBOX_RETENTION;
    const { source, log } =
      definition.kind === 'postgres'
        ? createPostgresTable({ ...common, connection: definition.connection, retentionMs }, postgresPools)
        : createSqlTable({ ...common, connection: definition.connection }, sqlPools);
    const of = { source: guard(source, limits), columns: common.columns };
    return { definition, source, log, entities: entities.map((entity) => ({ ...entity, ...of })) };
  });
  const closeSources = async () => {
    clients.dispose();
    await Promise.all([postgresPools.close(), sqlPools.close()]);
  };
  return { watched, polled, closeSources };
}
