// Opens the sources that the configuration names, each with its entities and behind its guard. The SDK or driver of
// each kind is loaded at the first use.

import type { ResolvedConfig } from '../config/resolve.ts';
import type { Settings } from '../config/settings.ts';
import type { Source } from '../core/ports.ts';
import type { HealthCheck } from '../functions/health.ts';
import { cosmosKeyColumns, createCosmosClients, createCosmosSource } from '../sources/cosmos.ts';
import { type GuardLimits, guard } from '../sources/guard.ts';
import { createSqlTable } from '../sources/mssql.ts';
import { createSqlPools } from '../sources/mssql-client.ts';
import { createPostgresTable } from '../sources/postgres.ts';
import { createPostgresPools } from '../sources/postgres-client.ts';
import { tableKeyColumns } from '../sources/table.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { BreakerState } from '../telemetry/terms.ts';

export function guardLimits(settings: Settings): GuardLimits {
  return {
    concurrency: settings.WARMFEED_SOURCE_CONCURRENCY,
    queue: settings.WARMFEED_SOURCE_QUEUE,
    timeoutMs: settings.WARMFEED_SOURCE_TIMEOUT,
    breakerFailures: settings.WARMFEED_BREAKER_FAILURES,
    breakerResetMs: settings.WARMFEED_BREAKER_RESET,
  };
}

export function openSources(
  { settings, leasePrefix, containers, tables }: ResolvedConfig,
  telemetry: Pick<Telemetry, 'source' | 'onBreaker'>,
) {
  const clients = createCosmosClients();
  const pool = { size: settings.WARMFEED_POOL_SIZE, timeoutMs: settings.WARMFEED_SOURCE_TIMEOUT };
  const postgresPools = createPostgresPools(pool);
  const sqlPools = createSqlPools(pool);
  const requestTimeoutMs = settings.WARMFEED_SOURCE_TIMEOUT;
  const limits = guardLimits(settings);
  const guarded = (source: Source) => {
    const onBreaker = (state: BreakerState) => telemetry.onBreaker(source.name, state);
    return telemetry.source(guard(source, { ...limits, onBreaker }));
  };
  const watched = containers.map(({ source: definition, entities }) => {
    const { changeFeedMode } = definition;
    // Leases of one mode are of no use to the other.
    const prefix = changeFeedMode === 'LatestVersion' ? leasePrefix : `${leasePrefix}all-`;
    const leases = { container: settings.WARMFEED_LEASE_CONTAINER, prefix };
    const replicaLagMs = settings.WARMFEED_REPLICA_LAG;
    const source = createCosmosSource({ ...definition, replicaLagMs, requestTimeoutMs, leases }, clients);
    const of = { source: guarded(source), columns: cosmosKeyColumns(definition.partitionKey) };
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
    const of = { source: guarded(source), columns: common.columns };
    return { definition, source, log, entities: entities.map((entity) => ({ ...entity, ...of })) };
  });
  const closeSources = async () => {
    clients.dispose();
    await Promise.all([postgresPools.close(), sqlPools.close()]);
  };
  return { watched, polled, clients, closeSources };
}

export type OpenedSources = ReturnType<typeof openSources>;

/** Whether a source can be read at all. */
export function readsOf(source: Source): HealthCheck {
  return { name: source.name, check: () => source.check().then(() => undefined) };
}
