// The emulator on a database of its own, and the unmodified driver.
import sql from 'mssql';
import { startTdsEmulator, type TdsEmulator } from '../../local/tds/emulator.ts';
import { startPostgres } from '../support/postgres-server.ts';

export interface Fixture {
  emulator: TdsEmulator;
  pool: sql.ConnectionPool;
  /** Another pool, closed with the rest. */
  connect(over?: Partial<sql.config>): Promise<sql.ConnectionPool>;
  close(): Promise<void>;
}

export async function startFixture(): Promise<Fixture> {
  const postgres = await startPostgres();
  const emulator = await startTdsEmulator({ postgresUrl: postgres.asSuperuser(await postgres.createDatabase()) });
  const pools: sql.ConnectionPool[] = [];
  const connect = async (over: Partial<sql.config> = {}): Promise<sql.ConnectionPool> => {
    const pool = new sql.ConnectionPool({
      server: '127.0.0.1',
      port: emulator.port,
      database: 'test_1',
      user: 'sa',
      password: 'Warmfeed-1',
      ...over,
      options: { encrypt: false, ...over.options },
    });
    pool.on('error', () => {});
    await pool.connect();
    pools.push(pool);
    return pool;
  };
  const pool = await connect();
  return {
    emulator,
    pool,
    connect,
    async close() {
      await Promise.all(pools.map((one) => one.close().catch(() => {})));
      await emulator.stop();
      await postgres.stop();
    },
  };
}

/** What a request fails with. */
export async function failureOf(work: Promise<unknown>): Promise<{ number: number; message: string; code: string }> {
  try {
    await work;
  } catch (error) {
    const { number = 0, message, code = '' } = error as { number?: number; message: string; code?: string };
    return { number, message, code };
  }
  throw new Error('It did not fail.');
}
