// T-SQL that the app never sends beside what it does: an emulator, not a stub.
import fc from 'fast-check';
import sql from 'mssql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, failureOf, startFixture } from './tds-fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
  await query(`CREATE TABLE dbo.Bins (
    Id int IDENTITY(1,1) NOT NULL CONSTRAINT PK_Bins PRIMARY KEY CLUSTERED,
    Code nvarchar(20) NOT NULL CONSTRAINT UQ_Bins UNIQUE,
    Room int NULL,
    Kilos decimal(9, 3) NOT NULL DEFAULT 0,
    Price money NULL,
    Full_ bit NOT NULL DEFAULT (0),
    Made datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(),
    CONSTRAINT CK_Kilos CHECK (Kilos >= 0))`);
  await query(
    `CREATE TABLE dbo.Parts (Bin int NOT NULL REFERENCES dbo.Bins (Id), No smallint NOT NULL, Name varchar(30), PRIMARY KEY (Bin, No))`,
  );
  await query(
    `INSERT INTO dbo.Bins (Code, Room, Kilos, Price) VALUES ('A', 1, 1.5, 10), ('B', 1, 2.25, NULL), ('C', 2, 0, 0.5), ('D', NULL, 7, 3)`,
  );
  await query(`INSERT dbo.Parts VALUES (1, 1, 'bolt'), (1, 2, 'nut'), (2, 1, 'bolt')`);
});
afterAll(() => fixture.close());

const query = (text: string) => fixture.pool.request().query<Record<string, unknown>>(text);
const batch = (text: string) => fixture.pool.request().batch<Record<string, unknown>>(text);
/** Columns may have one name, or none. */
const rows = async (text: string): Promise<unknown[][]> => {
  const request = fixture.pool.request();
  request.arrayRowMode = true;
  return [...(await request.query(text)).recordset] as unknown[][];
};
const number = async (work: Promise<unknown>): Promise<number> => (await failureOf(work)).number;

describe('queries', () => {
  it.each<[string, unknown[][]]>([
    ['SELECT TOP 2 Code FROM dbo.Bins ORDER BY Kilos DESC', [['D'], ['B']]],
    ['SELECT TOP (2) WITH TIES Room FROM dbo.Bins ORDER BY Room DESC', [[2], [1], [1]]],
    ['SELECT TOP (1 + 0) b.code FROM [dbo].[Bins] AS b ORDER BY b.Room, b.Code', [['D']]],
    ['SELECT Code FROM Bins ORDER BY Room DESC, Code OFFSET 1 ROW FETCH NEXT 2 ROWS ONLY', [['A'], ['B']]],
    [
      'SELECT Room, COUNT(*) AS n, SUM(Kilos) k, MAX(Code) m FROM dbo.Bins GROUP BY Room HAVING COUNT(*) > 1',
      [[1, 2, 3.75, 'B']],
    ],
    ['SELECT DISTINCT Room FROM dbo.Bins WHERE Room IS NOT NULL ORDER BY Room', [[1], [2]]],
    [
      'SELECT b.Code, p.Name FROM dbo.Bins b INNER JOIN dbo.Parts p ON p.Bin = b.Id ORDER BY b.Code, p.No',
      [
        ['A', 'bolt'],
        ['A', 'nut'],
        ['B', 'bolt'],
      ],
    ],
    [
      'SELECT b.Code, p.No FROM dbo.Bins b LEFT OUTER JOIN dbo.Parts p ON p.Bin = b.Id WHERE p.No IS NULL ORDER BY 1',
      [
        ['C', null],
        ['D', null],
      ],
    ],
    [
      'SELECT b.Code, x.n FROM dbo.Bins b CROSS APPLY (SELECT COUNT(*) AS n FROM dbo.Parts p WHERE p.Bin = b.Id) AS x WHERE x.n > 1',
      [['A', 2]],
    ],
    [
      'SELECT Code FROM dbo.Bins b WHERE EXISTS (SELECT 1 FROM dbo.Parts WHERE Bin = b.Id) AND Id NOT IN (SELECT Bin FROM dbo.Parts WHERE No = 2)',
      [['B']],
    ],
    ['WITH heavy AS (SELECT Code, Kilos FROM dbo.Bins WHERE Kilos > 1) SELECT COUNT(*) FROM heavy', [[3]]],
    [
      'SELECT Code FROM dbo.Bins WHERE Room = 1 UNION ALL SELECT Name FROM dbo.Parts WHERE No = 2 ORDER BY Code',
      [['A'], ['B'], ['nut']],
    ],
    [
      'SELECT Code, ROW_NUMBER() OVER (PARTITION BY Room ORDER BY Kilos DESC) AS r FROM dbo.Bins WHERE Room = 1 ORDER BY r',
      [
        ['B', '1'],
        ['A', '2'],
      ],
    ],
    ["SELECT v.a + '-' + v.b AS c FROM (VALUES ('x', 'y'), ('p', 'q')) AS v(a, b) ORDER BY c", [['p-q'], ['x-y']]],
    [
      "SELECT CASE Code WHEN 'a' THEN 'first' ELSE LOWER(Code) END FROM dbo.Bins WHERE Id <= 2 ORDER BY Id",
      [['first'], ['b']],
    ],
    [
      "SELECT IIF(Full_ = 0, 'no', 'yes'), ISNULL(Room, -1), COALESCE(Price, 0) FROM dbo.Bins WHERE Code = 'd'",
      [['no', -1, 3]],
    ],
    [
      "SELECT LEN('ab  '), SUBSTRING('abcdef', 2, 3), LEFT('abc', 2), RIGHT('abc', 2), REPLACE('aXbx', 'x', '.'), CHARINDEX('C', 'abc'), CONCAT('a', NULL, 1)",
      [[2, 'bcd', 'ab', 'bc', 'a.b.', 3, 'a1']],
    ],
    [
      "SELECT DATEADD(day, 1, CAST('2024-02-28' AS datetime2)), DATEDIFF(month, '2024-01-31', '2024-02-01'), YEAR('2024-05-06')",
      [[new Date('2024-02-29T00:00:00Z'), 1, 2024]],
    ],
    ['SELECT 7 / 2, 7 % 4, -7 / 2, 7 & 3, 6 | 1, 5 ^ 1, 1.0 / 4', [[3, 3, -3, 3, 7, 4, 0.25]]],
    ["SELECT CAST(3.99 AS int), CAST('12' AS bigint), CAST(1 AS bit), CONVERT(varchar(10), 5)", [[3, '12', true, '5']]],
    [
      'SELECT j.[key], j.value, j.type FROM OPENJSON(\'[1,"a",null]\') AS j',
      [
        ['0', '1', 2],
        ['1', 'a', 1],
        ['2', null, 0],
      ],
    ],
    [
      'SELECT id, tag FROM OPENJSON(\'[{"id":1,"a":{"t":"x"}},{"id":"2"}]\') WITH (id int, tag nvarchar(10) \'$.a.t\')',
      [
        [1, 'x'],
        [2, null],
      ],
    ],
    [
      'SELECT 2147483647 + 0, 2147483648 + 0, CAST(258 AS varbinary(1)), CAST(9223372036854775807 AS bigint)',
      [[2_147_483_647, 2_147_483_648, Buffer.from([2]), '9223372036854775807']],
    ],
    ["SELECT k FROM OPENJSON('[5,7]') WITH (k int '$')", [[5], [7]]],
  ])('%s', async (text, expected) => {
    expect(await rows(text)).toEqual(expected);
  });

  it('name their columns as they were written, and an expression not at all', async () => {
    const { recordset } = await query('SELECT ID, kilos AS Weight, 1 + 1, b.* FROM dbo.Bins b WHERE Id = 1');
    expect(Object.keys(recordset[0] ?? {})).toEqual([
      'ID',
      'Weight',
      '',
      'Id',
      'Code',
      'Room',
      'Kilos',
      'Price',
      'Full_',
      'Made',
    ]);
  });

  it('give several results with their counts', async () => {
    const { recordsets, rowsAffected } =
      await batch(`SELECT Id FROM dbo.Bins WHERE Room = 1; UPDATE dbo.Bins SET Kilos = Kilos WHERE Room = 2;
      SET NOCOUNT ON; DELETE FROM dbo.Parts WHERE No = 99; SELECT 1 AS one; SET NOCOUNT OFF`);
    expect(recordsets).toHaveLength(2);
    expect(rowsAffected).toEqual([2, 1]);
  });
});

describe('changes', () => {
  it('answer with OUTPUT, before and after', async () => {
    const made = await query(
      `INSERT INTO dbo.Bins (Code, Price) OUTPUT inserted.Id, INSERTED.Made, inserted.Price AS p VALUES (N'neu', 1.25)`,
    );
    expect(made.recordset).toEqual([{ Id: 5, Made: expect.any(Date) as Date, p: 1.25 }]);
    const changed = await query(
      `UPDATE dbo.Bins SET Price = Price * 2, Full_ = 1 OUTPUT deleted.Price AS old, inserted.Price AS new, inserted.Full_ WHERE Code = 'NEU'`,
    );
    expect(changed.recordset).toEqual([{ old: 1.25, new: 2.5, Full_: true }]);
    const gone = await query(`DELETE dbo.Bins OUTPUT deleted.Code WHERE Id = 5`);
    expect(gone).toMatchObject({ recordset: [{ Code: 'neu' }], rowsAffected: [1] });
  });

  it('leave the rest alone where one row fails', async () => {
    const before = await rows('SELECT COUNT(*) FROM dbo.Bins');
    expect(await number(query(`INSERT INTO dbo.Bins (Code) VALUES ('new'), ('a ')`))).toBe(2627);
    expect(await rows('SELECT COUNT(*) FROM dbo.Bins')).toEqual(before);
  });

  it.each<[number, string]>([
    [547, `INSERT INTO dbo.Parts VALUES (99, 1, 'x')`],
    [547, `DELETE FROM dbo.Bins WHERE Id = 1`],
    [547, `UPDATE dbo.Bins SET Kilos = -1`],
    [515, `INSERT INTO dbo.Bins (Code) VALUES (NULL)`],
    [544, `INSERT INTO dbo.Bins (Id, Code) VALUES (9, 'x')`],
    [2714, `CREATE TABLE dbo.Bins (Id int)`],
    [4104, `SELECT x.Id FROM dbo.Bins`],
    [209, `SELECT Id FROM dbo.Bins a JOIN dbo.Bins b ON a.Id = b.Id`],
    [8120, `SELECT Code, COUNT(*) FROM dbo.Bins`],
    [137, `SELECT @nothing`],
    [195, `SELECT SOUNDEX('x')`],
    [105, `SELECT 'x`],
    [113, `SELECT 1 /* x`],
    [2812, `EXEC dbo.nothing @a = 1`],
    [2715, `CREATE TABLE dbo.x (a xml)`],
    [208, `SELECT * FROM tds.commits`],
    [208, `SELECT * FROM other.dbo.Bins`],
    [207, `SELECT xmin FROM dbo.Bins`],
  ])('fail with %i: %s', async (expected, text) => {
    expect(await number(query(text))).toBe(expected);
  });
});

describe('what the emulator has not is refused', () => {
  it.each([
    'SELECT * FROM dbo.Bins WITH (NOLOCK)',
    'SELECT * FROM dbo.Bins FOR JSON PATH',
    'SELECT * FROM dbo.Bins OPTION (RECOMPILE)',
    'SELECT * INTO dbo.Copy FROM dbo.Bins',
    'SELECT * FROM #temporary',
    'MERGE dbo.Bins AS t USING dbo.Parts AS s ON 1 = 1 WHEN MATCHED THEN DELETE;',
    'UPDATE b SET Room = 1 FROM dbo.Bins b',
    'DELETE TOP (1) FROM dbo.Bins',
    'SAVE TRANSACTION x',
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    "SELECT * FROM dbo.Bins WHERE Code LIKE '[A-C]%'",
    "SELECT DATALENGTH('x')",
    'SELECT TRY_CAST(1 AS int)',
    'DECLARE @t TABLE (id int)',
    'USE master',
    "EXEC ('SELECT 1')",
    'SELECT 1 + 2 & 3',
    'SELECT 1 LIMIT 1',
    'SELECT 1::text',
    'SELECT CONCAT(Made, 1) FROM dbo.Bins',
    'SELECT $$x$$',
  ])('%s', async (text) => {
    expect(await number(query(text))).toBe(102);
    expect(await rows('SELECT 1')).toEqual([[1]]);
  });
});

describe('batches', () => {
  it('have variables, branches, loops and TRY', async () => {
    const { recordset } = await query(`DECLARE @n int = 0, @text nvarchar(20);
      WHILE @n < 3 BEGIN SET @n += 1; END
      IF @n = 3 SET @text = N'three' ELSE SET @text = N'other';
      BEGIN TRY IF @n > 1 BEGIN INSERT INTO dbo.Bins (Code) VALUES ('A'); END SET @text = N'not reached'; END TRY
      BEGIN CATCH SET @text = @text + N'!'; END CATCH
      SELECT @n AS n, @text AS text`);
    expect(recordset).toEqual([{ n: 3, text: 'three!' }]);
  });

  it('fill variables from rows', async () => {
    const request = fixture.pool.request().output('code', sql.NVarChar(20)).input('id', sql.Int, 2);
    const { output } = await request.query('SELECT @code = Code FROM dbo.Bins WHERE Id = @id');
    expect(output).toEqual({ code: 'B' });
  });

  it('go on after an error of one statement, not after THROW, and run nothing where the syntax is wrong', async () => {
    const failing = `INSERT INTO dbo.Bins (Code) VALUES ('A')`;
    const counting = async (text: string): Promise<number> => {
      await query('CREATE TABLE dbo.Seen (n int)');
      await failureOf(batch(text));
      const [[seen]] = (await rows('SELECT COUNT(*) FROM dbo.Seen')) as [[number]];
      await query('DROP TABLE dbo.Seen');
      return seen;
    };
    const insert = 'INSERT INTO dbo.Seen VALUES (1)';
    expect(await counting(`${failing}; ${insert}`)).toBe(1);
    expect(await counting(`RAISERROR(N'x', 16, 1); ${insert}`)).toBe(1);
    expect(await counting(`SET XACT_ABORT ON; ${failing}; ${insert}`)).toBe(0);
    expect(await counting(`${insert}; THROW 50001, N'x', 1; ${insert}`)).toBe(1);
    expect(await counting(`${insert}; SELECT FROM`)).toBe(0);
    await batch('SET XACT_ABORT OFF');
  });

  it('raise errors of their own, and print', async () => {
    expect(await failureOf(query(`THROW 51000, N'Not today.', 1`))).toMatchObject({
      number: 51_000,
      message: 'Not today.',
    });
    const request = fixture.pool.request();
    const told: string[] = [];
    request.on('info', ({ message }: { message: string }) => told.push(message));
    await request.query(`PRINT N'hello ' + CAST(@@TRANCOUNT AS nvarchar(5))`);
    expect(told).toEqual(['hello 0']);
  });
});

describe('any words', () => {
  const words = `SELECT FROM dbo.Bins WHERE Id Code Kilos Price Made = <> + - * / & ( ) , ; . 1 2.5 'x' N'y' @p @n NULL AND OR NOT IN LIKE BETWEEN IS
    CASE WHEN THEN ELSE END COUNT(*) SUM( MAX( CAST( AS_int) ISNULL( CONCAT( LEN( TOP ORDER BY GROUP UNION JOIN ON AS [a b] 0x01 1e3 -- /* */ IF BEGIN
    TRAN COMMIT ROLLBACK DECLARE @q SET EXISTS OFFSET ROWS DISTINCT EXEC PRINT @@ROWCOUNT GETDATE() OUTPUT WITH OVER ' [ " $ \\ :: ~ é`;

  it('are answered, or refused with an error of SQL, and the connection goes on', { timeout: 60_000 }, async () => {
    // A transaction that is left open goes with its connection.
    const pool = await fixture.connect({ pool: { max: 1 } });
    const text = fc
      .array(fc.constantFrom(...words.split(/\s+/)), { minLength: 1, maxLength: 14 })
      .map((some) => some.join(' ').replace('AS_int', 'AS int'));
    await fc.assert(
      fc.asyncProperty(text, async (statement) => {
        const request = pool.request().input('p', sql.NVarChar(20), "x'").input('n', sql.Int, 3);
        const failure = await request.query(`SELECT ${statement}`).then(
          () => undefined,
          (error: unknown) => error as { code: string; number: number; message: string },
        );
        if (failure === undefined) return;
        expect(failure.code).toBe('EREQUEST');
        expect(failure.number).toBeGreaterThan(0);
        expect(failure.message).not.toMatch(/^The emulator failed/);
      }),
      { numRuns: 300 },
    );
    expect((await pool.request().query('SELECT 1 AS one')).recordset).toEqual([{ one: 1 }]);
    await pool.close();
  });
});

describe('prepared statements', () => {
  it('run with other values, and are parsed when they are prepared', async () => {
    const statement = new sql.PreparedStatement(fixture.pool);
    statement.input('room', sql.Int);
    await statement.prepare('SELECT Code FROM dbo.Bins WHERE Room = @room ORDER BY Code');
    expect((await statement.execute({ room: 1 })).recordset).toEqual([{ Code: 'A' }, { Code: 'B' }]);
    expect((await statement.execute({ room: 2 })).recordset).toEqual([{ Code: 'C' }]);
    await statement.unprepare();
    const wrong = new sql.PreparedStatement(fixture.pool);
    expect(await number(wrong.prepare('SELEC 1'))).toBe(102);
  });
});

describe('the catalogue', () => {
  it('tells columns, types, collations and keys', async () => {
    expect(
      await rows(`SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name
        FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID(N'[dbo].[Bins]') AND c.column_id IN (2, 4)
        ORDER BY c.column_id`),
    ).toEqual([
      ['Code', 'nvarchar', 40, 0, 0, false, 'SQL_Latin1_General_CP1_CI_AS'],
      ['Kilos', 'decimal', 17, 9, 3, false, null],
    ]);
    expect(
      await rows(`SELECT c.name FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
        JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
        WHERE i.is_primary_key = 1 AND i.object_id = OBJECT_ID('dbo.Parts') ORDER BY ic.key_ordinal`),
    ).toEqual([['Bin'], ['No']]);
    expect(
      await rows(`SELECT k.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS t JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE k
        ON k.CONSTRAINT_NAME = t.CONSTRAINT_NAME WHERE t.CONSTRAINT_TYPE = 'PRIMARY KEY' AND t.TABLE_NAME = 'bins'`),
    ).toEqual([['Id']]);
    expect(
      await rows(
        `SELECT DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'dbo' AND TABLE_NAME = 'Parts' AND COLUMN_NAME = 'Name'`,
      ),
    ).toEqual([['varchar', 30, 'YES']]);
    const { recordset } = await query('SELECT TOP 1 * FROM INFORMATION_SCHEMA.TABLES');
    expect(Object.keys(recordset[0] ?? {})).toEqual(['TABLE_CATALOG', 'TABLE_SCHEMA', 'TABLE_NAME', 'TABLE_TYPE']);
  });

  it('identifies the database', async () => {
    expect(await rows("SELECT DB_NAME(), OBJECT_ID('dbo.nothing'), SCHEMA_NAME(), @@SERVERNAME")).toEqual([
      ['test_1', null, 'dbo', 'warmfeed-emulator'],
    ]);
    const [[guid]] = (await rows(
      'SELECT database_guid FROM sys.database_recovery_status WHERE database_id = DB_ID()',
    )) as [[string]];
    expect(guid).toMatch(/^[0-9A-F-]{36}$/);
    expect(await rows('SELECT @@VERSION')).toEqual([[expect.stringContaining('emulator') as string]]);
  });

  it('follows ALTER TABLE', async () => {
    await query(`ALTER TABLE dbo.Parts ADD Note nvarchar(5) NULL, Weight int NOT NULL DEFAULT 1`);
    expect(await rows('SELECT Note, Weight FROM dbo.Parts WHERE Bin = 2')).toEqual([[null, 1]]);
    expect(await number(query(`UPDATE dbo.Parts SET Note = N'too long'`))).toBe(2628);
    await query('ALTER TABLE dbo.Parts DROP COLUMN Note');
    expect(await number(query('SELECT Note FROM dbo.Parts'))).toBe(207);
    await query('CREATE UNIQUE INDEX IX_Parts ON dbo.Parts (Name, Bin)');
    await query('TRUNCATE TABLE dbo.Parts');
    await query('DROP TABLE IF EXISTS dbo.Parts; DROP TABLE IF EXISTS dbo.Nothing');
    expect(await number(query('SELECT 1 FROM dbo.Parts'))).toBe(208);
  });
});
