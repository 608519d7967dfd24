// What operating keeps in Redis, on a real server: notes, counts, dead letters, warm jobs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisKeys } from '../../src/core/key.ts';
import { createJobStore } from '../../src/redis/job-store.ts';
import { createOpsStore } from '../../src/redis/ops-store.ts';
import { createMemoryOpsStore } from '../support/memory-ops-store.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { type StoreOnRedis, storeOnRedis } from './store.on-redis.ts';

const GENERATION = '1700000000000000aaaaaaaa';
const letter = (key: string) => ({ source: 's', entity: 'e', key, version: '1', reason: 'a b\n"c"' });
let redis: StoreOnRedis;
beforeAll(async () => {
  redis = await storeOnRedis();
});
afterAll(() => redis?.end());
const ops = () => createOpsStore(redis.connection);

test('a watermark is looked at as it is, and none is made', async () => {
  const memory = createMemoryStore();
  const onMemory = createMemoryOpsStore(memory, Date.now);
  for (const store of [redis.store, memory]) {
    const seen = (key: string) => (store === memory ? onMemory : ops()).watermark(key);
    expect(await seen('wf:o:hw:{s}:1')).toEqual({ state: 'absent' });
    expect(await seen('wf:o:hw:{s}:1')).toEqual({ state: 'absent' });
    await store.advance('wf:o:hw:{s}:1', 2n ** 63n + 1n);
    expect(await seen('wf:o:hw:{s}:1')).toMatchObject({ state: 'unknown', pending: 2n ** 63n + 1n });
    const mark = await store.watermark('wf:o:hw:{s}:2', GENERATION);
    await store.seed('wf:o:hw:{s}:2', mark.state === 'unknown' ? mark.nonce : '', 7n);
    expect(await seen('wf:o:hw:{s}:2')).toEqual({ state: 'known', position: 7n, generation: GENERATION });
    await store.close('wf:o:hw:{s}:3');
    expect(await seen('wf:o:hw:{s}:3')).toEqual({ state: 'closed' });
  }
});

test('notes, fields and counts, each for its time', async () => {
  const store = ops();
  await store.note(
    new Map([
      ['wf:o:no:{1}', 'a=é'],
      ['wf:o:no:{2}', 'b'],
    ]),
    60_000,
  );
  expect([await store.noted('wf:o:no:{1}'), await store.noted('wf:o:no:{3}')]).toEqual(['a=é', undefined]);
  expect(await redis.ttl('wf:o:no:{2}')).toBeGreaterThan(50_000);
  await store.setFields('wf:o:f', new Map());
  expect(await store.fields('wf:o:f')).toEqual(new Map());
  await store.setFields(
    'wf:o:f',
    new Map([
      ['x', '1'],
      ['y', '2'],
    ]),
  );
  expect(await redis.ttl('wf:o:f')).toBe(-1);
  await store.setFields('wf:o:f', new Map([['y', '3']]), 60_000);
  await store.removeField('wf:o:f', 'x');
  await store.removeField('wf:o:f', 'x');
  expect(await store.fields('wf:o:f')).toEqual(new Map([['y', '3']]));
  expect(await redis.ttl('wf:o:f')).toBeGreaterThan(50_000);
  await Promise.all(
    [1, 2, 3].map((n) =>
      store.count(
        'wf:o:n',
        new Map([
          ['a:é', n],
          ['b', 1],
        ]),
        60_000,
      ),
    ),
  );
  await store.count('wf:o:n', new Map(), 60_000);
  expect(await store.fields('wf:o:n')).toEqual(
    new Map([
      ['a:é', '6'],
      ['b', '3'],
    ]),
  );
});

describe('dead letters', () => {
  test('are listed newest first, in pages, and removed', async () => {
    const store = ops();
    const key = 'wf:o:dead';
    expect([await store.letters(key, { limit: 5 }), await store.letterCount(key)]).toEqual([[], 0]);
    for (let i = 0; i < 5; i++) await redis.store.deadLetter(key, letter(`k${i}`));
    const keysOf = async (page: { before?: string; limit: number }) =>
      (await store.letters(key, page)).map((each) => each.key);
    expect(await keysOf({ limit: 3 })).toEqual(['k4', 'k3', 'k2']);
    const all = await store.letters(key, { limit: 9 });
    expect(await keysOf({ limit: 3, before: all[2]?.id ?? '' })).toEqual(['k1', 'k0']);
    expect(await keysOf({ limit: 3, before: all[4]?.id ?? '' })).toEqual([]);
    expect(await store.letter(key, all[0]?.id ?? '')).toEqual({ ...letter('k4'), id: all[0]?.id });
    expect(await store.letter(key, '1-1')).toBeUndefined();
    expect(await store.removeLetters(key, [all[1]?.id ?? '', '1-1'])).toBe(1);
    expect(await store.removeLetters(key, [])).toBe(0);
    expect(await store.removeLettersUpTo(key, all[2]?.id ?? '')).toBe(3);
    expect(await keysOf({ limit: 9 })).toEqual(['k4']);
  });

  test('of one millisecond have an order too, and ends of it are no trouble', async () => {
    const store = ops();
    const key = 'wf:o:dead2';
    const last = String(2n ** 64n - 1n);
    for (const id of ['5-0', '5-1', `5-${last}`, '6-0']) {
      await redis.admin.xadd(key, id, ...Object.entries(letter(id)).flat());
    }
    const before = async (id: string) => (await store.letters(key, { before: id, limit: 9 })).map((each) => each.id);
    expect(await before('6-0')).toEqual([`5-${last}`, '5-1', '5-0']);
    expect(await before('5-1')).toEqual(['5-0']);
    expect(await before('5-0')).toEqual([]);
    expect(await before('0-0')).toEqual([]);
    expect(await store.removeLettersUpTo(key, `5-${last}`)).toBe(3);
  });
});

describe('warm jobs', () => {
  const jobs = () => createJobStore(redis.connection, redisKeys('o'));
  const spec = (id: string, createdAt = 1000) => ({ id, entity: 'e', createdAt });
  const progress = { scanned: 1, filled: 1, skipped: 0, units: 2.5, continuation: 'c' };
  const mine = { owner: 'me', leaseMs: 60_000 };

  test('are taken by one at a time, and noted', async () => {
    const store = jobs();
    await store.create(spec('a'));
    expect(await store.job('a')).toMatchObject({
      spec: spec('a'),
      state: 'queued',
      progress: { scanned: 0 },
      updatedAt: 1000,
    });
    expect(await store.step('a', mine)).toBe('running');
    expect(await store.step('a', { ...mine, owner: 'other' })).toBeUndefined();
    expect(await store.step('a', { ...mine, progress })).toBe('running');
    expect(await store.job('a')).toMatchObject({ state: 'running', progress });
    expect(await store.step('a', { ...mine, leaseMs: 0 })).toBe('running');
    await redis.advance(3);
    expect(await store.step('a', { ...mine, owner: 'other' })).toBe('running');
    expect(await store.step('a', { ...mine, progress })).toBeUndefined();
    expect(await store.step('a', { ...mine, owner: 'other', end: 'done' })).toBe('done');
    expect(await store.step('a', mine)).toBeUndefined();
    expect(await redis.ttl(redisKeys('o').warmJob('a'))).toBeGreaterThan(86_400_000);
    expect(await store.step('none', mine)).toBeUndefined();
  });

  test('are turned as their state allows, which whoever has one learns at the next step', async () => {
    const store = jobs();
    await store.create(spec('b'));
    await store.step('b', mine);
    expect(await store.turn('b', 'paused', ['queued', 'running'])).toBe(true);
    expect(await store.turn('b', 'paused', ['queued', 'running'])).toBe(true);
    expect(await store.step('b', { ...mine, progress, end: 'done' })).toBe('paused');
    expect(await store.job('b')).toMatchObject({ state: 'paused', progress });
    expect(await store.turn('b', 'queued', ['paused'])).toBe(true);
    expect(await store.step('b', { ...mine, owner: 'other', end: 'failed' })).toBe('failed');
    expect(await store.turn('b', 'cancelled', ['queued', 'running', 'paused'])).toBe(false);
    expect(await store.turn('none', 'cancelled', ['queued'])).toBe(false);
  });

  test('are listed, the newest of them', async () => {
    const store = jobs();
    for (let i = 0; i < 105; i++) await store.create(spec(`n${i}`, 2000 + i));
    expect((await store.jobs(3)).map((job) => job.spec.id)).toEqual(['n104', 'n103', 'n102']);
    expect(await store.jobs(1000)).toHaveLength(100);
  });
});
