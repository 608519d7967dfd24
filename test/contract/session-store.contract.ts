// The contract of a store of sessions, run by the specification in memory and by Redis. Time passes by `advance`.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionStore } from '../../src/core/session/session-ports.ts';
import type { SessionContent } from '../../src/core/session/session-record.ts';

export interface SessionStoreUnderTest {
  readonly store: SessionStore;
  advance(ms: number): Promise<void>;
  end(): Promise<void>;
}

const LIFE = { ttlMs: 60_000, absoluteMs: 600_000 };
/** Bytes that a comparison by locale or by C strings would get wrong. */
const TOKENS = ['ff', 'fe', '00', '80', 'c3', '0a'].map((byte) => Buffer.from(`00${byte}`.repeat(4), 'hex'));

export function sessionStoreContract(name: string, make: () => Promise<SessionStoreUnderTest>): void {
  let tested: SessionStoreUnderTest | undefined;
  const under = () => {
    if (tested === undefined) throw new Error('the store is not there yet');
    return tested;
  };
  const store = () => under().store;
  let count = 0;
  const fresh = (what = 's') => `wf:test:${what}:{key-${count++}}`;
  const token = (n = count) => TOKENS[n % TOKENS.length] ?? Buffer.alloc(8);
  const content = (over: Partial<SessionContent> = {}): SessionContent => ({
    version: 1,
    token: token(0),
    subject: undefined,
    body: Buffer.from('{"a":[],"é":"\u0000"}'),
    ...over,
  });
  const bytes = (session: SessionContent) => ({
    version: session.version,
    token: Buffer.from(session.token).toString('hex'),
    subject: session.subject && Buffer.from(session.subject).toString('hex'),
    body: Buffer.from(session.body).toString(),
  });
  const peeked = async (key: string) => {
    const found = await store().peek(key);
    return found.state === 'live' ? { ...bytes(found.session), leftMs: found.leftMs } : found.state;
  };
  const mark = (n: number, keepMs = 1000) => ({ token: token(n), keepMs });
  const around = (ms: number) => ({ asymmetricMatch: (left: unknown) => Math.abs(Number(left) - ms) < 5000 });

  describe(`session store contract: ${name}`, () => {
    beforeAll(async () => {
      tested = await make();
    });
    afterAll(() => tested?.end());

    test('a session is kept with every byte, and found again', async () => {
      const key = fresh();
      const session = content({ subject: Buffer.alloc(32, 0xff), version: 2 ** 40, token: token(2) });
      expect(await store().create(key, session, LIFE)).toBe('created');
      const reply = await store().read(key, LIFE);
      if (reply.state !== 'live') throw new Error(reply.state);
      expect(bytes(reply.session)).toEqual(bytes(session));
      expect(reply.session.created).toBe(reply.session.seen);
      expect(await peeked(key)).toEqual({ ...bytes(session), leftMs: around(60_000) });
    });

    test('there is none where none was made', async () => {
      const key = fresh();
      expect(await store().read(key, LIFE)).toEqual({ state: 'none' });
      expect(await peeked(key)).toBe('none');
      expect(await store().swap(key, token(0), content(), LIFE)).toBe(false);
      expect(await store().end(key, undefined, mark(1))).toBe(false);
      expect(await store().read(key, LIFE)).toEqual({ state: 'none' });
    });

    test('one id is one session; the same call again is the same one', async () => {
      const key = fresh();
      await store().create(key, content({ token: token(1) }), LIFE);
      expect(await store().create(key, content({ token: token(2) }), LIFE)).toBe('live');
      expect(await store().create(key, content({ token: token(1) }), LIFE)).toBe('created');
      expect(await peeked(key)).toMatchObject({ token: token(1).toString('hex') });
    });

    test('a swap wants the token that is there, and is applied once', async () => {
      const key = fresh();
      await store().create(key, content({ token: token(0) }), LIFE);
      const next = content({ version: 2, token: token(1), body: Buffer.from('{}') });
      for (const wrong of [token(2), token(3), Buffer.alloc(8)]) {
        expect(await store().swap(key, wrong, next, LIFE)).toBe(false);
      }
      expect(await store().swap(key, token(0), next, LIFE)).toBe(true);
      expect(await store().swap(key, token(0), next, LIFE)).toBe(true);
      expect(await store().swap(key, token(0), content({ token: token(4) }), LIFE)).toBe(false);
      expect(await peeked(key)).toMatchObject(bytes(next));
    });

    test('every token counts as it is', async () => {
      for (const right of TOKENS) {
        const key = fresh();
        await store().create(key, content({ token: right }), LIFE);
        for (const wrong of TOKENS.filter((each) => each !== right)) {
          expect(await store().end(key, wrong, mark(0))).toBe(false);
        }
        expect(await store().end(key, right, mark(0))).toBe(true);
      }
    });

    test('of many swaps of one version one is done', async () => {
      const key = fresh();
      await store().create(key, content({ token: token(0) }), LIFE);
      const replies = await Promise.all(
        Array.from({ length: 50 }, (_, i) => {
          const own = Buffer.from((i + 256).toString(16).padStart(16, '0'), 'hex');
          return store().swap(key, token(0), content({ version: 2, token: own }), LIFE);
        }),
      );
      expect(replies.filter(Boolean)).toHaveLength(1);
    });

    test('use begins its life anew, up to the longest; a look does not', async () => {
      const key = fresh();
      await store().create(key, content(), LIFE);
      await under().advance(50_000);
      expect(await peeked(key)).toMatchObject({ leftMs: around(10_000) });
      const reply = await store().read(key, LIFE);
      if (reply.state !== 'live') throw new Error(reply.state);
      expect(reply.nowMs - reply.session.seen).toEqual(around(50_000));
      expect(await peeked(key)).toMatchObject({ leftMs: around(60_000) });
      for (let used = 50_000; used < 580_000; used += 53_000) {
        await under().advance(53_000);
        expect(await store().read(key, LIFE)).toMatchObject({ state: 'live' });
      }
      expect(await peeked(key)).toMatchObject({ leftMs: around(600_000 - 580_000) });
      expect(await store().swap(key, token(0), content({ token: token(1) }), LIFE)).toBe(true);
      expect(await peeked(key)).toMatchObject({ leftMs: around(600_000 - 580_000) });
      await under().advance(30_000);
      expect(await store().read(key, LIFE)).toEqual({ state: 'none' });
    });

    test('what is not used is gone, and nothing touches it', async () => {
      const key = fresh();
      await store().create(key, content(), LIFE);
      await under().advance(60_001);
      expect(await store().swap(key, token(0), content({ token: token(1) }), LIFE)).toBe(false);
      expect(await store().end(key, undefined, mark(1))).toBe(false);
      expect(await store().read(key, LIFE)).toEqual({ state: 'none' });
      expect(await store().create(key, content({ token: token(2) }), LIFE)).toBe('created');
    });

    test('a shorter longest life counts at once', async () => {
      const key = fresh();
      await store().create(key, content(), LIFE);
      await under().advance(30_000);
      const shorter = { ttlMs: 10_000, absoluteMs: 20_000 };
      expect(await store().swap(key, token(0), content({ token: token(1) }), shorter)).toBe(false);
      expect(await store().read(key, shorter)).toEqual({ state: 'none' });
      expect(await peeked(key)).toBe('none');
    });

    test('a mark can be left where there is none', async () => {
      const key = fresh();
      expect(await store().end(key, undefined, { ...mark(1, 100_000), always: true })).toBe(true);
      expect(await store().end(key, undefined, { ...mark(1, 100_000), always: true })).toBe(true);
      expect(await store().end(key, undefined, { ...mark(2, 100_000), always: true })).toBe(false);
      expect(await store().create(key, content(), LIFE)).toBe('ended');
    });

    test('an ended one leaves a mark for a while, and only that', async () => {
      const key = fresh();
      await store().create(key, content(), LIFE);
      expect(await store().end(key, undefined, mark(1, 100_000))).toBe(true);
      expect(await store().end(key, undefined, mark(1, 100_000))).toBe(true);
      expect(await store().end(key, undefined, mark(2, 100_000))).toBe(false);
      expect(await store().read(key, LIFE)).toEqual({ state: 'ended' });
      expect(await peeked(key)).toBe('ended');
      expect(await store().swap(key, token(0), content({ token: token(2) }), LIFE)).toBe(false);
      expect(await store().create(key, content(), LIFE)).toBe('ended');
      expect(await store().create(key, content(), LIFE, { created: 1, seen: 1 })).toBe('ended');
      await under().advance(90_000);
      expect(await store().create(key, content(), LIFE)).toBe('ended');
      await under().advance(11_000);
      expect(await store().create(key, content(), LIFE)).toBe('created');
    });

    test('one that comes back has what is left of its life', async () => {
      const probe = fresh();
      await store().create(probe, content(), LIFE);
      const reply = await store().read(probe, LIFE);
      if (reply.state !== 'live') throw new Error(reply.state);
      const now = reply.nowMs;
      const back = async (created: number, seen: number) => {
        const key = fresh();
        const outcome = await store().create(key, content(), LIFE, { created: now - created, seen: now - seen });
        const found = await store().peek(key);
        return [outcome, found.leftMs];
      };
      expect(await back(100_000, 20_000)).toEqual(['created', around(40_000)]);
      expect(await back(590_000, 20_000)).toEqual(['created', around(10_000)]);
      expect(await back(100_000, 60_000)).toEqual(['expired', 0]);
      expect(await back(600_000, 1000)).toEqual(['expired', 0]);
    });

    test('sessions of a subject are listed, and unlisted after a while', async () => {
      const key = fresh('su');
      expect(await store().listed(key)).toEqual([]);
      for (const each of ['a', 'b', 'a']) await store().list(key, each, LIFE.absoluteMs);
      expect((await store().listed(key)).toSorted()).toEqual(['a', 'b']);
      await store().unlist(key, 'a', 30_000);
      await store().unlist(key, 'nobody', 0);
      expect(await store().listed(key)).toHaveLength(2);
      await under().advance(40_000);
      await store().list(key, 'b', LIFE.absoluteMs);
      for (const each of ['a', 'b']) await store().unlist(key, each, 30_000);
      expect(await store().listed(key)).toEqual(['b']);
      await under().advance(500_000);
      await store().list(key, 'c', LIFE.absoluteMs);
      await under().advance(100_001);
      // Nothing lives so long.
      await store().list(key, 'd', LIFE.absoluteMs);
      expect((await store().listed(key)).toSorted()).toEqual(['c', 'd']);
      await under().advance(600_001);
      expect(await store().listed(key)).toEqual([]);
    });
  });
}
