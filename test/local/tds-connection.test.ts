// The wire: encryption, logins, transactions of the driver, cancellation, and faults from outside.
import sql from 'mssql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, failureOf, startFixture } from './tds-fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.emulator.control.reset());
afterAll(() => fixture.close());

const query = (text: string, pool = fixture.pool) => pool.request().query<Record<string, unknown>>(text);
const one = { recordset: [{ one: 1 }] };
const lost = /^(ESOCKET|ECONNRESET|ECONNCLOSED)$/;

describe('encryption', () => {
  it('is TLS inside the protocol, with a certificate for this machine', async () => {
    const trusting = await fixture.connect({ options: { encrypt: true, trustServerCertificate: true } });
    const long = 'x'.repeat(50_000);
    const { recordset } = await trusting
      .request()
      .input('p', sql.NVarChar(sql.MAX), long)
      .query<{ p: string }>('SELECT @p AS p');
    expect(recordset).toEqual([{ p: long }]);
    const { code } = await failureOf(fixture.connect({ options: { encrypt: true, trustServerCertificate: false } }));
    expect(code).toBe('ESOCKET');
  });

  it('or before it, where it is strict', async () => {
    const options = {
      encrypt: 'strict',
      serverName: 'localhost',
      cryptoCredentialsDetails: { ca: fixture.emulator.certificate },
    };
    const strict = await fixture.connect({ options: options as unknown as sql.IOptions });
    expect(await query('SELECT 1 AS one', strict)).toMatchObject(one);
  });

  it('and the connection string is one that the driver takes', async () => {
    const pool = new sql.ConnectionPool(fixture.emulator.connectionString);
    await pool.connect();
    expect(await query('SELECT 1 AS one', pool)).toMatchObject(one);
    await pool.close();
  });
});

describe('logins', () => {
  it('are refused with a wrong password, user or database', async () => {
    for (const over of [{ password: 'wrong' }, { user: 'nobody' }, { database: 'nowhere' }]) {
      const { code } = await failureOf(fixture.connect({ ...over, options: { maxRetriesOnTransientErrors: 0 } }));
      expect(code).toBe('ELOGIN');
    }
  });

  it('are tried again by the driver after an error that passes', async () => {
    fixture.emulator.control.refuseLogins(40_613);
    const pool = await fixture.connect({ pool: { max: 1 } });
    expect(await query('SELECT 1 AS one', pool)).toMatchObject(one);
  });
});

describe('transactions', () => {
  beforeAll(() => query('CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)'));
  const ids = async (): Promise<unknown[]> =>
    (await query('SELECT id FROM dbo.t ORDER BY id')).recordset.map(({ id }) => id);
  afterEach(() => query('DELETE FROM dbo.t'));

  it('commit and roll back, and go on after an error of one statement', async () => {
    const transaction = fixture.pool.transaction();
    await transaction.begin();
    await transaction.request().query('INSERT INTO dbo.t VALUES (1)');
    expect(await failureOf(transaction.request().query('INSERT INTO dbo.t VALUES (1)'))).toMatchObject({
      number: 2627,
    });
    await transaction.request().query('INSERT INTO dbo.t VALUES (2)');
    expect((await transaction.request().query<{ n: number }>('SELECT @@TRANCOUNT AS n')).recordset).toEqual([{ n: 1 }]);
    await transaction.commit();
    const undone = fixture.pool.transaction();
    await undone.begin();
    await undone.request().query('DELETE FROM dbo.t');
    await undone.rollback();
    expect(await ids()).toEqual([1, 2]);
  });

  it('nest by counting, and end with errors 3902 and 3903 where there is none', async () => {
    const { recordset } = await query(
      'BEGIN TRAN; BEGIN TRANSACTION inner_one; INSERT INTO dbo.t VALUES (1); COMMIT; SELECT @@TRANCOUNT AS n; COMMIT',
    );
    expect(recordset).toEqual([{ n: 1 }]);
    expect(await ids()).toEqual([1]);
    expect(await failureOf(query('COMMIT'))).toMatchObject({ number: 3902 });
    expect(await failureOf(query('ROLLBACK'))).toMatchObject({ number: 3903 });
  });

  it('that are left open are error 266, and gone with their connection', async () => {
    const pool = await fixture.connect({ pool: { max: 1 } });
    expect(await failureOf(query('BEGIN TRAN; INSERT INTO dbo.t VALUES (1)', pool))).toMatchObject({ number: 266 });
    await pool.close();
    expect(await ids()).toEqual([]);
  });

  it('are ended by an error of conversion, and by any error under XACT_ABORT', async () => {
    const pool = await fixture.connect({ pool: { max: 1 } });
    const count = async (text: string): Promise<unknown> => {
      await failureOf(pool.request().batch(`BEGIN TRAN; INSERT INTO dbo.t VALUES (1); ${text}`));
      const { recordset } = await pool
        .request()
        .batch<{ n: number }>('SELECT @@TRANCOUNT AS n; IF @@TRANCOUNT > 0 ROLLBACK');
      return recordset[0]?.n;
    };
    expect(await count('INSERT INTO dbo.t VALUES (1)')).toBe(1);
    expect(await count(`INSERT INTO dbo.t VALUES ('x')`)).toBe(0);
    expect(await count('SET XACT_ABORT ON; INSERT INTO dbo.t VALUES (1)')).toBe(0);
    expect(await ids()).toEqual([]);
  });
});

describe('cancelling', () => {
  it('gives up what waits, and the connection goes on', async () => {
    const pool = await fixture.connect({ pool: { max: 1 } });
    const request = pool.request();
    const running = failureOf(request.query(`WAITFOR DELAY '00:01:00'`));
    await new Promise((resolve) => setTimeout(resolve, 100));
    request.cancel();
    expect(await running).toMatchObject({ code: 'ECANCEL' });
    expect(await query('SELECT 1 AS one', pool)).toMatchObject(one);
  });

  it('and what PostgreSQL works on, when the time of the request is over', async () => {
    await query('CREATE TABLE dbo.held (id int NOT NULL PRIMARY KEY, n int)');
    await query('INSERT INTO dbo.held VALUES (1, 1)');
    const holder = fixture.pool.transaction();
    await holder.begin();
    await holder.request().query('UPDATE dbo.held SET n = 2');
    const pool = await fixture.connect({ pool: { max: 1 }, requestTimeout: 1_500 });
    expect(await failureOf(query('UPDATE dbo.held SET n = 3', pool))).toMatchObject({ code: 'ETIMEOUT' });
    expect(await query('SELECT n FROM dbo.held', pool)).toMatchObject({ recordset: [{ n: 1 }] });
    await holder.rollback();
  });
});

describe('control', () => {
  it('answers with an error that is asked for, by the text of the statement', async () => {
    const fault = fixture.emulator.control.fail({
      match: 'dbo.fragile',
      error: { number: 40_613, message: 'Not available.' },
    });
    expect(await query('SELECT 1 AS one')).toMatchObject(one);
    expect(await failureOf(query('SELECT 1 FROM dbo.fragile'))).toMatchObject({
      number: 40_613,
      message: 'Not available.',
    });
    expect(await failureOf(query('SELECT 1 FROM dbo.fragile'))).toMatchObject({ number: 208 });
    expect(fault.hits()).toBe(1);
  });

  it('ends connections before and after a statement, and all of them', async () => {
    const { control } = fixture.emulator;
    await query('CREATE TABLE dbo.k (id int NOT NULL PRIMARY KEY)');
    const pool = await fixture.connect({ pool: { max: 1 } });
    control.fail({ match: /VALUES \(1\)/, kill: true });
    expect((await failureOf(query('INSERT INTO dbo.k VALUES (1)', pool))).code).toMatch(lost);
    control.fail({ match: /VALUES \(2\)/, killAfter: true });
    expect((await failureOf(query('INSERT INTO dbo.k VALUES (2)', pool))).code).toMatch(lost);
    expect((await query('SELECT id FROM dbo.k', pool)).recordset).toEqual([{ id: 2 }]);
    const waiting = failureOf(query(`WAITFOR DELAY '00:01:00'`, pool));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(control.killConnections()).toBeGreaterThan(0);
    expect((await waiting).code).toMatch(lost);
    expect(await query('SELECT 1 AS one', pool)).toMatchObject(one);
  });

  it('records what it was asked', async () => {
    const { control } = fixture.emulator;
    control.record(true);
    await fixture.pool.request().input('id', sql.Int, 5).query('SELECT @id AS id');
    expect(control.requests().filter(({ text }) => text.startsWith('SELECT @id'))).toEqual([
      { text: 'SELECT @id AS id', parameters: { '@id': '5' } },
    ]);
  });
});

describe('noise', () => {
  it('on the port ends only its own connection', async () => {
    const { connect } = await import('node:net');
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x12\x01\x00\x04\x00\x00\x00\x00', '\x16\x03\x01nonsense']) {
      await new Promise<void>((resolve) => {
        const socket = connect(fixture.emulator.port, '127.0.0.1', () => socket.end(Buffer.from(bytes, 'latin1')));
        socket.once('close', () => resolve());
        socket.on('error', () => {});
        socket.resume();
      });
    }
    expect(await query('SELECT 1 AS one')).toMatchObject(one);
  });
});
