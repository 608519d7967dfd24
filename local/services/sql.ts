/** The TDS emulator on the embedded PostgreSQL, or the SQL Server or Azure SQL database that SQL names; with the cities in it. */
import { readFileSync } from 'node:fs';
import sql from 'mssql';
import { seedCities } from '../data/cities.ts';
import { startTdsEmulator } from '../tds/emulator.ts';
import { onFreePort } from './ports.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';
import { count, messageOf, type Note, type Service, StackError } from './service.ts';

const migration = new URL('../../infra/sql/mssql.sql', import.meta.url);

export interface SqlOptions {
  /** A PostgreSQL server of its own is started in here where none is given. */
  folder: string;
  /** SQL: use that database instead. */
  connectionString?: string | undefined;
  /** The embedded one, if it runs. */
  server?: PostgresServer | undefined;
  port?: number;
  note?: Note;
  /** Told if the server ends without having been asked to. */
  onExit?: Note;
}

export interface SqlService extends Service {
  connectionString: string;
  /** Undefined where it is not ours. */
  port: number | undefined;
  /** Rows written by this start. */
  written: number;
}

export async function startSql(options: SqlOptions): Promise<SqlService> {
  return options.connectionString ? otherSql(options.connectionString, options) : emulatedSql(options);
}

/** Every start begins with a new database, as with the other parts. */
async function emulatedSql({ folder, server, port = 1439, note, onExit }: SqlOptions): Promise<SqlService> {
  const below = server ?? (await startPostgresServer({ folder, port: 0, onExit }));
  const own = server ? undefined : below;
  try {
    const name = 'warmfeed_sql';
    await below.createDatabase(name);
    const postgresUrl = below.superuserUrl(name);
    const emulator = await onFreePort(port, (free) => startTdsEmulator({ postgresUrl, port: free }));
    const stop = async (): Promise<void> => {
      await emulator.stop();
      await own?.stop();
    };
    const written = await fill(emulator.connectionString, note).catch(async (error: unknown) => {
      await stop();
      throw error;
    });
    return {
      name: 'sql',
      what: `TDS emulator on 127.0.0.1:${emulator.port}, database ${name} in PostgreSQL`,
      settings: { SQL: emulator.connectionString },
      ...(own ? { pid: own.pid } : {}),
      connectionString: emulator.connectionString,
      port: emulator.port,
      written,
      stop,
    };
  } catch (error) {
    await own?.stop();
    throw error;
  }
}

/** The connection string holds a password and is not shown. */
async function otherSql(connectionString: string, { note }: SqlOptions): Promise<SqlService> {
  const server = /(?:server|data source)\s*=\s*(?:tcp:)?([^;]+)/i.exec(connectionString)?.[1];
  if (server === undefined) {
    throw new StackError(
      'SQL must be a connection string: Server=host,port;Database=…;User Id=…;Password=…;Encrypt=true',
    );
  }
  try {
    return {
      name: 'sql',
      what: `the one in SQL, ${server}`,
      settings: { SQL: connectionString },
      connectionString,
      port: undefined,
      written: await fill(connectionString, note),
      stop: async () => {},
    };
  } catch (error) {
    throw new StackError(`SQL is set, but the database on ${server} cannot be used: ${messageOf(error)}`);
  }
}

async function fill(connectionString: string, note: Note = () => {}): Promise<number> {
  const pool = new sql.ConnectionPool(connectionString);
  pool.on('error', () => {});
  await pool.connect();
  try {
    const written = await seedCities(pool);
    await track(pool);
    note(
      written > 0 ? `${count(written)} rows written to dbo.cities` : 'dbo.cities already holds rows; nothing written',
    );
    return written;
  } finally {
    await pool.close();
  }
}

/** So that its changes are followed, as in infra/sql/mssql.sql, which is safe to run again. */
async function track(pool: sql.ConnectionPool): Promise<void> {
  const pieces = readFileSync(migration, 'utf8').replaceAll('dbo.airlines', 'dbo.cities').split(/^GO$/m);
  for (const piece of pieces) if (/^[A-Z]/m.test(piece)) await pool.request().batch(piece);
}
