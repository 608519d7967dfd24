// Values of every type both ways, through the unmodified driver.
import fc from 'fast-check';
import sql from 'mssql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, failureOf, startFixture } from './tds-fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.close());

const query = (text: string) => fixture.pool.request().query<Record<string, unknown>>(text);
const day = (text: string): Date => new Date(`${text}Z`);

interface Case {
  /** As declared in T-SQL. */
  type: string;
  driver: sql.ISqlType | (() => sql.ISqlType);
  values: readonly unknown[];
  /** As it comes back, where that is another. */
  back?: readonly unknown[];
}

const cases: Case[] = [
  { type: 'int', driver: sql.Int, values: [0, 1, -1, 2_147_483_647, -2_147_483_648] },
  { type: 'smallint', driver: sql.SmallInt, values: [0, 32_767, -32_768] },
  { type: 'tinyint', driver: sql.TinyInt, values: [0, 127, 128, 255] },
  { type: 'bigint', driver: sql.BigInt, values: ['0', '9223372036854775807', '-9223372036854775808'] },
  { type: 'bit', driver: sql.Bit, values: [true, false] },
  { type: 'float', driver: sql.Float, values: [0, 0.1, -1.5e300, 5e-324, 1.7976931348623157e308] },
  { type: 'real', driver: sql.Real, values: [0, 1.5, -0.25] },
  { type: 'decimal(10,2)', driver: sql.Decimal(10, 2), values: [0, 12.34, -99_999_999.99] },
  { type: 'numeric(38,0)', driver: sql.Numeric(38, 0), values: [0, 123_456] },
  { type: 'money', driver: sql.Money, values: [0, 12.5, -0.0001, 922_337_203_685.4775] },
  {
    type: 'date',
    driver: sql.Date,
    values: ['0001-01-01', '1899-12-31', '2024-02-29', '9999-12-31'].map((text) => day(`${text}T00:00:00`)),
  },
  { type: 'datetime', driver: sql.DateTime, values: [day('1753-01-01T00:00:00'), day('2024-01-31T23:59:59.997')] },
  {
    type: 'datetime2(7)',
    driver: sql.DateTime2(7),
    values: [day('0001-01-01T00:00:00.001'), day('9999-12-31T23:59:59.999')],
  },
  { type: 'datetime2(0)', driver: sql.DateTime2(0), values: [day('2024-01-31T10:00:00')] },
  { type: 'time(3)', driver: sql.Time(3), values: [day('1970-01-01T23:59:59.999'), day('1970-01-01T00:00:00')] },
  { type: 'datetimeoffset(7)', driver: sql.DateTimeOffset(7), values: [day('2024-01-31T10:00:00.123')] },
  {
    type: 'uniqueidentifier',
    driver: sql.UniqueIdentifier,
    values: ['6F9619FF-8B86-D011-B42D-00C04FC964FF', '00000000-0000-0000-0000-000000000000'],
  },
  {
    type: 'nvarchar(20)',
    driver: sql.NVarChar(20),
    values: ['', 'Köln', '北京', '👋', "it's", 'a\\b', ' x  ', 'line\nline', '%_['],
  },
  { type: 'varchar(20)', driver: sql.VarChar(20), values: ['', 'café', '€', "';--"] },
  { type: 'nchar(4)', driver: sql.NChar(4), values: ['ab', 'Köln'], back: ['ab  ', 'Köln'] },
  { type: 'char(2)', driver: sql.Char(2), values: ['FR', 'a'], back: ['FR', 'a '] },
  { type: 'nvarchar(max)', driver: sql.NVarChar(sql.MAX), values: ['', 'x'.repeat(10_000), '€'.repeat(5_000)] },
  { type: 'varchar(max)', driver: sql.VarChar(sql.MAX), values: ['', 'y'.repeat(20_000)] },
  { type: 'varbinary(10)', driver: sql.VarBinary(10), values: [Buffer.from([]), Buffer.from([0, 1, 255])] },
  { type: 'varbinary(max)', driver: sql.VarBinary(sql.MAX), values: [Buffer.alloc(9_000, 7)] },
];

describe('a value', () => {
  it.each(cases)('of $type comes back from a column, from a parameter, and as null', async ({
    type,
    driver,
    values,
    back,
  }) => {
    await query(`CREATE TABLE dbo.v (id int NOT NULL PRIMARY KEY, v ${type})`);
    try {
      const all = [...values, null];
      for (const [id, value] of all.entries()) {
        const request = fixture.pool.request().input('id', sql.Int, id).input('v', driver, value);
        await request.query('INSERT INTO dbo.v (id, v) VALUES (@id, @v)');
      }
      const { recordset } = await query('SELECT v FROM dbo.v ORDER BY id');
      expect(recordset.map(({ v }) => v)).toEqual([...(back ?? values), null]);
      const type7 = (recordset.columns['v'] as { type: unknown } | undefined)?.type;
      expect(type7).toBe(
        typeof driver === 'function' && 'declaration' in driver ? driver : (driver as { type: unknown }).type,
      );
      const first = fixture.pool.request().input('v', driver, values[0]);
      const { recordset: found } = await first.query<{ id: number }>('SELECT id FROM dbo.v WHERE v = @v');
      expect(found.map(({ id }) => id)).toContain(0);
    } finally {
      await query('DROP TABLE dbo.v');
    }
  });

  it('of decimal, money, bigint and float is the same digits as text', async () => {
    const { recordset } = await query(`SELECT
      CAST(CAST('12345678901234567890123456789012345678' AS numeric(38,0)) AS nvarchar(50)) AS n,
      CAST(CAST('-1234567890.0987654321' AS decimal(30,10)) AS nvarchar(50)) AS d,
      CONVERT(nvarchar(50), CAST('922337203685477.5807' AS money), 2) AS m4,
      CAST(CAST('12.3456' AS money) AS nvarchar(50)) AS m2,
      CAST(CAST(9223372036854775807 AS bigint) AS varchar(20)) AS b,
      CONVERT(nvarchar(50), CAST(0.1 AS float), 3) AS f`);
    expect(recordset).toEqual([
      {
        n: '12345678901234567890123456789012345678',
        d: '-1234567890.0987654321',
        m4: '922337203685477.5807',
        m2: '12.35',
        b: '9223372036854775807',
        f: '0.1',
      },
    ]);
  });

  it('of a date or time is the same moment as text, with its offset', async () => {
    const { recordset } = await query(`SELECT
      CONVERT(nvarchar(40), CAST('2024-01-31T10:00:00.123456' AS datetime2(7)), 126) AS a,
      CONVERT(nvarchar(40), CAST('2024-01-31T10:00:00' AS datetime2(7)), 121) AS b,
      CONVERT(nvarchar(40), CAST('2024-01-31 01:00:00 +02:30' AS datetimeoffset), 126) AS c,
      CONVERT(nvarchar(40), CAST('2024-01-31 01:00:00 +02:30' AS datetimeoffset), 127) AS d,
      CONVERT(nvarchar(10), CAST('0001-01-01' AS date), 23) AS e`);
    expect(recordset).toEqual([
      {
        a: '2024-01-31T10:00:00.1234560',
        b: '2024-01-31 10:00:00',
        c: '2024-01-31T01:00:00+02:30',
        d: '2024-01-30T22:30:00Z',
        e: '0001-01-01',
      },
    ]);
  });

  it('of rowversion is a new one with every write', async () => {
    await query('CREATE TABLE dbo.rv (id int NOT NULL PRIMARY KEY, n int, v rowversion)');
    const version = async (): Promise<bigint> => {
      const { recordset } = await query('SELECT v FROM dbo.rv WHERE id = 1');
      return ((recordset[0] ?? {})['v'] as Buffer).readBigUInt64BE();
    };
    await query('INSERT INTO dbo.rv (id, n) VALUES (1, 1)');
    const first = await version();
    await query('UPDATE dbo.rv SET n = 2 WHERE id = 1');
    expect(await version()).toBeGreaterThan(first);
  });
});

describe('any text', () => {
  it('is a value and never part of the statement', { timeout: 60_000 }, async () => {
    const piece = fc.constantFrom(
      "'",
      "''",
      '"',
      '\\',
      ';',
      '--',
      '/*',
      '*/',
      '@p',
      ']',
      '[',
      '$1',
      '$$',
      '\n',
      'DROP TABLE x',
      '%',
      '_',
      'é',
      '👋',
    );
    const text = fc
      .array(fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 5 })), { maxLength: 6 })
      .map((parts) => parts.join(''));
    const clean = text.filter((value) => !value.includes('\0') && value.isWellFormed());
    await fc.assert(
      fc.asyncProperty(clean, async (value) => {
        const request = fixture.pool.request().input('p', sql.NVarChar(sql.MAX), value);
        const { recordset } = await request.query<{ p: string; one: number }>('SELECT @p AS p, 1 AS one');
        expect(recordset).toEqual([{ p: value, one: 1 }]);
      }),
      { numRuns: 60 },
    );
  });

  it('that PostgreSQL cannot hold is refused, and the connection stays usable', async () => {
    for (const value of ['a\0b', '\ud800']) {
      const request = fixture.pool.request().input('p', sql.NVarChar(10), value);
      expect(await failureOf(request.query('SELECT @p AS p'))).toMatchObject({ number: 8114 });
    }
    expect((await query('SELECT 1 AS one')).recordset).toEqual([{ one: 1 }]);
  });
});

describe('text', () => {
  beforeAll(async () => {
    await query(`CREATE TABLE dbo.t (
      folded nvarchar(20) NOT NULL PRIMARY KEY,
      kept nvarchar(20) COLLATE Latin1_General_CS_AS,
      bytes varchar(20) COLLATE Latin1_General_BIN2)`);
    await query(`INSERT INTO dbo.t VALUES ('Abc', 'Abc', 'Abc'), (N'é', N'é', 'e')`);
  });

  const found = async (condition: string, value = 'ABC  '): Promise<number> => {
    const request = fixture.pool.request().input('v', sql.NVarChar(20), value);
    return (await request.query(`SELECT 1 AS one FROM dbo.t WHERE ${condition}`)).recordset.length;
  };

  it('has no case and no trailing spaces by default, and has them by its collation', async () => {
    expect(await found('folded = @v')).toBe(1);
    expect(await found('kept = @v')).toBe(0);
    expect(await found('bytes = @v')).toBe(0);
    expect(await found('kept = @v', 'Abc   ')).toBe(1);
    expect(await found('folded = @v', 'e')).toBe(0);
    expect(await found("folded IN (@v, N'x')")).toBe(1);
    expect(await found("@v = N'abc'")).toBe(2);
    expect(await found("folded LIKE 'aB%'")).toBe(1);
    expect(await failureOf(query(`INSERT INTO dbo.t (folded) VALUES ('aBC ')`))).toMatchObject({ number: 2627 });
  });

  it('that is too long is 2628, numbers that are too large 8115 or 220, what is no number 245 or 8114', async () => {
    await query(
      'CREATE TABLE dbo.n (i int, t tinyint, s nvarchar(3), d decimal(4,2), u uniqueidentifier, w datetime2)',
    );
    const number = async (text: string): Promise<number> => (await failureOf(query(text))).number;
    expect(await number(`INSERT INTO dbo.n (s) VALUES ('abcd')`)).toBe(2628);
    expect(await number(`INSERT INTO dbo.n (i) VALUES (2147483648)`)).toBe(8115);
    expect(await number(`INSERT INTO dbo.n (t) VALUES (256)`)).toBe(220);
    expect(await number(`INSERT INTO dbo.n (d) VALUES (100)`)).toBe(8115);
    expect(await number(`INSERT INTO dbo.n (i) VALUES ('12abc')`)).toBe(245);
    expect(await number(`INSERT INTO dbo.n (d) VALUES ('x')`)).toBe(8114);
    expect(await number(`INSERT INTO dbo.n (u) VALUES ('x')`)).toBe(8169);
    expect(await number(`INSERT INTO dbo.n (w) VALUES ('soon')`)).toBe(241);
    expect(await number('SELECT 1 / 0')).toBe(8134);
  });

  it('sorts NULL first, and guids as SQL Server does', async () => {
    await query(`CREATE TABLE dbo.g (g uniqueidentifier)`);
    await query(`INSERT INTO dbo.g VALUES ('01000000-0000-0000-0000-000000000000'), (NULL), ('00000000-0000-0000-0000-010000000000'),
      ('00000000-0000-0000-0100-000000000000'), ('00000000-0000-0001-0000-000000000000')`);
    const { recordset } = await query('SELECT g FROM dbo.g ORDER BY g');
    expect(recordset.map(({ g }) => g)).toEqual([
      null,
      '01000000-0000-0000-0000-000000000000',
      '00000000-0000-0001-0000-000000000000',
      '00000000-0000-0000-0100-000000000000',
      '00000000-0000-0000-0000-010000000000',
    ]);
    const above = await query(`SELECT g FROM dbo.g WHERE g > '00000000-0000-0000-0100-000000000000'`);
    expect(above.recordset).toHaveLength(1);
  });
});
