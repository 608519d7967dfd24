// The store contract on bytes that are not ours, or not whole: as if they were not there.

import { describe, expect, test } from 'vitest';
import { concat, hex, u64, utf8 } from '../../src/core/bytes.ts';
import { around, type Bench, G1, HERE, LONG, MINE, NONE, OTHERS, replaced } from './store.bench.ts';

export function foreignContract(bench: Bench): void {
  const { fresh, lease, fill, load, invalidate, entryOf, controlOf } = bench;

  describe('foreign bytes', () => {
    const record = concat(utf8('W'), new Uint8Array(135).fill(1));
    const bare = concat(new Uint8Array([0x57, 1, 0, 0]), HERE, u64(99n), OTHERS, u64(2n ** 48n));
    const foreign: [string, Uint8Array | 'list'][] = [
      ['not json', utf8('not json')],
      ['{}', utf8('{}')],
      ['null', utf8('null')],
      ['nothing', new Uint8Array()],
      ['half a bare record', bare.subarray(0, 20)],
      ['a bare record and more', concat(bare, u64(1n))],
      ['half a record', record.subarray(0, 70)],
      ['random bytes', new Uint8Array(500).map((_, i) => (i * 151 + 7) % 256)],
      ['another format', concat(new Uint8Array([0x57, 2, 0, 0]), bare.subarray(4))],
      ['another magic', concat(new Uint8Array([0x56, 1, 0, 0]), bare.subarray(4))],
      ['another state', concat(new Uint8Array([0x57, 1, 3, 0]), bare.subarray(4), new Uint8Array(100))],
      ['a list', 'list'],
    ];

    test.each(foreign)('%s: nothing to lease, fill or release', async (_, content) => {
      const key = fresh();
      await bench.tested.poke(key, content, LONG);
      expect(await fill(key, { token: OTHERS })).toBe('lease');
      await bench.store.release(key, OTHERS);
      await bench.store.release(key, NONE);
      expect(await bench.tested.ttl(key)).toEqual(around(LONG));
      expect(await entryOf(key)).toBeUndefined();
      expect(await lease(key, MINE, { leaseMs: 1_800_000 })).toEqual({ kind: 'granted' });
      expect(await controlOf(key)).toEqual({ fence: 0n, token: hex(MINE), identity: hex(NONE) });
      expect(await bench.tested.ttl(key)).toEqual(around(1_800_000));
      expect(await fill(key)).toBe('stored');
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
    });

    test.each(foreign)('%s: invalidated as if it were not there', async (_, content) => {
      const key = fresh();
      await bench.tested.poke(key, content, LONG);
      expect(await invalidate(key, 5n)).toBe('dropped');
      expect(await bench.tested.ttl(key)).toBe(-2);
      await bench.tested.poke(key, content, LONG);
      expect(await invalidate(key, 5n, { own: 'always' })).toBe('leased');
      expect(await controlOf(key)).toEqual({ fence: 5n, token: hex(OTHERS), identity: hex(HERE) });
    });

    test.each([
      ['body cut off', (bytes: Uint8Array) => bytes.subarray(0, -1)],
      ['body too long', (bytes: Uint8Array) => concat(bytes, utf8('!'))],
      ['unknown guarantee', (bytes: Uint8Array) => replaced(bytes, 60, 4)],
      ['unknown encoding', (bytes: Uint8Array) => replaced(bytes, 61, 1)],
      ['unknown state', (bytes: Uint8Array) => replaced(bytes, 2, 9)],
      ['state of a bare record', (bytes: Uint8Array) => replaced(bytes, 2, 0)],
      ['tags too long', (bytes: Uint8Array) => replaced(bytes, 63, 200)],
    ])('a value with %s is none', async (_, spoil) => {
      const key = fresh();
      await load(key, { version: 10n });
      await bench.tested.poke(key, spoil((await bench.tested.peek(key)) ?? NONE), LONG);
      expect(await entryOf(key)).toBeUndefined();
      expect(await lease(key)).toEqual({ kind: 'granted' });
      expect(await fill(key, { version: 1n })).toBe('stored');
    });

    test.each([
      'not json',
      'X ',
      'K',
      'K|g|1',
      'U|-|n|1',
      'K||0',
      '',
      `K|${G1}|00000000000000000`,
    ])('watermark %j is absent', async (text) => {
      const key = fresh('hw');
      await bench.tested.poke(key, utf8(text));
      expect(await bench.store.seed(key, 'n', 1n)).toBeUndefined();
      expect(await bench.store.watermark(key, G1)).toMatchObject({ state: 'unknown', ageMs: 0, pending: 0n });
      await bench.tested.poke(key, utf8(text));
      await bench.store.advance(key, 7n);
      expect(await bench.store.watermark(key, G1)).toMatchObject({ state: 'unknown', pending: 7n });
    });

    test('a watermark that is a list is absent', async () => {
      const key = fresh('hw');
      await bench.tested.poke(key, 'list');
      expect(await bench.store.seed(key, 'n', 1n)).toBeUndefined();
      await bench.store.advance(key, 7n);
      expect(await bench.store.watermark(key, G1)).toMatchObject({ state: 'unknown', pending: 7n });
    });
  });
}
