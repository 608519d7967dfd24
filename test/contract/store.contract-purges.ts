// The store contract on purges: the list beside the generations, and records that are softened.

import { describe, expect, test } from 'vitest';
import type { PurgeRequest } from '../../src/core/ports.ts';
import { parsePurges } from '../../src/core/protocol/purges.ts';
import { type Bench, LONG, MINE } from './store.bench.ts';

export function purgeContract(bench: Bench): void {
  const { fresh, lease, fill, load, invalidate, entryOf, isLeased } = bench;
  const purge = (key: string, over: Partial<PurgeRequest> = {}) =>
    bench.store.purge(key, { names: ['t:a'], mode: 'drop', seen: 0, keepMs: LONG, ...over });

  describe('purges', () => {
    test('are told with the generations, to whoever does not have them', async () => {
      const key = fresh('gen');
      const none = await bench.store.generations(key, ['s:a']);
      expect([none.purgesVersion, none.purges]).toEqual(['', undefined]);
      const at = await purge(key, { names: ['t:é ü', 'k:query/x'] });
      const told = await bench.store.generations(key, ['s:a'], none.purgesVersion);
      expect(told.values).toEqual(none.values);
      expect(parsePurges(told.purges ?? '')?.byName).toEqual(
        new Map(['t:é ü', 'k:query/x'].map((name) => [name, { dropAt: at, staleAt: 0 }])),
      );
      expect((await bench.store.generations(key, ['s:a'], told.purgesVersion)).purges).toBeUndefined();
      expect((await bench.store.generations(key, ['s:a'], 'another')).purges).toBe(told.purges);
    });

    test('are later than every time told before, and earlier than every one after', async () => {
      const key = fresh('gen');
      for (let i = 0; i < 20; i++) {
        const before = (await bench.store.generations(key, [])).timeMs;
        const at = (await purge(key)) ?? 0;
        const next = (await purge(key)) ?? 0;
        expect(at).toBeGreaterThanOrEqual(before);
        expect(next).toBeGreaterThan(at);
        expect((await bench.store.generations(key, [])).timeMs).toBeGreaterThan(next);
      }
      const ahead = Date.now() + 3_600_000;
      expect(await purge(key, { seen: ahead + 0.5 })).toBe(ahead + 1);
      expect((await bench.store.generations(key, [])).timeMs).toBeGreaterThan(ahead + 1);
    });

    test('of a name keep the last of each kind; others stay', async () => {
      const key = fresh('gen');
      await purge(key, { names: ['t:b'] });
      const drop = await purge(key);
      const stale = await purge(key, { mode: 'stale', names: ['t:a', 't:c'] });
      const { byName } = parsePurges((await bench.store.generations(key, [], '-')).purges ?? '') ?? {};
      expect(byName?.get('t:a')).toEqual({ dropAt: drop, staleAt: stale });
      expect(byName?.get('t:c')).toEqual({ dropAt: 0, staleAt: stale });
      expect([...(byName?.keys() ?? [])].toSorted()).toEqual(['t:a', 't:b', 't:c']);
    });

    test('are forgotten after their time, by the next one', async () => {
      const key = fresh('gen');
      await purge(key, { keepMs: 1 });
      await bench.tested.advance(3);
      await purge(key, { names: ['t:b'] });
      const { byName } = parsePurges((await bench.store.generations(key, [], '-')).purges ?? '') ?? {};
      expect([...(byName?.keys() ?? [])]).toEqual(['t:b']);
    });

    test('beyond a number of names are refused, but for those that are listed', async () => {
      const key = fresh('gen');
      const names = Array.from({ length: 2000 }, (_, i) => `t:${i}`);
      expect(await purge(key, { names })).toBeGreaterThan(0);
      expect(await purge(key, { names: ['t:more'] })).toBeUndefined();
      expect(await purge(key, { names: ['t:1999'] })).toBeGreaterThan(0);
    });
  });

  describe('a fill', () => {
    test('says when its load had not begun yet', async () => {
      const key = fresh();
      await lease(key);
      expect(await fill(key, { begunAt: 1_700_000_000_000.7 })).toBe('stored');
      expect(await entryOf(key)).toMatchObject({ filledAt: 1_700_000_000_000 });
    });
  });

  describe('soften', () => {
    test('marks a value, and takes the lease away', async () => {
      const key = fresh();
      await load(key);
      expect(await entryOf(key)).toMatchObject({ isSoft: false });
      await bench.store.lease(key, {
        token: MINE,
        leaseMs: LONG,
        stamp: (await entryOf(key))?.record.slice(64, 80) ?? MINE,
        force: true,
      });
      expect(await isLeased(key, MINE)).toBe(true);
      expect(await bench.store.soften(key)).toBe(true);
      expect(await entryOf(key)).toMatchObject({ isSoft: true, state: 'value' });
      expect(await fill(key)).toBe('lease');
      await lease(key);
      expect(await entryOf(key)).toMatchObject({ isSoft: true });
    });

    test('a fill ends it', async () => {
      const key = fresh();
      await load(key);
      await bench.store.soften(key);
      await bench.store.lease(key, {
        token: MINE,
        leaseMs: LONG,
        stamp: (await entryOf(key))?.record.slice(64, 80) ?? MINE,
        force: true,
      });
      expect(await fill(key)).toBe('stored');
      expect(await entryOf(key)).toMatchObject({ isSoft: false });
    });

    test('where there is no value it only takes the lease away', async () => {
      const key = fresh();
      expect(await bench.store.soften(key)).toBe(false);
      expect(await bench.tested.peek(key)).toBeUndefined();
      await invalidate(key, 7n, { own: 'always', token: MINE });
      expect(await bench.store.soften(key)).toBe(false);
      expect(await isLeased(key, MINE)).toBe(false);
      expect(await bench.controlOf(key)).toMatchObject({ fence: 7n });
    });

    test('leaves alone what is none of ours', async () => {
      const key = fresh();
      await bench.tested.poke(key, new TextEncoder().encode('something that is long enough to be taken for a record'));
      const before = await bench.tested.peek(key);
      expect(await bench.store.soften(key)).toBe(false);
      expect(await bench.tested.peek(key)).toEqual(before);
    });
  });
}
