import { array, assert, bigInt, integer, nat, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSessionToken, tokenAtLeast } from '../../src/sources/cosmos-session.ts';

describe('session tokens', () => {
  test.each([
    ['0:-1#42', '0', 42n],
    ['12:7#1000#1=900#2=-1', '12', 1000n],
    ['3:55', '3', 55n],
    ['0:-1#18446744073709551615', '0', 2n ** 64n - 1n],
  ])('%s', (text, range, lsn) => {
    expect(parseSessionToken(text)).toMatchObject([{ range, lsn }]);
  });

  test('several ranges, the highest position of each', () => {
    const tokens = parseSessionToken('0:-1#5, 1:-1#9,0:-1#7') ?? [];
    expect(tokens.map(({ range, lsn }) => [range, lsn])).toEqual([
      ['0', 7n],
      ['1', 9n],
    ]);
  });

  test.each([
    '',
    ',',
    '0',
    '0:',
    ':1',
    '0:-1',
    '0:-1#',
    '0:-1#-4',
    '0:1#2#3',
    '0:1#1=2',
    '0:-1#5,',
    'a:-1#5',
    '0:-1#5;1:-1#6',
    '0:-1#18446744073709551616',
    '0:-1#5\r\nx: y',
    `0:-1#5${',0:-1#5'.repeat(4000)}`,
  ])('not a token: %j', (text) => {
    expect(parseSessionToken(text)).toBeUndefined();
  });

  test('one that asks for more keeps version and regions', () => {
    const [seen] = parseSessionToken('4:9#100#1=90#2=80') ?? [];
    expect(tokenAtLeast('4', 150n, seen)).toBe('4:9#150#1=90#2=80');
    const [simple] = parseSessionToken('4:100') ?? [];
    expect(tokenAtLeast('4', 150n, simple)).toBe('4:150');
    expect(tokenAtLeast('4', 150n, undefined)).toBe('4:-1#150');
  });

  test('what is formed can be parsed', () => {
    const lsns = bigInt({ min: 0n, max: 2n ** 64n - 1n });
    assert(
      property(nat(), integer({ min: -1 }), lsns, lsns, array(nat()), (range, version, lsn, next, locals) => {
        const regions = locals.map((local, i) => `#${i}=${local}`).join('');
        const [seen] = parseSessionToken(`${range}:${version}#${lsn}${regions}`) ?? [];
        expect(parseSessionToken(tokenAtLeast(String(range), next, seen))).toEqual([{ ...seen, lsn: next }]);
      }),
    );
  });
});
