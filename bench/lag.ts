// From a commit until a read over HTTP shows it, in the local stack, while other rows change at a given rate.

import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CosmosClient } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import sql from 'mssql';
import pg from 'pg';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { startPostgres } from '../local/services/postgres.ts';
import { startSql } from '../local/services/sql.ts';
import { startStorage } from '../local/services/storage.ts';
import type { Context } from './context.ts';
import { builtApp, startBenchHost, until } from './host.ts';
import { percentiles, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const POLL_MS = 200;
const RATES = [10, 100, 1000] as const;

interface Database {
  readonly name: string;
  /** Of the row that is looked at. */
  readonly path: string;
  /** Writes `n` into row `row`; 0 is the one that is looked at. */
  readonly write: (row: number, n: number) => Promise<unknown>;
  readonly shows: (text: string, n: number) => boolean;
  readonly goal: (p50: number, p99: number) => NonNullable<Figure['goal']>;
}

export async function lag(context: Context): Promise<Figure[]> {
  const closing: (() => unknown)[] = [];
  try {
    const { databases, settings } = await openDatabases(context, closing);
    const host = await startBenchHost(await builtApp(context.folder), { ...settings, REDIS_URL: context.redis });
    closing.push(() => host.child.disconnect());
    await until('the feeds', async () => (await fetch(`${host.url}/api/health/ready`)).status === 200);
    const figures: Figure[] = [];
    for (const database of databases) {
      for (const rate of context.isQuick ? ([100] as const) : RATES) {
        context.progress(`${database.name}, ${rate} changes a second`);
        figures.push(await lagOf(database, host.url, rate, context.isQuick ? 4000 : 10_000));
      }
    }
    return figures;
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function lagOf(database: Database, url: string, rate: number, forMs: number): Promise<Figure> {
  const others = { isOver: false, done: 0 };
  const writing = keepWriting(database, rate, others);
  const times: number[] = [];
  const began = performance.now();
  for (let n = 1; performance.now() - began < forMs; n++) {
    const marker = Math.round(began) * 1000 + n;
    await database.write(0, marker % 2_000_000_000);
    const committed = performance.now();
    const found = async () => database.shows(await (await fetch(url + database.path)).text(), marker % 2_000_000_000);
    await until(`a change of ${database.name}`, found, 2);
    times.push(performance.now() - committed);
    // Not in step with the poll.
    await sleep(Math.random() * POLL_MS);
  }
  others.isOver = true;
  await writing;
  const { p50, p99 } = percentiles(times);
  const real = Math.round((others.done / (performance.now() - began)) * 1000);
  return {
    what: `commit to visible, ${database.name}, ${rate} changes a second asked for`,
    value: spread(times),
    unit: 'ms',
    also: { 'p50 ms': p50, 'p99 ms': p99, 'changes a second': real, samples: times.length },
    ...(rate === 100 && { goal: database.goal(p50, p99) }),
  };
}

/** Other rows, as fast as asked for or as the database takes them. */
async function keepWriting(database: Database, rate: number, state: { isOver: boolean; done: number }): Promise<void> {
  const began = performance.now();
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let i = 0; !state.isOver; i++) {
      const due = began + ((i * 8 + lane) / rate) * 1000;
      const wait = due - performance.now();
      if (wait > 1) await sleep(Math.min(wait, 100));
      if (performance.now() < due) {
        i--;
        continue;
      }
      await database.write(1 + ((i * 8 + lane) % 100), i);
      state.done++;
    }
  });
  await Promise.all(lanes);
}

async function openDatabases(context: Context, closing: (() => unknown)[]) {
  const folder = join(context.folder, 'databases');
  mkdirSync(folder);
  // Where root runs this, PostgreSQL is another user.
  chmodSync(context.folder, 0o755);
  chmodSync(folder, 0o755);
  context.progress('starting the databases');
  const postgres = await startPostgres({ folder, port: 0 });
  closing.push(() => postgres.stop());
  const sqlService = await startSql({ folder, port: 0, server: postgres.server });
  closing.push(() => sqlService.stop());
  const storage = await startStorage({ ports: [0, 0, 0] });
  closing.push(() => storage.stop());
  await storage.ready;
  const { CONTENT = '' } = storage.settings;
  await BlobServiceClient.fromConnectionString(CONTENT).getContainerClient('content').createIfNotExists();
  const emulator = await startCosmosEmulator({ ranges: 1 });
  closing.push(() => emulator.close());
  const settings = {
    ...postgres.settings,
    ...sqlService.settings,
    COSMOS: emulator.connectionString,
    COSMOS_DATABASE: 'warmfeed',
    CONTENT,
    WARMFEED_REPLICA_LAG: '0s',
    WARMFEED_FEED_POLL: `${POLL_MS}ms`,
    WARMFEED_TABLE_POLL: `${POLL_MS}ms`,
  };
  const databases = [
    await cosmosDatabase(emulator.connectionString, closing),
    await postgresDatabase(postgres.settings['POSTGRES'] ?? '', closing),
    await sqlDatabase(sqlService.connectionString, closing),
  ];
  return { databases, settings };
}

async function cosmosDatabase(connection: string, closing: (() => unknown)[]): Promise<Database> {
  const client = new CosmosClient(connection);
  closing.push(() => client.dispose());
  const { database } = await client.databases.create({ id: 'warmfeed' });
  const { container } = await database.containers.create({ id: 'airports', partitionKey: '/country' });
  for (const id of ['leases', 'sessions'])
    await database.containers.create({ id, partitionKey: '/id', defaultTtl: -1 });
  const write = (row: number, n: number) =>
    container.items.upsert({ id: `A${row}`, country: 'FR', type: 'airport', n, filler: 'x'.repeat(900) });
  await write(0, 0);
  return {
    name: 'Cosmos DB (emulator)',
    path: '/api/entities/airport/FR/A0',
    write,
    shows: (text, n) => text.includes(`"n":${n},`),
    goal: (_, p99) => absolute(`p99 at most ${POLL_MS + 50} ms, one poll and 50 ms`, p99 <= POLL_MS + 50),
  };
}

async function postgresDatabase(connectionString: string, closing: (() => unknown)[]): Promise<Database> {
  const pool = new pg.Pool({ connectionString, max: 9 });
  pool.on('error', () => undefined);
  closing.push(() => pool.end());
  const { rows } = await pool.query<{ code: string }>('SELECT code FROM public.countries ORDER BY code LIMIT 101');
  return {
    name: 'PostgreSQL',
    path: `/api/entities/country/${rows[0]?.code}`,
    write: (row, n) => pool.query('UPDATE public.countries SET area = $1 WHERE code = $2', [n, rows[row]?.code]),
    shows: (text, n) => text.includes(`"area":"${n}"`) || text.includes(`"area":${n},`),
    goal: tableGoal,
  };
}

async function sqlDatabase(connectionString: string, closing: (() => unknown)[]): Promise<Database> {
  const pool = await new sql.ConnectionPool(connectionString).connect();
  closing.push(() => pool.close());
  return {
    name: 'Azure SQL (emulator)',
    path: '/api/entities/city/1',
    write: (row, n) => pool.query(`UPDATE dbo.cities SET airports = ${n} WHERE id = ${row + 1}`),
    shows: (text, n) => text.includes(`"airports":${n}`),
    goal: tableGoal,
  };
}

function tableGoal(p50: number, p99: number): NonNullable<Figure['goal']> {
  return absolute('p50 at most 150 ms, p99 at most 300 ms', p50 <= 150 && p99 <= 300);
}

function absolute(text: string, isMet: boolean): NonNullable<Figure['goal']> {
  return { ...goal(text, isMet).goal, absolute: true };
}
