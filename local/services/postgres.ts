/** The embedded PostgreSQL server, or the database that POSTGRES names; with the countries in it. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { seedCountries } from '../data/countries.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';
import { count, messageOf, type Note, type Service, StackError } from './service.ts';

const connectTimeoutMs = 5_000;
const migration = new URL('../../infra/sql/postgres.sql', import.meta.url);

export interface PostgresOptions {
  /** Its folder is made inside this one. */
  folder: string;
  /** POSTGRES: use that database instead. */
  url?: string | undefined;
  port?: number;
  note?: Note;
  /** Told if the server ends without having been asked to. */
  onExit?: Note;
}

export interface PostgresService extends Service {
  url: string;
  /** Undefined where it is not ours. */
  server: PostgresServer | undefined;
  /** Rows written by this start. */
  written: number;
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresService> {
  return options.url ? otherPostgres(options.url, options) : ownPostgres(options);
}

/** Every start begins with a new database, as with the other parts. */
async function ownPostgres(options: PostgresOptions): Promise<PostgresService> {
  const server = await startPostgresServer({
    folder: options.folder,
    port: options.port ?? 5439,
    onExit: options.onExit,
  });
  try {
    const url = await server.createDatabase('warmfeed');
    const written = await fill(url, options.note);
    return {
      name: 'postgres',
      what: `embedded PostgreSQL ${server.version} on 127.0.0.1:${server.port}, database warmfeed`,
      settings: { POSTGRES: url },
      pid: server.pid,
      url,
      server,
      written,
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** The URL may hold a password and is not shown. */
async function otherPostgres(text: string, { note }: PostgresOptions): Promise<PostgresService> {
  const url = URL.parse(text);
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '') {
    throw new StackError('POSTGRES must be postgres://user:password@host:port/database');
  }
  try {
    return {
      name: 'postgres',
      what: `the one in POSTGRES, ${url.host}${url.pathname}`,
      settings: { POSTGRES: text },
      url: text,
      server: undefined,
      written: await fill(text, note),
      stop: async () => {},
    };
  } catch (error) {
    throw new StackError(`POSTGRES is set, but ${url.host}${url.pathname} cannot be used: ${messageOf(error)}`);
  }
}

async function fill(url: string, note: Note = () => {}): Promise<number> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  client.on('error', () => {});
  await client.connect();
  try {
    const written = await seedCountries(client);
    await track(client);
    note(written > 0 ? `${count(written)} rows written to countries` : 'countries already holds rows; nothing written');
    return written;
  } finally {
    await client.end();
  }
}

/** So that its changes are followed, as in infra/sql/postgres.sql, which is safe to run again. */
async function track(client: pg.Client): Promise<void> {
  await client.query(readFileSync(migration, 'utf8'));
  await client.query(`SELECT warmfeed.track('public.countries')`);
}
