/** Databases and containers, by name and by rid; where a partition key lies. Nothing here outlives the process. */
import { randomBytes } from 'node:crypto';
import { conflict, notFound, ownerNotFound } from './errors.ts';
import type { Json, JsonObject } from './json.ts';
import { effectiveKey, evenBorders, type KeyComponent, type KeyDefinition, keyText } from './partition-key.ts';
import { createRange, type Item, type Partition, type PartitionRange } from './range.ts';
import { containerRid, databaseRid, type Rid, rangeRid } from './resource-id.ts';

export interface Container {
  id: string;
  rid: Rid;
  database: Database;
  definition: KeyDefinition;
  /** Undefined: TTL is off; -1: only documents with a `ttl` of their own expire. */
  defaultTtl: number | undefined;
  /** What it was made from, so that it can be made again. */
  shape: ContainerShape;
  /** As answered on reads. */
  resource: JsonObject;
  /** In order of `min`; the present ones only. */
  ranges: PartitionRange[];
  /** Id of the next range. */
  nextRange: number;
  /** Counts items and documents ever made: order of items, and rids. */
  ordinals: number;
  /** Items that may expire, and the earliest moment (ms) at which one can. */
  mortal: Set<Item>;
  nextExpiry: number;
}

export interface Database {
  id: string;
  rid: Rid;
  resource: JsonObject;
  containers: Map<string, Container>;
}

export interface Store {
  databases: Map<string, Database>;
  /** Ranges of each newly made container. */
  ranges: number;
  nextEtag: () => string;
}

export const createStore = (ranges: number): Store => {
  const run = randomBytes(4).toString('hex');
  let writes = 0;
  const nextEtag = () => {
    writes += 1;
    return `"${run}-0000-0000-0000-${writes.toString(16).padStart(12, '0')}"`;
  };
  return { databases: new Map(), ranges, nextEtag };
};

const seconds = (): number => Math.floor(Date.now() / 1000);

/** Name first, rid second, as in the service's own addressing of `dbs/{name or rid}`. */
const find = <T extends { rid: Rid }>(all: Map<string, T>, name: string): T | undefined =>
  all.get(name) ?? [...all.values()].find((one) => one.rid.text === name);

export const findDatabase = (store: Store, name: string): Database | undefined => find(store.databases, name);

export const findContainer = (store: Store, database: string, name: string): Container | undefined => {
  const owner = findDatabase(store, database);
  return owner && find(owner.containers, name);
};

export const needContainer = (store: Store, database: string, name: string): Container => {
  const container = findContainer(store, database, name);
  if (!container) throw ownerNotFound();
  return container;
};

export const addDatabase = (store: Store, id: string): Database => {
  if (store.databases.has(id)) throw conflict(`Database ${id} already exists.`);
  const rid = databaseRid();
  const resource: JsonObject = {
    id,
    _rid: rid.text,
    _self: `dbs/${rid.text}/`,
    _etag: store.nextEtag(),
    _colls: 'colls/',
    _users: 'users/',
    _ts: seconds(),
  };
  const database: Database = { id, rid, resource, containers: new Map() };
  store.databases.set(id, database);
  return database;
};

export interface ContainerShape {
  id: string;
  definition: KeyDefinition;
  defaultTtl: number | undefined;
  /** What else the caller sent (indexing policy, unique keys); kept and told back. */
  rest: Record<string, Json>;
}

const defaultIndexing: JsonObject = {
  indexingMode: 'consistent',
  automatic: true,
  includedPaths: [{ path: '/*' }],
  excludedPaths: [{ path: '/"_etag"/?' }],
};

export const describe = (store: Store, database: Database, rid: Rid, shape: ContainerShape): JsonObject => {
  const { paths, kind, version } = shape.definition;
  const self = `dbs/${database.rid.text}/colls/${rid.text}/`;
  return {
    id: shape.id,
    indexingPolicy: defaultIndexing,
    ...shape.rest,
    partitionKey: { paths, kind, version },
    ...(shape.defaultTtl === undefined ? {} : { defaultTtl: shape.defaultTtl }),
    conflictResolutionPolicy: {
      mode: 'LastWriterWins',
      conflictResolutionPath: '/_ts',
      conflictResolutionProcedure: '',
    },
    geospatialConfig: { type: 'Geography' },
    _rid: rid.text,
    _ts: seconds(),
    _self: self,
    _etag: store.nextEtag(),
    _docs: 'docs/',
    _sprocs: 'sprocs/',
    _triggers: 'triggers/',
    _udfs: 'udfs/',
    _conflicts: 'conflicts/',
  };
};

export const addContainer = (store: Store, database: Database, shape: ContainerShape): Container => {
  if (database.containers.has(shape.id)) throw conflict(`Container ${shape.id} already exists.`);
  const rid = containerRid(database.rid);
  const borders = evenBorders(store.ranges);
  const ranges = borders
    .slice(0, -1)
    .map((min, index) => createRange(String(index), rangeRid(rid, index + 1), min, borders[index + 1] ?? 'FF'));
  const container: Container = {
    id: shape.id,
    rid,
    database,
    definition: shape.definition,
    defaultTtl: shape.defaultTtl,
    shape,
    resource: describe(store, database, rid, shape),
    ranges,
    nextRange: ranges.length,
    ordinals: 0,
    mortal: new Set(),
    nextExpiry: Number.POSITIVE_INFINITY,
  };
  database.containers.set(shape.id, container);
  return container;
};

/** Deleted and made again, empty: the same name, another rid. */
export const recreateContainer = (store: Store, { database, shape }: Container): Container => {
  database.containers.delete(shape.id);
  return addContainer(store, database, shape);
};

export const rangeOf = (container: Container, epk: string): PartitionRange => {
  const range = container.ranges.find(({ min, max }) => min <= epk && epk < max);
  if (!range) throw notFound(`No partition range holds ${epk}.`);
  return range;
};

/** Where a key lies; the partition itself is made by its first write. */
export const locate = (container: Container, components: KeyComponent[]): Partition => {
  const key = keyText(components);
  for (const range of container.ranges) {
    const known = range.partitions.get(key);
    if (known) return known;
  }
  const epk = effectiveKey(components, container.definition);
  return { key, components, epk, range: rangeOf(container, epk), items: new Map() };
};
