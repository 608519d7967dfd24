// The store contract on watermarks and generations.

import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { around, type Bench, EDGE_PAIRS, G1, G2 } from './store.bench.ts';

export function watermarkContract(bench: Bench): void {
  const { fresh, load, entryOf, nonceOf, known, textOf } = bench;

  describe('watermark', () => {
    test('absent: unknown from now on, with one nonce', async () => {
      const key = fresh('hw');
      const first = await bench.store.watermark(key, G1);
      expect(first).toMatchObject({ state: 'unknown', ageMs: 0, pending: 0n });
      await bench.tested.advance(3);
      const again = await bench.store.watermark(key, G1);
      expect(again).toMatchObject({ state: 'unknown', nonce: first.state === 'unknown' && first.nonce });
      expect(again.state === 'unknown' && again.ageMs).toBeGreaterThanOrEqual(3);
      expect(await textOf(key)).toMatch(/^U\|1700000000000000aaaaaaaa\|[0-9a-z-]+\|\d{10,}\|0000000000000000$/);
      expect(await bench.tested.ttl(key)).toBe(-1);
    });

    test('advanced while absent: unknown of no generation, which cannot be seeded', async () => {
      const key = fresh('hw');
      await bench.store.advance(key, 7n);
      const text = (await textOf(key)) ?? '';
      expect(text).toMatch(/^U\|-\|[0-9a-z-]+\|\d{10,}\|0000000000000007$/);
      expect(await bench.store.seed(key, text.split('|')[2] ?? '', 9n)).toBeUndefined();
      expect(await bench.tested.ttl(key)).toBe(-1);
      const mark = await bench.store.watermark(key, G1);
      expect(mark).toMatchObject({ state: 'unknown', ageMs: 0, pending: 7n });
      expect(mark.state === 'unknown' && mark.nonce).not.toBe(text.split('|')[2]);
    });

    test('seeded: known, at the higher of as-of and pending', async () => {
      const key = fresh('hw');
      await known(key, 9n);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'known', position: 9n });
      expect(await textOf(key)).toBe(`K|${G1}|0000000000000009`);
      expect(await bench.tested.ttl(key)).toBe(-1);
      const behind = fresh('hw');
      const nonce = await nonceOf(behind);
      await bench.store.advance(behind, 12n);
      await bench.store.advance(behind, 11n);
      expect(await bench.store.seed(behind, nonce, 9n)).toBe(12n);
      expect(await bench.store.watermark(behind, G1)).toEqual({ state: 'known', position: 12n });
    });

    test('seeded once: another nonce, a second seed and an absent key are refused', async () => {
      const key = fresh('hw');
      const nonce = await nonceOf(key);
      expect(await bench.store.seed(key, 'ffffffffffffffff', 9n)).toBeUndefined();
      expect(await bench.store.seed(key, nonce, 9n)).toBe(9n);
      expect(await bench.store.seed(key, nonce, 99n)).toBeUndefined();
      expect(await bench.store.seed(fresh('hw'), nonce, 9n)).toBeUndefined();
    });

    test('lost and unknown again: the old nonce is refused', async () => {
      const key = fresh('hw');
      const nonce = await nonceOf(key);
      await bench.tested.poke(key, utf8('lost'));
      expect(await nonceOf(key)).not.toBe(nonce);
      expect(await bench.store.seed(key, nonce, 9n)).toBeUndefined();
    });

    test('known: only ever rises', async () => {
      const key = fresh('hw');
      await known(key, 9n);
      await bench.store.advance(key, 8n);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'known', position: 9n });
      await bench.store.advance(key, 10n);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'known', position: 10n });
      expect(await bench.tested.ttl(key)).toBe(-1);
    });

    test.each(EDGE_PAIRS)('positions %d < %d', async (low, high) => {
      const key = fresh('hw');
      await known(key, low);
      await bench.store.advance(key, high);
      await bench.store.advance(key, low);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'known', position: high });
      for (const [pending, asOf] of [
        [low, high],
        [high, low],
      ] as const) {
        const unknown = fresh('hw');
        const nonce = await nonceOf(unknown);
        await bench.store.advance(unknown, pending);
        expect(await bench.store.seed(unknown, nonce, asOf)).toBe(high);
      }
    });

    test('of an older generation: unknown anew, and what it knew is pending', async () => {
      const key = fresh('hw');
      await known(key, 9n);
      expect(await bench.store.watermark(key, G2)).toMatchObject({ state: 'unknown', ageMs: 0, pending: 9n });
      const unknown = fresh('hw');
      const nonce = await nonceOf(unknown);
      await bench.store.advance(unknown, 4n);
      await bench.tested.advance(3);
      expect(await bench.store.watermark(unknown, G2)).toMatchObject({ state: 'unknown', ageMs: 0, pending: 4n });
      expect(await bench.store.seed(unknown, nonce, 9n)).toBeUndefined();
    });

    test('of a newer generation: told so, and unchanged', async () => {
      const key = fresh('hw');
      await known(key, 9n, G2);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'newer', generation: G2 });
      expect(await bench.store.watermark(key, G2)).toEqual({ state: 'known', position: 9n });
      const unknown = fresh('hw');
      await nonceOf(unknown, G2);
      expect(await bench.store.watermark(unknown, G1)).toEqual({ state: 'newer', generation: G2 });
    });

    test.each([
      ['1700000000000000aaaaaaaa', '1700000000000000aaaaaaab'],
      ['1700000000000000ffffffff', '170000000000000100000000'],
      ['170000000000000009999999', '17000000000000000a000000'],
      ['17000000000000007fffffff', '170000000000000080000000'],
      ['0999999999999999ffffffff', '100000000000000000000000'],
      ['9007199254740990ffffffff', '900719925474099100000000'],
    ])('generation %s is older than %s', async (older, newer) => {
      const key = fresh('hw');
      await known(key, 9n, older);
      expect(await bench.store.watermark(key, newer)).toMatchObject({ state: 'unknown' });
      expect(await bench.store.watermark(key, older)).toEqual({ state: 'newer', generation: newer });
    });

    test('advancing carries no generation', async () => {
      const key = fresh('hw');
      await known(key, 9n, G2);
      await bench.store.advance(key, 10n);
      expect(await bench.store.watermark(key, G2)).toEqual({ state: 'known', position: 10n });
    });

    test('closed: stays so whatever comes, for a day', async () => {
      const key = fresh('hw');
      const nonce = await nonceOf(key);
      await bench.store.close(key);
      expect(await bench.store.watermark(key, G1)).toEqual({ state: 'closed' });
      expect(await bench.store.seed(key, nonce, 9n)).toBeUndefined();
      await bench.store.advance(key, 99n);
      expect(await bench.store.watermark(key, G2)).toEqual({ state: 'closed' });
      expect(await textOf(key)).toBe('X');
      expect(await bench.tested.ttl(key)).toEqual(around(86_400_000));
      const absent = fresh('hw');
      await bench.store.close(absent);
      expect(await bench.store.watermark(absent, G1)).toEqual({ state: 'closed' });
    });
  });

  describe('generations', () => {
    const FORM = /^\d{16}[0-9a-f]{8}$/;

    test('missing ones are created, each unique, and then stay', async () => {
      const key = fresh('gen');
      const { values, timeMs } = await bench.store.generations(key, ['s:a', 'e:b', 'e:c']);
      expect(values).toEqual([expect.stringMatching(FORM), expect.stringMatching(FORM), expect.stringMatching(FORM)]);
      expect(new Set(values).size).toBe(3);
      expect(Math.abs(Number(values[0]?.slice(0, 16)) / 1000 - timeMs)).toBeLessThan(2);
      expect((await bench.store.generations(key, ['e:c', 's:a'])).values).toEqual([values[2], values[0]]);
      expect((await bench.store.generations(fresh('gen'), ['s:a'])).values).not.toEqual([values[0]]);
    });

    test('none asked for: the time', async () => {
      const { values, timeMs } = await bench.store.generations(fresh('gen'), []);
      expect(values).toEqual([]);
      await bench.tested.advance(3);
      expect((await bench.store.generations(fresh('gen'), [])).timeMs).toBeGreaterThanOrEqual(timeMs + 3);
    });

    test('the time is the one that records are filled at', async () => {
      const key = fresh();
      const before = (await bench.store.generations(fresh('gen'), [])).timeMs;
      await load(key);
      const after = (await bench.store.generations(fresh('gen'), [])).timeMs;
      const filledAt = (await entryOf(key))?.filledAt ?? 0;
      expect(filledAt >= before && filledAt <= after).toBe(true);
    });

    test('a bump is later than what is stored', async () => {
      const key = fresh('gen');
      const [first = ''] = (await bench.store.generations(key, ['s:a', 'e:b'])).values;
      const second = await bench.store.bump(key, 's:a', '');
      const third = await bench.store.bump(key, 's:a', '');
      expect(Number(second.slice(0, 16))).toBeGreaterThan(Number(first.slice(0, 16)));
      expect(Number(third.slice(0, 16))).toBeGreaterThan(Number(second.slice(0, 16)));
      expect((await bench.store.generations(key, ['s:a'])).values).toEqual([third]);
    });

    test('a bump is later than what was seen elsewhere', async () => {
      const key = fresh('gen');
      const bumped = await bench.store.bump(key, 's:a', '8000000000000000ffffffff');
      expect(bumped).toMatch(/^8000000000000001[0-9a-f]{8}$/);
      expect(await bench.store.bump(key, 's:a', '1000000000000000ffffffff')).toMatch(/^8000000000000002/);
      expect(await bench.store.bump(key, 'e:b', '')).toMatch(FORM);
    });
  });
}
