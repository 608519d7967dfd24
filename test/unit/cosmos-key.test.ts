import { describe, expect, test } from 'vitest';
import { keyText, parseKey } from '../../src/core/key.ts';
import {
  addressOf,
  containerRid,
  cosmosKeyColumns,
  isPathSafe,
  keyOf,
  withoutSystemProperties,
} from '../../src/sources/cosmos-key.ts';

const names = (paths: string[]) => cosmosKeyColumns(paths).map(({ name, type }) => `${name} ${type}`);

describe('key columns', () => {
  test('partition-key paths, then the id', () => {
    expect(names(['/country'])).toEqual(['country scalar', 'id text']);
    expect(names(['/tenant', '/address/zip'])).toEqual(['tenant scalar', 'zip scalar', 'id text']);
  });

  test('a path that is the id stands once, where it was declared', () => {
    expect(names(['/id'])).toEqual(['id text']);
    expect(names(['/id', '/x'])).toEqual(['id text', 'x scalar']);
    expect(names(['/tenant', '/id'])).toEqual(['tenant scalar', 'id text']);
  });

  test('names are told apart', () => {
    expect(names(['/a/x', '/b/x'])).toEqual(['a.x scalar', 'b.x scalar', 'id text']);
    expect(names(['/address/id'])).toEqual(['address.id scalar', 'id text']);
  });

  test('limits are those of the service', () => {
    expect(cosmosKeyColumns(['/pk']).map(({ maxBytes }) => maxBytes)).toEqual([2048, 1023]);
  });
});

describe('addresses', () => {
  test('partition values and id', () => {
    expect(addressOf(['/country'], ['FR', 'CDG'])).toEqual({ partition: ['FR'], id: 'CDG' });
    expect(addressOf(['/id'], ['CDG'])).toEqual({ partition: ['CDG'], id: 'CDG' });
    expect(addressOf(['/id', '/x'], ['CDG', 1])).toEqual({ partition: ['CDG', 1], id: 'CDG' });
    expect(addressOf(['/t', '/id'], ['a', 'CDG'])).toEqual({ partition: ['a', 'CDG'], id: 'CDG' });
  });

  test.each([
    [['FR']],
    [['FR', 'CDG', 'x']],
    [['FR', 1]],
    [['FR', '']],
    [[]],
  ])('T30: the prefix of a hierarchical key, and the like, are no address: %j', (key) => {
    expect(() => addressOf(['/country'], key)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
  });
});

describe('keys of documents', () => {
  test('T29: six values of a partition key are six keys, and back from their URLs', () => {
    const documents = [{}, { pk: null }, { pk: '' }, { pk: 0 }, { pk: false }, { pk: '0' }];
    const texts = documents.map((document) => keyText(keyOf(['/pk'], document, 'a')));
    expect(new Set(texts).size).toBe(6);
    const segments = ['=undefined', '=null', '=""', '=0', '=false', '0'];
    expect(segments.map((segment) => keyText(parseKey(cosmosKeyColumns(['/pk']), [segment, 'a'])))).toEqual(texts);
  });

  test('nested paths; what is no scalar counts as missing', () => {
    const document = { id: 'a', address: { zip: 75 }, list: [1] };
    expect(keyOf(['/address/zip'], document, 'a')).toEqual([75, 'a']);
    expect(keyOf(['/address', '/list', '/toString'], document, 'a')).toEqual([undefined, undefined, undefined, 'a']);
    expect(keyOf(['/address/zip/more'], document, 'a')).toEqual([undefined, 'a']);
    expect(keyOf(['/id'], document, 'a')).toEqual(['a']);
    expect(keyOf(['/id', '/address/zip'], document, 'a')).toEqual(['a', 75]);
  });
});

test('system properties go, the rest stays in order', () => {
  const text =
    '{"z":1,"_rid":"r","id":"a","_self":"s","__proto__":{"x":1},"_etag":"e","_mine":2,"_ts":3,"_lsn":4,"_attachments":"t","b":5}';
  expect(JSON.stringify(withoutSystemProperties(JSON.parse(text)))).toBe(
    '{"z":1,"id":"a","__proto__":{"x":1},"_mine":2,"b":5}',
  );
});

test.each([
  'a/b',
  'a\\b',
  'a?b',
  'a#b',
  'a%20b',
  '.',
  '..',
  ' a',
  'a ',
  'a\tb',
  'a\u007f',
  '\ud800',
])('not in a path: %j', (id) => {
  expect(isPathSafe(id)).toBe(false);
});

test.each([
  'a b',
  'user@example.test',
  'tête',
  '✈️',
  '...',
  'a.b',
  'a+b',
  "a'b",
  'a=b;c,d&e$f:g',
])('in a path: %j', (id) => {
  expect(isPathSafe(id)).toBe(true);
});

test('the rid of a container begins every rid in it', () => {
  expect(containerRid('Sl8fALN4sw4=')).toBe('Sl8fALN4sw4=');
  expect(containerRid('Sl8fALN4sw4CAAAAAAAAAA==')).toBe('Sl8fALN4sw4=');
  // Base64 with "-" for "/".
  const rid = Buffer.from('ffffffffffffffffffffffffffffffff', 'hex').toString('base64').replaceAll('/', '-');
  expect(containerRid(rid)).toBe('----------8=');
  expect(containerRid('AAAA')).toBeUndefined();
  expect(containerRid(undefined)).toBeUndefined();
});
