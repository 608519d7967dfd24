// The SQL Server of the tests: the one that the setting SQL names, or the TDS emulator on a PostgreSQL of its own. Tests
// make tables of their own in it, and drop them first.

import { readFileSync } from 'node:fs';
import sql from 'mssql';
import { startTdsEmulator } from '../../local/tds/emulator.ts';
import type { KeyColumn } from '../../src/core/key.ts';
import { createSqlTable } from '../../src/sources/mssql.ts';
import { createSqlPools } from '../../src/sources/mssql-client.ts';
import { tableKeyColumns } from '../../src/sources/table.ts';
import { startPostgres } from './postgres-server.ts';

const MIGRATION = readFileSync(new URL('../../infra/sql/mssql.sql', import.meta.url), 'utf8');
const REAL = process.env['SQL'];

export async function startSqlServer() {
  const emulated = REAL === undefined ? await startEmulator() : undefined;
  const connectionString = REAL ?? emulated?.emulator.connectionString ?? '';
  const db = new sql.ConnectionPool(connectionString);
  db.on('error', () => undefined);
  await db.connect();
  const pools = createSqlPools({ size: 8, timeoutMs: 5000 });
  const run = (text: string) => db.request().batch<Record<string, unknown>>(text);

  /** infra/sql/mssql.sql, for another table. */
  async function track(table: string): Promise<void> {
    for (const piece of MIGRATION.replaceAll('dbo.airlines', table).split(/^GO$/m)) {
      if (/^\s*[A-Z]/m.test(piece.replace(/^--.*$/gm, ''))) await run(piece);
    }
  }

  function open(
    table: string,
    key: Readonly<Record<string, KeyColumn['type']>>,
    over: { connectionString?: string; requestTimeoutMs?: number; pools?: typeof pools } = {},
  ) {
    const columns = tableKeyColumns(Object.entries(key).map(([name, type]) => ({ name, type })));
    const connection = { connectionString: over.connectionString ?? connectionString };
    const place = { connection, connectionName: 'SQL', table, columns };
    return createSqlTable({ ...place, requestTimeoutMs: over.requestTimeoutMs ?? 5000 }, over.pools ?? pools);
  }

  return {
    /** Undefined: a real server. */
    emulator: emulated?.emulator,
    connectionString,
    port: emulated?.emulator.port ?? Number(/,(\d+)/.exec(connectionString)?.[1] ?? 1433),
    db,
    run,
    track,
    open,
    /** Makes a table, tracked, in place of any of that name. */
    async table(name: string, body: string): Promise<void> {
      await run(`DROP TABLE IF EXISTS ${name}`);
      await run(`CREATE TABLE ${name} ${body}`);
      await track(name);
    },
    async end() {
      await pools.close();
      await db.close();
      await emulated?.stop();
    },
  };
}

export type SqlServer = Awaited<ReturnType<typeof startSqlServer>>;

async function startEmulator() {
  const server = await startPostgres();
  const emulator = await startTdsEmulator({ postgresUrl: server.asSuperuser(await server.createDatabase()) });
  return {
    emulator,
    async stop() {
      await emulator.stop();
      await server.stop();
    },
  };
}
