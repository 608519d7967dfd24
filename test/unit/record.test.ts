import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, hex, u64, utf8 } from '../../src/core/bytes.ts';
import type { Representation } from '../../src/core/ports.ts';
import {
  asOfOf,
  BARE_BYTES,
  decodeControl,
  decodeEntry,
  etagOf,
  HEADER_BYTES,
  hasIdentity,
  hasStamp,
  tagsOf,
  versionOf,
} from '../../src/core/record.ts';
import { tailOf } from '../support/record.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const position = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const time = fc.nat({ max: 2 ** 50 });
const tag = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\n'));
const value: fc.Arbitrary<Representation> = fc.oneof(
  fc.constant({ state: 'absent' } as const),
  fc.record({
    state: fc.constant('value' as const),
    body: fc.uint8Array({ maxLength: 300 }),
    etag: bytes(12),
    tags: fc.array(tag, { maxLength: 5 }),
  }),
);
const filling = fc.record({
  guarantee: fc.constantFrom('provisional', 'leased', 'fenced', 'watermarked'),
  stamp: bytes(16),
  version: position,
  asOf: position,
  value,
});
/** What the scripts write in front of a filling. */
const heading = fc.record({
  identity: bytes(8),
  fence: position,
  leaseToken: bytes(8),
  leaseDeadline: time,
  filledAt: time,
  softAt: time,
  hardAt: time,
});

/** Another last byte. */
const flip = (of: Uint8Array) => of.map((byte, i) => (i === of.length - 1 ? byte ^ 1 : byte));

function encode(head: typeof heading extends fc.Arbitrary<infer T> ? T : never, state: number, part: Uint8Array) {
  const times = [head.leaseDeadline, head.filledAt, head.softAt, head.hardAt].map((ms) => u64(BigInt(ms)));
  return concat(new Uint8Array([0x57, 1, state, 0]), head.identity, u64(head.fence), head.leaseToken, ...times, part);
}

describe('record', () => {
  test('decodes what was encoded', () => {
    fc.assert(
      fc.property(heading, filling, (head, fill) => {
        const record = encode(head, fill.value.state === 'value' ? 1 : 2, tailOf(fill));
        const entry = decodeEntry(record);
        if (entry === undefined) throw new Error('not decoded');
        const { filledAt, softAt, hardAt } = head;
        expect(entry).toMatchObject({ state: fill.value.state, guarantee: fill.guarantee, filledAt, softAt, hardAt });
        expect([versionOf(entry), asOfOf(entry)]).toEqual([fill.version, fill.asOf]);
        expect([hasStamp(entry, fill.stamp), hasIdentity(entry, head.identity)]).toEqual([true, true]);
        const { body, etag, tags } = fill.value.state === 'value' ? fill.value : { body: [], etag: u64(0n), tags: [] };
        expect([...entry.body]).toEqual([...body]);
        expect(hex(etagOf(entry).subarray(0, etag.length))).toBe(hex(etag));
        expect(tagsOf(entry)).toEqual(tags);
        const { identity, fence, leaseToken, leaseDeadline } = head;
        expect(decodeControl(record)).toEqual({ identity, fence, leaseToken, leaseDeadline });
      }),
    );
  });

  test('a record cut or lengthened anywhere is no value', () => {
    fc.assert(
      fc.property(heading, filling, fc.nat(), (head, fill, cut) => {
        const record = encode(head, 1, tailOf(fill));
        expect(decodeEntry(record.subarray(0, cut % record.length))).toBeUndefined();
        expect(decodeEntry(concat(record, utf8('!')))).toBeUndefined();
      }),
    );
  });

  test('no bytes make it throw', () => {
    const header = fc.tuple(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('W\u0001\u0001', 'W\u0001\u0000', 'W', ''),
    );
    fc.assert(
      fc.property(header, ([tail, start]) => {
        const record = concat(utf8(start), tail);
        const entry = decodeEntry(record);
        if (entry !== undefined) expect([tagsOf(entry), versionOf(entry)]).toBeDefined();
        decodeControl(record);
      }),
    );
  });

  test('sizes', () => {
    const part = tailOf({
      guarantee: 'leased',
      stamp: new Uint8Array(16),
      version: 1n,
      asOf: 1n,
      value: { state: 'absent' },
    });
    expect([60 + part.length, HEADER_BYTES, BARE_BYTES]).toEqual([112, 112, 36]);
  });

  test('another stamp or identity is told apart by its last byte', () => {
    fc.assert(
      fc.property(heading, filling, (head, fill) => {
        const entry = decodeEntry(encode(head, 1, tailOf(fill)));
        expect(entry && [hasStamp(entry, flip(fill.stamp)), hasIdentity(entry, flip(head.identity))]).toEqual([
          false,
          false,
        ]);
      }),
    );
  });
});
