// Connection pools of Azure SQL Database: one for each database in a process, made at the first use, so that a
// configuration without it never loads the driver. Rows come as arrays, and every parameter has its type.

import type { ConnectionPool, ISqlType, config as MssqlConfig, Request } from 'mssql';

export type SqlConnection =
  | { readonly connectionString: string }
  /** By identity; `clientId` names a user-assigned one. */
  | {
      readonly server: string;
      readonly port: number;
      readonly database: string;
      readonly clientId?: string | undefined;
    };

export interface SqlPools {
  get(connection: SqlConnection): Promise<SqlPool>;
  close(): Promise<void>;
}

export interface SqlPool {
  /**
   * Runs statements as one batch. @param values bound by the driver, never part of the text
   * @returns the rows of each SELECT
   */
  query(text: string, values: Readonly<Record<string, SqlValue>>, signal: AbortSignal): Promise<readonly SqlRow[][]>;
  /** The same for statements whose columns only they know: the last SELECT's. */
  rows(text: string, values: Readonly<Record<string, SqlValue>>, signal: AbortSignal): Promise<DriverRows>;
}

export interface DriverRows {
  /** Types as the driver names them: `datetime2`. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
}

export interface SqlValue {
  readonly type: 'text' | 'int' | 'bigint';
  readonly value: string | number | null;
}

/** Values as the driver gives them; dates are never asked for as such. */
export type SqlRow = readonly (string | number | boolean | Uint8Array | null)[];

export interface SqlPoolOptions {
  /** Connections of a pool. */
  readonly size: number;
  /** Longest duration of a batch and of connecting, ms. */
  readonly timeoutMs: number;
}

export function createSqlPools(options: SqlPoolOptions): SqlPools {
  const pools = new Map<string, Promise<{ pool: SqlPool; close: () => Promise<void> }>>();

  async function get(connection: SqlConnection): Promise<SqlPool> {
    const name = JSON.stringify(connection);
    let made = pools.get(name);
    if (made === undefined) {
      made = connect(connection, options);
      pools.set(name, made);
      // The next call connects anew.
      made.catch(() => pools.delete(name));
    }
    return (await made).pool;
  }

  async function close(): Promise<void> {
    const made = await Promise.allSettled(pools.values());
    pools.clear();
    const opened = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    await Promise.all(opened.map((pool) => pool.close()));
  }

  return { get, close };
}

async function connect(connection: SqlConnection, options: SqlPoolOptions) {
  const { default: driver } = await import('mssql');
  const given = configOf(connection, (text) => driver.ConnectionPool.parseConnectionString(text));
  let refusal: number | undefined;
  const pool: ConnectionPool = new driver.ConnectionPool({
    ...poolConfig(given, options),
    beforeConnect: (opened) => {
      opened.on('errorMessage', ({ number }) => {
        refusal = number;
      });
    },
  });
  pool.on('error', () => undefined);

  /** The driver does not tell why a sign-in failed, and some failures pass: a database that wakes up, a failover. */
  const withNumber = (error: unknown): unknown =>
    error instanceof Error && 'code' in error && error.code === 'ELOGIN' && refusal !== undefined
      ? Object.assign(error, { number: refusal })
      : error;

  await pool.connect().catch((error: unknown) => {
    throw withNumber(error);
  });
  const types: Record<SqlValue['type'], ISqlType | (() => ISqlType)> = {
    text: driver.NVarChar(driver.MAX),
    int: driver.Int,
    bigint: driver.BigInt,
  };

  const run = async (text: string, values: Readonly<Record<string, SqlValue>>, signal: AbortSignal) => {
    signal.throwIfAborted();
    const request: Request = pool.request();
    for (const [name, { type, value }] of Object.entries(values)) request.input(name, types[type], value);
    const cancel = () => request.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return (await request.query(text)) as unknown as Answered;
    } catch (error) {
      throw withNumber(error);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };

  const query: SqlPool['query'] = async (...asked) => (await run(...asked)).recordsets as SqlRow[][];
  const rows: SqlPool['rows'] = async (...asked) => {
    const { recordsets, columns } = await run(...asked);
    const named = (columns.at(-1) ?? []).map(({ name, type }) => ({ name, type: type.declaration ?? '' }));
    return { columns: named, rows: recordsets.at(-1) ?? [] };
  };

  return { pool: { query, rows }, close: () => pool.close() };
}

interface Answered {
  readonly recordsets: readonly (readonly (readonly unknown[])[])[];
  readonly columns: readonly (readonly { readonly name: string; readonly type: { readonly declaration?: string } }[])[];
}

function poolConfig(given: MssqlConfig, { size, timeoutMs }: SqlPoolOptions): MssqlConfig {
  return {
    ...given,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    pool: { max: size, min: 0, idleTimeoutMillis: 60_000 },
    arrayRowMode: true,
    options: {
      ...given.options,
      appName: 'warmfeed',
      // An error in a batch leaves no transaction behind.
      abortTransactionOnError: true,
      useUTC: true,
    },
    // `SELECT 1` before every batch is the default, and a second round trip.
    validateConnection: 'socket',
  };
}

function configOf(connection: SqlConnection, parse: (text: string) => MssqlConfig): MssqlConfig {
  if ('connectionString' in connection) return parse(connection.connectionString);
  const { server, port, database, clientId } = connection;
  return {
    server,
    port,
    database,
    authentication: {
      type: 'azure-active-directory-default',
      options: clientId === undefined ? {} : { clientId },
    },
    options: { encrypt: true },
  };
}
