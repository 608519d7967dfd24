import { readFileSync } from 'node:fs';
import pg from 'pg';
import { createPostgresTable } from '../../src/sources/postgres.ts';
import { createPostgresPools } from '../../src/sources/postgres-client.ts';
import { tableKeyColumns } from '../../src/sources/table.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startSlowProxy } from '../support/proxies.ts';
import { sourceContract } from './source.contract.ts';

const BOUND_MS = 700;
const MIGRATION = readFileSync(new URL('../../infra/sql/postgres.sql', import.meta.url), 'utf8');
const COLUMNS = ['n', 'name', 'z', 'a', 'text'];

sourceContract({
  name: 'PostgreSQL',
  secrets: ['127.0.0.1', 'reader', 'localhost'],
  async create() {
    const server = await startPostgres();
    const url = new URL(await server.createDatabase());
    const owner = new pg.Client(url.href);
    await owner.connect();
    await owner.query(
      'CREATE TABLE items (pk text, id text, n int, name text, z int, a jsonb, text text, PRIMARY KEY (pk, id))',
    );
    const superuser = new pg.Client(server.asSuperuser(url.href));
    await superuser.connect();
    await superuser.query('CREATE ROLE reader LOGIN; GRANT SELECT ON items TO reader');
    await superuser.query(MIGRATION);
    await superuser.query(`SELECT warmfeed.track('public.items'), warmfeed.allow('reader')`);
    const proxy = await startSlowProxy(server.port, 0);
    const pools = createPostgresPools({ size: 8, timeoutMs: BOUND_MS });
    url.username = 'reader';
    url.port = String(proxy.port);
    const { source, log } = createPostgresTable(
      {
        connection: { connectionString: url.href },
        connectionName: 'POSTGRES',
        table: 'public.items',
        columns: tableKeyColumns([
          { name: 'pk', type: 'text' },
          { name: 'id', type: 'text' },
        ]),
        requestTimeoutMs: BOUND_MS,
        retentionMs: 60_000,
      },
      pools,
    );
    const drop = () =>
      superuser.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'`);
    return {
      source,
      boundMs: BOUND_MS,
      key: (group, id) => [group, id],
      async write(key, fields) {
        const values = COLUMNS.map((name) =>
          name === 'a' ? JSON.stringify(fields[name] ?? null) : (fields[name] ?? null),
        );
        const names = COLUMNS.map((name) => `"${name}"`);
        await owner.query(
          `INSERT INTO items (pk, id, ${names.join(', ')}) VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (pk, id) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`,
          [...key, ...values],
        );
      },
      async remove(key) {
        await owner.query('DELETE FROM items WHERE pk = $1 AND id = $2', [...key]);
      },
      feed: async () => (await log.poll(0n, 100_000, [])).items,
      async fail(how) {
        if (how === 'silent') return proxy.hold();
        if (how === 'refused') return void (await superuser.query('REVOKE SELECT ON items FROM reader'));
        if (how === 'busy') await superuser.query('ALTER ROLE reader CONNECTION LIMIT 0');
        else proxy.refuse(true);
        await drop();
      },
      async restore() {
        proxy.letGo();
        proxy.refuse(false);
        await superuser.query('ALTER ROLE reader CONNECTION LIMIT -1; GRANT SELECT ON items TO reader');
      },
      async end() {
        proxy.close();
        await pools.close();
        await owner.end();
        await superuser.end();
        await server.stop();
      },
    };
  },
});
