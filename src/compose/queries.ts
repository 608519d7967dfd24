// Cached results of named queries, where any are configured.

import type { ResolvedConfig } from '../config/resolve.ts';
import type { ResolvedQuery } from '../config/resolve-queries.ts';
import type { Settings } from '../config/settings.ts';
import type { Entity } from '../core/entity.ts';
import { WarmfeedError } from '../core/errors.ts';
import type { Document } from '../core/ports.ts';
import { fingerprintOf, type Query } from '../core/query/query.ts';
import { createQueryChanges, type QueryChanges } from '../core/query/query-changes.ts';
import { createHotRefresh } from '../core/query/query-hot.ts';
import { createQueryReader } from '../core/query/query-read.ts';
import type { ReaderDeps } from '../core/read/read.ts';
import { registerQueries } from '../functions/queries.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createQueryStore } from '../redis/query-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/** With what is known of its rows beforehand. */
type OpenedQuery = Query & Pick<ResolvedQuery, 'schema' | 'select'>;

/** The queries with their entities. The generations must know them. */
export function openQueries({ queries }: ResolvedConfig, entities: readonly Entity[]): readonly OpenedQuery[] {
  return queries.map((resolved): OpenedQuery => {
    const of = resolved.of.flatMap((name) => entities.filter((entity) => entity.name === name));
    const [first, ...others] = of as [Entity, ...Entity[]];
    const { source } = first;
    const run = source.query;
    if (run === undefined) throw new WarmfeedError('CONFIG_INVALID', `${source.name} runs no queries`);
    return {
      ...resolved,
      name: `query/${resolved.title}`,
      fingerprint: fingerprintOf(resolved.fingerprint, of),
      source,
      of: [first, ...others],
      run,
      madeOf: of,
      longestTtlMs: resolved.ttlMs,
      row: rowOf(resolved, first),
    };
  });
}

/** Rows that are items are served like them, unless the query says otherwise. */
function rowOf({ select, isOfItems }: ResolvedQuery, entity: Entity): (row: Document) => unknown {
  if (select !== undefined) return select;
  if (!isOfItems) return (row) => row;
  return (row) => (entity.match(row) && !entity.deletedWhen(row) ? entity.select(row) : undefined);
}

interface QueryPart {
  /** What changes of items do; undefined: there are no queries. */
  readonly changes: QueryChanges | undefined;
  readonly drain: () => Promise<void>;
}

interface QueryDeps extends ReaderDeps {
  readonly connection: RedisConnection;
  readonly settings: Settings;
  readonly clientDirectives: 'honour' | 'ignore';
  readonly onRead: Telemetry['onRead'];
}

export function startQueries(queries: readonly Query[], deps: QueryDeps): QueryPart {
  if (queries.length === 0) return { changes: undefined, drain: async () => undefined };
  const { connection, settings, keys, observe, clientDirectives, onRead } = deps;
  const store = createQueryStore(connection);
  const reader = createQueryReader({ ...deps, queries: store });
  registerQueries({ queries, reader, clientDirectives, onRead });
  const { refresh } = reader;
  const hot = createHotRefresh({ store, keys, queries, observe, refresh });
  const mostFields = settings.WARMFEED_QUERY_FIELDS;
  const changes = createQueryChanges({ store, keys, queries, hot, mostFields });
  return { changes, drain: () => Promise.all([reader.drain(), hot.drain()]).then(() => undefined) };
}
