// One table of a real PostgreSQL as a source, with its changes tracked, read as a role that may do nothing else and
// whose defaults, like the database's, are not the usual ones.

import { readFileSync } from 'node:fs';
import pg from 'pg';
import type { KeyColumn } from '../../src/core/key.ts';
import { createPostgresTable } from '../../src/sources/postgres.ts';
import { createPostgresPools } from '../../src/sources/postgres-client.ts';
import { tableKeyColumns } from '../../src/sources/table.ts';
import { startPostgres } from './postgres-server.ts';

export const MIGRATION = readFileSync(new URL('../../infra/sql/postgres.sql', import.meta.url), 'utf8');

const DEFAULTS = {
  DateStyle: 'German, DMY',
  TimeZone: 'Asia/Kolkata',
  IntervalStyle: 'postgres_verbose',
  bytea_output: 'escape',
  lc_monetary: 'en_US.utf8',
  extra_float_digits: '-3',
};

export async function startPostgresTables() {
  const server = await startPostgres();
  const url = await server.createDatabase();
  const superuser = await connected(server.asSuperuser(url));
  const database = new URL(url).pathname.slice(1);
  await superuser.query(`CREATE ROLE reader LOGIN; ${MIGRATION}`);
  await superuser.query(`SELECT warmfeed.allow('reader')`);
  for (const [setting, value] of Object.entries(DEFAULTS)) {
    await superuser.query(`ALTER ROLE reader SET ${setting} = '${value}'`);
    await superuser.query(`ALTER DATABASE ${database} SET ${setting} = '${value}'`).catch(() => undefined);
  }
  const db = await connected(server.asSuperuser(url));
  const readerUrl = new URL(url);
  readerUrl.username = 'reader';
  const pools = createPostgresPools({ size: 4, timeoutMs: 5000 });

  /** A table that is there, as a source. */
  async function open(
    table: string,
    key: Readonly<Record<string, KeyColumn['type']>>,
    connectionString = readerUrl.href,
  ) {
    const columns = tableKeyColumns(Object.entries(key).map(([name, type]) => ({ name, type })));
    const place = { connection: { connectionString }, connectionName: 'POSTGRES', table, columns };
    return { ...createPostgresTable({ ...place, requestTimeoutMs: 5000, retentionMs: 60_000 }, pools), columns };
  }

  return {
    db,
    pools,
    readerUrl: readerUrl.href,
    open,
    /** Makes a table, tracks it and opens it. @param name as SQL */
    async table(name: string, body: string, key: Readonly<Record<string, KeyColumn['type']>>, table = name) {
      await db.query(`CREATE TABLE ${name} ${body}; GRANT SELECT ON ${name} TO reader`);
      await db.query('SELECT warmfeed.track($1)', [name]);
      return open(table, key);
    },
    session: () => connected(server.asSuperuser(url)),
    async end() {
      await pools.close();
      await db.end();
      await superuser.end();
      await server.stop();
    },
  };
}

export type PostgresTables = Awaited<ReturnType<typeof startPostgresTables>>;

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
