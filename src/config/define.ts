// What src/cache.config.ts is written with: typed definitions that only describe. They are checked, all problems
// at once, by resolve.ts.

import type { Document } from '../core/ports.ts';
import type { Duration, Size } from './units.ts';

/** A Cosmos DB container. `%NAME%` in a text stands for an app setting. */
export interface CosmosDefinition {
  readonly kind: 'cosmos';
  /** Name of the app setting with the connection: a connection string, or `<name>__accountEndpoint` for an identity. */
  readonly connection: string;
  readonly database: string;
  readonly container: string;
  /** The container's partition-key paths, one to three: `['/country']`. */
  readonly partitionKey: readonly `/${string}`[];
  /**
   * `AllVersionsAndDeletes` tells of hard deletes and expiries too; the account must have it switched on, and its
   * feed cannot start from the beginning. Default `LatestVersion`.
   */
  readonly changeFeedMode?: 'LatestVersion' | 'AllVersionsAndDeletes';
}

/** Types of key columns; a text of another spelling (`007`, an upper-case UUID) is the same key. */
export type KeyColumnType = 'text' | 'smallint' | 'int' | 'bigint' | 'uuid' | 'date' | 'boolean';

interface TableDefinition {
  /** Name of the app setting with the connection. */
  readonly connection: string;
  /** `countries` or `schema.countries`, in the database's own spelling. */
  readonly table: string;
  /** The primary key's columns, in the order of the key's segments: `{ code: 'text' }`. */
  readonly key: Readonly<Record<string, KeyColumnType>>;
}

/** A PostgreSQL table; of a partitioned one its root. Changes are followed where infra/sql/postgres.sql is in place. */
export interface PostgresDefinition extends TableDefinition {
  readonly kind: 'postgres';
}

/** An Azure SQL Database table. Changes are followed where change tracking is on (infra/sql/mssql.sql). */
export interface SqlDefinition extends TableDefinition {
  readonly kind: 'sql';
}

export type SourceDefinition = CosmosDefinition | PostgresDefinition | SqlDefinition;

export function postgres(options: Omit<PostgresDefinition, 'kind'>): PostgresDefinition {
  return { kind: 'postgres', ...options };
}

export function sql(options: Omit<SqlDefinition, 'kind'>): SqlDefinition {
  return { kind: 'sql', ...options };
}

export function cosmos(options: Omit<CosmosDefinition, 'kind'>): CosmosDefinition {
  return { kind: 'cosmos', ...options };
}

/** What other caches may keep: nothing unless said here. Whatever they keep is outside the cache's guarantee. */
export interface HttpOptions {
  readonly maxAge?: Duration;
  readonly staleWhileRevalidate?: Duration;
  readonly staleIfError?: Duration;
  /** Shared caches too; the tags then go out as `Cache-Tag`. */
  readonly public?: boolean;
}

/** Without references: it becomes a part of another document. */
export type Schema = Readonly<Record<string, unknown>>;

export interface EntityDefinition<T extends Document = Document> {
  readonly source: SourceDefinition;
  /** How long a value is fresh: for all, or by document. */
  readonly ttl: Duration | ((document: T) => Duration);
  /** How long after that it is served while it is refreshed. Default `'0s'`. */
  readonly staleFor?: Duration;
  /** How long after that it is served while the source fails. Default `'0s'`. */
  readonly staleIfError?: Duration;
  /** How long "not found" is remembered. Default `'30s'`. */
  readonly notFoundTtl?: Duration;
  /** What a change does: refresh always, refresh only what is cached, or evict. Default `'refresh'`. */
  readonly onChange?: 'refresh' | 'refresh-cached' | 'evict';
  /** Which documents of the container belong to the entity; others are 404. Default: all. */
  readonly match?: (document: T) => boolean;
  /** Soft delete: such a document is 404. Default: none. */
  readonly deletedWhen?: (document: T) => boolean;
  /** What is cached and served; gets the document without system properties. Default: all of it. */
  readonly select?: (document: T) => unknown;
  /** JSON Schema of what is served, for the OpenAPI document alone: nothing is checked by it. Default: what the key tells. */
  readonly schema?: Schema;
  /** Raise it when select, match or tags change their meaning: older records are then not used. Default 1. */
  readonly revision?: number;
  readonly tags?: (document: T) => readonly string[];
  /** Larger bodies are answered, never cached. Default `'1mb'`. */
  readonly maxBytes?: Size;
  readonly http?: HttpOptions;
}

/** A container of Azure Blob Storage. `%NAME%` in a text stands for an app setting. */
export interface BlobDefinition {
  readonly kind: 'blob';
  /** Name of the app setting with the connection string, or `<name>__blobServiceUri` for an identity. */
  readonly connection: string;
  readonly container: string;
}

export function blob(options: Omit<BlobDefinition, 'kind'>): BlobDefinition {
  return { kind: 'blob', ...options };
}

/** Static content, served under `/content/`. */
export interface ContentDefinition {
  readonly source: BlobDefinition;
  /** How long a blob is fresh; then it is asked for by its ETag, and sent again only if it changed. */
  readonly ttl: Duration;
  /** How long after that it is served while it is refreshed. Default `'0s'`. */
  readonly staleFor?: Duration;
  /** How long after that it is served while the storage fails. Default `'0s'`. */
  readonly staleIfError?: Duration;
  /** How long "not found" is remembered. Default `'30s'`. */
  readonly notFoundTtl?: Duration;
  /** Larger blobs are read for each request, and only described in the cache. Default `'1mb'`. */
  readonly maxBytes?: Size;
  /** No answer is larger: a whole blob that is has to be asked for in ranges. Default `'32mb'`. */
  readonly maxAnswerBytes?: Size;
  /** Which variants may lie beside a blob, as `x.br` and `x.gz`. Default both. */
  readonly precompressed?: readonly ('br' | 'gzip')[];
  /** `Cache-Control` by path, the first match: `*` within a segment, `**` across. Default `private, no-cache`. */
  readonly cacheControl?: Readonly<Record<string, string>>;
  /** Whether HTML, SVG and XML of the storage may run scripts in this origin. Default `'sandbox'`: no. */
  readonly activeContent?: 'sandbox' | 'trust';
  /** The file that a path with a slash at its end stands for, such as `'index.html'`. Default: none, 404. */
  readonly index?: string;
  /** Default `'function'`: a function key is needed. */
  readonly authLevel?: 'function' | 'anonymous';
  /** Registers the Event Grid trigger by which changed blobs are dropped at once. Default false. */
  readonly events?: boolean;
}

/** A Cosmos DB container that the app itself writes: partition key `/id`, time to live on. `%NAME%` as above. */
export interface CosmosContainerDefinition {
  readonly kind: 'cosmos-container';
  readonly connection: string;
  readonly database: string;
  readonly container: string;
}

export function cosmosContainer(options: Omit<CosmosContainerDefinition, 'kind'>): CosmosContainerDefinition {
  return { kind: 'cosmos-container', ...options };
}

/** Session state; see docs/sessions.md. */
export interface SessionsDefinition {
  /** How long a session lives after its last use. */
  readonly ttl: Duration;
  /** How long at the longest, however much it is used. Default `'24h'`, or `ttl` where that is longer. */
  readonly absolute?: Duration;
  /** Longest JSON of a session; more is 413. Default `'64kb'`. */
  readonly maxBytes?: Size;
  /** Whose session it is, by its data: those of one subject can be listed and ended together. Default: nobody's. */
  readonly subject?: (data: Document) => string | undefined;
  /** Keeps a copy that outlives Redis. Default: none. */
  readonly durable?: CosmosContainerDefinition;
}

/** Types of a query's parameters. */
export type ParameterType = 'string' | Exclude<KeyColumnType, 'text'> | 'number';
/** A parameter's value as the functions of a query get it; a `bigint` is text. */
export type ParameterValues = Readonly<Record<string, string | number | boolean | null>>;

/** A named query, served under `/queries/{name}`; see docs/queries.md. */
export interface QueryDefinition {
  /** The entities that it is made of; the first one's database runs it. With one alone, its rows are items of that entity. */
  readonly of: string | readonly [string, ...string[]];
  /** The database's own language, with `@name` for each parameter. */
  readonly text: string;
  readonly params?: Readonly<Record<string, ParameterType>>;
  /** Which tags items in it have: any item that could enter the result has one of them, by its entity's `tags`. */
  readonly tags?: (values: ParameterValues) => readonly string[];
  /** Instead of `tags`: any change of its entities makes it old. Its rows need not be items (COUNT, joins, projections). */
  readonly anyChange?: boolean;
  /** Cosmos DB: the partition key that it stays in; default: it asks all partitions. */
  readonly partition?: (values: ParameterValues) => readonly (string | number | boolean | null)[];
  readonly ttl: Duration;
  readonly staleFor?: Duration;
  readonly staleIfError?: Duration;
  /** Load it again when it became old and people ask for it, or let the next one wait. Default `'evict'`. */
  readonly onChange?: 'refresh' | 'evict';
  /** What is served of a row. Default: the entity's `match`, `deletedWhen` and `select`. */
  readonly select?: (row: never) => unknown;
  /** JSON Schema of a row as it is served, for the OpenAPI document alone. Default: its entity's, where rows are items. */
  readonly schema?: Schema;
  /** Most rows; Cosmos DB goes on after them. Default 1000. */
  readonly limit?: number;
  /** Larger results are answered, never cached. Default `'1mb'`. */
  readonly maxBytes?: Size;
  /** Raise it when `select` or `tags` change their meaning. Default 1. */
  readonly revision?: number;
  readonly http?: HttpOptions;
}

export function query(definition: QueryDefinition): QueryDefinition {
  return definition;
}

export interface CacheDefinition {
  readonly entities: Readonly<Record<string, EntityDefinition<never>>>;
  readonly queries?: Readonly<Record<string, QueryDefinition>>;
  readonly sessions?: SessionsDefinition;
  readonly content?: ContentDefinition;
}

/** @typeParam T the documents of the entity, for `select`, `match` and the like */
export function entity<T extends Document = Document>(definition: EntityDefinition<T>): EntityDefinition<T> {
  return definition;
}

export function defineCache<const C extends CacheDefinition>(definition: C): C {
  return definition;
}

/** A copy of a document without some of its properties, for `select`. */
export function omit(document: Document, names: readonly string[]): Document {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !names.includes(name)));
}
