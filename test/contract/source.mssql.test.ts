import sql from 'mssql';
import { createSqlPools } from '../../src/sources/mssql-client.ts';
import { startSlowProxy } from '../support/proxies.ts';
import { startSqlServer } from '../support/sql-server.ts';
import { sourceContract } from './source.contract.ts';

const BOUND_MS = 1500;
const COLUMNS = ['n', 'name', 'z', 'a', 'text'];
const NUMBERS = { busy: 10_928, refused: 229 };

sourceContract({
  name: 'Azure SQL',
  secrets: ['127.0.0.1', 'localhost', 'Password'],
  async create() {
    const server = await startSqlServer();
    const { db } = server;
    await server.table(
      'dbo.contract_items',
      `(pk nvarchar(40) NOT NULL, id nvarchar(40) NOT NULL, n int, name nvarchar(60), z int, a nvarchar(max), text nvarchar(60),
        PRIMARY KEY (pk, id))`,
    );
    const proxy = await startSlowProxy(server.port, 0);
    const proxied = server.connectionString.replace(`,${server.port}`, `,${proxy.port}`);
    const real = createSqlPools({ size: 8, timeoutMs: BOUND_MS });
    let failing: number | undefined;
    const { source, log } = server.open(
      'dbo.contract_items',
      { pk: 'text', id: 'text' },
      {
        connectionString: proxied,
        requestTimeoutMs: BOUND_MS,
        pools: {
          close: () => real.close(),
          // A server cannot be made to be at its limits: its error is.
          get: async (connection) => {
            const pool = await real.get(connection);
            return {
              query: async (...args) => {
                if (failing !== undefined) throw Object.assign(new Error('127.0.0.1 says no'), { number: failing });
                return pool.query(...args);
              },
              rows: (...args) => pool.rows(...args),
            };
          },
        },
      },
    );
    return {
      source,
      boundMs: BOUND_MS,
      key: (group, id) => [group, id],
      async write(key, fields) {
        const [pk, id] = key;
        const request = db.request().input('pk', sql.NVarChar, pk).input('id', sql.NVarChar, id);
        for (const name of COLUMNS) {
          const value = fields[name] ?? null;
          const type = name === 'n' || name === 'z' ? sql.Int : sql.NVarChar(sql.MAX);
          request.input(name, type, name === 'a' ? JSON.stringify(value) : value);
        }
        const set = COLUMNS.map((name) => `${name} = @${name}`).join(', ');
        await request.query(`BEGIN TRANSACTION;
          DECLARE @there int; SELECT @there = COUNT(*) FROM dbo.contract_items WHERE pk = @pk AND id = @id;
          IF @there = 1 UPDATE dbo.contract_items SET ${set} WHERE pk = @pk AND id = @id;
          ELSE INSERT INTO dbo.contract_items (pk, id, ${COLUMNS.join(', ')}) VALUES (@pk, @id, ${COLUMNS.map((name) => `@${name}`).join(', ')});
          COMMIT TRANSACTION;`);
      },
      async remove(key) {
        const [pk, id] = key;
        await db
          .request()
          .input('pk', sql.NVarChar, pk)
          .input('id', sql.NVarChar, id)
          .query('DELETE FROM dbo.contract_items WHERE pk = @pk AND id = @id');
      },
      feed: async () => (await log.poll(0n, 100_000, [])).items,
      fail(how) {
        if (how === 'silent') return proxy.hold();
        if (how === 'busy' || how === 'refused') {
          failing = NUMBERS[how];
          return;
        }
        proxy.refuse(true);
        proxy.cut();
      },
      restore() {
        failing = undefined;
        proxy.letGo();
        proxy.refuse(false);
      },
      async end() {
        proxy.close();
        await real.close();
        await server.end();
      },
    };
  },
});
