// Keys and changes of PostgreSQL tables on a real server: what a client may send, which row answers, and which keys a
// change names.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Key } from '../../src/core/key.ts';
import type { ChangeLog, Source } from '../../src/core/ports.ts';
import { type PostgresTables, startPostgresTables } from '../support/postgres-table.ts';

let tables: PostgresTables;
beforeAll(async () => {
  tables = await startPostgresTables();
});
afterAll(() => tables.end());

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: unknown) => (error as { code?: unknown }).code,
  );

/** Keys of all settled changes, in order. */
async function changed({ source, log }: { source: Source; log: ChangeLog }, from = 0n): Promise<Key[]> {
  const { items } = await log.poll(from, 1000, []);
  return items.map((item) => source.change(item).key);
}

const horizonOf = async (log: ChangeLog) => (await log.poll(undefined, 0, [])).horizon;

describe('what a client sends', () => {
  test('C38, C98, T19: nothing makes the database fail, and the connections stay usable', async () => {
    const parts = await tables.table('parts', '(shop text, id bigint, PRIMARY KEY (shop, id))', {
      shop: 'text',
      id: 'bigint',
    });
    await tables.db.query(`INSERT INTO parts VALUES ('eu', 1)`);
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(
        `'; DROP TABLE parts; --`,
        '\u0000',
        '\ud800',
        'x'.repeat(5000),
        '{NULL}',
        'NULL',
        `\\'`,
        '"',
        '\\x',
      ),
    );
    const id = fc.oneof(
      fc.bigInt().map(String),
      fc.constantFrom('9223372036854775807', '9223372036854775808', '-9223372036854775808', '1e3', 'NaN', ''),
    );
    await fc.assert(
      fc.asyncProperty(text, id, async (shop, number) => {
        const outcome = await codeOf(
          parts.source.readMany([
            [shop, number],
            ['eu', '1'],
          ]),
        );
        expect(['done', 'BAD_KEY']).toContain(outcome);
        const [there] = await parts.source.readMany([['eu', '1']]);
        expect(there?.document).toEqual({ shop: 'eu', id: '1' });
      }),
      { numRuns: 150 },
    );
  });

  test.each([
    ['int', '2147483647'],
    ['smallint', '32767'],
  ] as const)('a key that its narrower column cannot hold is not there, and no error', async (type, id) => {
    const { source } = await tables.table(`narrow_${type}`, '(id smallint PRIMARY KEY)', { id: type });
    expect((await source.read([id])).document).toBeUndefined();
  });
});

describe('which row answers', () => {
  test('char(n): the key without its padding; a padded spelling is answered, never stored', async () => {
    const { source, log } = await tables.table('padded', '(code char(5) PRIMARY KEY)', { code: 'text' });
    await tables.db.query(`INSERT INTO padded VALUES ('ab')`);
    expect(await source.read(['ab'])).toMatchObject({ document: { code: 'ab   ' }, isStorable: true });
    expect(await source.read(['ab '])).toMatchObject({ document: { code: 'ab   ' }, isStorable: false });
    expect(await source.read(['zz'])).toMatchObject({ document: undefined, isStorable: false });
    expect(await changed({ source, log })).toEqual([['ab']]);
    expect(await source.scan({ limit: 10 })).toMatchObject({ keys: [['ab']] });
  });

  test.each([
    ['citext', 'CREATE EXTENSION IF NOT EXISTS citext', '(code citext PRIMARY KEY)'],
    [
      'a collation that folds case',
      `CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      '(code text COLLATE folding PRIMARY KEY)',
    ],
  ])('%s: another spelling is answered, never stored; absence neither', async (name, before, body) => {
    await tables.db.query(before);
    const table = `by_${name.replaceAll(' ', '_')}`;
    const { source, log } = await tables.table(table, body, { code: 'text' });
    await tables.db.query(`INSERT INTO ${table} VALUES ('Ab')`);
    expect(await source.read(['Ab'])).toMatchObject({ document: { code: 'Ab' }, isStorable: true });
    const answers = await source.readMany([['AB'], ['Ab'], ['ab'], ['zz']]);
    expect(answers.map(({ document }) => document?.['code'])).toEqual(['Ab', 'Ab', 'Ab', undefined]);
    expect(answers.map(({ isStorable }) => isStorable)).toEqual([false, true, false, false]);
    expect(await changed({ source, log })).toEqual([['Ab']]);
  });

  test('a row under a key that nobody can ask for is answered, left out of a scan, and in nobody’s way', async () => {
    const { source } = await tables.table('strange', '(code text COLLATE folding PRIMARY KEY)', { code: 'text' });
    await tables.db.query(`INSERT INTO strange VALUES ('a' || chr(1) || 'b'), (''), ('z')`);
    expect(await source.read(['ab'])).toMatchObject({ document: { code: 'a\u0001b' }, isStorable: false });
    const keys: Key[] = [];
    let continuation: string | undefined;
    do {
      const page = await source.scan({ limit: 1, ...(continuation === undefined ? {} : { continuation }) });
      keys.push(...page.keys);
      continuation = page.continuation;
    } while (continuation !== undefined);
    expect(keys).toEqual([['z']]);
  });

  test('the order of the configuration is the order of the key, whatever the index has', async () => {
    const body = '(b date, a uuid, n int, PRIMARY KEY (b, a) INCLUDE (n))';
    const { source, log } = await tables.table('crossed', body, { a: 'uuid', b: 'date' });
    await tables.db.query(`INSERT INTO crossed VALUES ('2026-11-25', '6F9619FF-8B86-D011-B42D-00C04FC964FF', 1)`);
    const key = ['6f9619ff-8b86-d011-b42d-00c04fc964ff', '2026-11-25'];
    expect(await source.read(key)).toMatchObject({ document: { n: 1 }, isTracked: true });
    expect(await changed({ source, log })).toEqual([key]);
  });

  test('a boolean, and a domain', async () => {
    await tables.db.query('CREATE DOMAIN article AS int CHECK (VALUE > 0)');
    const body = '(flag bool, id article, PRIMARY KEY (flag, id))';
    const { source, log } = await tables.table('domains', body, { flag: 'boolean', id: 'int' });
    await tables.db.query('INSERT INTO domains VALUES (true, 1), (false, 2)');
    expect((await source.read(['true', '1'])).document).toEqual({ flag: true, id: 1 });
    expect((await source.read(['true', '-2'])).document).toBeUndefined();
    expect(await changed({ source, log })).toEqual([
      ['true', '1'],
      ['false', '2'],
    ]);
  });
});

describe('which tables are refused, and what is said', () => {
  test.each([
    ['(id text PRIMARY KEY)', { id: 'int' }, 'the key column id is text, not int'],
    ['(id int PRIMARY KEY)', { id: 'text' }, 'the key column id is int4, not text'],
    ['(id timestamptz PRIMARY KEY)', { id: 'date' }, 'the key column id is timestamptz, not date'],
    ['(id numeric PRIMARY KEY)', { id: 'bigint' }, 'the key column id is numeric, not bigint'],
    ['(id int, n int)', { id: 'int' }, 'it has none'],
    ['(id int PRIMARY KEY, n int UNIQUE)', { n: 'int' }, 'it is (id)'],
    ['(a int, b int, PRIMARY KEY (a, b))', { a: 'int' }, 'it is (a, b)'],
    ['(id int PRIMARY KEY)', { ID: 'int' }, 'it is (id)'],
  ] as const)('%s by %j: %s', async (body, key, says) => {
    await tables.db.query(
      `DROP TABLE IF EXISTS refused; CREATE TABLE refused ${body}; GRANT SELECT ON refused TO reader`,
    );
    const { source, log } = await tables.open('refused', key);
    const expected = { code: 'SOURCE_REJECTED', retryable: false, message: expect.stringContaining(says) as string };
    await expect(source.check()).rejects.toMatchObject(expected);
    await expect(log.poll(0n, 10, [])).rejects.toMatchObject(expected);
  });

  test('no table, and one that may not be read', async () => {
    const missing = await tables.open('nowhere', { id: 'int' });
    await expect(missing.source.check()).rejects.toMatchObject({ message: expect.stringContaining('no such table') });
    await tables.db.query('CREATE TABLE secret (id int PRIMARY KEY)');
    const secret = await tables.open('secret', { id: 'int' });
    await expect(secret.source.check()).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('T03: without a primary key nothing is tracked', async () => {
    await tables.db.query('CREATE TABLE heap (id int)');
    await expect(tables.db.query(`SELECT warmfeed.track('heap')`)).rejects.toThrow('has no primary key');
  });

  test('a table that was made anew is described anew as soon as a statement is refused', async () => {
    const { source } = await tables.table('anew', '(id int PRIMARY KEY)', { id: 'int' });
    await source.read(['1']);
    await tables.db.query(
      'DROP TABLE anew; CREATE TABLE anew (n int, id int PRIMARY KEY); INSERT INTO anew VALUES (7, 1)',
    );
    await expect(source.read(['1'])).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    await tables.db.query('GRANT SELECT ON anew TO reader');
    expect(await source.read(['1'])).toMatchObject({ document: { n: 7, id: 1 }, isTracked: false });
  });
});

describe('which keys a change names', () => {
  test('T06, T08: updated keys, upserts, COPY, cascades, several changes of a transaction', async () => {
    const owners = await tables.table('owners', '(id int PRIMARY KEY)', { id: 'int' });
    const body = '(id int PRIMARY KEY, owner int REFERENCES owners ON DELETE CASCADE, n int)';
    const pets = await tables.table('pets', body, { id: 'int' });
    const keysOf = async (statements: string) => {
      const from = await horizonOf(pets.log);
      await tables.db.query(statements);
      return [await changed(owners, from), await changed(pets, from)].map((keys) => keys.flat().join(' '));
    };
    expect(await keysOf('INSERT INTO owners VALUES (1), (2)')).toEqual(['1 2', '']);
    expect(await keysOf('INSERT INTO pets VALUES (10, 1, 0), (20, 2, 0)')).toEqual(['', '10 20']);
    expect(await keysOf('UPDATE pets SET n = 1')).toEqual(['', '10 20']);
    expect(await keysOf('UPDATE pets SET id = 11 WHERE id = 10')).toEqual(['', '10 11']);
    const upsert = 'INSERT INTO pets VALUES (11, 1, 5), (12, 1, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n';
    expect(await keysOf(upsert)).toEqual(['', '11 12']);
    expect(await keysOf('DELETE FROM owners WHERE id = 1')).toEqual(['1', '11 12']);
    expect(await keysOf('BEGIN; DELETE FROM pets; INSERT INTO pets VALUES (20, 2, 9); COMMIT')).toEqual(['', '20 20']);
    expect(await keysOf(`COPY pets FROM PROGRAM 'printf "30\\t2\\t0\\n31\\t2\\t0\\n"'`)).toEqual(['', '30 31']);
    expect(await keysOf('BEGIN; UPDATE pets SET n = 7; ROLLBACK')).toEqual(['', '']);
    expect(
      await keysOf(`MERGE INTO pets USING (VALUES (30), (40)) v (id) ON pets.id = v.id
      WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 2, 0)`),
    ).toEqual(['', '30 40']);
  });

  test('changes that a replication subscription applies are recorded too', async () => {
    const applied = await tables.table('applied', '(id int PRIMARY KEY)', { id: 'int' });
    await tables.db.query('SET session_replication_role = replica; INSERT INTO applied VALUES (1)');
    await tables.db.query('RESET session_replication_role');
    expect(await changed(applied)).toEqual([['1']]);
  });

  test('a writer needs to know nothing of the outbox', async () => {
    const written = await tables.table('written', '(id int PRIMARY KEY)', { id: 'int' });
    await tables.db.query('CREATE ROLE writer; GRANT INSERT ON written TO writer');
    await tables.db.query('SET ROLE writer; INSERT INTO written VALUES (1)');
    await expect(tables.db.query('SELECT * FROM warmfeed.outbox')).rejects.toThrow('permission denied');
    await tables.db.query('RESET ROLE');
    expect(await changed(written)).toEqual([['1']]);
  });
});

describe('T09: a partitioned table, by its root', () => {
  const lineageOf = async (log: ChangeLog) => (await log.poll(undefined, 0, [])).lineage;

  test('changes through the root and a leaf, rows that move, TRUNCATE of a leaf, attach and detach', async () => {
    const body = '(id int, region text, n int, PRIMARY KEY (id, region)) PARTITION BY LIST (region)';
    await tables.db.query(`CREATE TABLE sales ${body}; GRANT SELECT ON sales TO reader;
      CREATE TABLE sales_eu PARTITION OF sales FOR VALUES IN ('eu');
      CREATE TABLE sales_us (n int, region text NOT NULL, dropped int, id int NOT NULL);
      ALTER TABLE sales_us DROP COLUMN dropped;
      ALTER TABLE sales ATTACH PARTITION sales_us FOR VALUES IN ('us')`);
    // By a leaf: the root is what is tracked.
    await tables.db.query(`SELECT warmfeed.track('sales_eu')`);
    const sales = await tables.open('sales', { region: 'text', id: 'int' });
    const from = await horizonOf(sales.log);
    await tables.db.query(
      `INSERT INTO sales VALUES (1, 'eu', 0); INSERT INTO sales_us (id, region, n) VALUES (2, 'us', 0)`,
    );
    await tables.db.query(`UPDATE sales SET region = 'us' WHERE id = 1`);
    expect(await changed(sales, from)).toEqual([
      ['eu', '1'],
      ['us', '2'],
      ['eu', '1'],
      ['us', '1'],
    ]);
    expect((await sales.source.read(['us', '1'])).document).toEqual({ id: 1, region: 'us', n: 0 });

    const before = await horizonOf(sales.log);
    await tables.db.query('TRUNCATE sales_us');
    expect(await sales.log.poll(before, 10, [])).toMatchObject({ isLost: true });

    const lineages = [await lineageOf(sales.log)];
    for (const statement of [
      `CREATE TABLE sales_jp PARTITION OF sales FOR VALUES IN ('jp')`,
      'ALTER TABLE sales DETACH PARTITION sales_us',
      `ALTER TABLE sales ATTACH PARTITION sales_us FOR VALUES IN ('us')`,
      'DROP TABLE sales_eu',
    ]) {
      await tables.db.query(statement);
      lineages.push(await lineageOf(sales.log));
    }
    for (const [i, lineage] of lineages.entries()) expect(lineage).not.toBe(lineages[i + 1]);

    // Whoever attached a partition runs track again: then its TRUNCATE is noticed too, and nothing else has changed.
    await tables.db.query(`SELECT warmfeed.track('sales')`);
    expect(await lineageOf(sales.log)).toBe(lineages.at(-1));
    const later = await horizonOf(sales.log);
    await tables.db.query(`INSERT INTO sales VALUES (3, 'jp', 0)`);
    expect(await changed(sales, later)).toEqual([['jp', '3']]);
    await tables.db.query('TRUNCATE sales_jp');
    expect(await sales.log.poll(later, 10, [])).toMatchObject({ isLost: true });
  });
});

describe('who records', () => {
  const recorded = async (log: ChangeLog) => (await log.poll(undefined, 0, [])).lineage !== undefined;

  test('a trigger that names another table, as in a restored dump, records nothing; track mends it', async () => {
    const { source, log } = await tables.table('restored', '(id int PRIMARY KEY)', { id: 'int' });
    expect([await recorded(log), (await source.read(['1'])).isTracked]).toEqual([true, true]);
    await tables.db.query(`DROP TRIGGER warmfeed_row ON restored; CREATE TRIGGER warmfeed_row AFTER INSERT OR UPDATE OR DELETE
      ON restored FOR EACH ROW EXECUTE FUNCTION warmfeed.record_row('4711', 'id')`);
    expect([await recorded(log), (await source.read(['1'])).isTracked]).toEqual([false, false]);
    await tables.db.query(`SELECT warmfeed.track('restored')`);
    expect([await recorded(log), (await source.read(['1'])).isTracked]).toEqual([true, true]);
    await tables.db.query('INSERT INTO restored VALUES (1)');
    expect(await changed({ source, log })).toEqual([['1']]);
  });

  test('T11: a renamed key column', async () => {
    const old = await tables.table('renamed', '(id int PRIMARY KEY, n int)', { id: 'int' });
    await tables.db.query('INSERT INTO renamed VALUES (1, 1); ALTER TABLE renamed RENAME n TO m');
    expect((await old.source.read(['1'])).document).toEqual({ id: 1, m: 1 });
    await tables.db.query(`ALTER TABLE renamed RENAME id TO nr`);
    await expect(old.source.read(['1'])).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    const now = await tables.open('renamed', { nr: 'int' });
    expect(await recorded(now.log)).toBe(false);
    await tables.db.query(`SELECT warmfeed.track('renamed')`);
    expect(await recorded(now.log)).toBe(true);
  });

  test('a trigger that is switched off records nothing; one that is switched on again looks as before', async () => {
    const { source, log } = await tables.table('switched', '(id int PRIMARY KEY)', { id: 'int' });
    for (const [how, is] of [
      ['DISABLE', false],
      ['ENABLE REPLICA', false],
      ['ENABLE', true],
      ['ENABLE ALWAYS', true],
    ] as const) {
      await tables.db.query(`ALTER TABLE switched ${how} TRIGGER warmfeed_row`);
      expect([how, await recorded(log), (await source.read(['1'])).isTracked]).toEqual([how, is, is]);
    }
  });
});
