// Connection pools of PostgreSQL: one for each database in a process, made at the first use, so that a configuration
// without PostgreSQL never loads the driver. Values come as the server's text, which loses no digit.

import type { ClientConfig, Pool, PoolConfig } from 'pg';
import { WarmfeedError } from '../core/errors.ts';

export type PostgresConnection =
  | { readonly connectionString: string }
  /** By identity; `clientId` names a user-assigned one. */
  | {
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      readonly clientId?: string | undefined;
    };

export interface PostgresPools {
  get(connection: PostgresConnection): Promise<Pool>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

export interface PoolOptions {
  /** Connections of a pool. */
  readonly size: number;
  /** Longest duration of a statement and of connecting, ms. */
  readonly timeoutMs: number;
}

/** A row in the order of the statement's columns: the server's texts, null for NULL. */
export type TextRow = readonly (string | null)[];

export interface TextResult {
  readonly rows: readonly TextRow[];
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}

/** One form of every value, whatever the server's or the role's defaults are. */
const SESSION = [
  'datestyle=ISO',
  'timezone=UTC',
  'intervalstyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'lc_monetary=C',
];
/** Azure's resource of PostgreSQL and MySQL (Microsoft Entra authentication). */
const SCOPE = 'https://ossrdbms-aad.database.windows.net/.default';

export function createPostgresPools(options: PoolOptions): PostgresPools {
  const pools = new Map<string, Promise<Pool>>();

  function get(connection: PostgresConnection): Promise<Pool> {
    const name = JSON.stringify(connection);
    const known = pools.get(name);
    if (known !== undefined) return known;
    const pool = connect(connection, options);
    pools.set(name, pool);
    pool.catch(() => pools.delete(name));
    return pool;
  }

  async function close(): Promise<void> {
    const made = await Promise.allSettled(pools.values());
    pools.clear();
    const opened = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    await Promise.all(opened.map((pool) => pool.end()));
  }

  return { get, close };
}

async function connect(connection: PostgresConnection, { size, timeoutMs }: PoolOptions): Promise<Pool> {
  const { Pool: PgPool } = await import('pg');
  const limits: PoolConfig = {
    max: size,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    // The driver's own, for a server that says nothing at all.
    query_timeout: timeoutMs + 200,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'warmfeed',
    options: SESSION.map((setting) => `-c ${setting}`).join(' '),
  };
  const pool = new PgPool({ ...limits, ...(await credentialsOf(connection)) });
  // A connection that breaks while it is idle: the next statement gets another one.
  pool.on('error', () => undefined);
  return pool;
}

async function credentialsOf(connection: PostgresConnection): Promise<ClientConfig> {
  if ('connectionString' in connection) return { connectionString: connection.connectionString };
  const { host, port, database, user, clientId } = connection;
  const { DefaultAzureCredential } = await import('@azure/identity');
  const credential = new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId });
  // Asked for every new connection; the identity library keeps a token as long as it is good.
  const password = async () => {
    const token = await credential.getToken(SCOPE);
    if (token === null) throw new WarmfeedError('SOURCE_REJECTED', 'no token for PostgreSQL', { retryable: true });
    return token.token;
  };
  return { host, port, database, user, password, ssl: true };
}

const TEXTS = { getTypeParser: () => (value: string) => value };

/** @param values bound by the driver, never part of the statement */
export async function queryTexts(pool: Pool, text: string, values: readonly unknown[]): Promise<TextResult> {
  const types = TEXTS as unknown as NonNullable<ClientConfig['types']>;
  const { rows, fields } = await pool.query<(string | null)[]>({ text, values: [...values], rowMode: 'array', types });
  return { rows, fields };
}
