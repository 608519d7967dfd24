// docs/values.md on a real PostgreSQL, value by value, wherever this process is and whatever the role's defaults are.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresTables, startPostgresTables } from '../support/postgres-table.ts';
import { bodyOf, createTable, insertInto, VALUE_TYPES, valueCases } from '../support/value-table.ts';

const CASES = valueCases('PostgreSQL');
const ZONE = process.env['TZ'];

describe('values of PostgreSQL', () => {
  let tables: PostgresTables;
  beforeAll(async () => {
    tables = await startPostgresTables();
    await tables.db.query(VALUE_TYPES);
    await tables.db.query(`${createTable('wide', 'id int PRIMARY KEY', CASES)}; GRANT SELECT ON wide TO reader`);
    await tables.db.query(insertInto('wide', '1', CASES));
  });
  afterEach(() => {
    if (ZONE === undefined) delete process.env['TZ'];
    else process.env['TZ'] = ZONE;
  });
  afterAll(() => tables.end());

  test('the page has them all', () => {
    expect(CASES.length).toBeGreaterThan(80);
    for (const { type, value, json } of CASES) expect([type, value, json]).not.toContain('');
  });

  test('the defaults of the role are odd ones', async () => {
    const pools = tables.pools;
    const plain = await (await pools.get({ connectionString: tables.readerUrl })).query('SHOW DateStyle');
    expect(plain.rows).toEqual([{ DateStyle: expect.stringMatching(/^ISO/) as string }]);
    const { rows } = await tables.db.query(`SELECT setconfig::text c FROM pg_db_role_setting WHERE setrole <> 0`);
    expect(JSON.stringify(rows)).toContain('German');
  });

  describe.each([
    'UTC',
    'Asia/Kolkata',
    'America/St_Johns',
    'Europe/Paris',
  ])('C49, C51, T13, T16, T17: in %s', (zone) => {
    test.each(CASES)('$type $value is $json', async ({ column, json }) => {
      process.env['TZ'] = zone;
      const { source } = await tables.open('wide', { id: 'int' });
      const [one, [many]] = [await source.read(['1']), await source.readMany(['1', '2'].map((id) => [id]))];
      expect(JSON.stringify(one.document?.[column])).toBe(json);
      expect(JSON.stringify(many?.document?.[column])).toBe(json);
    });
  });

  test('the row as a whole, in the order of its columns', async () => {
    const { source } = await tables.open('wide', { id: 'int' });
    expect(JSON.stringify((await source.read(['1'])).document)).toBe(bodyOf(CASES, '"id":1'));
  });

  test("options of the connection's own are kept, and change no value", async () => {
    const url = new URL(tables.readerUrl);
    url.searchParams.set('options', '-c DateStyle=SQL -c search_path=elsewhere,public');
    const { source } = await tables.open('wide', { id: 'int' }, url.href);
    expect(JSON.stringify((await source.read(['1'])).document)).toBe(bodyOf(CASES, '"id":1'));
    const pool = await tables.pools.get({ connectionString: url.href });
    expect((await pool.query('SHOW search_path')).rows).toEqual([{ search_path: 'elsewhere,public' }]);
  });
});

describe('odd tables', () => {
  let tables: PostgresTables;
  beforeAll(async () => {
    tables = await startPostgresTables();
  });
  afterAll(() => tables.end());

  test('T25: columns of any name, generated ones, and rows that look like something else', async () => {
    const names = [
      'a.b',
      '__proto__',
      'constructor',
      'say "hi"',
      'two words',
      'UPPER',
      'select',
      '$1',
      'place',
      'k0',
      'ü',
    ];
    const columns = names.map((name) => `"${name.replaceAll('"', '""')}" text`).join(', ');
    const body = `(id int PRIMARY KEY, ${columns}, twice int GENERATED ALWAYS AS (id * 2) STORED)`;
    const { source } = await tables.table('odd', body, { id: 'int' });
    await tables.db.query(`INSERT INTO odd VALUES (1, ${names.map((_, i) => `'v${i}'`).join(', ')})`);
    const { document = {} } = await source.read(['1']);
    const pairs = names.map((name, i) => `${JSON.stringify(name)}:"v${i}"`);
    expect(JSON.stringify(document)).toBe(`{"id":1,${pairs.join(',')},"twice":2}`);
    expect(Object.getPrototypeOf(document)).toBe(Object.prototype);
  });

  test.each([
    ['"select"', 'select'],
    ['"Orders"', 'Orders'],
    ['"order items"', 'order items'],
    ['public."user"', 'public.user'],
  ])('a table named %s', async (name, configured) => {
    const { source, log } = await tables.table(
      name,
      '("Group" text PRIMARY KEY, n int)',
      { Group: 'text' },
      configured,
    );
    await tables.db.query(`INSERT INTO ${name} VALUES ('it''s "x"', 1)`);
    expect((await source.read([`it's "x"`])).document).toEqual({ Group: `it's "x"`, n: 1 });
    const { items } = await log.poll(0n, 10, []);
    expect(items.map((item) => source.change(item).key)).toEqual([[`it's "x"`]]);
    expect(await source.scan({ limit: 1 })).toMatchObject({ keys: [[`it's "x"`]] });
  });

  test('T19: a row whose other columns are no JSON of jsonb is written and followed all the same', async () => {
    const { source, log } = await tables.table('raw', '(id date PRIMARY KEY, j json)', { id: 'date' });
    await tables.db.query(String.raw`INSERT INTO raw VALUES ('2026-11-25', '{"a": "\u0000"}')`);
    expect((await source.read(['2026-11-25'])).document).toEqual({ id: '2026-11-25', j: { a: '\u0000' } });
    const { items } = await log.poll(0n, 10, []);
    expect(items.map((item) => source.change(item).key)).toEqual([['2026-11-25']]);
  });
});
