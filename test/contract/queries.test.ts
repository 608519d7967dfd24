// The histories of test/model/queries.test.ts against real databases and a real Redis.

import { readFileSync } from 'node:fs';
import { ChangeFeedStartFrom, type Container, CosmosClient } from '@azure/cosmos';
import fc from 'fast-check';
import sql from 'mssql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import type { ChangeLog, Document } from '../../src/core/ports.ts';
import type { QueryStore } from '../../src/core/query/query-ports.ts';
import { createPoller } from '../../src/core/sync/poll.ts';
import { createQueryStore } from '../../src/redis/query-store.ts';
import { cosmosKeyColumns, createCosmosClients, createCosmosSource } from '../../src/sources/cosmos.ts';
import { createPostgresTable } from '../../src/sources/postgres.ts';
import { createPostgresPools } from '../../src/sources/postgres-client.ts';
import { tableKeyColumns } from '../../src/sources/table.ts';
import { startPostgres } from '../support/postgres-server.ts';
import {
  createQueryWorld,
  type FeedDeps,
  type Item,
  type QueryBackend,
  steps,
  type Write,
} from '../support/query-world.ts';
import { startSqlServer } from '../support/sql-server.ts';
import { type StoreOnRedis, storeOnRedis } from './store.on-redis.ts';

const MIGRATION = readFileSync(new URL('../../infra/sql/postgres.sql', import.meta.url), 'utf8');
const RUNS = 40;

/** A database with what all runs share. */
interface Database {
  backend(run: string, redis: StoreOnRedis): Promise<QueryBackend>;
  end(): Promise<void>;
}

/** Names of a run: one database serves them all. */
const named = (run: string) => ({
  app: run,
  itemOf: (name: string, { lists, n }: Item) => ({
    id: `${run}-${name}`,
    lists: lists.map((list) => `${run}-${list}`),
    n,
  }),
  listOf: (list: string) => `${run}-${list}`,
  shown: ({ id, lists, n }: Document) => ({
    id: bare(String(id)),
    lists: (typeof lists === 'string' ? lists.split(',').filter(Boolean) : (lists as string[])).map(bare),
    n: Number(n),
  }),
});

const bare = (name: string) => name.slice(name.lastIndexOf('-') + 1);

function onRedis({ store, connection, admin }: StoreOnRedis) {
  return {
    store,
    queries: createQueryStore(connection),
    lose: async (index: string) => void (await admin.del(index)),
    lag: () => undefined,
  };
}

/** The poller itself, one turn of it; what it delivered it delivers again when its checkpoint is set back. */
function polled(log: ChangeLog, deps: FeedDeps, written: () => number, checkpoints: string[]) {
  const poller = createPoller({
    ...deps,
    log,
    entities: ['item'],
    options: { pauseMs: 1, pageSize: 100, pruneMs: 1e12 },
  });
  const key = deps.keys.checkpoint(deps.source.name);
  return {
    async apply() {
      const before = await deps.store.recall(key);
      if (before !== undefined) checkpoints.push(before);
      // The first turn only finds out where to begin.
      if (before === undefined) await poller.follow(0, new AbortController().signal);
      const count = written();
      await poller.follow(0, new AbortController().signal);
      return count;
    },
    async again(count: number) {
      const back = checkpoints.at(-count) ?? checkpoints[0];
      if (back === undefined) return;
      await deps.store.remember(key, back);
      await poller.follow(0, new AbortController().signal);
    },
  };
}

async function postgres(): Promise<Database> {
  const server = await startPostgres();
  const url = await server.createDatabase();
  const db = new pg.Client(url);
  await db.connect();
  await db.query('CREATE TABLE items (id text PRIMARY KEY, lists text[], n int)');
  await db.query(MIGRATION);
  await db.query(`SELECT warmfeed.track('items')`);
  const pools = createPostgresPools({ size: 8, timeoutMs: 5000 });
  const columns = tableKeyColumns([{ name: 'id', type: 'text' }]);
  const { source, log } = createPostgresTable(
    {
      connection: { connectionString: url },
      connectionName: 'POSTGRES',
      table: 'items',
      columns,
      requestTimeoutMs: 5000,
      retentionMs: 60_000,
    },
    pools,
  );
  return {
    async backend(run, redis) {
      const names = named(run);
      let written = 0;
      const checkpoints: string[] = [];
      return {
        ...onRedis(redis),
        ...names,
        source,
        columns,
        time: { now: 0 },
        text: 'SELECT * FROM items WHERE @list = ANY(lists)',
        async write({ item, document }: Write) {
          const { id, lists, n } = names.itemOf(item, document ?? { lists: [], n: 0 });
          const upsert = `INSERT INTO items VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET lists = $2, n = $3`;
          await (document === undefined
            ? db.query('DELETE FROM items WHERE id = $1', [id])
            : db.query(upsert, [id, lists, n]));
          written++;
        },
        feed: (deps) => polled(log, deps, () => written, checkpoints),
      };
    },
    async end() {
      await pools.close();
      await db.end();
      await server.stop();
    },
  };
}

async function azureSql(): Promise<Database> {
  const server = await startSqlServer();
  await server.table('dbo.query_items', '(id nvarchar(60) PRIMARY KEY, lists nvarchar(200), n int)');
  const { source, log } = server.open('dbo.query_items', { id: 'text' });
  return {
    async backend(run, redis) {
      const names = named(run);
      let written = 0;
      const checkpoints: string[] = [];
      return {
        ...onRedis(redis),
        ...names,
        source,
        columns: tableKeyColumns([{ name: 'id', type: 'text' }]),
        time: { now: 0 },
        text: `SELECT * FROM dbo.query_items WHERE CHARINDEX(',' + @list + ',', lists) > 0`,
        async write({ item, document }: Write) {
          const { id, lists, n } = names.itemOf(item, document ?? { lists: [], n: 0 });
          const request = server.db.request().input('id', sql.NVarChar, id).input('n', sql.Int, n);
          request.input('lists', sql.NVarChar, `,${lists.join(',')},`);
          await (document === undefined
            ? request.query('DELETE FROM dbo.query_items WHERE id = @id')
            : request.query(`UPDATE dbo.query_items SET lists = @lists, n = @n WHERE id = @id;
                IF @@ROWCOUNT = 0 INSERT INTO dbo.query_items (id, lists, n) VALUES (@id, @lists, @n);`));
          written++;
        },
        feed: (deps) => polled(log, deps, () => written, checkpoints),
      };
    },
    end: () => server.end(),
  };
}

/** @param isWithin whether the query stays in one logical partition */
async function cosmos(isWithin: boolean): Promise<Database> {
  const emulator = await startCosmosEmulator({ port: 0 });
  const admin = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await admin.databases.create({ id: 'db' });
  const clients = createCosmosClients();
  const { container } = await database.containers.create({ id: 'items', partitionKey: { paths: ['/run'] } });
  const source = createCosmosSource(
    {
      changeFeedMode: 'LatestVersion',
      leases: { container: 'leases', prefix: 'p-' },
      connection: { connectionString: emulator.connectionString },
      connectionName: 'COSMOS',
      database: 'db',
      container: 'items',
      partitionKey: ['/run'],
      replicaLagMs: 0,
      requestTimeoutMs: 5000,
    },
    clients,
  );
  return {
    async backend(run, redis) {
      const names = named(run);
      let written = 0;
      return {
        ...onRedis(redis),
        ...names,
        source,
        columns: cosmosKeyColumns(['/run']),
        time: { now: 0 },
        text: 'SELECT * FROM c WHERE ARRAY_CONTAINS(c.lists, @list) AND NOT c.deleted',
        ...(isWithin ? { partition: () => [run] } : {}),
        async write({ item, document }: Write) {
          const of = names.itemOf(item, document ?? { lists: [], n: 0 });
          await container.items.upsert({ ...of, run, deleted: document === undefined });
          written++;
        },
        feed: ({ sync }) =>
          feedOf(
            container,
            run,
            (page) => sync.apply(page),
            () => written,
          ),
      };
    },
    async end() {
      clients.dispose();
      admin.dispose();
      await emulator.close();
    },
  };
}

/** Its one range, from the beginning, where only this run is of interest. */
function feedOf(
  container: Container,
  run: string,
  apply: (page: unknown[]) => Promise<unknown>,
  written: () => number,
) {
  let continuation: string | undefined;
  const delivered: unknown[] = [];
  return {
    async apply() {
      const count = written();
      const pages = container.items.getChangeFeedIterator({
        changeFeedStartFrom:
          continuation === undefined
            ? ChangeFeedStartFrom.Beginning(run)
            : ChangeFeedStartFrom.Continuation(continuation),
        maxItemCount: 100,
      });
      for (;;) {
        const page = await pages.readNext();
        continuation = page.continuationToken;
        if (page.statusCode === 304) return count;
        const items = page.result as unknown[];
        delivered.push(...items);
        await apply(items);
      }
    },
    async again(count: number) {
      const items = delivered.slice(-count);
      if (items.length > 0) await apply(items);
    },
  };
}

describe.each([
  { name: 'Cosmos DB, in one partition', open: () => cosmos(true) },
  { name: 'Cosmos DB, over all partitions', open: () => cosmos(false) },
  { name: 'PostgreSQL', open: postgres },
  { name: 'Azure SQL', open: azureSql },
])('results of queries of $name', ({ open }) => {
  let redis: StoreOnRedis;
  let database: Database;
  let runs = 0;
  beforeAll(async () => {
    [redis, database] = await Promise.all([storeOnRedis(), open()]);
  });
  afterAll(async () => {
    await database?.end();
    await redis?.end();
  });

  const explored = (onChange: 'evict' | 'refresh', broken: Partial<QueryStore> = {}) =>
    fc.asyncProperty(steps, async (all) => {
      const backend = await database.backend(`r${++runs}`, redis);
      const world = createQueryWorld({ ...backend, queries: { ...backend.queries, ...broken } }, onChange);
      await world.run(all);
      await world.settle();
    });

  test.each(['evict', 'refresh'] as const)('are true, whatever happens (%s)', {
    timeout: 120_000,
  }, async (onChange) => {
    await fc.assert(explored(onChange), { numRuns: RUNS });
  });

  test('where changes are not told to the lists, it is noticed', { timeout: 120_000 }, async () => {
    const broken = { change: async () => [] };
    const result = await fc.check(explored('evict', broken), { numRuns: RUNS, endOnFailure: true });
    expect(result.errorInstance).toMatchObject({ name: 'AssertionError' });
  });
});
