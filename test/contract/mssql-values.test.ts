// docs/values.md on SQL Server or its emulator, value by value, wherever this process is; odd tables; and which row
// answers a key.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Key } from '../../src/core/key.ts';
import { type SqlServer, startSqlServer } from '../support/sql-server.ts';
import { bodyOf, insertInto, valueCases } from '../support/value-table.ts';

/** Types that the emulator has not, or (`datetime`) spells with other fractions as text. */
const MISSING = process.env['SQL'] === undefined ? ['smallmoney', 'smalldatetime', 'binary(2)', 'datetime'] : [];
/** A text constant in a `datetimeoffset` column must be cast there. */
const CASES = valueCases('Azure SQL')
  .filter(({ type }) => !MISSING.includes(type))
  .map((each) =>
    each.type.startsWith('datetimeoffset') ? { ...each, value: `CAST(${each.value} AS ${each.type})` } : each,
  );
const ZONE = process.env['TZ'];

let server: SqlServer;
beforeAll(async () => {
  server = await startSqlServer();
});
afterAll(() => server.end());

describe('values of Azure SQL', () => {
  beforeAll(async () => {
    const columns = CASES.map(({ column, type }) => `${column} ${type}`);
    await server.table('dbo.wide', `(id int PRIMARY KEY, ${columns.join(', ')}, version rowversion)`);
    const names = ['id', ...CASES.map(({ column }) => column)].join(', ');
    await server.run(insertInto('dbo.wide', '1', CASES).replace('VALUES', `(${names}) VALUES`));
  });
  afterEach(() => {
    if (ZONE === undefined) delete process.env['TZ'];
    else process.env['TZ'] = ZONE;
  });

  describe.each(['UTC', 'Asia/Kolkata', 'America/St_Johns', 'Europe/Paris'])('C51, T13, T14, T16: in %s', (zone) => {
    test.each(CASES)('$type $value is $json', async ({ column, json }) => {
      process.env['TZ'] = zone;
      const { source } = server.open('dbo.wide', { id: 'int' });
      const [one, [many]] = [await source.read(['1']), await source.readMany([['1'], ['2']])];
      expect(JSON.stringify(one.document?.[column])).toBe(json);
      expect(JSON.stringify(many?.document?.[column])).toBe(json);
    });
  });

  test('the row as a whole, with its rowversion', async () => {
    const { document = {} } = await server.open('dbo.wide', { id: 'int' }).source.read(['1']);
    const { version, ...rest } = document;
    expect(JSON.stringify(rest)).toBe(bodyOf(CASES, '"id":1'));
    expect(version).toMatch(/^[\w+/]{11}=$/);
  });
});

describe('odd tables', () => {
  test.each([
    ['dbo.[select]', 'dbo.select'],
    ['dbo.[order items]', 'order items'],
  ])('T25: a table named %s, with columns of any name', async (name, configured) => {
    const names = ['a.b', '__proto__', 'constructor', 'say "hi"', 'from', 'k0', 'place', 'ü'];
    const columns = names.map((each) => `[${each}] nvarchar(20)`).join(', ');
    await server.table(name, `([Group] nvarchar(20) PRIMARY KEY, ${columns})`);
    await server.run(`INSERT INTO ${name} VALUES (N'it''s "x"', ${names.map((_, i) => `N'v${i}'`).join(', ')})`);
    const { source, log } = server.open(configured, { Group: 'text' });
    const pairs = names.map((each, i) => `${JSON.stringify(each)}:"v${i}"`);
    const read = await source.read([`it's "x"`]);
    expect(JSON.stringify(read.document)).toBe(`{"Group":"it's \\"x\\"",${pairs.join(',')}}`);
    expect(read.isTracked).toBe(true);
    const { items, lineage } = await log.poll(0n, 10, []);
    expect(lineage).toBe(read.partition.id);
    expect(items.map((item) => source.change(item).key)).toEqual([[`it's "x"`]]);
  });
});

test('T11: a column that was dropped or made under another name since it was described: the row as it is now', async () => {
  await server.table('dbo.altered', '(id int PRIMARY KEY, a int, b int)');
  await server.run('INSERT INTO dbo.altered VALUES (1, 2, 3)');
  const { source } = server.open('dbo.altered', { id: 'int' });
  expect((await source.read(['1'])).document).toEqual({ id: 1, a: 2, b: 3 });
  await server.run('ALTER TABLE dbo.altered DROP COLUMN a');
  expect((await source.read(['1'])).document).toEqual({ id: 1, b: 3 });
  await server.run('ALTER TABLE dbo.altered DROP COLUMN b; ALTER TABLE dbo.altered ADD c int NOT NULL DEFAULT 4');
  expect((await source.readMany([['1'], ['2']])).map(({ document }) => document)).toEqual([{ id: 1, c: 4 }, undefined]);
  await server.run('DROP TABLE dbo.altered');
  await expect(source.read(['1'])).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
});

describe('which row answers', () => {
  test('another case, or trailing spaces: answered, never stored; absence neither', async () => {
    await server.table('dbo.folded', '(code varchar(10) PRIMARY KEY)');
    await server.run(`INSERT INTO dbo.folded VALUES ('Ab')`);
    const { source, log } = server.open('dbo.folded', { code: 'text' });
    const answers = await source.readMany([['AB'], ['Ab'], ['Ab '], ['zz']]);
    expect(answers.map(({ document }) => document?.['code'])).toEqual(['Ab', 'Ab', 'Ab', undefined]);
    expect(answers.map(({ isStorable }) => isStorable)).toEqual([false, true, false, false]);
    const { items } = await log.poll(0n, 10, []);
    expect(items.map((item) => source.change(item).key)).toEqual([['Ab']]);
  });

  test('T23: a GUID is one key in either case; an overflow is not there, and no error', async () => {
    await server.table('dbo.guids', '(id uniqueidentifier PRIMARY KEY, n int)');
    await server.run(`INSERT INTO dbo.guids VALUES ('6F9619FF-8B86-D011-B42D-00C04FC964FF', 1)`);
    const { source, log } = server.open('dbo.guids', { id: 'uuid' });
    for (const id of ['6F9619FF-8B86-D011-B42D-00C04FC964FF', '6f9619ff-8b86-d011-b42d-00c04fc964ff']) {
      expect(await source.read([id])).toMatchObject({ document: { n: 1 }, isStorable: true });
    }
    const { items } = await log.poll(0n, 10, []);
    expect(items.map((item) => source.change(item).key)).toEqual([['6f9619ff-8b86-d011-b42d-00c04fc964ff']]);
    await server.table('dbo.narrow', '(id smallint PRIMARY KEY)');
    expect((await server.open('dbo.narrow', { id: 'int' }).source.read(['70000'])).document).toBeUndefined();
  });

  test.skipIf(process.env['SQL'] !== undefined)(
    'C102: keys are compared as their column’s own type, so that its index is used',
    async () => {
      await server.table(
        'dbo.typed',
        '(a varchar(20), b nvarchar(20), c tinyint, d uniqueidentifier, PRIMARY KEY (a, b, c, d))',
      );
      const guid = '6f9619ff-8b86-d011-b42d-00c04fc964ff';
      await server.run(`INSERT INTO dbo.typed VALUES ('x', N'ü', 7, '${guid}')`);
      const { source } = server.open('dbo.typed', { a: 'text', b: 'text', c: 'smallint', d: 'uuid' });
      await source.check();
      server.emulator?.control.record(true);
      expect((await source.read(['x', 'ü', '7', guid])).document).toMatchObject({ a: 'x' });
      const asked = server.emulator?.control.requests().find(({ text }) => text.includes('OPENJSON'))?.text ?? '';
      server.emulator?.control.record(false);
      const types = ['varchar(8000)', 'nvarchar(4000)', 'smallint', 'uniqueidentifier'];
      for (const [i, type] of types.entries()) expect(asked).toContain(`k${i} ${type} '$.k${i}'`);
      // A character that the column's code page has not is compared too, in Unicode.
      expect(asked).toContain('CAST(t.[a] AS nvarchar(4000)) = k.n0');
      // But for that, the column's side is left alone: a cast or collation there would read the whole table.
      const [, on = ''] = asked.split(' ON ');
      expect(on.match(/t\.\[\w\] = k\.k\d( COLLATE \w+)?(?= AND |\s*$|;|\n)/g)).toHaveLength(4);
    },
  );

  test('a scan tells every key, in pages', async () => {
    await server.table('dbo.pages', '(a int, b varchar(9), PRIMARY KEY (a, b))');
    await server.run(`INSERT INTO dbo.pages VALUES (1, 'x'), (1, 'y'), (2, 'x'), (10, 'a'), (2, '')`);
    const { source } = server.open('dbo.pages', { a: 'int', b: 'text' });
    const keys: Key[] = [];
    let continuation: string | undefined;
    do {
      const page = await source.scan({ limit: 2, ...(continuation === undefined ? {} : { continuation }) });
      keys.push(...page.keys);
      continuation = page.continuation;
    } while (continuation !== undefined);
    expect(keys).toEqual([
      ['1', 'x'],
      ['1', 'y'],
      ['2', 'x'],
      ['10', 'a'],
    ]);
  });
});

describe('the log', () => {
  test('T06, T08: pages end with a whole version; updated keys are both named', async () => {
    await server.table('dbo.logged', '(id int PRIMARY KEY, n int)');
    const { source, log } = server.open('dbo.logged', { id: 'int' });
    const keysOf = (items: readonly unknown[]) =>
      items.map((item) => String(source.change(item).key[0])).toSorted((a, b) => Number(a) - Number(b));
    const { horizon: from } = await log.poll(undefined, 0, []);
    await server.run('INSERT INTO dbo.logged VALUES (1, 0), (2, 0), (3, 0)');
    await server.run('UPDATE dbo.logged SET id = 20 WHERE id = 2');
    const first = await log.poll(from, 2, []);
    expect([keysOf(first.items), first.hasMore]).toEqual([['1', '3'], true]);
    const second = await log.poll(first.end, 100, []);
    expect([keysOf(second.items), second.hasMore]).toEqual([['2', '20'], false]);
    expect(await log.poll(second.end, 100, [])).toMatchObject({ items: [], isLost: false });
  });

  test('T05: TRUNCATE, and changes that were forgotten, are lost ones; a new start of tracking is another lineage', async () => {
    await server.table('dbo.lost', '(id int PRIMARY KEY)');
    const { log } = server.open('dbo.lost', { id: 'int' });
    const { horizon: from, lineage } = await log.poll(undefined, 0, []);
    await server.run('INSERT INTO dbo.lost VALUES (1)');
    expect(await log.poll(from, 10, [])).toMatchObject({ isLost: false });
    await server.run('TRUNCATE TABLE dbo.lost');
    expect(await log.poll(from, 10, [])).toMatchObject({ isLost: true });
    await server.run('ALTER TABLE dbo.lost DISABLE CHANGE_TRACKING');
    expect(await log.poll(from, 10, [])).toMatchObject({ lineage: undefined });
    await server.run('ALTER TABLE dbo.lost ENABLE CHANGE_TRACKING');
    const again = await log.poll(undefined, 0, []);
    expect(again.lineage).toBeDefined();
    expect(again.lineage).not.toBe(lineage);
  });

  test('without change tracking it says so, and the table is read all the same', async () => {
    await server.run('DROP TABLE IF EXISTS dbo.untracked');
    await server.run('CREATE TABLE dbo.untracked (id int PRIMARY KEY)');
    await server.run('INSERT INTO dbo.untracked VALUES (1)');
    const { source, log } = server.open('dbo.untracked', { id: 'int' });
    expect(await log.poll(0n, 10, [])).toMatchObject({ lineage: undefined, items: [] });
    expect(await source.read(['1'])).toMatchObject({ document: { id: 1 }, isTracked: false });
  });
});
