// Checks where an entity's items live: connection settings, names and keys of each kind of source.

import { type CosmosConnection, connectionOf, type Report, resolveConnection, resolveText } from './checks.ts';
import type { CosmosDefinition, KeyColumnType, PostgresDefinition, SourceDefinition, SqlDefinition } from './define.ts';
import type { Environment } from './settings.ts';

export type PostgresConnection =
  | { readonly connectionString: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      readonly clientId: string | undefined;
    };

export type SqlConnection =
  | { readonly connectionString: string }
  | {
      readonly server: string;
      readonly port: number;
      readonly database: string;
      readonly clientId: string | undefined;
    };

export interface ResolvedCosmos {
  readonly kind: 'cosmos';
  readonly connectionName: string;
  readonly connection: CosmosConnection;
  readonly database: string;
  readonly container: string;
  readonly partitionKey: readonly string[];
  readonly changeFeedMode: 'LatestVersion' | 'AllVersionsAndDeletes';
}

interface Table {
  readonly connectionName: string;
  readonly table: string;
  readonly key: readonly { readonly name: string; readonly type: KeyColumnType }[];
}

export type ResolvedTable =
  | (Table & { readonly kind: 'postgres'; readonly connection: PostgresConnection })
  | (Table & { readonly kind: 'sql'; readonly connection: SqlConnection });

export type ResolvedSource = ResolvedCosmos | ResolvedTable;

const FEED_MODES = ['LatestVersion', 'AllVersionsAndDeletes'] as const;
const KEY_TYPES: readonly string[] = [
  'text',
  'smallint',
  'int',
  'bigint',
  'uuid',
  'date',
  'boolean',
] satisfies KeyColumnType[];

export function resolveSource(source: unknown, environment: Environment, report: Report): ResolvedSource | undefined {
  const definition = source as SourceDefinition | undefined;
  if (definition?.kind === 'cosmos') return resolveCosmos(definition, environment, report);
  if (definition?.kind === 'postgres' || definition?.kind === 'sql') {
    return resolveTable(definition, environment, report);
  }
  return report('source', 'must be cosmos({…}), postgres({…}) or sql({…})');
}

/** Sources with the same text are one container or table. */
export function placeOf(source: ResolvedSource): string {
  const at = source.kind === 'cosmos' ? [source.database, source.container] : [source.table];
  return [source.kind, source.connectionName, ...at].join('/');
}

/** The source without its secrets: the same place has the same fingerprint wherever it is. */
export function identityOf(source: ResolvedSource): unknown {
  if (source.kind !== 'cosmos') return [source.kind, source.connectionName, source.table, source.key];
  return [source.connectionName, source.database, source.container, source.partitionKey];
}

/** The option in which two definitions of one place differ. */
export function differenceOf(one: ResolvedSource, other: ResolvedSource): string | undefined {
  if (one.kind !== 'cosmos' || other.kind !== 'cosmos') {
    return one.kind === other.kind && 'key' in one && isSame(one.key, 'key' in other && other.key) ? undefined : 'key';
  }
  return (['partitionKey', 'changeFeedMode'] as const).find((option) => !isSame(one[option], other[option]));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function resolveCosmos(
  definition: CosmosDefinition,
  environment: Environment,
  report: Report,
): ResolvedCosmos | undefined {
  const partitionKey = [...(Array.isArray(definition.partitionKey) ? definition.partitionKey : [])];
  const connection = resolveConnection(CONNECTION, definition.connection, environment, report);
  const database = resolveText('source.database', definition.database, environment, report);
  const container = resolveText('source.container', definition.container, environment, report);
  const changeFeedMode = FEED_MODES.find((mode) => mode === (definition.changeFeedMode ?? 'LatestVersion'));
  if (changeFeedMode === undefined) {
    report('source.changeFeedMode', `must be one of ${FEED_MODES.map((mode) => `"${mode}"`).join(', ')}`);
  }
  if (partitionKey.length < 1 || partitionKey.length > 3 || !partitionKey.every((path) => /^(\/[^/"]+)+$/.test(path))) {
    report('source.partitionKey', `must be one to three paths such as ['/country']`);
  }
  if (!connection || !database || !container || !changeFeedMode) return undefined;
  const connectionName = definition.connection;
  return { kind: 'cosmos', connectionName, connection, database, container, partitionKey, changeFeedMode };
}

function resolveTable(
  definition: PostgresDefinition | SqlDefinition,
  environment: Environment,
  report: Report,
): ResolvedTable | undefined {
  const { connection: connectionName } = definition;
  const table = resolveText('source.table', definition.table, environment, report);
  if (table !== undefined && !/^[\p{L}_][\p{L}\p{N}_$#@ -]*(\.[\p{L}_][\p{L}\p{N}_$#@ -]*)?$/u.test(table)) {
    report('source.table', 'must be the name of a table, with its schema where it is not the default one');
  }
  const key = Object.entries(definition.key ?? {}).map(([name, type]) => ({ name, type }));
  if (key.length === 0)
    report('source.key', `must name the primary key's columns and their types, such as { id: 'int' }`);
  for (const { name, type } of key) {
    if (!KEY_TYPES.includes(type)) report(`source.key.${name}`, `must be one of ${KEY_TYPES.join(', ')}`);
  }
  if (definition.kind === 'postgres') {
    const connection = postgresConnection(connectionName, environment, report);
    return connection && table ? { kind: 'postgres', connectionName, connection, table, key } : undefined;
  }
  const connection = sqlConnection(connectionName, environment, report);
  return connection && table ? { kind: 'sql', connectionName, connection, table, key } : undefined;
}

const CONNECTION = 'source.connection';

function postgresConnection(name: unknown, environment: Environment, report: Report): PostgresConnection | undefined {
  return connectionOf<Extract<PostgresConnection, { host: string }>>(CONNECTION, name, environment, report, {
    isConnectionString: (text) => /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text),
    form: 'URL "postgres://user:password@host/database"',
    identity: (part) => {
      const [host, database, user] = [part('host'), part('database'), part('user')];
      if (!host || !database || !user) return undefined;
      return { host, port: Number(part('port') ?? 5432), database, user, clientId: part('clientId') };
    },
    needs: '$__host, $__database and $__user',
  });
}

function sqlConnection(name: unknown, environment: Environment, report: Report): SqlConnection | undefined {
  return connectionOf<Extract<SqlConnection, { server: string }>>(CONNECTION, name, environment, report, {
    isConnectionString: (text) => /(^|;)\s*(server|data source|addr|address|network address)\s*=\s*[^;]+/i.test(text),
    form: 'connection string "Server=…;Database=…;…"',
    identity: (part) => {
      const [server, database] = [part('server'), part('database')];
      if (!server || !database) return undefined;
      return { server, port: Number(part('port') ?? 1433), database, clientId: part('clientId') };
    },
    needs: '$__server and $__database',
  });
}
