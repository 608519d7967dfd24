// No input changes the text of a statement: whatever a client sends is bound as a value, or never sent. The drivers are
// fakes that note what they are given.

import fc from 'fast-check';
import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { isWarmfeedError } from '../../src/core/errors.ts';
import type { Key, KeyColumn } from '../../src/core/key.ts';
import type { ChangeLog, Source } from '../../src/core/ports.ts';
import { createSqlTable } from '../../src/sources/mssql.ts';
import { createPostgresTable } from '../../src/sources/postgres.ts';
import { changeOf, tableKeyColumns } from '../../src/sources/table.ts';

interface Sent {
  readonly text: string;
  readonly values: unknown;
}

interface Adapter {
  readonly source: Source;
  readonly log: ChangeLog;
  readonly sent: Sent[];
}

const KEY = [
  { name: 'shop', type: 'text' },
  { name: 'id', type: 'bigint' },
] as const satisfies readonly Pick<KeyColumn, 'name' | 'type'>[];
const PLACE = { connectionName: 'DB', table: 'parts', columns: tableKeyColumns(KEY), requestTimeoutMs: 5000 };

function postgres(): Adapter {
  const sent: Sent[] = [];
  const query = async ({ text, values }: { text: string; values: readonly unknown[] }) => {
    sent.push({ text, values });
    const catalogue = [
      ['7', 'shop', 'text', 't', '0', null],
      ['7', 'id', 'int8', 't', '1', null],
    ];
    return { rows: text.includes('pg_class') ? catalogue : [], fields: [] };
  };
  const pool = { query } as unknown as Pool;
  const pools = { get: async () => pool, close: async () => undefined };
  const connection = { connectionString: '' };
  return { ...createPostgresTable({ ...PLACE, connection, retentionMs: 1 }, pools), sent };
}

function sql(): Adapter {
  const sent: Sent[] = [];
  const query = async (text: string, values: object) => {
    sent.push({ text, values });
    if (!text.includes('INFORMATION_SCHEMA')) return [[], []];
    const columns = [
      ['shop', 'varchar', 'Latin1_General_CI_AS'],
      ['id', 'bigint', null],
      ['n', 'money', null],
    ];
    return [columns, [['shop'], ['id']]];
  };
  const rows = async () => ({ columns: [], rows: [] });
  const pools = { get: async () => ({ query, rows }), close: async () => undefined };
  return { ...createSqlTable({ ...PLACE, connection: { connectionString: '' } }, pools), sent };
}

const INJECTIONS = [
  `'; DROP TABLE parts; --`,
  `" OR ""="`,
  `$1`,
  `$$; SELECT 1; $$`,
  `@k0`,
  `]; DROP TABLE parts; --`,
  `\\'; --`,
  `{"k0":"x"}`,
  `'{NULL}'`,
  `NULL`,
  `%s %I %L`,
  `:name ? ?? `,
  `\u02bc; --`,
  `x'/*`,
];
const text = fc.oneof(fc.constantFrom(...INJECTIONS), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
const number = fc.oneof(fc.bigInt().map(String), fc.integer(), fc.constantFrom('1; DROP TABLE parts', '1e3', ' 1', ''));
const key = fc.tuple(text, number) as fc.Arbitrary<Key>;

describe.each([
  ['PostgreSQL', postgres],
  ['Azure SQL', sql],
])('%s', (_, create) => {
  /** The statements of some work, and whether it was refused. */
  async function textsOf(work: (adapter: Adapter) => Promise<unknown>) {
    const adapter = create();
    const outcome = await work(adapter).then(
      () => 'done',
      (error: unknown) => (isWarmfeedError(error) ? error.code : error),
    );
    return { outcome, texts: adapter.sent.map((each) => each.text), values: adapter.sent.map((each) => each.values) };
  }

  const plain: Key = ['eu', '1'];
  const reads: Record<string, (keys: readonly Key[]) => (adapter: Adapter) => Promise<unknown>> = {
    read:
      ([first]) =>
      ({ source }) =>
        source.read(first ?? []),
    readMany:
      (keys) =>
      ({ source }) =>
        source.readMany(keys),
  };

  it.each(Object.keys(reads))('%s sends one text, whatever the keys', async (name) => {
    const work = reads[name];
    if (work === undefined) throw new Error(name);
    const usual = await textsOf(work([plain, plain]));
    expect(usual).toMatchObject({ outcome: 'done' });
    await fc.assert(
      fc.asyncProperty(key, key, async (a, b) => {
        const { outcome, texts, values } = await textsOf(work([a, b]));
        if (outcome === 'done') {
          expect(texts).toEqual(usual.texts);
          const bound = JSON.stringify(a[0]).slice(1, -1);
          // Azure SQL is given its keys as one JSON text.
          const forms = [bound, JSON.stringify(bound).slice(1, -1)];
          expect(forms.some((form) => JSON.stringify(values).includes(form))).toBe(true);
        } else {
          expect([outcome, texts]).toEqual(['BAD_KEY', []]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('scan sends one text for every page but the first', async () => {
    const scan = (after: readonly unknown[]) => (adapter: Adapter) =>
      adapter.source.scan({ continuation: JSON.stringify(after), limit: 10 });
    const usual = await textsOf(scan(plain));
    await fc.assert(
      fc.asyncProperty(text, number, async (a, b) => {
        expect((await textsOf(scan([a, String(b)]))).texts).toEqual(usual.texts);
      }),
    );
  });

  it('poll sends one text, from wherever and without whatever', async () => {
    const poll = (from: bigint, limit: number, seen: readonly string[]) => (adapter: Adapter) =>
      adapter.log.poll(from, limit, seen);
    const usual = await textsOf(poll(1n, 10, []));
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 0n }), fc.nat(), fc.array(text), async (from, limit, seen) => {
        expect((await textsOf(poll(from, limit, seen))).texts).toEqual(usual.texts);
      }),
    );
  });
});

it('a change that names no key says what to look at, in words of a table', () => {
  const columns = tableKeyColumns([{ name: 'id', type: 'int' }]);
  const record = { key: { id: '7' }, position: 3n };
  expect(changeOf(record, columns, 'sql/SQL/dbo.cities').key).toEqual(['7']);
  const changed = () => changeOf({ ...record, key: { code: '7' } }, columns, 'sql/SQL/dbo.cities');
  expect(changed).toThrow(/^sql\/SQL\/dbo.cities: its change names no key .* `key` the primary key of the table\?$/);
});
