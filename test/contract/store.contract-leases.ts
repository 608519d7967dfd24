// The store contract on reading, leases and what is no record.

import { describe, expect, test } from 'vitest';
import { hex, utf8 } from '../../src/core/bytes.ts';
import { asOfOf, etagOf, hasIdentity, hasStamp, tagsOf, versionOf } from '../../src/core/record.ts';
import { around, type Bench, HERE, LONG, MINE, NEXT_STAMP, NONE, OTHERS, STAMP, soft, value } from './store.bench.ts';

export function leaseContract(bench: Bench): void {
  const { fresh, lease, fill, load, invalidate, entryOf, controlOf, isLeased } = bench;

  describe('drop', () => {
    test('forgets value, fence and lease: who loads cannot fill any more, and anybody can lease', async () => {
      const key = fresh();
      await load(key);
      await invalidate(key, 30n, { own: 'always', token: MINE });
      await bench.store.drop(key);
      expect(await bench.store.get(key)).toBeUndefined();
      expect(await fill(key)).toBe('lease');
      expect(await lease(key, OTHERS)).toEqual({ kind: 'granted' });
      await bench.store.drop(key);
      expect(await lease(key, MINE)).toEqual({ kind: 'granted' });
      expect(await fill(key)).toBe('stored');
      await bench.store.drop(key);
      expect(await entryOf(key)).toBeUndefined();
    });

    test('of nothing is nothing', async () => {
      const key = fresh();
      await bench.store.drop(key);
      expect(await bench.store.get(key)).toBeUndefined();
    });
  });

  describe('get', () => {
    test('nothing there', async () => expect(await bench.store.get(fresh())).toBeUndefined());

    test('of many at once each answers for its own key, also where something foreign is among them', async () => {
      const keys = Array.from({ length: 70 }, fresh);
      await Promise.all(keys.flatMap((key, i) => (i % 3 === 0 ? [load(key, { version: BigInt(i) })] : [])));
      await bench.tested.poke(keys[1] ?? '', 'list');
      const entries = await Promise.all(keys.map((key) => entryOf(key)));
      expect(entries.map((entry) => entry && versionOf(entry))).toEqual(
        keys.map((_, i) => (i % 3 === 0 ? BigInt(i) : undefined)),
      );
    });

    test('reads take effect in the order issued, before and after other calls of their tick', async () => {
      if (!bench.store.ordered) return;
      const key = fresh();
      await load(key);
      const before = [bench.store.get(key), bench.store.get(fresh())];
      const drop = bench.store.drop(key);
      const after = bench.store.get(key);
      await drop;
      expect([(await before[0]) === undefined, await before[1], await after]).toEqual([false, undefined, undefined]);
    });

    test('a value comes back as it was filled', async () => {
      const key = fresh();
      const body = new Uint8Array(300).map((_, i) => i);
      await load(key, {
        value: { state: 'value', body, etag: utf8('etag12bytes!'), tags: ['a', 'ä/b'] },
        version: 2n ** 63n,
      });
      const entry = await entryOf(key);
      expect(entry).toMatchObject({ state: 'value', guarantee: 'watermarked' });
      if (entry === undefined) return;
      expect(hex(entry.body)).toBe(hex(body));
      expect(hex(etagOf(entry))).toBe(hex(utf8('etag12bytes!')));
      expect(tagsOf(entry)).toEqual(['a', 'ä/b']);
      expect([versionOf(entry), asOfOf(entry)]).toEqual([2n ** 63n, 20n]);
      expect([hasStamp(entry, STAMP), hasIdentity(entry, HERE)]).toEqual([true, true]);
      expect([entry.softAt - entry.filledAt, entry.hardAt - entry.filledAt]).toEqual([LONG, 2 * LONG]);
    });

    test('an absent document is cached as absent', async () => {
      const key = fresh();
      await load(key, { value: { state: 'absent' } });
      expect(await entryOf(key)).toMatchObject({ state: 'absent' });
      expect(await lease(key)).toMatchObject({ kind: 'live' });
    });

    test('an empty body', async () => {
      const key = fresh();
      await load(key, { value: value('') });
      expect((await entryOf(key))?.body.length).toBe(0);
    });

    test('a list is nothing', async () => {
      const key = fresh();
      await bench.tested.poke(key, 'list');
      expect(await bench.store.get(key)).toBeUndefined();
    });
  });

  describe('lease', () => {
    test('granted where nothing is, with the TTL of the lease', async () => {
      const key = fresh();
      expect(await lease(key)).toEqual({ kind: 'granted' });
      expect(await isLeased(key)).toBe(true);
      expect((await bench.store.get(key))?.length).toBe(36);
      expect(await bench.tested.ttl(key)).toEqual(around(LONG));
    });

    test('held by another, also under force', async () => {
      const key = fresh();
      await lease(key);
      expect(await lease(key, OTHERS)).toEqual({ kind: 'held' });
      expect(await lease(key, OTHERS, { force: true })).toEqual({ kind: 'held' });
      expect(await isLeased(key)).toBe(true);
    });

    test('renewed by its holder', async () => {
      const key = fresh();
      await lease(key, MINE, { leaseMs: LONG });
      expect(await lease(key, MINE, { leaseMs: 2 * LONG })).toEqual({ kind: 'granted' });
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
    });

    test('taken over after its deadline', async () => {
      const key = fresh();
      await invalidate(key, 1n, { own: 'always', token: MINE, leaseMs: 1 });
      await bench.tested.advance(3);
      expect(await lease(key, OTHERS)).toEqual({ kind: 'granted' });
      expect(await fill(key)).toBe('lease');
    });

    test('gone with its key where nothing else is in it', async () => {
      const key = fresh();
      await lease(key, MINE, { leaseMs: 1 });
      await bench.tested.advance(3);
      expect(await bench.store.get(key)).toBeUndefined();
    });

    test('never shortens the TTL of the key', async () => {
      const key = fresh();
      await load(key, soft);
      await lease(key, MINE, { leaseMs: 1000 });
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
    });

    test('never extends the life of a value', async () => {
      const key = fresh();
      await load(key, { ...soft, hardMs: LONG });
      const before = await entryOf(key);
      await lease(key, MINE, { leaseMs: 3 * LONG });
      expect(await entryOf(key)).toMatchObject({ hardAt: before?.hardAt, softAt: before?.softAt });
      expect(await bench.tested.ttl(key)).toEqual(around(3 * LONG));
    });

    test('a fresh value is returned instead', async () => {
      const key = fresh();
      await load(key);
      const reply = await lease(key);
      expect(reply.kind).toBe('live');
      if (reply.kind !== 'live') return;
      expect(hex(reply.record)).toBe(hex((await bench.store.get(key)) ?? NONE));
    });

    test('a fresh value is returned also while it is being refreshed', async () => {
      const key = fresh();
      await load(key);
      await lease(key, OTHERS, { force: true });
      expect(await lease(key)).toMatchObject({ kind: 'live' });
    });

    test('force: granted, and the fresh value stays', async () => {
      const key = fresh();
      await load(key);
      expect(await lease(key, MINE, { force: true })).toEqual({ kind: 'granted' });
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
      expect(await isLeased(key)).toBe(true);
    });

    test('a soft-stale value is kept', async () => {
      const key = fresh();
      await load(key, soft);
      expect(await lease(key)).toEqual({ kind: 'granted' });
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
    });

    test('a value of another stamp is dropped at the grant, its fence stays', async () => {
      const key = fresh();
      await invalidate(key, 7n, { own: 'always', token: MINE });
      expect(await fill(key)).toBe('stored');
      expect(await lease(key, MINE, { stamp: NEXT_STAMP })).toEqual({ kind: 'granted' });
      expect(await entryOf(key)).toBeUndefined();
      expect(await controlOf(key)).toEqual({ fence: 7n, token: hex(MINE), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
    });

    test('a value of another stamp is not dropped while another holds the lease', async () => {
      const key = fresh();
      await load(key);
      await lease(key, OTHERS, { force: true });
      expect(await lease(key, MINE, { stamp: NEXT_STAMP })).toEqual({ kind: 'held' });
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
    });

    test('a value past its hard expiry is dropped, its fence stays', async () => {
      const key = fresh();
      await invalidate(key, 7n, { own: 'always', token: MINE });
      await fill(key, { softMs: 0, hardMs: 1 });
      await bench.tested.advance(3);
      expect(await lease(key)).toEqual({ kind: 'granted' });
      expect((await bench.store.get(key))?.length).toBe(36);
      expect(await controlOf(key)).toMatchObject({ fence: 7n });
    });

    test('a provisional value is live, and kept under force', async () => {
      const key = fresh();
      await load(key, { guarantee: 'provisional' });
      expect(await lease(key)).toMatchObject({ kind: 'live' });
      expect(await lease(key, MINE, { force: true })).toEqual({ kind: 'granted' });
      expect(await entryOf(key)).toMatchObject({ guarantee: 'provisional' });
    });

    test('a provisional value is live up to its hard expiry', async () => {
      const key = fresh();
      await load(key, { guarantee: 'provisional', softMs: 0 });
      expect(await lease(key)).toMatchObject({ kind: 'live' });
    });
  });

  describe('release', () => {
    test('frees the key', async () => {
      const key = fresh();
      await lease(key);
      await bench.store.release(key, MINE);
      expect(await bench.store.get(key)).toBeUndefined();
      expect(await lease(key, OTHERS)).toEqual({ kind: 'granted' });
    });

    test('by another does nothing', async () => {
      const key = fresh();
      await lease(key);
      await bench.store.release(key, OTHERS);
      expect(await isLeased(key)).toBe(true);
    });

    test('without a lease does nothing', async () => {
      const key = fresh();
      await load(key);
      await bench.store.release(key, NONE);
      await bench.store.release(key, MINE);
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
      await bench.store.release(fresh(), MINE);
    });

    test('keeps the value, the fence and the TTL', async () => {
      const key = fresh();
      await invalidate(key, 5n, { own: 'always', token: MINE });
      await fill(key, soft);
      await lease(key);
      await bench.store.release(key, MINE);
      expect(await entryOf(key)).toMatchObject({ state: 'value' });
      expect(await controlOf(key)).toEqual({ fence: 5n, token: hex(NONE), identity: hex(HERE) });
      expect(await bench.tested.ttl(key)).toEqual(around(2 * LONG));
    });

    test('keeps a fence alone', async () => {
      const key = fresh();
      await invalidate(key, 5n, { own: 'always', token: MINE });
      await bench.store.release(key, MINE);
      expect(await controlOf(key)).toMatchObject({ fence: 5n, token: hex(NONE) });
    });

    test('deletes a key in which only an expired value is left', async () => {
      const key = fresh();
      await load(key, { softMs: 0, hardMs: 10 });
      await lease(key, MINE, { leaseMs: LONG });
      await bench.tested.advance(12);
      expect(await bench.tested.peek(key)).toBeDefined();
      await bench.store.release(key, MINE);
      expect(await bench.tested.peek(key)).toBeUndefined();
    });
  });
}
