import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hash64, hex, utf8 } from '../../src/core/bytes.ts';
import type { Store } from '../../src/core/ports.ts';
import { decodeControl, decodeEntry } from '../../src/core/record.ts';
import { createRedisConnection } from '../../src/redis/connection.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { storeContract } from './store.contract.ts';
import { type StoreOnRedis, storeOnRedis } from './store.on-redis.ts';
import { startProxy } from './store.proxy.ts';

const refused = (retryable: boolean) => ({ code: 'STORE_REFUSED', retryable });

storeContract({ name: 'redis', create: () => storeOnRedis() });

describe('redis', () => {
  const LONG = 3_600_000;
  const MINE = utf8('mine....');
  const HERE = hash64('rid/0');
  const STAMP = utf8('generat.finger..');
  let on: StoreOnRedis;
  let store: Store;
  let count = 0;
  const fresh = () => `wf:r:c:{item/${++count}}`;
  const lease = (key: string, of: Store = store) =>
    of.lease(key, { token: MINE, leaseMs: LONG, stamp: STAMP, force: false });
  const fill = (key: string, of: Store = store) =>
    of.fill(key, {
      token: MINE,
      identity: HERE,
      stamp: STAMP,
      version: 10n,
      asOf: 10n,
      guarantee: 'watermarked',
      value: { state: 'value', body: utf8('{}'), etag: utf8('etag12bytes!'), tags: [] },
      softMs: LONG,
      hardMs: LONG,
    });
  const invalidate = (key: string, own: 'always' | 'cached' | 'never' = 'never', of: Store = store) =>
    of.invalidate(key, {
      version: 11n,
      identity: HERE,
      stamp: STAMP,
      own,
      token: MINE,
      leaseMs: LONG,
      fenceMs: LONG,
    });
  const unavailable = { code: 'STORE_UNAVAILABLE', retryable: true };
  /** Every script once. */
  const everything = async (of: Store = store) => {
    const [a, b, mark, gen] = [fresh(), fresh(), `wf:r:hw:{s}:${++count}`, `wf:r:gen:${++count}`];
    const replies = await Promise.all([lease(a, of), fill(a, of), invalidate(a, 'cached', of), of.release(a, MINE)]);
    await Promise.all([lease(b, of), fill(b, of), of.advance(mark, 5n)]);
    const [generation = ''] = (await of.generations(gen, ['s:a'])).values;
    const watermark = await of.watermark(mark, generation);
    const position = await of.seed(mark, watermark.state === 'unknown' ? watermark.nonce : '', 7n);
    const bumped = await of.bump(gen, 's:a', '');
    await of.deadLetter(`wf:r:dead:${++count}`, { source: 's', entity: 'e', key: 'k', version: '1', reason: 'r' });
    await of.close(`${mark}x`);
    expect(replies.slice(0, 3)).toEqual([{ kind: 'granted' }, 'stored', 'leased']);
    expect([position, bumped > generation]).toEqual([7n, true]);
  };

  beforeAll(async () => {
    on = await storeOnRedis();
    store = on.store;
  });
  afterAll(() => on?.end());
  afterEach(async () => {
    await on.admin.config('SET', 'maxmemory', '0');
  });

  test('every key has a TTL, but watermarks, generations and dead letters', async () => {
    await on.admin.flushall();
    await everything();
    await lease(fresh());
    await invalidate(fresh(), 'always');
    const keys = await on.admin.keys('*');
    expect(keys.length).toBeGreaterThan(6);
    for (const key of keys) {
      const lasts = /:gen|:dead/.test(key) || (key.includes(':hw:') && (await on.admin.get(key)) !== 'X');
      expect([key, (await on.admin.pttl(key)) > 0]).toEqual([key, !lasts]);
    }
  });

  test('dead letters are kept up to about a cap', async () => {
    const capped = createRedisStore(on.connection, { deadLettersCap: 100 });
    const letter = { source: 's', entity: 'e', key: 'k', version: '1', reason: 'too large' };
    await Promise.all(Array.from({ length: 1000 }, () => capped.deadLetter('wf:r:dead', letter)));
    expect(await on.admin.xlen('wf:r:dead')).toBeLessThan(300);
    const [[, fields] = []] = await on.admin.xrange('wf:r:dead', '-', '+', 'COUNT', 1);
    expect(fields).toEqual(Object.entries(letter).flat());
  });

  test('out of memory: invalidation goes on, filling is refused', async () => {
    const [a, b, c, mark] = [fresh(), fresh(), fresh(), 'wf:r:hw:{s}:oom'];
    await Promise.all([lease(a), fill(a), lease(b), fill(b), lease(c), fill(c), store.advance(mark, 5n)]);
    const [before = ''] = (await store.generations('wf:r:gen', ['s:a'])).values;
    await on.admin.config('SET', 'maxmemory-policy', 'noeviction');
    await on.admin.config('SET', 'maxmemory', '1');
    const replies = await Promise.all([
      store.advance(mark, 9n),
      invalidate(a),
      invalidate(b, 'always'),
      invalidate(c, 'cached'),
    ]);
    expect(replies).toEqual([undefined, 'dropped', 'leased', 'leased']);
    for (const key of [a, b, c]) expect(decodeEntry((await store.get(key)) ?? HERE)).toBeUndefined();
    expect(await on.admin.get(mark)).toMatch(/0000000000000009$/);
    expect((await store.bump('wf:r:gen', 's:a', '')) > before).toBe(true);
    await store.close(mark);
    expect(await store.watermark(mark, before)).toEqual({ state: 'closed' });
    await expect(lease(fresh())).rejects.toMatchObject(refused(true));
    await expect(fill(b)).rejects.toMatchObject(refused(true));
    expect(await store.get(a)).toBeDefined();
  });

  test('an invalidation whose fence is refused has still dropped the value', async () => {
    await on.admin.acl('SETUSER', 'deleter', 'on', '>pass word', '~*', '+@all', '-set');
    const connection = createRedisConnection({
      url: on.server.url.replace('//', '//deleter:pass%20word@'),
      onError: () => undefined,
    });
    const limited = createRedisStore(connection);
    const [a, b] = [fresh(), fresh()];
    await Promise.all([lease(a), fill(a), lease(b), fill(b)]);
    expect(await invalidate(a, 'always', limited)).toBe('dropped');
    expect(await invalidate(b, 'never', limited)).toBe('dropped');
    expect(await on.admin.exists(a, b)).toBe(0);
    await expect(lease(a, limited)).rejects.toMatchObject(refused(false));
    await connection.close();
  });

  test('no error carries keys or documents', async () => {
    await on.admin.rpush('wf:r:gen:list', 'a');
    const error: unknown = await store.bump('wf:r:gen:list', 's:secret', '').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ ...refused(false), message: expect.stringContaining('WRONGTYPE') });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/s:secret|gen:list/);
  });

  test('C63: SCRIPT FLUSH goes unnoticed', async () => {
    await everything();
    await on.admin.script('FLUSH');
    await everything();
  });

  test('SCRIPT FLUSH changes no order, also where others have loaded some of the scripts again', async () => {
    for (let i = 0; i < 50; i++) {
      await everything();
      await on.admin.script('FLUSH');
      // Another instance loads what comes second.
      const other = createRedisConnection({ url: on.server.url, onError: () => undefined });
      await invalidate(fresh(), 'always', createRedisStore(other));
      const key = fresh();
      const replies = await Promise.all([lease(key), invalidate(key, 'always'), store.release(key, MINE), lease(key)]);
      expect(replies).toEqual([{ kind: 'granted' }, 'leased', undefined, { kind: 'granted' }]);
      await other.close();
    }
  });

  test('calls of one tick make one round trip', async () => {
    const proxy = await startProxy(on.server.port);
    const connection = createRedisConnection({ url: proxy.url, onError: () => undefined });
    const proxied = createRedisStore(connection);
    await proxied.get(fresh());
    const keys = Array.from({ length: 40 }, fresh);
    proxy.reset();
    await Promise.all([
      proxied.advance('wf:r:hw:{s}:trip', 5n),
      proxied.generations('wf:r:gen', ['s:a']),
      ...keys.map((key) => proxied.get(key)),
      ...keys.map((key) => invalidate(key, 'always', proxied)),
      ...keys.map((key) => fill(key, proxied)),
    ]);
    expect(proxy.roundTrips()).toBe(1);
    await Promise.all(keys.map((key) => proxied.get(key)));
    expect(proxy.roundTrips()).toBe(2);
    await connection.close();
    proxy.close();
  });

  test('T34: one failing key among 500 calls is the only failure', async () => {
    await on.admin.rpush('wf:r:dead:list', 'a');
    const letter = { source: 's', entity: 'e', key: 'k', version: '1', reason: 'r' };
    const results = await Promise.allSettled(
      Array.from({ length: 500 }, (_, i) =>
        i === 250 ? store.deadLetter('wf:r:dead:list', letter) : invalidate(fresh(), 'always'),
      ),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: expect.objectContaining(refused(false)) },
    ]);
    expect(results[250]?.status).toBe('rejected');
  });

  test('a call whose reply was lost is not sent again', async () => {
    const proxy = await startProxy(on.server.port);
    const connection = createRedisConnection({ url: proxy.url, onError: () => undefined });
    const proxied = createRedisStore(connection);
    await proxied.get(fresh());
    await on.admin.config('RESETSTAT');
    proxy.loseReplies(true);
    const calls = [
      // Two commands: these two cannot be one.
      invalidate(fresh(), 'always', proxied),
      invalidate(fresh(), 'cached', proxied),
      proxied.get(fresh()),
    ];
    for (const result of await Promise.allSettled(calls)) expect(result).toMatchObject({ reason: unavailable });
    proxy.loseReplies(false);
    await until(async () => connection.ready());
    await proxied.get(fresh());
    const sent = (await on.admin.info('commandstats')).match(/cmdstat_eval(sha)?:calls=\d+/g);
    expect(sent?.toSorted()).toEqual(['cmdstat_eval:calls=1', 'cmdstat_evalsha:calls=1']);
    await connection.close();
    proxy.close();
  });

  test('reads of one tick are one command, and one alone is a GET', async () => {
    await on.admin.config('RESETSTAT');
    await Promise.all(Array.from({ length: 32 }, () => store.get(fresh())));
    await store.get(fresh());
    const sent = (await on.admin.info('commandstats')).match(/cmdstat_m?get:calls=\d+/g);
    expect(sent?.toSorted()).toEqual(['cmdstat_get:calls=1', 'cmdstat_mget:calls=1']);
  });

  test('changes of one page are one command, and each has its own reply', async () => {
    const keys = Array.from({ length: 64 }, fresh);
    await Promise.all(keys.map((key) => lease(key)));
    expect(new Set(await Promise.all(keys.map((key) => fill(key))))).toEqual(new Set(['stored']));
    await on.admin.config('RESETSTAT');
    const replies = await Promise.all(
      [...keys, fresh()].map((key, i) => (i === 3 ? store.drop(key) : invalidate(key))),
    );
    expect(replies.filter((reply) => reply === 'dropped')).toHaveLength(64);
    const sent = (await on.admin.info('commandstats')).match(/cmdstat_eval(sha)?:calls=\d+/g);
    // Three before the other call; the rest after it, in one.
    expect(sent?.toSorted()).toEqual(['cmdstat_eval:calls=1', 'cmdstat_evalsha:calls=1']);
  });

  test('large values', async () => {
    const key = fresh();
    const body = new Uint8Array(2_000_000).fill(0xc3);
    await lease(key);
    expect(
      await store.fill(key, {
        token: MINE,
        identity: HERE,
        stamp: STAMP,
        version: 1n,
        asOf: 1n,
        guarantee: 'leased',
        value: { state: 'value', body, etag: utf8('etag12bytes!'), tags: [] },
        softMs: 0.4,
        hardMs: LONG + 0.5,
      }),
    ).toBe('stored');
    const bytes = (await store.get(key)) ?? HERE;
    expect(decodeEntry(bytes)?.body.length).toBe(2_000_000);
    expect(await lease(key)).toEqual({ kind: 'granted' });
    expect(hex(decodeControl((await store.get(key)) ?? HERE)?.leaseToken ?? HERE)).toBe(hex(MINE));
  });
});

async function until(done: () => Promise<boolean>, timeoutMs = 5000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await done())) {
    if (Date.now() > end) throw new Error('it does not happen');
    await sleep(5);
  }
}
