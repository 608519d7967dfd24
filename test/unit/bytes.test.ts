import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsUtf8, hash64, hex, u64, utf8, zeros } from '../../src/core/bytes.ts';

/** As it is defined: draft-eastlake-fnv, section 2. */
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & (2n ** 64n - 1n);
  return hash;
}

const text = fc.string({ unit: 'grapheme', maxLength: 200 });

describe('hash64', () => {
  it('is FNV-1a', () => {
    expect(['', 'a', 'foobar'].map((of) => hex(hash64(of)))).toEqual([
      'cbf29ce484222325',
      'af63dc4c8601ec8c',
      '85944171f73967e8',
    ]);
    fc.assert(
      fc.property(text, (of) => {
        expect(hex(hash64(of))).toBe(hex(u64(fnv1a(of))));
      }),
    );
  });
});

describe('bytes that share allocations', () => {
  it('are those of the text, and of nobody else, however many and long they are', () => {
    const one = fc.oneof(
      text,
      fc.nat(5000).map((length) => 'ä'.repeat(length)),
      fc.nat(100_000),
    );
    fc.assert(
      fc.property(fc.array(one, { maxLength: 60 }), (all) => {
        const made = all.map((of) => (typeof of === 'number' ? zeros(of).fill(7) : utf8(of)));
        made.forEach((bytes, i) => {
          const of = all[i];
          const expected = typeof of === 'number' ? Buffer.alloc(of, 7) : Buffer.from(of ?? '');
          expect(Buffer.compare(bytes, expected)).toBe(0);
        });
      }),
    );
  });

  it('are 0 before they are written', () => {
    for (let i = 0; i < 200; i++) {
      const bytes = zeros(1000);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      bytes.fill(1);
      utf8('x'.repeat(100));
    }
  });
});

it('a text fits where it has no more bytes', () => {
  fc.assert(
    fc.property(text, fc.nat(300), (of, most) => {
      expect(fitsUtf8(of, most)).toBe(Buffer.byteLength(of) <= most);
    }),
  );
});
