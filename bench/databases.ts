// The local stack's databases, with the app's settings for them, and how a row of each is written and recognised.

import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CosmosClient } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import sql from 'mssql';
import pg from 'pg';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { startPostgres } from '../local/services/postgres.ts';
import { startSql } from '../local/services/sql.ts';
import { startStorage } from '../local/services/storage.ts';
import type { Context } from './context.ts';

export const POLL_MS = 200;
/** Of a transaction. */
const BATCH = 100;
/** Over which many changes of PostgreSQL are spread. */
const ROWS = 10_000;
const MORE_COUNTRIES = `INSERT INTO public.countries
  SELECT (jsonb_populate_record(one, jsonb_build_object('code', code))).*
  FROM unnest($1::text[]) AS code, (SELECT c AS one FROM public.countries c ORDER BY code LIMIT 1) first`;

export interface Database {
  readonly name: string;
  /** As /ops has it. */
  readonly source: string;
  /** By our own timer, not by the host's trigger. */
  readonly isPolled: boolean;
  /** Of the row that is looked at. */
  readonly path: string;
  /** Writes `n` into row `row`; 0 is the one that is looked at. */
  readonly write: (row: number, n: number) => Promise<unknown>;
  /** Commits so many changes of other rows; undefined: the database keeps one change a row. */
  readonly written?: (count: number) => Promise<void>;
  readonly shows: (text: string, n: number) => boolean;
}

export async function openDatabases(context: Context, closing: (() => unknown)[]) {
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
  const written = async (count: number) => {
    for (let at = 0; at < count; at += BATCH) {
      const operations = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => ({
        operationType: 'Upsert' as const,
        resourceBody: { id: `B${at + i}`, country: 'FR', type: 'airport', n: at, filler: 'x'.repeat(900) },
      }));
      const { code, result } = await container.items.batch(operations, 'FR');
      if (result?.some(({ statusCode }) => statusCode >= 300)) throw new Error(`a batch is answered with ${code}`);
    }
  };
  return {
    name: 'Cosmos DB (emulator)',
    source: 'cosmos/COSMOS/warmfeed/airports',
    isPolled: false,
    path: '/api/entities/airport/FR/A0',
    write,
    written,
    shows: (text, n) => text.includes(`"n":${n},`),
  };
}

async function postgresDatabase(connectionString: string, closing: (() => unknown)[]): Promise<Database> {
  const pool = new pg.Pool({ connectionString, max: 9 });
  pool.on('error', () => undefined);
  closing.push(() => pool.end());
  const { rows } = await pool.query<{ code: string }>('SELECT code FROM public.countries ORDER BY code LIMIT 101');
  return {
    name: 'PostgreSQL',
    source: 'postgres/POSTGRES/public.countries',
    isPolled: true,
    path: `/api/entities/country/${rows[0]?.code}`,
    write: (row, n) => pool.query('UPDATE public.countries SET area = $1 WHERE code = $2', [n, rows[row]?.code]),
    async written(count) {
      const codes = Array.from({ length: ROWS }, (_, i) => `B${i}`);
      await pool.query(MORE_COUNTRIES, [codes]);
      for (let at = ROWS; at < count; at += BATCH) {
        const some = codes.slice(at % ROWS, (at % ROWS) + BATCH);
        await pool.query('UPDATE public.countries SET area = $1 WHERE code = ANY($2)', [at, some]);
      }
    },
    shows: (text, n) => text.includes(`"area":"${n}"`) || text.includes(`"area":${n},`),
  };
}

async function sqlDatabase(connectionString: string, closing: (() => unknown)[]): Promise<Database> {
  const pool = await new sql.ConnectionPool(connectionString).connect();
  closing.push(() => pool.close());
  return {
    name: 'Azure SQL (emulator)',
    source: 'sql/SQL/dbo.cities',
    isPolled: true,
    path: '/api/entities/city/1',
    write: (row, n) => pool.query(`UPDATE dbo.cities SET airports = ${n} WHERE id = ${row + 1}`),
    shows: (text, n) => text.includes(`"airports":${n}`),
  };
}
