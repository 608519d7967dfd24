import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentRange, limitRanges, multipart, parseRange } from '../../src/functions/ranges.ts';

describe('a Range header', () => {
  it.each([
    ['bytes=0-4', [[0, 4]]],
    ['BYTES = 0-4', [[0, 4]]],
    ['bytes=95-', [[95, 99]]],
    ['bytes=-5', [[95, 99]]],
    ['bytes=0-999', [[0, 99]]],
    ['bytes=,0-1,', [[0, 1]]],
    [
      'bytes=0-0,-1',
      [
        [0, 0],
        [99, 99],
      ],
    ],
    ['bytes=0-0,-30', [[0, 99]]],
    ['bytes=10-20,15-30,0-5', [[0, 30]]],
  ])('%s of 100 bytes is %j', (field, expected) => {
    expect(parseRange(field, 100)).toEqual(expected.map(([first, last]) => ({ first, last })));
  });

  it.each(['bytes=-101', 'bytes=-99999999999999999999'])('C11: %s of 100 bytes is all of them', (field) => {
    expect(parseRange(field, 100)).toEqual([{ first: 0, last: 99 }]);
  });

  it('C13: what cannot be satisfied does not spoil the rest', () => {
    expect(parseRange('bytes=0-4,500-999', 100)).toEqual([{ first: 0, last: 4 }]);
    expect(parseRange('bytes=500-999,600-', 100)).toBe('unsatisfiable');
  });

  it.each(['bytes=100-', 'bytes=-0'])('%s of 100 bytes has none', (field) => {
    expect(parseRange(field, 100)).toBe('unsatisfiable');
  });

  it.each([
    null,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-4',
    'bytes=0-4,x',
    'bytes=1.5-2',
    'bytes=+1-2',
    'items=0-4',
    'bytes=0 - 4',
    `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 1000}-${i * 1000 + 1}`).join()}`,
  ])('%j is ignored', (field) => {
    expect(parseRange(field, 100_000)).toBe('ignored');
  });

  it('of nothing: a suffix is all of it, anything else cannot be satisfied', () => {
    expect(parseRange('bytes=-5', 0)).toBe('ignored');
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  });

  it('keeps the order asked for, and merges what overlaps or nearly touches', () => {
    expect(parseRange('bytes=900-999,0-9', 1000)).toEqual([
      { first: 900, last: 999 },
      { first: 0, last: 9 },
    ]);
    expect(parseRange('bytes=500-510,0-9,505-600,20-30', 1000)).toEqual([
      { first: 500, last: 600 },
      { first: 0, last: 30 },
    ]);
  });

  const spec = fc.oneof(
    fc.tuple(fc.nat(1200), fc.nat(1200)).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.nat(1200).map((a) => `${a}-`),
    fc.nat(1200).map((n) => `-${n}`),
  );

  it('gives every byte asked for, no byte twice, and little else', () => {
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 16 }), fc.integer({ min: 1, max: 1000 }), (specs, size) => {
        const wanted = new Set<number>();
        for (const text of specs) {
          const [from = '', to = ''] = text.split('-');
          const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
          const last = from === '' || to === '' ? size - 1 : Math.min(size - 1, Number(to));
          for (let i = first; i <= last; i++) wanted.add(i);
        }
        const ranges = parseRange(`bytes=${specs.join(',')}`, size);
        if (typeof ranges === 'string') {
          expect([ranges, wanted.size]).toEqual(['unsatisfiable', 0]);
          return;
        }
        const given = ranges.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        );
        expect(new Set(given).size).toBe(given.length);
        const all = new Set(given);
        expect([...wanted].filter((byte) => !all.has(byte))).toEqual([]);
        expect(given.length - wanted.size).toBeLessThanOrEqual(80 * (specs.length - 1));
        for (const { first, last } of ranges) expect(0 <= first && first <= last && last < size).toBe(true);
      }),
    );
  });
});

it('what is more than an answer may have is its beginning', () => {
  const ranges = [
    { first: 10, last: 29 },
    { first: 50, last: 59 },
  ];
  expect(limitRanges(ranges, 30)).toEqual(ranges);
  expect(limitRanges(ranges, 29)).toEqual([{ first: 10, last: 29 }]);
  expect(limitRanges(ranges, 5)).toEqual([{ first: 10, last: 14 }]);
  expect(contentRange({ first: 10, last: 14 }, 60)).toBe('bytes 10-14/60');
});

it('several parts are one body', () => {
  const parts = [{ range: { first: 0, last: 1 }, bytes: new Uint8Array([97, 98]) }];
  expect(Buffer.from(multipart(parts, { size: 5, type: 'text/plain', boundary: 'B' })).toString()).toBe(
    '\r\n--B\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/5\r\n\r\nab\r\n--B--\r\n',
  );
});
