// What is explored: the shipped core with its ports parked, and the stores in memory. This file is bundled anew for
// every knock-out (variant.ts), so it holds all that a knock-out can change.

import { createHash } from 'node:crypto';
import { hash64 } from '../../../src/core/bytes.ts';
import { type BlobSource, type Content, contentKey, unpack } from '../../../src/core/content/content.ts';
import { createContentChanges } from '../../../src/core/content/content-changes.ts';
import { createContentLoader } from '../../../src/core/content/content-load.ts';
import type { Entity } from '../../../src/core/entity.ts';
import { type Key, type RedisKeys, redisKeys } from '../../../src/core/key.ts';
import { createPurge } from '../../../src/core/ops/purge.ts';
import { createWarmPages } from '../../../src/core/ops/warm.ts';
import type {
  Change,
  ChangeLog,
  Clock,
  Document,
  GenerationsReply,
  Partition,
  PurgeMode,
  Source,
  Store,
} from '../../../src/core/ports.ts';
import { createGenerations } from '../../../src/core/protocol/generations.ts';
import { type Purges, parsePurges, purgedHow } from '../../../src/core/protocol/purges.ts';
import type { Query } from '../../../src/core/query/query.ts';
import { createQueryChanges } from '../../../src/core/query/query-changes.ts';
import { createHotRefresh } from '../../../src/core/query/query-hot.ts';
import type { QueryStore } from '../../../src/core/query/query-ports.ts';
import { createQueryReader } from '../../../src/core/query/query-read.ts';
import { NO_DIRECTIVES } from '../../../src/core/read/policy.ts';
import { createReader, createReaderOf, type Limit, type ReadAnswer } from '../../../src/core/read/read.ts';
import { createManyReader, type ManyAnswer } from '../../../src/core/read/read-many.ts';
import { decodeControl, decodeEntry, type Entry, hasStamp, versionOf } from '../../../src/core/record.ts';
import { createFeedWatch, type WatchedFeed } from '../../../src/core/sync/feed-watch.ts';
import { createPoller } from '../../../src/core/sync/poll.ts';
import { createSync } from '../../../src/core/sync/sync.ts';
import { createMemoryMssql } from '../../support/memory-mssql.ts';
import { createMemoryPostgres } from '../../support/memory-postgres.ts';
import { createMemoryQueryStore } from '../../support/memory-query-store.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import type { Actor, Input, Surroundings } from './process.ts';

export interface Setup {
  /** Distinct for each process: names its tokens. */
  readonly name: string;
  readonly source: Pick<Source, 'name' | 'replicaLagMs' | 'changesHold'>;
  readonly entity: Partial<Entity>;
  /** Whether calls made in one tick take effect in their order (one Redis), or in any (a cluster). */
  readonly isOrdered: boolean;
  /** Whether lists of items are cached: results of one query that runs on one partition, or on several. */
  readonly queries?: 'one-partition' | 'cross-partition';
  /** Blobs in place of items. */
  readonly isContent?: boolean;
  /** Lists that people ask for are loaded again behind the changes. */
  readonly isHot?: boolean;
  readonly options: {
    readonly leaseMs: number;
    readonly fenceMs: number;
    readonly waitMs: number;
    readonly provisionalMs: number;
    /** T. */
    readonly generationMs: number;
  };
}

export type Task =
  | { readonly do: 'read'; readonly key: Key; readonly serial: number; readonly isReload: boolean }
  /** Read in one request, or cached where they are not. */
  | { readonly do: 'many' | 'warm'; readonly keys: readonly Key[]; readonly serial: number }
  | { readonly do: 'query'; readonly list: string; readonly serial: number }
  /** One poll of the log. */
  | { readonly do: 'poll'; readonly serial: number }
  | {
      readonly do: 'page';
      readonly items: readonly Change[];
      readonly partition: Partition | undefined;
      readonly serial: number;
    }
  /** Looks after the positions of the feed. */
  | { readonly do: 'watch' }
  /** Makes everything cached of the source old. */
  | { readonly do: 'bump' }
  /** The same for the entity, or what some key or tag names. */
  | {
      readonly do: 'purge';
      readonly by: 'entity' | 'key' | 'tag';
      /** Record keys, or tags. */
      readonly names: readonly string[];
      readonly mode: PurgeMode;
    }
  /** Only asks for the generations. */
  | { readonly do: 'look' };

/** What a reader's client sees. */
export interface Sight {
  readonly how: string;
  /** `n` of what it is given; 0: nothing is there. */
  readonly n: number;
  readonly rows: Rows | undefined;
  readonly guarantee: string | undefined;
}

/** `n` of each item in a list, by its name. */
export type Rows = Readonly<Record<string, number>>;

export const ENTITY = 'widget';
export const keys: RedisKeys = redisKeys('x');
const NEVER: AbortSignal = new AbortController().signal;

function entityOf(source: Source, over: Partial<Entity>): Entity {
  return {
    name: ENTITY,
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 1023 }],
    fingerprint: hash64('fingerprint'),
    ttlMs: () => 1e9,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1e9,
    onChange: 'refresh',
    match: () => true,
    deletedWhen: (document) => document['deleted'] === true,
    select: (document) => document,
    tags: (document) => ((document['lists'] as readonly string[] | undefined) ?? []).map((list) => `list:${list}`),
    maxBytes: 1000,
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
    ...over,
  };
}

/** A name without variants. */
export const blobKey = (name: string): Key => contentKey(`${name}.png`, []);

function contentOf(
  { name, fingerprint, staleForMs, staleIfErrorMs, notFoundTtlMs }: Entity,
  source: BlobSource,
): Content {
  return { name, source, fingerprint, staleForMs, staleIfErrorMs, ttlMs: 1e9, notFoundTtlMs, maxBytes: 1000 };
}

export const LISTS = 'query/lists';

/** Lists whose names begin alike have one tag, and are the same. */
function queryOf(entity: Entity, isHot = false): Query {
  const { source, http } = entity;
  return {
    name: LISTS,
    title: 'lists',
    source,
    fingerprint: hash64('query'),
    staleForMs: 0,
    staleIfErrorMs: 0,
    madeOf: [entity],
    of: [entity],
    run: (statement, options) => (source.query as NonNullable<Source['query']>)(statement, options),
    isOfItems: true,
    text: '',
    params: [{ name: 'list', type: 'text', maxBytes: 100 }],
    partition: undefined,
    tags: ({ list }) => [`list:${String(list).slice(0, 1)}`],
    row: (row) => row,
    ttlMs: 1e9,
    maxRows: 100,
    maxBytes: 100_000,
    onChange: isHot ? 'refresh' : 'evict',
    http,
  };
}

export const listKey = (list: string): string => keys.record(LISTS, [list, '']);

function parked<T extends object>({ park }: Surroundings, port: string, own: Partial<T>): T {
  return new Proxy(own, {
    get: (target, member) =>
      Reflect.get(target, member) ?? ((...args: readonly unknown[]) => park(port, String(member), args)),
  }) as T;
}

/** A process of its own: cached generations, flights, sync. */
export function createActor(surroundings: Surroundings, setup: Setup): Actor {
  const { options } = setup;
  const clock: Clock = {
    now: surroundings.now,
    sleep: async (ms) => void (await surroundings.park('clock', 'sleep', [ms])),
    deadline: () => NEVER,
  };
  const atOnce = async () => undefined;
  const store = parked<Store>(surroundings, 'store', { ordered: setup.isOrdered, sent: atOnce });
  const source = parked<Source>(surroundings, 'source', { ...setup.source, change: (item) => item as Change });
  const entity = entityOf(source, setup.entity);
  const entities = [entity];
  const query = queryOf(entity, setup.isHot);
  const generations = createGenerations({
    store,
    key: keys.generations,
    clock,
    entities: setup.queries === undefined ? entities : [entity, query],
    ttlMs: options.generationMs,
  });
  let tokenOf = 0;
  let serial = 0;
  const deps = {
    store,
    keys,
    generations,
    clock,
    source,
    observe: () => undefined,
    entropy: {
      random: () => 0,
      token: () => hash64(`${setup.name} ${serial} ${tokenOf++}`),
      digest: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()).subarray(0, 12),
    },
    options: { ...options, jitter: 0 },
  };
  const reloads: Limit = (work) => work(NEVER);
  const reader = createReader({ ...deps, reloads });
  const content = contentOf(entity, parked<BlobSource>(surroundings, 'source', { name: setup.source.name }));
  const blobs = createReaderOf<Content>({ ...deps, reloads }, { load: createContentLoader(deps) });
  const blobChanges = createContentChanges(content, deps);
  const many = createManyReader({ ...deps, reader });
  const warm = createWarmPages(deps);
  const index = parked<QueryStore>(surroundings, 'queries', {});
  const lists = createQueryReader({ ...deps, queries: index, reloads });
  const hot = createHotRefresh({ ...deps, store: index, queries: [query], refresh: lists.refresh });
  const queries = createQueryChanges({ ...deps, store: index, queries: [query], hot, mostFields: 100 });
  const sync = createSync({ ...deps, entities, ...(setup.queries === undefined ? {} : { queries }) });

  const poller = createPoller({
    ...deps,
    log: parked<ChangeLog>(surroundings, 'log', { prune: async () => undefined }),
    sync,
    entities: [ENTITY],
    options: { pauseMs: 200, pageSize: 1000, pruneMs: 60_000 },
  });

  const feed = parked<Pick<WatchedFeed, 'positions'>>(surroundings, 'feed', {});
  /** Of the watch alone, whose patience ends with its first pause. */
  let waitedMs = 0;
  const patient: Clock = {
    ...clock,
    now: () => surroundings.now() + waitedMs,
    sleep: async () => {
      waitedMs += 20_000;
      await surroundings.park('clock', 'sleep', [0]);
    },
  };
  const indexed = setup.queries === undefined ? [] : [ENTITY];
  const purge = createPurge({ ...deps, queries: index, indexed });

  async function begin(task: Task): Promise<unknown> {
    tokenOf = 0;
    switch (task.do) {
      case 'read': {
        serial = task.serial;
        const directives = { ...NO_DIRECTIVES, noCache: task.isReload };
        const [name] = task.key;
        if (setup.isContent) {
          return sightOf(await blobs.read({ entity: content, key: blobKey(String(name)), directives }));
        }
        return sightOf(await reader.read({ entity, key: task.key, directives }));
      }
      case 'many':
        serial = task.serial;
        return (await many.readMany(entity, task.keys)).map(sightOfMany);
      case 'warm':
        serial = task.serial;
        return void (await warm.keys(entity, task.keys));
      case 'query': {
        serial = task.serial;
        return sightOf(await lists.read({ entity: query, key: [task.list, ''], directives: NO_DIRECTIVES }));
      }
      case 'page': {
        serial = task.serial;
        if (setup.isContent)
          return blobChanges.dropBlobs(task.items.map(({ key }) => String(blobKey(String(key[0]))[0])));
        return sync.apply(task.items, task.partition === undefined ? {} : { partition: task.partition });
      }
      case 'poll':
        serial = task.serial;
        return poller.follow(surroundings.now(), NEVER);
      case 'watch':
        waitedMs = 0;
        return createFeedWatch(
          { positions: () => feed.positions(), source: source.name, fromBeginning: false },
          { ...deps, clock: patient },
        ).check();
      case 'bump':
        return generations.bump(source.name);
      case 'purge': {
        const { by, names, mode } = task;
        if (by === 'entity') return purge.kept(ENTITY, mode);
        return by === 'key' ? purge.records(names, mode) : purge.tags(names, mode);
      }
      case 'look':
        return void (await generations.refresh());
    }
  }

  /** A process in which nothing runs knows nothing but the generations; that it noted who asks, it may forget. */
  function remains(): readonly Input[] {
    const last = generations.last();
    if (last === undefined || surroundings.now() - last.sentAt >= options.generationMs) return [];
    const { purges } = last;
    const told: GenerationsReply = {
      values: [...last.values.values()],
      timeMs: last.storeTimeMs,
      purgesVersion: String(purges?.latest ?? ''),
      purges: purges && textOfPurges(purges),
    };
    const reply = { value: told };
    return [
      { kind: 'begin', task: { do: 'look' }, now: last.sentAt },
      { kind: 'reply', index: 0, reply, now: last.sentAt },
    ];
  }

  return { begin: (task) => begin(task as Task), remains };
}

function textOfPurges({ byName, until }: Purges): string {
  const lines = Array.from(byName, ([name, { dropAt, staleAt }]) => `${dropAt} ${staleAt} ${until} ${name}\n`);
  return lines.join('');
}

function sightOf(answer: ReadAnswer): Sight {
  if (answer.kind === 'not-cached') return { how: answer.kind, n: 0, rows: undefined, guarantee: undefined };
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const guarantee = answer.kind === 'cached' ? answer.entry.guarantee : answer.guarantee;
  const how = answer.kind === 'loaded' && answer.collapsed ? 'joined' : answer.how;
  return { how, n: nOf(value), rows: rowsOf(value), guarantee };
}

function sightOfMany(answer: ManyAnswer): Sight {
  if (answer.kind === 'failed') return { how: answer.kind, n: 0, rows: undefined, guarantee: undefined };
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const guarantee = answer.kind === 'cached' ? answer.entry.guarantee : undefined;
  return { how: answer.how, n: nOf(value), rows: undefined, guarantee };
}

function documentOf(value: { readonly state: 'value' | 'absent'; readonly body?: Uint8Array }): Document {
  if (value.state === 'absent' || value.body === undefined) return {};
  // The body of a blob's record begins with the length of its description.
  const bytes = value.body[0] === 0 ? unpack(value.body).bytes : value.body;
  return JSON.parse(new TextDecoder().decode(bytes)) as Document;
}

const nOf = (value: Parameters<typeof documentOf>[0]): number => Number(documentOf(value)['n'] ?? 0);

function rowsOf(value: Parameters<typeof documentOf>[0]): Rows | undefined {
  const rows = documentOf(value)['rows'] as readonly { readonly id: string; readonly n: number }[] | undefined;
  return rows && Object.fromEntries(rows.map(({ id, n }) => [id, n]));
}

/** What lies in a record, for the invariants. */
export interface Contents {
  readonly entry: Entry | undefined;
  readonly n: number;
  readonly rows: Rows | undefined;
  readonly version: number;
  readonly token: string;
  readonly deadline: number;
}

export function contentsOf(record: Uint8Array | undefined): Contents {
  const entry = record && decodeEntry(record);
  const control = record && decodeControl(record);
  return {
    entry,
    n: entry === undefined ? 0 : nOf(entry),
    rows: entry && rowsOf(entry),
    version: entry === undefined ? 0 : Number(versionOf(entry)),
    token: control === undefined ? '' : control.leaseToken.toString(),
    deadline: control?.leaseDeadline ?? 0,
  };
}

/** Whether a record may be hit under these generations and purges; of a list, under these marks. */
export function isLive(setup: Setup, entry: Entry, values: ReadonlyMap<string, string>, marks?: string): boolean {
  const source = setup.source as Source;
  const entity = entityOf(source, setup.entity);
  const query = queryOf(entity);
  const { stamp } = createGenerations({
    store: undefined as unknown as Store,
    key: '',
    clock: undefined as unknown as Clock,
    entities: [entity, query],
    ttlMs: 0,
  });
  const of = marks === undefined ? entity : query;
  const purges = parsePurges(values.get('purges') ?? '');
  if (!hasStamp(entry, stamp(of, { sentAt: 0, storeTimeMs: 0, values, purges }, marks))) return false;
  return purgedHow(of, entry, purges) === undefined;
}

export { createMemoryMssql, createMemoryPostgres, createMemoryQueryStore, createMemoryStore };
