import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/core/ports.ts';
import { decodeEntry } from '../../src/core/record.ts';
import {
  createRedisConnection,
  type RedisConnection,
  type RedisConnectionOptions,
} from '../../src/redis/connection.ts';
import { redisCheck } from '../../src/redis/health.ts';
import { slotOf } from '../../src/redis/slot.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import {
  type ClusterNode,
  type RedisCluster,
  type RedisClusterOptions,
  startRedisCluster,
} from '../support/redis-cluster.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { HERE, LONG, MINE, STAMP, value } from './store.bench.ts';
import { storeContract } from './store.contract.ts';

const unavailable = { code: 'STORE_UNAVAILABLE', retryable: true };
const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0).toReversed()) await end();
});

function connect(url: string, options: Partial<RedisConnectionOptions> = {}) {
  const errors: Error[] = [];
  let readies = 0;
  const connection = createRedisConnection({
    url,
    clustering: 'OSSCluster',
    onError: (error) => errors.push(error),
    onReady: () => readies++,
    ...options,
  });
  return { connection, store: createRedisStore(connection), errors, readies: () => readies };
}

async function cluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const started = await startRedisCluster(options);
  atEnd.push(() => started.stop());
  return started;
}

function client(url: string, options: Partial<RedisConnectionOptions> = {}) {
  const connected = connect(url, options);
  atEnd.push(() => connected.connection.close());
  return connected;
}

const portsOf = (connection: RedisConnection) => new Set(connection.primaries().map((node) => node?.options.port));
let count = 0;
const fresh = () => `wf:r:c:{item/${++count}}`;
/** Different keys of one slot, or of the slots of one node. */
async function keysOf(on: RedisCluster, at: ClusterNode | number, many: number): Promise<string[]> {
  if (typeof at === 'number') {
    let tag = fresh();
    while (slotOf(tag) !== at) tag = fresh();
    return Array.from({ length: many }, (_, i) => `${tag}:${i}`);
  }
  const keys: string[] = [];
  while (keys.length < many) {
    const key = fresh();
    if ((await on.nodeOf(key)) === at) keys.push(key);
  }
  return keys;
}
const lease = (store: Store, key: string) =>
  store.lease(key, { token: MINE, leaseMs: LONG, stamp: STAMP, force: true });
const fill = (store: Store, key: string, json = '{}') =>
  store.fill(key, {
    token: MINE,
    identity: HERE,
    stamp: STAMP,
    version: 10n,
    asOf: 10n,
    guarantee: 'watermarked',
    value: value(json),
    softMs: LONG,
    hardMs: LONG,
  });
const invalidate = (store: Store, key: string, version = 11n) =>
  store.invalidate(key, {
    version,
    identity: HERE,
    stamp: STAMP,
    own: 'always',
    token: MINE,
    leaseMs: LONG,
    fenceMs: LONG,
  });
async function load(store: Store, key: string): Promise<void> {
  expect(await lease(store, key)).toEqual({ kind: 'granted' });
  expect(await fill(store, key)).toBe('stored');
}
async function isThere(store: Store, key: string): Promise<boolean> {
  return decodeEntry((await store.get(key)) ?? HERE) !== undefined;
}
async function until(isDone: () => boolean | Promise<boolean>, ms = 15_000): Promise<number> {
  const start = performance.now();
  while (!(await isDone())) {
    if (performance.now() - start > ms) throw new Error('it does not happen');
    await sleep(10);
  }
  return performance.now() - start;
}
const answered = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );
async function timed(work: Promise<unknown>): Promise<{ ms: number; error: unknown }> {
  const start = performance.now();
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { ms: performance.now() - start, error };
}

// It proves too that a script only touches keys that it declares, in one slot.
storeContract({
  name: 'redis cluster of three primaries with replicas',
  async create() {
    const on = await startRedisCluster();
    const { connection, store } = connect(on.url);
    const admin = new Cluster([{ host: '127.0.0.1', port: on.nodes[0]?.server.port ?? 0 }]);
    return {
      store,
      advance: (ms) => sleep(ms + 2),
      peek: async (key) => (await admin.getBuffer(key)) ?? undefined,
      async poke(key, content, ttlMs) {
        await admin.del(key);
        if (content === 'list') await admin.rpush(key, 'a');
        else await admin.set(key, Buffer.from(content));
        if (ttlMs !== undefined) await admin.pexpire(key, ttlMs);
      },
      ttl: (key) => admin.pttl(key),
      async end() {
        admin.disconnect();
        await connection.close();
        await on.stop();
      },
    };
  },
});

describe('a quiet cluster', () => {
  let on: RedisCluster;
  let used: ReturnType<typeof connect>;
  let store: Store;
  beforeAll(async () => {
    on = await startRedisCluster();
    used = connect(on.url);
    store = used.store;
  });
  afterAll(async () => {
    await used?.connection.close();
    await on?.stop();
  });

  test('it promises no order, knows its primaries, and says ready once', async () => {
    await used.connection.settled();
    expect([store.ordered, used.connection.ready(), used.readies()]).toEqual([false, true, 1]);
    expect(portsOf(used.connection)).toEqual(new Set(on.nodes.slice(0, 3).map((node) => node.server.port)));
    expect(used.errors).toEqual([]);
  });

  test.each([
    '',
    'a',
    '123456789',
    '{a}b',
    'x{a}{b}',
    '{}{a}',
    '{{a}}',
    'a}b{c}',
    '{a',
    'é{ü/ß}',
    'wf:r:c:{item/😀}',
  ])('the slot of %j is that of Redis', async (key) => {
    expect(slotOf(key)).toBe(await on.slotOf(key));
  });

  test('calls of one tick over many slots make one round trip per node', async () => {
    await Promise.all(Array.from({ length: 100 }, async () => store.get(fresh())));
    // What the socket is given at a time, which is several writes of the client.
    const writes = used.connection.primaries().map((node) => vi.spyOn(node?.stream as Socket, '_writev'));
    const keys = Array.from({ length: 300 }, fresh);
    await Promise.all([
      ...keys.map((key) => store.get(key)),
      ...keys.map((key) => invalidate(store, key)),
      store.advance('wf:r:hw:{s}:trip', 5n),
      store.generations('wf:r:gen', ['s:a']),
    ]);
    // The text of a script goes to each node once.
    expect(writes.map((write) => write.mock.calls.length)).toEqual([1, 1, 1]);
    for (const write of writes) {
      const sent = write.mock.calls.flatMap(([chunks]) => chunks.map(({ chunk }) => String(chunk))).join('');
      expect(sent.split('local function stateOf').length - 1).toBe(1);
      write.mockRestore();
    }
  });

  test('C108: 100 keys over all slots in one tick are all answered', async () => {
    const keys = Array.from({ length: 100 }, fresh);
    expect(new Set(keys.map(slotOf)).size).toBeGreaterThan(90);
    expect(await Promise.all(keys.map((key) => lease(store, key)))).toEqual(keys.map(() => ({ kind: 'granted' })));
    expect(await Promise.all(keys.map((key) => fill(store, key)))).toEqual(keys.map(() => 'stored'));
    expect(await Promise.all(keys.map((key) => isThere(store, key)))).toEqual(keys.map(() => true));
    expect(await Promise.all(keys.map((key) => invalidate(store, key)))).toEqual(keys.map(() => 'leased'));
  });

  test('T34: one failing key among 500 calls is the only failure', async () => {
    await (await on.nodeOf('wf:r:dead:list')).admin.rpush('wf:r:dead:list', 'a');
    const letter = { source: 's', entity: 'e', key: 'k', version: '1', reason: 'r' };
    const results = await Promise.allSettled(
      Array.from({ length: 500 }, (_, i) =>
        i === 250 ? store.deadLetter('wf:r:dead:list', letter) : invalidate(store, fresh()),
      ),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: { code: 'STORE_REFUSED' } },
    ]);
    expect(results[250]?.status).toBe('rejected');
  });

  test('SCRIPT FLUSH goes unnoticed', async () => {
    for (let i = 0; i < 10; i++) {
      await Promise.all(on.nodes.map((node) => node.admin.script('FLUSH')));
      await Promise.all(Array.from({ length: 50 }, () => invalidate(store, fresh())));
    }
  });

  test('CLUSTERDOWN: a slot that nobody has fails alone, and is back when somebody has it', async () => {
    const [key = ''] = await keysOf(on, on.nodes[1] as ClusterNode, 1);
    const slot = slotOf(key);
    await Promise.all(on.nodes.map((node) => node.admin.call('CLUSTER', 'DELSLOTS', slot)));
    const [at, other] = [store.get(key), store.get(fresh())];
    await expect(at).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('CLUSTERDOWN') });
    expect(await other).toBeUndefined();
    await expect(lease(store, key)).rejects.toMatchObject(unavailable);
    await on.nodes[1]?.admin.call('CLUSTER', 'ADDSLOTS', slot);
    await until(() => answered(lease(store, key)));
    await on.settled();
  });

  test('health: every primary’s eviction policy counts', async () => {
    expect(await redisCheck(used.connection)).toBeUndefined();
    await on.nodes[2]?.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await redisCheck(used.connection)).toContain('allkeys-lru');
    await on.nodes[2]?.admin.config('SET', 'maxmemory-policy', 'noeviction');
  });
});

describe('a slot migrates', () => {
  test.each([
    'between primaries',
    'to a new primary',
  ])('%s: MOVED and ASK are followed, call by call', async (where) => {
    const on = await cluster();
    const { store, errors } = client(on.url);
    await store.get('a');
    const slot = 866;
    const to = where === 'to a new primary' ? await on.add() : (on.nodes[2] as ClusterNode);
    const [keys, others] = [await keysOf(on, slot, 30), Array.from({ length: 100 }, fresh)];
    for (const key of [...keys, ...others]) await load(store, key);
    const generation = (await store.generations('wf:r:gen', ['s:a'])).values;

    /** Everything in one tick, of this slot and others: what was loaded is there, what is new can be loaded. */
    const check = async (added: number) => {
      const news = (await keysOf(on, slot, 60)).slice(30 + added);
      const [there, leased, seen] = await Promise.all([
        Promise.all([...keys, ...others].map((key) => isThere(store, key))),
        Promise.all(news.map((key) => lease(store, key))),
        store.generations('wf:r:gen', ['s:a']),
      ]);
      expect(there).not.toContain(false);
      expect(leased).toEqual(news.map(() => ({ kind: 'granted' })));
      expect(seen.values).toEqual(generation);
      expect(await Promise.all(news.map((key) => fill(store, key)))).toEqual(news.map(() => 'stored'));
      expect(await Promise.all(news.map((key) => isThere(store, key)))).not.toContain(false);
    };

    const [mark, gen] = [`${keys[0] ?? ''}:hw`, `${keys[0] ?? ''}:gen`];
    await store.advance(mark, 5n);
    const [before = ''] = (await store.generations(gen, ['s:a'])).values;
    await check(0);
    const from = await on.beginMigration(slot, to);
    await check(5);
    expect(await on.moveKeys(slot, from, to, keys.slice(0, 15))).toBe(15);
    await check(10);
    // Changes find their keys on either side.
    const dropped = await Promise.all(keys.map((key) => invalidate(store, key)));
    expect(new Set(dropped)).toEqual(new Set(['leased']));
    expect(await Promise.all(keys.map((key) => isThere(store, key)))).not.toContain(true);
    // Watermarks and generations survive it.
    await store.advance(mark, 7n);
    expect(await store.watermark(mark, generation[0] ?? '')).toMatchObject({ state: 'unknown', pending: 7n });
    expect((await store.bump(gen, 's:a', '')) > before).toBe(true);
    await store.close(mark);
    expect(await store.watermark(mark, before)).toEqual({ state: 'closed' });
    for (const key of keys) await lease(store, key);
    for (const key of keys) await store.release(key, MINE);
    while ((await on.moveKeys(slot, from, to)) > 0);
    await Promise.all(keys.map((key) => lease(store, key)));
    await on.endMigration(slot, from, to);
    expect(await Promise.all(keys.map((key) => store.get(key).then((record) => record !== undefined)))).not.toContain(
      false,
    );
    expect(
      (await Promise.all(keys.map((key) => invalidate(store, key, 12n)))).every((reply) => reply === 'leased'),
    ).toBe(true);
    expect(await Promise.all(others.map((key) => isThere(store, key)))).not.toContain(false);
    expect(errors).toEqual([]);
  });

  test('under load, to and fro: no call fails and none is applied twice', async () => {
    const on = await cluster();
    const { store } = client(on.url);
    const slot = slotOf('wf:r:dead:{load}');
    const letter = { source: 's', entity: 'e', key: 'k', version: '1', reason: 'r' };
    const migration = new AbortController();
    let sent = 0;
    const traffic = (async () => {
      while (!migration.signal.aborted) {
        sent += 5;
        await Promise.all([
          ...Array.from({ length: 5 }, () => store.deadLetter('wf:r:dead:{load}', letter)),
          ...Array.from({ length: 20 }, () => store.get(fresh())),
        ]);
      }
    })();
    const [a, b] = [await on.nodeOf(slot), on.nodes[0] as ClusterNode];
    const other = a === b ? (on.nodes[1] as ClusterNode) : b;
    for (const to of [other, a, other, a]) {
      const from = await on.beginMigration(slot, to);
      await sleep(50);
      await on.moveKeys(slot, from, to);
      await sleep(50);
      while ((await on.moveKeys(slot, from, to)) > 0);
      await on.endMigration(slot, from, to);
      await sleep(50);
    }
    migration.abort();
    await traffic;
    expect(sent).toBeGreaterThan(100);
    expect(await (await on.nodeOf(slot)).admin.xlen('wf:r:dead:{load}')).toBe(sent);
  });
});

describe('a primary is lost', () => {
  test('its slots fail at once and come back by themselves; the others go on', async () => {
    const on = await cluster();
    const { store, connection, errors, readies } = client(on.url, { socketTimeoutMs: 500 });
    const victim = on.nodes[1] as ClusterNode;
    const [lost, kept] = [await keysOf(on, victim, 20), await keysOf(on, on.nodes[0] as ClusterNode, 20)];
    for (const key of [...lost, ...kept]) await load(store, key);
    // What is acknowledged may not be at the replica yet.
    await victim.admin.call('WAIT', 1, 1000);
    await victim.server.kill();
    const during = await Promise.all(lost.map((key) => timed(store.get(key))));
    for (const { error } of during) expect(error).toMatchObject(unavailable);
    for (const { ms, error } of await Promise.all(lost.map((key) => timed(lease(store, key))))) {
      expect(error).toMatchObject(unavailable);
      expect(ms).toBeLessThan(250);
    }
    expect(connection.ready()).toBe(true);
    expect(await redisCheck(connection)).toBe('1 of 3 primaries of the cluster cannot be reached or do not serve');
    let failures = 0;
    const ms = await until(async () => {
      for (const key of kept) if (!(await isThere(store, key).catch(() => false))) failures++;
      return answered(store.get(lost[0] ?? ''));
    });
    expect(ms).toBeLessThan(10_000);
    expect(failures).toBe(0);
    expect(await Promise.all(lost.map((key) => isThere(store, key)))).not.toContain(false);
    expect(await Promise.all(lost.map((key) => invalidate(store, key)))).toEqual(lost.map(() => 'leased'));
    await until(() => readies() === 2);
    expect(await redisCheck(connection)).toBeUndefined();
    expect(errors.length).toBeLessThanOrEqual(3);
    for (const error of errors) expect(error).toMatchObject(unavailable);

    // It comes back as a replica of the other, without a word.
    await victim.server.start();
    await on.settled();
    expect(await Promise.all(lost.map((key) => answered(store.get(key))))).not.toContain(false);
  });

  // Four changes of a primary, each some seconds of waiting and voting: on a busy machine more than a test has.
  test('C65: failovers in good order and by loss, a second shard too: no redirections left over', async () => {
    const on = await cluster();
    const { store, errors } = client(on.url);
    const keys = Array.from({ length: 200 }, fresh);
    for (const key of keys) await load(store, key);
    const messages = new Set<string>();
    const reasons: unknown[] = [];
    const running = new AbortController();
    const traffic = (async () => {
      for (let i = 0; !running.signal.aborted; i++) {
        const key = keys[i % keys.length] ?? '';
        const calls = await Promise.allSettled([store.get(key), lease(store, key), store.release(key, MINE)]);
        for (const call of calls) {
          if (call.status === 'fulfilled') continue;
          reasons.push(call.reason);
          messages.add(String(call.reason));
        }
        await sleep(5);
      }
    })();
    for (const primary of on.nodes.slice(0, 2)) {
      await on.failover(await on.replicaOf(primary));
      await on.settled();
      await until(async () => (await Promise.all(keys.map((key) => answered(store.get(key))))).every(Boolean));
      await primary.server.kill();
      await sleep(300);
      await primary.server.start();
      await on.settled();
      // Back to where it was, by loss.
      const now = (await Promise.all(keys.map((key) => on.nodeOf(key)))).find((node) => on.nodes.indexOf(node) > 2);
      await now?.server.kill();
      await until(async () => (await Promise.all(keys.map((key) => answered(lease(store, key))))).every(Boolean));
      await now?.server.start();
      await on.settled();
    }
    running.abort();
    await traffic;
    expect(reasons.filter((reason) => !(reason as { retryable?: boolean }).retryable)).toEqual([]);
    expect([...messages].filter((message) => message.includes('redirections'))).toEqual([]);
    messages.clear();
    const results = await Promise.allSettled(Array.from({ length: 1000 }, () => store.get(fresh())));
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(errors.filter(({ message }) => message.includes('redirections'))).toEqual([]);
  }, 90_000);

  test('one that hangs is given up, and its slots then fail at once', async () => {
    const on = await cluster({ args: ['--cluster-node-timeout', '15000'] });
    const { store } = client(on.url, { socketTimeoutMs: 200 });
    const victim = on.nodes[2] as ClusterNode;
    const [key = ''] = await keysOf(on, victim, 1);
    const [other = ''] = await keysOf(on, on.nodes[0] as ClusterNode, 1);
    await Promise.all([store.get(key), store.get(other)]);
    process.kill(victim.server.pid() ?? 0, 'SIGSTOP');
    try {
      const [hung, fine] = await Promise.all([timed(store.get(key)), timed(store.get(other))]);
      expect(hung.error).toMatchObject(unavailable);
      expect(hung.ms).toBeLessThan(1000);
      expect(fine.error).toBeUndefined();
      for (let i = 0; i < 20; i++) {
        expect(await timed(store.get(key))).toMatchObject({
          error: unavailable,
          ms: expect.toSatisfy((ms: number) => ms < 100),
        });
        expect(await timed(store.get(other))).toMatchObject({ error: undefined });
        await sleep(20);
      }
    } finally {
      process.kill(victim.server.pid() ?? 0, 'SIGCONT');
    }
    await until(() => answered(store.get(key)));
  });

  test('all are lost and come back: not ready, then ready again', async () => {
    const on = await cluster({ replicas: 0 });
    const { store, connection, errors, readies } = client(on.url);
    await store.get('a');
    await Promise.all(on.nodes.map((node) => node.server.kill()));
    await until(() => !connection.ready());
    expect(await timed(store.get('a'))).toMatchObject({
      error: unavailable,
      ms: expect.toSatisfy((ms: number) => ms < 50),
    });
    await expect(redisCheck(connection)).rejects.toThrow('not connected');
    await sleep(1000);
    expect(await timed(lease(store, 'a'))).toMatchObject({ error: unavailable });
    await Promise.all(on.nodes.map((node) => node.server.start()));
    await until(() => connection.ready());
    await until(async () =>
      (await Promise.all(Array.from({ length: 50 }, () => answered(store.get(fresh()))))).every(Boolean),
    );
    await until(() => readies() === 2);
    expect(errors.length).toBeLessThanOrEqual(8);
  });
});

describe('connecting', () => {
  test('the very first calls wait; those after closing fail', async () => {
    const on = await cluster({ replicas: 0 });
    const { store, connection } = client(on.url);
    expect(await Promise.all(Array.from({ length: 50 }, () => store.get(fresh())))).not.toContain(1);
    await load(store, 'wf:c');
    const calls = Promise.all([store.get('wf:c'), store.advance('wf:hw', 1n)]);
    await sleep(1);
    await connection.close();
    await calls;
    expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
    await connection.close();
  });

  test('nobody there: no throw, an error at once, one report', async () => {
    const { store, connection, errors } = client(`redis://:secret@127.0.0.1:${await freePort()}`);
    expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
    await connection.settled();
    for (let i = 0; i < 20; i++) expect((await timed(store.get('a'))).ms).toBeLessThan(50);
    await sleep(500);
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });

  test('a server that is no cluster is said to be none', async () => {
    const server = await startRedis();
    atEnd.push(() => server.stop());
    const { store, errors } = client(server.url);
    expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
    expect(errors[0]?.message).toContain('cluster support disabled');
  });

  test('a cluster taken for one server: keys of other nodes fail', async () => {
    const on = await cluster({ replicas: 0 });
    const { store } = client(on.url, { clustering: 'EnterpriseCluster' });
    const [here = ''] = await keysOf(on, on.nodes[0] as ClusterNode, 1);
    const [elsewhere = ''] = await keysOf(on, on.nodes[1] as ClusterNode, 1);
    expect(await store.get(here)).toBeUndefined();
    await expect(store.get(elsewhere)).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('MOVED'),
    });
  });

  test('a database, or no URL, is refused', () => {
    for (const url of ['redis://a/3', 'http://a', '']) {
      expect(() => connect(url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    }
  });

  test('a password goes to every node; a wrong one is reported without it', async () => {
    const on = await cluster({ replicas: 0 });
    for (const node of on.nodes) await node.admin.config('SET', 'requirepass', 'hush/hush');
    const of = (password: string) => on.url.replace('//', `//:${encodeURIComponent(password)}@`);
    const right = client(of('hush/hush'));
    expect(await Promise.all(Array.from({ length: 50 }, () => right.store.get(fresh())))).not.toContain(1);
    const wrong = client(of('other/secret'));
    expect(await timed(wrong.store.get('a'))).toMatchObject({ error: unavailable });
    expect(wrong.errors.map(({ message }) => message).join()).toMatch(/WRONGPASS|NOAUTH/);
    expect(JSON.stringify(wrong.errors, ['message', 'stack', 'cause', 'command', 'args'])).not.toContain(
      'other/secret',
    );
  });

  test('TLS: nodes are known by address, and must have the certificate of the name in the URL', async () => {
    const { args, trust } = certificate();
    const ports = [await freePort(), await freePort(), await freePort()];
    const on = await cluster({ replicas: 0, args, argsOf: (i) => ['--tls-port', `${ports[i] ?? 0}`] });
    const unknown = client(`rediss://localhost:${ports[0]}`);
    expect(await timed(unknown.store.get('a'))).toMatchObject({ error: unavailable });
    await until(() => unknown.errors.some(({ message }) => message.includes('self-signed certificate')));
    trust();
    const right = client(`rediss://localhost:${ports[0]}`);
    const keys = Array.from({ length: 100 }, fresh);
    expect(await Promise.all(keys.map((key) => lease(right.store, key)))).toEqual(
      keys.map(() => ({ kind: 'granted' })),
    );
    expect(portsOf(right.connection)).toEqual(new Set(ports));
    expect(right.errors).toEqual([]);
    // The certificate has no address.
    const foreign = client(`rediss://127.0.0.1:${ports[0]}`);
    expect(await timed(foreign.store.get('a'))).toMatchObject({ error: unavailable });
    await until(() => foreign.errors.some(({ message }) => message.includes('does not match certificate')));
    await on.settled();
  });
});

/** Of localhost, by name only. */
function certificate() {
  const directory = mkdtempSync(join(tmpdir(), 'warmfeed-tls-'));
  atEnd.push(() => rmSync(directory, { recursive: true }));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
    { stdio: 'ignore' },
  );
  return {
    // The bus too, so that nodes advertise their TLS ports.
    args: `--tls-cert-file ${cert} --tls-key-file ${key} --tls-ca-cert-file ${cert} --tls-auth-clients no
      --tls-cluster yes`.split(/\s+/),
    trust: () => {
      const before = getCACertificates('default');
      setDefaultCACertificates([...before, readFileSync(cert, 'utf8')]);
      atEnd.push(() => setDefaultCACertificates(before));
    },
  };
}
