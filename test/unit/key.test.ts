import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Key, type KeyColumn, keyOfText, keyText, parseKey, redisKeys } from '../../src/core/key.ts';

const COLUMNS: readonly KeyColumn[] = [
  { name: 'country', type: 'scalar', maxBytes: 2048 },
  { name: 'id', type: 'text', maxBytes: 1023 },
];

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    '0',
    'null',
    'undefined',
    'true',
    '=1',
    '%',
    '/',
    '{a}',
    '\ud800',
    'a\udc00b',
    '\u0085',
    '%uD800',
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
  fc.boolean(),
  fc.constantFrom(null, undefined),
);

describe('keys', () => {
  it('T21: have one canonical text, and no two keys share one', () => {
    fc.assert(
      fc.property(fc.array(scalar, { maxLength: 3 }), fc.array(scalar, { maxLength: 3 }), (a, b) => {
        fc.pre(a.length === b.length);
        const same = a.every((part, i) => Object.is(part, b[i]));
        expect(keyText(a) === keyText(b)).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });

  it('are read again from their text, and from nothing else', () => {
    fc.assert(
      fc.property(fc.array(scalar, { minLength: 1, maxLength: 3 }), (key) => {
        fc.pre(!(key.length === 1 && key[0] === ''));
        expect(keyOfText(keyText(key))).toEqual(key);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('', '=', '=x', '=[1]', '={}', '%2f', 'a%', '=01', '%41')),
        (text) => {
          const key = keyOfText(text);
          if (key !== undefined) expect(keyText(key)).toBe(text);
        },
      ),
    );
    expect(['', '=x', '=[1]', '%2f', '=01', '%41'].map(keyOfText)).toEqual(Array(6).fill(undefined));
  });

  it('T21: parts that only differ in where they are split are other keys', () => {
    expect(keyText(['a:b', 'c'])).not.toBe(keyText(['a', 'b:c']));
    expect(keyText(['a/b', 'c'])).not.toBe(keyText(['a', 'b/c']));
    expect(keyText(['test/test', 'test'])).not.toBe(keyText(['test', 'test/test']));
  });

  it('T29: undefined, null, "", 0, false and "0" are six keys', () => {
    const texts = [undefined, null, '', 0, false, '0'].map((part) => keyText([part, 'x']));
    expect(new Set(texts).size).toBe(6);
  });

  it('never carry braces, controls or lone surrogates into Redis', () => {
    fc.assert(
      fc.property(scalar, (part) => {
        const text = keyText([part]);
        expect(text).not.toMatch(/[{}\p{Cc}\p{Cs}]/u);
      }),
    );
    expect(redisKeys('wf').record('airport', ['F{R}', 'a/b'])).toBe('wf:wf:c:{airport/F%7BR%7D/a%2Fb}');
  });

  it('are parsed from what a client would send for them', () => {
    fc.assert(
      fc.property(scalar, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }), (part, id) => {
        fc.pre(typeof part !== 'string' || (part.isWellFormed() && !/\p{Cc}/u.test(part) && part.length < 500));
        fc.pre(id.isWellFormed() && !/\p{Cc}|^=/u.test(id));
        const segment =
          typeof part === 'string' ? (/^=|^$/.test(part) ? `=${JSON.stringify(part)}` : part) : `=${part}`;
        const key: Key = parseKey(COLUMNS, [encodeURIComponent(segment), encodeURIComponent(id)]);
        expect(keyText(key)).toBe(keyText([part, id]));
      }),
    );
  });

  it('have one form for one value', () => {
    expect(parseKey(COLUMNS, ['=1.0', 'x'])[0]).toBe(1);
    expect(parseKey(COLUMNS, ['=-0', 'x'])[0]).toBe(0);
    expect(keyText(parseKey(COLUMNS, ['=%22FR%22', '=%22x%22']))).toBe('FR/x');
    expect(parseKey(COLUMNS, ['FR', '=%22p%5Cu002520q%22'])[1]).toBe('p%20q');
  });

  it.each([
    [['FR'], 'expected 2'],
    [['FR', 'a', 'b'], 'expected 2'],
    [['FR', ''], 'empty'],
    [['', 'x'], 'empty'],
    [['FR', '%zz'], 'percent-encoded'],
    [['FR', '%ff'], 'percent-encoded'],
    [['FR', 'a%00b'], 'control character'],
    [['FR', 'a%09b'], 'control character'],
    [['FR', '=%22a%5Cu0001%22'], 'control character'],
    [['FR', '=1'], 'must be text'],
    [['FR', '=%22%22'], 'empty'],
    [['FR', 'x'.repeat(1024)], 'longer than 1023 bytes'],
    [['FR', '%C3%A9'.repeat(512)], 'longer than 1023 bytes'],
    [['=01', 'x'], 'no JSON'],
    [['=%7B%7D', 'x'], 'no JSON'],
    [['=1e999', 'x'], 'no JSON'],
    [['=nul', 'x'], 'no JSON'],
  ])('refuse %j and say why', (segments, reason) => {
    expect(() => parseKey(COLUMNS, segments)).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
    expect(() => parseKey(COLUMNS, segments)).toThrow(reason);
  });
});
