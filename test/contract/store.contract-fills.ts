// The store contract on fills, provisional ones too.

import { describe, expect, test } from 'vitest';
import { hex } from '../../src/core/bytes.ts';
import { versionOf } from '../../src/core/record.ts';
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

export function fillContract(bench: Bench): void {
  const { fresh, lease, fill, load, invalidate, entryOf, controlOf, isLeased } = bench;

  describe('fill', () => {
    test('without a lease is refused', async () => {
      const key = fresh();
      expect(await fill(key)).toBe('lease');
      expect(await fill(key, { token: NONE })).toBe('lease');
      expect(await bench.tested.peek(key)).toBeUndefined();
    });

    test('with the token of nobody is refused where no lease is', async () => {
      const key = fresh();
      await invalidate(key, 1n, { own: 'always', token: MINE });
      await bench.store.release(key, MINE);
      expect(await fill(key, { token: NONE })).toBe('lease');
    });

    test("under another's lease is refused and leaves it", async () => {
      const key = fresh();
      await lease(key, OTHERS);
      expect(await fill(key)).toBe('lease');
      expect(await isLeased(key, OTHERS)).toBe(true);
    });

    test('under an own lease past its deadline that nobody took is stored', async () => {
      const key = fresh();
      await invalidate(key, 1n, { own: 'always', token: MINE, leaseMs: 1 });
      await bench.tested.advance(3);
      expect(await fill(key)).toBe('stored');
    });

    test('ends the lease, and sets identity and TTL', async () => {
      const key = fresh();
      await load(key);
      expect(await controlOf(key)).toEqual({ fence: 0n, token: hex(NONE), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
      expect(await fill(key)).toBe('lease');
    });

    test('a longer TTL of a fence is kept, one without a fence is not', async () => {
      const fenced = fresh();
      await invalidate(fenced, 1n, { own: 'always', token: MINE, fenceMs: 5 * LONG });
      await fill(fenced);
      expect(await bench.tested.ttl(fenced)).toEqual(around(5 * LONG));
      const plain = fresh();
      await lease(plain, MINE, { leaseMs: 5 * LONG });
      await fill(plain);
      expect(await bench.tested.ttl(plain)).toEqual(around(2 * LONG));
    });

    test('below the fence is refused, at the fence stored', async () => {
      const key = fresh();
      await invalidate(key, 11n, { own: 'always', token: MINE });
      expect(await fill(key, { version: 10n })).toBe('fence');
      expect(await controlOf(key)).toEqual({ fence: 11n, token: hex(NONE), identity: hex(HERE) });
      await lease(key);
      expect(await fill(key, { version: 11n })).toBe('stored');
      expect(await controlOf(key)).toMatchObject({ fence: 11n });
    });

    test('older than the live value is refused, as old is stored', async () => {
      const key = fresh();
      await load(key, { version: 10n });
      await lease(key, MINE, { force: true });
      expect(await fill(key, { version: 9n })).toBe('older');
      expect(await isLeased(key)).toBe(false);
      const kept = await entryOf(key);
      expect(kept && versionOf(kept)).toBe(10n);
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
      await load(key, { version: 10n }, true);
    });

    test('is not compared with a value of another stamp', async () => {
      const key = fresh();
      await load(key, { version: 10n });
      await lease(key, MINE, { force: true });
      expect(await fill(key, { version: 9n, stamp: NEXT_STAMP })).toBe('stored');
    });

    test('is not compared with a value past its hard expiry', async () => {
      const key = fresh();
      await invalidate(key, 1n, { own: 'always', token: MINE });
      await fill(key, { version: 10n, softMs: 0, hardMs: 1 });
      await bench.tested.advance(3);
      await load(key, { version: 9n });
    });

    test('is not compared with a value that expired under its lease', async () => {
      const key = fresh();
      await load(key, { version: 10n, softMs: 0, hardMs: 10 });
      await lease(key);
      await bench.tested.advance(12);
      expect(await fill(key, { version: 1n })).toBe('stored');
    });

    test('of another identity is not compared, and resets the fence', async () => {
      const key = fresh();
      await invalidate(key, 100n, { own: 'always', token: MINE });
      expect(await fill(key, { version: 1n, identity: ELSEWHERE })).toBe('stored');
      expect(await controlOf(key)).toEqual({ fence: 0n, token: hex(NONE), identity: hex(ELSEWHERE) });
      await load(key, { version: 0n, identity: HERE }, true);
    });

    test('into a record without identity is compared as the same', async () => {
      const key = fresh();
      await lease(key);
      expect(await controlOf(key)).toMatchObject({ identity: hex(NONE) });
      expect(await fill(key, { version: 0n })).toBe('stored');
    });

    test.each(EDGE_PAIRS)('versions %d < %d', async (low, high) => {
      const fenced = fresh();
      await invalidate(fenced, high, { own: 'always', token: MINE });
      expect(await fill(fenced, { version: low })).toBe('fence');
      const filled = fresh();
      await load(filled, { version: high });
      await lease(filled, MINE, { force: true });
      expect(await fill(filled, { version: low })).toBe('older');
      await load(filled, { version: high }, true);
      const raised = fresh();
      await invalidate(raised, low, { own: 'always', token: MINE });
      expect(await fill(raised, { version: high })).toBe('stored');
      await load(raised, { version: high }, true);
    });
  });

  describe('provisional fill', () => {
    const provisional = { guarantee: 'provisional' } as const;

    test('never replaces a live full value', async () => {
      const key = fresh();
      await load(key, soft);
      await lease(key);
      expect(await fill(key, { ...provisional, version: 99n })).toBe('live');
      expect(await entryOf(key)).toMatchObject({ guarantee: 'watermarked' });
      expect(await isLeased(key)).toBe(false);
    });

    test('never replaces a live full value of another identity', async () => {
      const key = fresh();
      await load(key, soft);
      await lease(key);
      expect(await fill(key, { ...provisional, identity: ELSEWHERE })).toBe('live');
      expect(await controlOf(key)).toMatchObject({ identity: hex(HERE) });
    });

    test('replaces a value of another stamp, an expired one, and a provisional one', async () => {
      const key = fresh();
      await load(key);
      await lease(key, MINE, { force: true });
      expect(await fill(key, { ...provisional, stamp: NEXT_STAMP })).toBe('stored');
      await lease(key, MINE, { force: true, stamp: NEXT_STAMP });
      expect(await fill(key, { ...provisional, stamp: NEXT_STAMP, version: 1n })).toBe('stored');
      const expired = fresh();
      await invalidate(expired, 1n, { own: 'always', token: MINE });
      await fill(expired, { softMs: 0, hardMs: 1 });
      await bench.tested.advance(3);
      await load(expired, provisional);
    });

    test('is held to the fence and to the live version', async () => {
      const key = fresh();
      await invalidate(key, 11n, { own: 'always', token: MINE });
      expect(await fill(key, provisional)).toBe('fence');
      const filled = fresh();
      await load(filled);
      await lease(filled, MINE, { force: true });
      expect(await fill(filled, { ...provisional, version: 9n })).toBe('older');
    });

    test('is never compared with: an older full fill replaces it', async () => {
      const key = fresh();
      await load(key, { ...provisional, version: 10n });
      await load(key, { version: 9n }, true);
      expect(await entryOf(key)).toMatchObject({ guarantee: 'watermarked' });
    });

    test('the TTL of a fence outlives it', async () => {
      const key = fresh();
      await invalidate(key, 5n, { own: 'always', token: MINE });
      await fill(key, { ...provisional, softMs: 1, hardMs: 1 });
      await bench.tested.advance(3);
      expect(await controlOf(key)).toMatchObject({ fence: 5n });
      expect(await lease(key)).toEqual({ kind: 'granted' });
      expect((await bench.store.get(key))?.length).toBe(36);
    });
  });
}
