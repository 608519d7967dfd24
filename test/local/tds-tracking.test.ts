// Change tracking and snapshots: in the order of commits, whatever is open meanwhile.
import sql from 'mssql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, failureOf, startFixture } from './tds-fixture.ts';

let fixture: Fixture;
let other: sql.ConnectionPool;
beforeAll(async () => {
  fixture = await startFixture();
  other = await fixture.connect();
});
afterAll(() => fixture.close());

const query = (text: string, pool = fixture.pool) => pool.request().query<Record<string, unknown>>(text);
const number = async (work: Promise<unknown>): Promise<number> => (await failureOf(work)).number;

const current = async (pool = fixture.pool): Promise<bigint> => {
  const { recordset } = await query('SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v', pool);
  return BigInt(recordset[0]?.['v'] as string);
};
const minValid = async (): Promise<bigint> => {
  const { recordset } = await query(`SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.Bins')) AS v`);
  return BigInt(recordset[0]?.['v'] as string);
};

interface Changed {
  version: bigint;
  operation: string;
  key: string;
}

async function changesSince(version: bigint | null, pool = fixture.pool): Promise<Changed[]> {
  const request = pool.request().input('since', sql.BigInt, version === null ? null : String(version));
  const { recordset } = await request.query<{ v: string; o: string; k: string }>(
    `SELECT ct.SYS_CHANGE_VERSION AS v, ct.SYS_CHANGE_OPERATION AS o, ct.Code AS k
     FROM CHANGETABLE(CHANGES dbo.Bins, @since) AS ct ORDER BY ct.SYS_CHANGE_VERSION, ct.Code`,
  );
  return recordset.map(({ v, o, k }) => ({ version: BigInt(v), operation: o, key: k }));
}

const said = (changes: readonly Changed[]): string[] => changes.map(({ operation, key }) => `${operation} ${key}`);

describe('without change tracking', () => {
  it('there is no version, and CHANGETABLE is error 22105', async () => {
    await query('CREATE TABLE dbo.Plain (id int NOT NULL PRIMARY KEY)');
    const { recordset } = await query(
      `SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v, CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.Plain')) AS m`,
    );
    expect(recordset).toEqual([{ v: null, m: null }]);
    expect(await number(query('SELECT * FROM CHANGETABLE(CHANGES dbo.Plain, 0) AS ct'))).toBe(22_105);
    expect(await number(query('ALTER TABLE dbo.Plain ENABLE CHANGE_TRACKING'))).toBe(22_106);
    expect((await query('SELECT * FROM sys.change_tracking_databases')).recordset).toEqual([]);
  });
});

describe('with it', () => {
  beforeAll(async () => {
    await query('ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS, AUTO_CLEANUP = ON)');
  });
  beforeEach(async () => {
    await query('DROP TABLE IF EXISTS dbo.Bins');
    await query('CREATE TABLE dbo.Bins (Code nvarchar(20) NOT NULL PRIMARY KEY, N int NOT NULL DEFAULT 0)');
    await query('ALTER TABLE dbo.Bins ENABLE CHANGE_TRACKING');
  });

  it('needs a primary key, is enabled once, and can be disabled', async () => {
    await query('DROP TABLE IF EXISTS dbo.Keyless; CREATE TABLE dbo.Keyless (id int)');
    expect(await number(query('ALTER TABLE dbo.Keyless ENABLE CHANGE_TRACKING'))).toBe(4997);
    expect(await number(query('ALTER TABLE dbo.Bins ENABLE CHANGE_TRACKING'))).toBe(4996);
    expect(await number(query('ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON'))).toBe(5088);
    expect(await number(query('ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF'))).toBe(22_115);
    await query('ALTER TABLE dbo.Bins DISABLE CHANGE_TRACKING');
    expect(await number(changesSince(0n))).toBe(22_105);
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('x')`);
    expect(await number(query('ALTER TABLE dbo.Bins DISABLE CHANGE_TRACKING'))).toBe(4998);
  });

  it('tells the net change of each key, one version a transaction', async () => {
    const start = await current();
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('a'), ('b'), ('c')`);
    expect(await current()).toBe(start + 1n);
    await query(`UPDATE dbo.Bins SET N = 1 WHERE Code = 'a'; UPDATE dbo.Bins SET N = 2 WHERE Code = 'A'`);
    await query(`DELETE FROM dbo.Bins WHERE Code = 'b'`);
    expect(said(await changesSince(start))).toEqual(['I c', 'I a', 'D b']);
    expect(said(await changesSince(start + 1n))).toEqual(['U a', 'D b']);
    expect(said(await changesSince(null))).toEqual(['I c', 'I a', 'D b']);
    expect(await changesSince(await current())).toEqual([]);
  });

  it('tells a new primary key as a delete and an insert', async () => {
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('old')`);
    const start = await current();
    await query(`UPDATE dbo.Bins SET Code = 'new' WHERE Code = 'old'`);
    expect(said(await changesSince(start)).toSorted()).toEqual(['D old', 'I new']);
  });

  it('raises no version for what was rolled back, or changed nothing', async () => {
    const start = await current();
    const transaction = fixture.pool.transaction();
    await transaction.begin();
    await transaction.request().query(`INSERT INTO dbo.Bins (Code) VALUES ('gone')`);
    await transaction.rollback();
    await query('UPDATE dbo.Bins SET N = 1');
    expect(await current()).toBe(start);
    expect(await changesSince(start)).toEqual([]);
  });

  it('orders by commit: what began first and commits last comes last', async () => {
    const start = await current();
    const long = fixture.pool.transaction();
    await long.begin();
    await long.request().query(`INSERT INTO dbo.Bins (Code) VALUES ('long')`);
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('short')`, other);
    const between = await current();
    expect(said(await changesSince(start))).toEqual(['I short']);
    await long.commit();
    expect(said(await changesSince(between))).toEqual(['I long']);
    expect(said(await changesSince(start))).toEqual(['I short', 'I long']);
  });

  it('tells the version of one row', async () => {
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('a')`);
    const version = async (code: string): Promise<unknown> => {
      const request = fixture.pool.request().input('code', sql.NVarChar(20), code);
      const { recordset } = await request.query<{ v: string }>(
        'SELECT cv.SYS_CHANGE_VERSION AS v FROM CHANGETABLE(VERSION dbo.Bins, (Code), (@code)) AS cv',
      );
      return recordset.map(({ v }) => v);
    };
    expect(await version('A')).toEqual([String(await current())]);
    expect(await version('b')).toEqual([null]);
  });

  it('says with the min-valid version that changes are missing: after TRUNCATE, and after the retention', async () => {
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('a')`);
    const position = await current();
    expect(await minValid()).toBeLessThanOrEqual(position);
    await query('TRUNCATE TABLE dbo.Bins');
    expect(await minValid()).toBeGreaterThan(position);
    expect(await minValid()).toBe(await current());
    expect(await changesSince(position)).toEqual([]);

    await query(`INSERT INTO dbo.Bins (Code) VALUES ('b')`);
    await query(`INSERT INTO dbo.Bins (Code) VALUES ('c')`);
    const expired = (await current()) - 1n;
    await fixture.emulator.control.expireChanges('dbo.Bins', Number(expired));
    expect(await minValid()).toBe(expired);
    expect(said(await changesSince(expired))).toEqual(['I c']);
    const { recordset } = await query(
      `SELECT begin_version, cleanup_version FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID('dbo.Bins')`,
    );
    expect(recordset[0]?.['cleanup_version']).toBe(String(expired));
  });

  it('reads row, changes and version of one moment in a snapshot, as a batch and as a transaction', async () => {
    await query(`INSERT INTO dbo.Bins (Code, N) VALUES ('a', 1)`);
    const batch = await query(`SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN;
      SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v; SELECT N FROM dbo.Bins WHERE Code = 'a'; COMMIT`);
    expect(batch.recordsets).toEqual([[{ v: String(await current()) }], [{ N: 1 }]]);
    // As at the end of a procedure, the level is the old one again.
    const transaction = fixture.pool.transaction();
    await transaction.begin(sql.ISOLATION_LEVEL.SNAPSHOT);
    const first = await transaction.request().query<{ v: string }>('SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v');
    await query(`UPDATE dbo.Bins SET N = 2`, other);
    const later = await transaction
      .request()
      .query<{ n: number; v: string }>('SELECT N AS n, CHANGE_TRACKING_CURRENT_VERSION() AS v FROM dbo.Bins');
    expect(later.recordset).toEqual([{ n: 1, v: first.recordset[0]?.v }]);
    await transaction.commit();
    expect((await query('SELECT N FROM dbo.Bins')).recordset).toEqual([{ N: 2 }]);
  });

  it('ends a snapshot that changes what another has changed: 3960, and nothing is left of it', async () => {
    await query(`INSERT INTO dbo.Bins (Code, N) VALUES ('a', 1)`);
    const transaction = fixture.pool.transaction();
    await transaction.begin(sql.ISOLATION_LEVEL.SNAPSHOT);
    await transaction.request().query(`INSERT INTO dbo.Bins (Code) VALUES ('mine')`);
    await query(`UPDATE dbo.Bins SET N = 2 WHERE Code = 'a'`, other);
    expect(await number(transaction.request().query(`UPDATE dbo.Bins SET N = 3 WHERE Code = 'a'`))).toBe(3960);
    await transaction.rollback().catch(() => {});
    expect((await query('SELECT Code, N FROM dbo.Bins')).recordset).toEqual([{ Code: 'a', N: 2 }]);
  });

  it('refuses snapshots where the database does not allow them', async () => {
    await query('ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF');
    expect((await query('SELECT snapshot_isolation_state AS s FROM sys.databases')).recordset).toEqual([{ s: 0 }]);
    expect(await number(query('SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT 1'))).toBe(3952);
    await query('ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON');
  });

  it('shows each change to a poller exactly once, and none above the current version', {
    timeout: 60_000,
  }, async () => {
    const writers = 8;
    const transactionsEach = 15;
    const written = new Set<string>();
    let position = await current();
    const pools = await Promise.all(Array.from({ length: writers }, () => fixture.connect({ pool: { max: 1 } })));
    const write = async (pool: sql.ConnectionPool, writer: number): Promise<void> => {
      for (let turn = 0; turn < transactionsEach; turn += 1) {
        const transaction = pool.transaction();
        await transaction.begin();
        const codes = Array.from({ length: 1 + (turn % 3) }, (_, at) => `${writer}-${turn}-${at}`);
        for (const code of codes) {
          await transaction
            .request()
            .input('c', sql.NVarChar(20), code)
            .query('INSERT INTO dbo.Bins (Code) VALUES (@c)');
        }
        if ((writer + turn) % 4 === 0) await transaction.rollback();
        else {
          await transaction.commit();
          for (const code of codes) written.add(code);
        }
      }
    };
    const seen: string[] = [];
    const poll = async (): Promise<void> => {
      const transaction = other.transaction();
      await transaction.begin(sql.ISOLATION_LEVEL.SNAPSHOT);
      const { recordset } = await transaction
        .request()
        .query<{ v: string }>('SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v');
      const now = BigInt(recordset[0]?.v ?? '0');
      const request = transaction.request().input('since', sql.BigInt, String(position));
      const changes = await request.query<{ v: string; k: string }>(
        'SELECT SYS_CHANGE_VERSION AS v, Code AS k FROM CHANGETABLE(CHANGES dbo.Bins, @since) AS ct',
      );
      await transaction.commit();
      expect(now).toBeGreaterThanOrEqual(position);
      for (const { v, k } of changes.recordset) {
        expect(BigInt(v)).toBeGreaterThan(position);
        expect(BigInt(v)).toBeLessThanOrEqual(now);
        seen.push(k);
      }
      position = now;
    };
    const state = { writing: true };
    const all = Promise.all(pools.map(write)).finally(() => {
      state.writing = false;
    });
    let polls = 0;
    while (state.writing) {
      await poll();
      polls += 1;
    }
    await all;
    await poll();
    expect(polls).toBeGreaterThan(1);
    expect(new Set(seen).size).toBe(seen.length);
    expect(new Set(seen)).toEqual(written);
  });
});
