import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Key, type KeyColumn, keyOfJson, keyText, parseKey } from '../../src/core/key.ts';
import { canonical, KEY_TYPES, type KeyType } from '../../src/core/key-type.ts';

const column = (type: KeyColumn['type']): KeyColumn => ({ name: 'id', type, maxBytes: 1700 });
const whole = (bits: bigint) => fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n });
const spelledWhole = (bits: bigint) =>
  fc.tuple(whole(bits), fc.nat(9), fc.boolean()).map(([value, zeros, plus]) => {
    const digits = `${'0'.repeat(zeros)}${value < 0n ? -value : value}`;
    return { value: String(value), spelled: `${value < 0n ? '-' : plus ? '+' : ''}${digits}` };
  });

/** Values of each type with one of their spellings. */
const SPELLED: Record<KeyType, fc.Arbitrary<{ value: string; spelled: string }>> = {
  smallint: spelledWhole(16n),
  int: spelledWhole(32n),
  bigint: spelledWhole(64n),
  number: fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((n) => {
    const value = String(n === 0 ? 0 : n);
    return { value, spelled: value.replace('e', 'E') };
  }),
  uuid: fc.tuple(fc.uuid(), fc.infiniteStream(fc.boolean())).map(([value, upper]) => ({
    value,
    spelled: value
      .split('')
      .map((c) => (upper.next().value ? c.toUpperCase() : c))
      .join(''),
  })),
  date: fc
    .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10))
    .map((value) => ({ value, spelled: value })),
  boolean: fc.constantFrom('true', 'false').map((value) => ({ value, spelled: value })),
};

describe.each(Object.keys(KEY_TYPES) as KeyType[])('a key of %s', (type) => {
  it('has one form, whatever its spelling; printed and parsed again it is the same', () => {
    fc.assert(
      fc.property(SPELLED[type], ({ value, spelled }) => {
        const key = parseKey([column(type)], [encodeURIComponent(spelled)]);
        expect(key).toEqual([value]);
        expect(parseKey([column(type)], [keyText(key)])).toEqual(key);
        expect(keyOfJson([column(type)], key)).toEqual(key);
        expect(canonical(type, canonical(type, spelled) ?? '')).toBe(value);
      }),
    );
  });

  it('two of one text are one value', () => {
    fc.assert(
      fc.property(SPELLED[type], SPELLED[type], (a, b) => {
        const same = canonical(type, a.spelled) === canonical(type, b.spelled);
        expect(same).toBe(a.value === b.value);
      }),
    );
  });

  it('anything else is BAD_KEY that names the parameter, and is never shown', () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '',
        ' 1',
        '1 ',
        '1e3',
        '0x10',
        '1.0',
        '１',
        '--1',
        '+-1',
        'NaN',
        '9'.repeat(41),
        'TRUE',
        '2026-02-30',
      ),
      fc.bigInt({ min: 2n ** 63n, max: 2n ** 70n }).map(String),
    );
    fc.assert(
      fc.property(junk, (text) => {
        fc.pre(canonical(type, text) === undefined);
        const expected = expect.objectContaining({
          code: 'BAD_KEY',
          message: expect.stringContaining('{id}') as string,
        });
        expect(() => keyOfJson([column(type)], [text])).toThrow(expected);
        if (text.isWellFormed()) expect(() => parseKey([column(type)], [encodeURIComponent(text)])).toThrow(expected);
      }),
    );
  });
});

it('a text key is what was sent, to the letter', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }), (text) => {
      fc.pre(text.isWellFormed() && !/\p{Cc}/u.test(text));
      const key: Key = keyOfJson([column('text')], [text]);
      expect(key).toEqual([text]);
      if (!text.startsWith('=')) expect(parseKey([column('text')], [encodeURIComponent(text)])).toEqual(key);
    }),
  );
});

it.each([[Number.NaN], [1.5], [2 ** 53], [null], [{}], [[1]], [undefined]])('%j is no whole number', (value) => {
  expect(() => keyOfJson([column('bigint')], [value])).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
});
