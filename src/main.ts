// The composition root: settings → clients → core → functions. The only import with effects; what belongs together
// is put together in compose/.

import { app } from '@azure/functions';
import { startAudit } from './compose/audit.ts';
import { openContent, startContent } from './compose/content.ts';
import { watchFailovers } from './compose/failovers.ts';
import { followContainers, followTables } from './compose/feeds.ts';
import { startNotes, startOps } from './compose/ops.ts';
import { openQueries, startQueries } from './compose/queries.ts';
import { clock, entropy } from './compose/runtime.ts';
import { startSessions } from './compose/sessions.ts';
import { guardLimits, openSources, readsOf } from './compose/sources.ts';
import type { CacheDefinition } from './config/define.ts';
import { problemsOf, type ResolvedConfig, resolveConfig } from './config/resolve.ts';
import { ConfigError, messageOf } from './core/errors.ts';
import { redisKeys } from './core/key.ts';
import { createGenerations } from './core/protocol/generations.ts';
import { longestLife } from './core/read/policy.ts';
import { createReader } from './core/read/read.ts';
import { createManyReader } from './core/read/read-many.ts';
import type { OnRead } from './core/read/read-outcome.ts';
import type { OnSession } from './core/session/session-outcome.ts';
import type { Sync } from './core/sync/sync.ts';
import { registerBatch } from './functions/batch.ts';
import { registerEntities } from './functions/entities.ts';
import { registerHealth } from './functions/health.ts';
import { createLog } from './functions/log.ts';
import { registerOpenapi } from './functions/openapi/openapi.ts';
import { registerTraceContext } from './functions/trace-context.ts';
import { createRedisConnection } from './redis/connection.ts';
import { redisCheck } from './redis/health.ts';
import { entraTokens } from './redis/identity.ts';
import { createRedisStore } from './redis/store.ts';
import { createLimit } from './sources/guard.ts';
import { createTelemetry, observeAll } from './telemetry/telemetry.ts';

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

function start(config: ResolvedConfig): void {
  const { settings } = config;
  const telemetry = createTelemetry({
    otlpEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    insightsConnection: settings.APPLICATIONINSIGHTS_CONNECTION_STRING,
    insightsAuthentication: settings.APPLICATIONINSIGHTS_AUTHENTICATION_STRING,
    serviceName: process.env['WEBSITE_SITE_NAME'] ?? settings.WARMFEED_APP,
    exportIntervalMs: settings.OTEL_METRIC_EXPORT_INTERVAL,
    onError: (error) => console.error('telemetry:', messageOf(error)),
  });
  if (telemetry.isOn) registerTraceContext(telemetry.under);
  const keys = redisKeys(settings.WARMFEED_APP);
  const stopping = new AbortController();
  const connection = createRedisConnection({
    url: settings.REDIS_URL,
    clustering: settings.WARMFEED_REDIS_CLUSTERING,
    tokens: settings.REDIS_URL__credential === 'managedidentity' ? entraTokens() : undefined,
    socketTimeoutMs: settings.WARMFEED_REDIS_TIMEOUT,
    connectTimeoutMs: settings.WARMFEED_REDIS_CONNECT_TIMEOUT,
    onError: (error) => console.error(error.message),
  });
  const notes = startNotes(connection, keys, (error) => observe({ kind: 'store-failed', during: 'notes', error }));
  const observe = observeAll(
    createLog(() => clock.now()),
    telemetry.observe,
    notes.observe,
  );
  const store = telemetry.store(createRedisStore(connection, { deadLettersCap: settings.WARMFEED_DEAD_LETTERS }));
  const { watched, polled, clients, closeSources } = openSources(config, telemetry);
  const sources = [...watched, ...polled];
  const entities = sources.flatMap((source) => source.entities);
  const content = openContent(config.content, settings, guardLimits(settings));
  const queries = openQueries(config, entities);
  const kept = [...entities, ...queries, ...(content === undefined ? [] : [content])];
  const ttlMs = settings.WARMFEED_GENERATION_TTL;
  const longestLifeMs = longestLife(kept) + settings.WARMFEED_LEASE;
  const generations = createGenerations({ store, key: keys.generations, clock, entities: kept, ttlMs, longestLifeMs });
  const beat = watchFailovers({ settings, keys, connection, generations, observe }, stopping.signal);
  const options = {
    leaseMs: settings.WARMFEED_LEASE,
    fenceMs: settings.WARMFEED_FENCE,
    waitMs: settings.WARMFEED_WAIT,
    provisionalMs: settings.WARMFEED_PROVISIONAL_TTL,
    jitter: settings.WARMFEED_JITTER,
  };
  const deps = { store, keys, generations, clock, entropy, observe, options };
  const reloads = createLimit({
    concurrency: settings.WARMFEED_RELOAD_CONCURRENCY,
    timeoutMs: settings.WARMFEED_RELOAD_TIMEOUT,
  });
  const reader = createReader({ ...deps, reloads });

  const manyReader = createManyReader({ ...deps, reader });
  const clientDirectives = settings.WARMFEED_CLIENT_DIRECTIVES;
  const onRead: OnRead = (...read) => {
    telemetry.onRead(...read);
    notes.stats.onRead(...read);
  };
  const onSession: OnSession = (...call) => {
    telemetry.onSession(...call);
    notes.stats.onSession(...call);
  };
  registerBatch({ entities, reader: manyReader, onRead });
  registerEntities({ entities, reader, clientDirectives, onRead });
  const contentPart = startContent(content, { ...deps, reloads, clientDirectives, onRead });
  const queryPart = startQueries(queries, {
    ...deps,
    reloads,
    connection,
    settings,
    clientDirectives,
    onRead,
  });
  const sessions = startSessions(config.sessions, {
    settings,
    keys,
    connection,
    clients,
    limits: guardLimits(settings),
    observe,
    onSession,
  });
  registerOpenapi({
    entities,
    queries,
    content: config.content,
    sessions: config.sessions && { hasSubjects: config.sessions.subject !== undefined },
    clientDirectives,
  });
  const { changes } = queryPart;
  const feedDeps = {
    ...deps,
    observe: observeAll(deps.observe, beat),
    ...startAudit({ ...deps, settings, connection, entities }, stopping.signal),
    traced: (sync: Sync, source: string) => telemetry.sync(sync, source),
    ...(changes && { queries: changes }),
    pauses: notes.pauses,
    failed: notes.failures.failed,
  };
  const feeds = [
    ...followContainers(watched, settings, feedDeps, stopping.signal),
    ...followTables(polled, settings, feedDeps, stopping.signal),
  ];
  const ops = startOps(
    { ...deps, notes, connection, sources: { watched, polled }, feeds, queries, content },
    stopping.signal,
  );
  registerHealth({
    problems: [],
    checks: [
      { name: 'redis', check: () => redisCheck(connection) },
      ...sources.map(({ source }) => readsOf(source)),
      ...contentPart.checks,
      ...sessions.checks,
      ...feeds,
    ],
  });

  app.hook.appTerminate(async () => {
    stopping.abort();
    const parts = [reader, manyReader, contentPart, queryPart, sessions, ops];
    await Promise.all(parts.map((part) => part.drain()));
    await closeSources();
    await notes.drain();
    await connection.close();
    await telemetry.shutdown();
  });
}
