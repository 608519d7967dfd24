import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosmos, entity, postgres, query, sql } from '../../src/config/define.ts';
import { problemsOf, resolveConfig } from '../../src/config/resolve.ts';
import { valueOfDriver } from '../../src/sources/mssql-values.ts';
import { withPlaces } from '../../src/sources/table-query.ts';

const ENV = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  COSMOS: 'AccountEndpoint=http://127.0.0.1:8081/;AccountKey=abc=;',
  POSTGRES: 'postgres://app@127.0.0.1/db',
  SQL: 'Server=127.0.0.1;Database=db;User Id=x;Password=y',
};
const entities = {
  widget: entity({
    source: cosmos({ connection: 'COSMOS', database: 'db', container: 'c', partitionKey: ['/pk'] }),
    ttl: '5m',
  }),
  part: entity({ source: postgres({ connection: 'POSTGRES', table: 'parts', key: { id: 'int' } }), ttl: '5m' }),
  bin: entity({ source: sql({ connection: 'SQL', table: 'dbo.bins', key: { id: 'int' } }), ttl: '5m' }),
};
const good = query({
  of: 'part',
  text: 'SELECT * FROM parts WHERE shop = @shop',
  params: { shop: 'string' },
  tags: ({ shop }) => [`shop:${String(shop)}`],
  ttl: '5m',
});

function problems(definition: unknown, environment: Record<string, string> = ENV): string[] {
  try {
    resolveConfig(definition as never, environment);
    return [];
  } catch (error) {
    return problemsOf(error).map(({ path }) => path);
  }
}
const of = (change: object) => problems({ entities, queries: { list: { ...good, ...change } } });

describe('queries of a configuration', () => {
  it('are resolved, with defaults', () => {
    const { queries, tables } = resolveConfig({ entities, queries: { list: good } }, ENV);
    expect(queries[0]).toMatchObject({
      title: 'list',
      of: ['part'],
      maxRows: 1000,
      onChange: 'evict',
      isOfItems: true,
    });
    expect(queries[0]?.params).toEqual([{ name: 'shop', type: 'text', maxBytes: 1024 }]);
    expect(tables.map(({ source }) => source.kind)).toEqual(['postgres', 'sql']);
  });

  it.each([
    [{ of: 'nothing' }, 'of'],
    [{ of: [] }, 'of'],
    [{ of: ['part', 'widget'] }, 'of'],
    [{ text: ' ' }, 'text'],
    [{ params: { shop: 'text' } }, 'params.shop'],
    [{ params: { continuation: 'string' } }, 'params.continuation'],
    [{ tags: undefined }, 'tags'],
    [{ anyChange: true }, 'tags'],
    [{ tags: ['a'] }, 'tags'],
    [{ partition: 'x' }, 'partition'],
    [{ limit: 0 }, 'limit'],
    [{ limit: 10_001 }, 'limit'],
    [{ revision: 1.5 }, 'revision'],
    [{ onChange: 'refresh-cached' }, 'onChange'],
    [{ ttl: '5' }, 'ttl'],
    [{ maxBytes: 'much' }, 'maxBytes'],
    [{ staleFor: 'x' }, 'staleFor'],
    [{ http: { maxage: '1s' } }, 'http.maxage'],
    [{ other: 1 }, 'other'],
  ])('%j: a problem of %s', (change, path) => {
    expect(of(change)).toEqual([`queries.list.${path}`]);
  });

  it('tables: names, keys and connections', () => {
    const table = (change: object) =>
      problems({ entities: { part: { ...entities.part, source: { ...entities.part.source, ...change } } } });
    expect(table({})).toEqual([]);
    expect(table({ table: 'a.b.c' })).toEqual(['entities.part.source.table']);
    expect(table({ table: 'parts; DROP' })).toEqual(['entities.part.source.table']);
    expect(table({ key: {} })).toEqual(['entities.part.source.key']);
    expect(table({ key: { id: 'integer' } })).toEqual(['entities.part.source.key.id']);
    expect(table({ connection: 'NOWHERE' })).toEqual(['entities.part.source.connection']);
    const wrong = { ...ENV, POSTGRES: 'localhost', SQL: 'nothing' };
    expect(problems({ entities }, wrong)).toEqual([
      'entities.part.source.connection',
      'entities.bin.source.connection',
    ]);
    const identity = {
      ...ENV,
      POSTGRES: '',
      POSTGRES__host: 'h',
      POSTGRES__database: 'd',
      POSTGRES__user: 'u',
      SQL: '',
      SQL__server: 's',
      SQL__database: 'd',
    };
    expect(problems({ entities }, identity)).toEqual([]);
  });
});

describe('placeholders', () => {
  const numbered = (text: string) => withPlaces(text, ['a', 'b'], (name) => (name === 'a' ? '$1' : '$2'));

  it.each([
    ['x = @a AND y = @b', 'x = $1 AND y = $2'],
    ['@a@b', '$1$2'],
    [`'@a' || @a`, `'@a' || $1`],
    [`'it''s @a' || @b`, `'it''s @a' || $2`],
    ['"@a" = @a', '"@a" = $1'],
    ['-- @a\n@a', '-- @a\n$1'],
    ['/* @a */ @b', '/* @a */ $2'],
    ['$$ @a $$ @b', '$$ @a $$ $2'],
    ['$x$ @a $$ $x$ @b', '$x$ @a $$ $x$ $2'],
    ['tags @> @a', 'tags @> $1'],
    ['@ -5 = @abc', '@ -5 = @abc'],
    ['ARRAY[@a, @b]', 'ARRAY[$1, $2]'],
    ['@@a', '@$1'],
  ])('%s → %s', (text, expected) => {
    expect(numbered(text)).toBe(expected);
  });

  it('nothing else of a text is ever changed', () => {
    const piece = fc.constantFrom(
      '@a',
      '@b',
      '@c',
      "'",
      "''",
      '"',
      '--',
      '\n',
      '/*',
      '*/',
      '$$',
      '$x$',
      ' ',
      'é',
      '@',
      '=',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('');
        const kept = withPlaces(text, ['a', 'b'], (name) => `@${name}`);
        expect(kept).toBe(text);
      }),
    );
  });
});

describe('values of the SQL driver, where only the statement knows its columns', () => {
  const date = (iso: string, nanosecondsDelta = 0) => Object.assign(new Date(iso), { nanosecondsDelta });

  it.each([
    ['datetime2', date('2026-11-25T10:00:00.123Z', 0.0004567), '2026-11-25T10:00:00.1234567'],
    ['datetime2', date('2026-11-25T10:00:00.100Z'), '2026-11-25T10:00:00.100'],
    ['date', date('0001-01-01T00:00:00Z'), '0001-01-01'],
    ['time', date('1970-01-01T23:59:59.999Z', 0.0009999), '23:59:59.9999999'],
    ['datetimeoffset', date('2026-11-25T10:00:00.000Z'), '2026-11-25T10:00:00.000Z'],
    ['varbinary', Buffer.from([0, 255, 65]), 'AP9B'],
    ['uniqueidentifier', '6F9619FF-8B86-D011-B42D-00C04FC964FF', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
    ['real', Math.fround(0.1), 0.1],
    ['bigint', '9007199254740993', '9007199254740993'],
    ['int', null, null],
    ['bit', true, true],
  ])('%s', (type, value, expected) => {
    expect(valueOfDriver(type, value)).toBe(expected);
  });
});
