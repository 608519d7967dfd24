import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseExactly } from '../../src/sources/exact-json.ts';

/** A number's value as sign, digits and power of ten, so that no arithmetic can lose any of it. */
function valueOf(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const bare = digits.replace(/0+$/, '');
  if (bare === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - bare.length);
  return `${mantissa.startsWith('-') ? '-' : ''}${bare}e${power}`;
}

const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits(40).map((text) => text.replace(/^0+(?=\d)/, '')),
    fc.option(digits(40)),
    fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-'), digits(3))),
  )
  .map(([sign, whole, fraction, exponent]) =>
    [sign, whole, fraction === null ? '' : `.${fraction}`, exponent === null ? '' : exponent.join('')].join(''),
  );

it('no digit of a number is lost, wherever it stands', () => {
  fc.assert(
    fc.property(fc.array(number, { minLength: 1 }), (numbers) => {
      const text = `{"a":[${numbers.join(',')}],"__proto__":{"b":${numbers[0]}}}`;
      const written = JSON.stringify(parseExactly(text));
      const found = [...written.matchAll(/[[:,](-?[\d.]+(?:[eE][+-]?\d+)?)/g)].map(([, each = '']) => valueOf(each));
      expect(found).toEqual([...numbers, numbers[0] ?? ''].map(valueOf));
    }),
    { numRuns: 500 },
  );
});

it('all else is as JSON.parse has it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.stringify(parseExactly(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

it.each(['1', '0.1', '123456789012345', '1e3', '1.50', '-0.000001'])('%s is an ordinary number', (text) => {
  expect(parseExactly(text)).toBe(Number(text));
});

it('a text that looks like a long number is a text', () => {
  expect(parseExactly('"12345678901234567890"')).toBe('12345678901234567890');
});

it.each(['', '{', '01', '1.', 'NaN'])('%j is no JSON', (text) => {
  expect(() => parseExactly(text)).toThrow(SyntaxError);
});
