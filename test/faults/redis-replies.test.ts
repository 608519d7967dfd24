// What Redis answers when it will not serve: what each answer means, that it ends when its cause ends, and that
// readers do not notice.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRedisConnection, type RedisConnectionOptions } from '../../src/redis/connection.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const unavailable = { code: 'STORE_UNAVAILABLE', retryable: true };
const refused = { code: 'STORE_REFUSED', retryable: true };
const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0).toReversed()) await end();
});

function connected(url: string, options: Partial<RedisConnectionOptions> = {}) {
  const errors: Error[] = [];
  const connection = createRedisConnection({ url, onError: (error) => errors.push(error), ...options });
  atEnd.push(() => connection.close());
  const store = createRedisStore(connection);
  const lease = (key = 'wf:c:{k}') =>
    store.lease(key, { token: new Uint8Array(8).fill(1), leaseMs: 1000, stamp: new Uint8Array(16), force: false });
  return { connection, store, errors, lease };
}

async function server(args: string[] = []) {
  const redis = await startRedis({ args });
  const admin = new Redis(redis.url);
  atEnd.push(
    () => redis.stop(),
    () => admin.disconnect(),
  );
  return { redis, admin };
}

const works = (work: () => Promise<unknown>) =>
  until(() =>
    work().then(
      () => true,
      () => undefined,
    ),
  );

/** A proxy that can answer commands itself, with an error line, instead of passing them on. */
async function startFaulty(port: number) {
  const sockets = new Set<Socket>();
  let connections = 0;
  let fault: ((command: string, connection: number) => string | undefined) | undefined;
  const listener = createServer((client) => {
    const connection = ++connections;
    const upstream = connect(port, '127.0.0.1');
    let rest = Buffer.alloc(0);
    for (const socket of [client.setNoDelay(true), upstream.setNoDelay(true)]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let command = firstOf(rest); command !== undefined; command = firstOf(rest)) {
        const line = fault?.(command.name, connection);
        // An ECHO in its place brings our line back in its turn.
        upstream.write(line === undefined ? rest.subarray(0, command.end) : echo(`${MARK}${line}`));
        rest = rest.subarray(command.end);
      }
    });
    upstream.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (text.includes(MARK)) client.write(text.replace(/\$\d+\r\n\0fault:(.*)\r\n/g, '-$1\r\n'), 'latin1');
      else client.write(chunk);
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    connections: () => connections,
    answer(with_: typeof fault) {
      fault = with_;
    },
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const MARK = '\0fault:';
const echo = (text: string) => `*2\r\n$4\r\nECHO\r\n$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** The first whole command, and where it ends. */
function firstOf(bytes: Buffer): { name: string; end: number } | undefined {
  let at = 0;
  const number = () => {
    const end = bytes.indexOf('\r\n', at);
    if (end === -1) return undefined;
    const value = Number(bytes.toString('latin1', at + 1, end));
    at = end + 2;
    return value;
  };
  const count = number();
  if (count === undefined) return undefined;
  let name = '';
  for (let i = 0; i < count; i++) {
    const length = number();
    if (length === undefined || at + length + 2 > bytes.length) return undefined;
    if (i === 0) name = bytes.toString('latin1', at, at + length).toUpperCase();
    at += length + 2;
  }
  return { name, end: at };
}

const DATA = /^(GET|SET|XADD|EVAL|EVALSHA)$/;
const WRITES = /^(SET|XADD|EVAL|EVALSHA)$/;
const LINES = {
  READONLY: "READONLY You can't write against a read only replica.",
  LOADING: 'LOADING Redis is loading the dataset in memory',
  NOSCRIPT: 'NOSCRIPT No matching script. Please use EVAL.',
  BUSY: 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  CLUSTERDOWN: 'CLUSTERDOWN The cluster is down',
  MASTERDOWN: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  OOM: "OOM command not allowed when used memory > 'maxmemory'.",
  MISCONF: 'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.',
  NOREPLICAS: 'NOREPLICAS Not enough good replicas to write.',
  TRYAGAIN: 'TRYAGAIN Multiple keys request during rehashing of slot',
  NOAUTH: 'NOAUTH Authentication required.',
  WRONGPASS: 'WRONGPASS invalid username-password pair or user is disabled.',
  NOPERM: 'NOPERM this user has no permissions to run the command',
  ERR: 'ERR something else',
} as const;
const meaning = (code: string) => {
  if (/^(NOPERM|ERR)$/.test(code)) return { code: 'STORE_REFUSED', retryable: false };
  return /^(READONLY|BUSY|OOM|MISCONF|NOREPLICAS)$/.test(code) ? refused : unavailable;
};

describe('answers', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  async function faulty() {
    const proxy = await startFaulty(redis.port);
    atEnd.push(() => proxy.close());
    return proxy;
  }

  it.each(
    Object.entries(LINES),
  )('T34: %s is told as what it is, and the next call after it works', async (code, line) => {
    const proxy = await faulty();
    const { store, lease } = connected(proxy.url);
    await store.get('a');
    proxy.answer((command) => (DATA.test(command) ? line : undefined));
    const calls = await Promise.allSettled([store.get('a'), lease(), store.advance('wf:hw', 1n), store.recall('r')]);
    for (const call of calls) expect(call).toMatchObject({ reason: meaning(code) });
    expect(String((calls[0] as PromiseRejectedResult).reason)).toContain(code);
    proxy.answer(undefined);
    await works(() => store.get('a'));
    await works(lease);
  });

  it('T34: one refused command among many is the only failure', async () => {
    const proxy = await faulty();
    const { store } = connected(proxy.url);
    await store.get('a');
    let count = 0;
    proxy.answer((command) => (command === 'GET' && ++count === 50 ? LINES.OOM : undefined));
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.recall(`k${i}`)));
    expect(results.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: refused }]);
    expect(results[49]?.status).toBe('rejected');
  });

  it('T34: one refused command of many keys fails those, and no others', async () => {
    const proxy = await faulty();
    const { store } = connected(proxy.url);
    await store.get('a');
    let count = 0;
    proxy.answer((command) => (command === 'MGET' && ++count === 2 ? LINES.OOM : undefined));
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.get(`k${i}`)));
    const rejected = results.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []));
    expect(rejected).toEqual(Array.from({ length: 32 }, (_, i) => 32 + i));
    expect(results[32]).toMatchObject({ reason: refused });
  });

  it('READONLY: behind the address there is another primary, which a new connection finds', async () => {
    const proxy = await faulty();
    const { store, lease } = connected(proxy.url);
    await store.get('a');
    // The old one stays read-only for ever.
    proxy.answer((command, connection) => (connection === 1 && WRITES.test(command) ? LINES.READONLY : undefined));
    await expect(lease()).rejects.toMatchObject(refused);
    await works(lease);
    expect(proxy.connections()).toBe(2);
  });

  it('READONLY inside a script, as Redis 6 says it', async () => {
    const proxy = await faulty();
    const { lease } = connected(proxy.url);
    await lease();
    const line = `ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -${LINES.READONLY}`;
    proxy.answer((command, connection) => (connection === 1 && WRITES.test(command) ? line : undefined));
    await expect(lease()).rejects.toMatchObject(refused);
    await works(lease);
  });

  it('READONLY that stays: one new connection a second, and reads go on', async () => {
    const proxy = await faulty();
    const { store, lease } = connected(proxy.url);
    await store.get('a');
    proxy.answer((command) => (WRITES.test(command) ? LINES.READONLY : undefined));
    let reads = 0;
    for (let i = 0; i < 100; i++) {
      await lease().catch(() => undefined);
      await store.get('a').then(
        () => reads++,
        () => undefined,
      );
      await sleep(10);
    }
    expect(proxy.connections()).toBeLessThanOrEqual(4);
    expect(reads).toBeGreaterThan(60);
  });

  it('NOAUTH in the middle: a new connection says who it is again', async () => {
    const proxy = await faulty();
    const { store } = connected(proxy.url);
    await store.get('a');
    proxy.answer((command, connection) => (connection === 1 && DATA.test(command) ? LINES.NOAUTH : undefined));
    await expect(store.get('a')).rejects.toMatchObject(unavailable);
    await works(() => store.get('a'));
    expect(proxy.connections()).toBe(2);
  });

  it('NOSCRIPT: of two calls in a tick the second fails, as it would come too late', async () => {
    const proxy = await faulty();
    const { store } = connected(proxy.url);
    await store.get('a');
    proxy.answer((command) => (command === 'EVALSHA' ? LINES.NOSCRIPT : undefined));
    const calls = await Promise.allSettled([store.advance('wf:hw', 1n), store.advance('wf:hw', 2n)]);
    expect(calls).toMatchObject([{ status: 'fulfilled' }, { reason: unavailable }]);
    await store.advance('wf:hw', 3n);
  });

  it('C60: LOADING, to everything, after a restart: fails at once, serves as soon as it is loaded', async () => {
    const proxy = await faulty();
    const { store, connection } = connected(proxy.url);
    await store.get('a');
    proxy.answer((command) => (command === 'ECHO' ? undefined : LINES.LOADING));
    (connection.client as Redis).stream.destroy();
    await until(() => (connection.ready() ? undefined : true));
    const start = performance.now();
    for (let i = 0; i < 20; i++) await expect(store.get('a')).rejects.toMatchObject(unavailable);
    expect(performance.now() - start).toBeLessThan(500);
    await sleep(1000);
    await expect(store.get('a')).rejects.toMatchObject(unavailable);
    proxy.answer(undefined);
    await works(() => store.get('a'));
  });
});

describe('the real thing', () => {
  it('READONLY: a server that became a replica, and became a primary again', async () => {
    const { redis, admin } = await server();
    const { connection, lease } = connected(redis.url);
    await lease();
    const id = () => (connection.client as Redis).call('CLIENT', 'ID');
    const before = await id();
    await admin.replicaof('127.0.0.1', await freePort());
    await expect(lease()).rejects.toMatchObject({ ...refused, message: expect.stringContaining('READONLY') });
    await admin.replicaof('NO', 'ONE');
    await works(lease);
    expect(await id()).not.toBe(before);
  });

  it('MASTERDOWN: a replica that must not serve what is old', async () => {
    const { redis, admin } = await server(['--replica-serve-stale-data', 'no']);
    const { store } = connected(redis.url);
    await store.get('a');
    await admin.replicaof('127.0.0.1', await freePort());
    await expect(store.get('a')).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('MASTERDOWN'),
    });
    await admin.replicaof('NO', 'ONE');
    expect(await store.get('a')).toBeUndefined();
  });

  it('BUSY: a long script of somebody else', async () => {
    const { redis, admin } = await server(['--busy-reply-threshold', '20']);
    const { store, lease } = connected(redis.url);
    await store.get('a');
    const script = admin.eval('while true do end', 0).catch(() => undefined);
    await sleep(100);
    await expect(store.get('a')).rejects.toMatchObject({ ...refused, message: expect.stringContaining('BUSY') });
    await expect(lease()).rejects.toMatchObject(refused);
    // As admin waits for its own script.
    const killer = new Redis(redis.url, { enableReadyCheck: false });
    await killer.script('KILL');
    killer.disconnect();
    await script;
    expect(await lease()).toEqual({ kind: 'granted' });
  });

  it('OOM: reads go on, and filling when there is room', async () => {
    const { redis, admin } = await server(['--maxmemory-policy', 'noeviction']);
    const { store, lease } = connected(redis.url);
    await lease('wf:c:{a}');
    await admin.config('SET', 'maxmemory', '1');
    await expect(lease('wf:c:{b}')).rejects.toMatchObject({ ...refused, message: expect.stringContaining('OOM') });
    expect(await store.get('wf:c:{a}')).toBeDefined();
    await admin.config('SET', 'maxmemory', '0');
    expect(await lease('wf:c:{b}')).toEqual({ kind: 'granted' });
  });

  it('NOAUTH, WRONGPASS: a password that came, that is wrong, that is changed to ours', async () => {
    const { redis, admin } = await server();
    const { store, errors } = connected(redis.url);
    await store.get('a');
    await admin.config('SET', 'requirepass', 'theirs');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() => (errors.some(({ message }) => message.includes('NOAUTH')) ? true : undefined));
    await expect(store.get('a')).rejects.toMatchObject(unavailable);
    const wrong = connected(redis.url.replace('//', '//:ours@'));
    await until(() => (wrong.errors.some(({ message }) => message.includes('WRONGPASS')) ? true : undefined));
    await expect(wrong.store.get('a')).rejects.toMatchObject(unavailable);
    await admin.config('SET', 'requirepass', 'ours');
    await works(() => wrong.store.get('a'));
    await admin.config('SET', 'requirepass', '');
    await works(() => store.get('a'));
  });
});

describe('readers', () => {
  let redis: RedisServer;
  let proxy: Awaited<ReturnType<typeof startFaulty>>;
  let stack: Stack;
  beforeAll(async () => {
    redis = await startRedis();
    proxy = await startFaulty(redis.port);
    stack = await startStack({ settings: { REDIS_URL: proxy.url } });
    await stack.widgets.items.upsert({ id: 'f', region: 'eu', n: 1 });
  });
  afterAll(async () => {
    await stack?.close();
    proxy?.close();
    await redis?.stop();
  });

  it.each(Object.entries(LINES))('%s: the source answers, and there are hits again afterwards', async (_, line) => {
    const read = () => stack.get('entities/widget/eu/f');
    const hit = () => until(async () => ((await read()).cacheStatus.includes('; hit') ? true : undefined));
    await hit();
    proxy.answer((command) => (DATA.test(command) ? line : undefined));
    for (let i = 0; i < 10; i++) {
      const answer = await read();
      expect([answer.status, answer.json['n']]).toEqual([200, 1]);
      expect(answer.cacheStatus).not.toContain('; hit');
    }
    proxy.answer(undefined);
    await hit();
  });
});
