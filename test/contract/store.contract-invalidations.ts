// The store contract on invalidations.

import { describe, expect, test } from 'vitest';
import { concat, hex, u64 } from '../../src/core/bytes.ts';
import {
  around,
  type Bench,
  EDGE_PAIRS,
  ELSEWHERE,
  HERE,
  LONG,
  MINE,
  NEXT_STAMP,
  NONE,
  OTHERS,
  soft,
} from './store.bench.ts';

export function invalidationContract(bench: Bench): void {
  const { fresh, lease, fill, load, invalidate, entryOf, controlOf, isLeased } = bench;

  describe('invalidate', () => {
    test('nothing there and no lease wanted: nothing is written', async () => {
      const key = fresh();
      expect(await invalidate(key, 5n)).toBe('dropped');
      expect(await invalidate(key, 5n, { own: 'cached' })).toBe('dropped');
      expect(await bench.tested.peek(key)).toBeUndefined();
    });

    test('nothing there and a lease wanted: fence, lease, TTL', async () => {
      const key = fresh();
      expect(await invalidate(key, 5n, { own: 'always', fenceMs: LONG, leaseMs: 1000 })).toBe('leased');
      expect(await controlOf(key)).toEqual({ fence: 5n, token: hex(OTHERS), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(LONG));
      const longLease = fresh();
      await invalidate(longLease, 5n, { own: 'always', fenceMs: 1000, leaseMs: LONG });
      expect(await bench.tested.ttl(longLease)).toEqual(around(LONG));
    });

    test('drops an older value and raises the fence', async () => {
      const key = fresh();
      await load(key, { version: 10n });
      expect(await invalidate(key, 11n)).toBe('dropped');
      expect((await bench.store.get(key))?.length).toBe(36);
      expect(await controlOf(key)).toEqual({ fence: 11n, token: hex(NONE), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(LONG));
    });

    test('ignored where the live value is as new or newer, and leaves a lease alone', async () => {
      const key = fresh();
      await load(key, { version: 10n });
      await lease(key, MINE, { force: true });
      expect(await invalidate(key, 10n, { own: 'always' })).toBe('ignored');
      expect(await invalidate(key, 9n, { own: 'always' })).toBe('ignored');
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
      expect(await controlOf(key)).toMatchObject({ fence: 0n, token: hex(MINE) });
    });

    test('ignored below the fence, not at it: a redelivery lands', async () => {
      const key = fresh();
      await invalidate(key, 11n, { own: 'always', token: MINE });
      expect(await invalidate(key, 10n, { own: 'always' })).toBe('ignored');
      expect(await isLeased(key)).toBe(true);
      expect(await invalidate(key, 11n, { own: 'always' })).toBe('leased');
      expect(await isLeased(key, OTHERS)).toBe(true);
    });

    test('always revokes the lease of another', async () => {
      const key = fresh();
      await lease(key);
      expect(await invalidate(key, 1n)).toBe('dropped');
      expect(await controlOf(key)).toMatchObject({ fence: 1n, token: hex(NONE) });
      expect(await fill(key)).toBe('lease');
    });

    test('the fence never falls', async () => {
      const key = fresh();
      await invalidate(key, 11n, { own: 'always', token: MINE });
      await fill(key, { version: 12n, stamp: NEXT_STAMP });
      // Not live under this stamp: only the fence is compared.
      expect(await invalidate(key, 10n)).toBe('ignored');
      expect(await invalidate(key, 11n)).toBe('dropped');
      expect(await controlOf(key)).toMatchObject({ fence: 11n });
      // Live, and older than a change that lies below the fence.
      const odd = fresh();
      await invalidate(odd, 20n, { own: 'always', token: MINE });
      await fill(odd, { version: 20n });
      expect(await invalidate(odd, 19n)).toBe('ignored');
      expect(await controlOf(odd)).toMatchObject({ fence: 20n });
    });

    test('the fence does not fall below what it was, even if the live value lies below it', async () => {
      const key = fresh();
      await load(key, { version: 5n });
      const bytes = (await bench.tested.peek(key)) ?? NONE;
      await bench.tested.poke(key, concat(bytes.subarray(0, 12), u64(9n), bytes.subarray(20)), LONG);
      expect(await invalidate(key, 7n)).toBe('dropped');
      expect(await controlOf(key)).toMatchObject({ fence: 9n });
    });

    test('a value of another stamp is dropped, not compared', async () => {
      const key = fresh();
      await load(key, { version: 10n, stamp: NEXT_STAMP });
      expect(await invalidate(key, 3n)).toBe('dropped');
      expect(await entryOf(key)).toBeUndefined();
      expect(await controlOf(key)).toMatchObject({ fence: 3n });
    });

    test('a soft-stale value is live', async () => {
      const key = fresh();
      await load(key, { version: 10n, ...soft });
      expect(await invalidate(key, 10n)).toBe('ignored');
      expect(await invalidate(key, 11n, { own: 'cached' })).toBe('leased');
    });

    test('a value past its hard expiry is not live', async () => {
      const key = fresh();
      await invalidate(key, 1n, { own: 'always', token: MINE });
      await fill(key, { softMs: 0, hardMs: 1 });
      await bench.tested.advance(3);
      expect(await invalidate(key, 5n, { own: 'cached' })).toBe('dropped');
      expect(await controlOf(key)).toMatchObject({ fence: 5n, token: hex(NONE) });
    });

    test("own: 'cached' leases only where a live value was dropped", async () => {
      const cached = fresh();
      await load(cached);
      expect(await invalidate(cached, 11n, { own: 'cached' })).toBe('leased');
      expect(await isLeased(cached, OTHERS)).toBe(true);
      const provisional = fresh();
      await load(provisional, { guarantee: 'provisional' });
      expect(await invalidate(provisional, 1n, { own: 'cached' })).toBe('leased');
      const otherStamp = fresh();
      await load(otherStamp, { stamp: NEXT_STAMP });
      expect(await invalidate(otherStamp, 11n, { own: 'cached' })).toBe('dropped');
      const fence = fresh();
      await lease(fence);
      expect(await invalidate(fence, 11n, { own: 'cached' })).toBe('dropped');
      expect(await controlOf(fence)).toMatchObject({ token: hex(NONE), fence: 11n });
    });

    test('a provisional value is never live: dropped by any change at or above the fence', async () => {
      const key = fresh();
      await load(key, { guarantee: 'provisional', version: 10n });
      expect(await invalidate(key, 3n)).toBe('dropped');
      expect(await entryOf(key)).toBeUndefined();
      expect(await controlOf(key)).toMatchObject({ fence: 3n });
    });

    test('a provisional value is dropped also where the fence says ignore; fence, lease and TTL stay', async () => {
      const key = fresh();
      await invalidate(key, 9n, { own: 'always', token: MINE, fenceMs: 3 * LONG });
      await fill(key, { guarantee: 'provisional' });
      await lease(key, MINE, { force: true });
      expect(await invalidate(key, 8n, { own: 'always' })).toBe('ignored');
      expect((await bench.store.get(key))?.length).toBe(36);
      expect(await controlOf(key)).toEqual({ fence: 9n, token: hex(MINE), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(3 * LONG));
    });

    test('of another identity always drops, sets the fence and replaces the lease', async () => {
      const key = fresh();
      await invalidate(key, 50n, { own: 'always', token: MINE });
      await fill(key, { version: 100n });
      await lease(key, MINE, { force: true });
      expect(await invalidate(key, 1n, { identity: ELSEWHERE, own: 'always' })).toBe('leased');
      expect(await controlOf(key)).toEqual({ fence: 1n, token: hex(OTHERS), identity: hex(ELSEWHERE) });
      expect(await fill(key, { token: OTHERS, version: 1n, identity: ELSEWHERE })).toBe('stored');
    });

    test('a record without identity is the same as any', async () => {
      const key = fresh();
      await lease(key);
      expect(await invalidate(key, 0n, { identity: ELSEWHERE })).toBe('dropped');
      expect(await controlOf(key)).toMatchObject({ fence: 0n, identity: hex(ELSEWHERE) });
    });

    test('without a version: drops what is as new or newer too, takes the lease, and the fence stays', async () => {
      const key = fresh();
      await invalidate(key, 7n, { own: 'always', token: MINE });
      await fill(key, { version: 10n });
      expect(await invalidate(key, undefined, { own: 'always' })).toBe('leased');
      expect(await controlOf(key)).toEqual({ fence: 7n, token: hex(OTHERS), identity: hex(HERE) });
      expect(await fill(key, { token: OTHERS, version: 10n })).toBe('stored');
      await lease(key, MINE, { force: true });
      expect(await invalidate(key, undefined)).toBe('dropped');
      expect(await controlOf(key)).toEqual({ fence: 7n, token: hex(NONE), identity: hex(HERE) });
      expect(await fill(key, { version: 11n })).toBe('lease');
      expect(await invalidate(fresh(), undefined)).toBe('dropped');
    });

    test('without a version and of another identity: the fence of the old one is of no use', async () => {
      const key = fresh();
      await invalidate(key, 50n, { own: 'always', token: MINE });
      expect(await invalidate(key, undefined, { identity: ELSEWHERE, own: 'always' })).toBe('leased');
      expect(await controlOf(key)).toEqual({ fence: 0n, token: hex(OTHERS), identity: hex(ELSEWHERE) });
    });

    test.each(EDGE_PAIRS)('versions %d < %d', async (low, high) => {
      const fenced = fresh();
      await invalidate(fenced, high, { own: 'always' });
      expect(await invalidate(fenced, low)).toBe('ignored');
      expect(await invalidate(fenced, high)).toBe('dropped');
      const older = fresh();
      await load(older, { version: low });
      expect(await invalidate(older, high)).toBe('dropped');
      expect(await controlOf(older)).toMatchObject({ fence: high });
      const newer = fresh();
      await load(newer, { version: high });
      expect(await invalidate(newer, low)).toBe('ignored');
      expect(await invalidate(newer, high)).toBe('ignored');
      const raised = fresh();
      await invalidate(raised, low, { own: 'always' });
      expect(await invalidate(raised, high)).toBe('dropped');
      expect(await controlOf(raised)).toMatchObject({ fence: high });
    });
  });
}
