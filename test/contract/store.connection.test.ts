import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { createRedisConnection, type RedisConnectionOptions } from '../../src/redis/connection.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { freePort, startRedis } from '../support/redis-server.ts';

const SECRET = 'hush/hush';
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
    onError: (error) => errors.push(error),
    onReady: () => readies++,
    ...options,
  });
  atEnd.push(() => connection.close());
  return { connection, store: createRedisStore(connection), errors, readies: () => readies };
}

async function server(options: Parameters<typeof startRedis>[0] = {}) {
  const redis = await startRedis(options);
  atEnd.push(() => redis.stop());
  return redis;
}

/** A server that answers everything with one line, or nothing. */
async function fake(line: string | undefined): Promise<string> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => line !== undefined && socket.write(`${line}\r\n`));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  atEnd.push(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`;
}

async function timed(work: Promise<unknown>): Promise<{ ms: number; error: unknown }> {
  const start = performance.now();
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { ms: performance.now() - start, error };
}

async function until(isDone: () => boolean | Promise<boolean>): Promise<number> {
  const start = performance.now();
  while (!(await isDone())) {
    if (performance.now() - start > 10_000) throw new Error('it does not happen');
    await sleep(5);
  }
  return performance.now() - start;
}

test('the very first calls wait for the first connection', async () => {
  const { url } = await server();
  const { store, errors, readies } = connect(url);
  expect(await Promise.all([store.get('a'), store.generations('wf:gen', [])])).toMatchObject([
    undefined,
    { values: [] },
  ]);
  expect([errors, readies()]).toEqual([[], 1]);
});

test('C134: a server that cannot be reached: no throw, an error at once, one report', async () => {
  const { store, connection, errors } = connect(`redis://:${encodeURIComponent(SECRET)}@127.0.0.1:${await freePort()}`);
  expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
  await connection.settled();
  for (let i = 0; i < 20; i++) {
    const { ms, error } = await timed(i % 2 === 0 ? store.get('a') : store.advance('b', 1n));
    expect(error).toMatchObject(unavailable);
    expect(ms).toBeLessThan(50);
  }
  await sleep(300);
  expect(errors).toMatchObject([{ ...unavailable, message: expect.stringContaining('ECONNREFUSED') }]);
});

test('a server that accepts and says nothing: the first calls fail in bounded time', async () => {
  const { store, errors } = connect(await fake(undefined), { socketTimeoutMs: 100, connectTimeoutMs: 300 });
  const { ms, error } = await timed(store.get('a'));
  expect(error).toMatchObject(unavailable);
  expect(ms).toBeLessThan(1000);
  await until(() => errors.length > 0);
});

test('C60: a server that is loading', async () => {
  const { store, errors } = connect(await fake('-LOADING Redis is loading the dataset in memory'));
  expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
  await sleep(300);
  expect(errors.map(({ message }) => message)).toEqual(['Redis: LOADING Redis is loading the dataset in memory']);
});

test('stopped and back: fails at once, comes back within a second or so, says so once each', async () => {
  const redis = await server();
  const { store, connection, errors, readies } = connect(redis.url);
  await store.get('a');
  await redis.stop();
  await until(() => !connection.ready());
  await sleep(1500);
  expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
  await redis.start();
  expect(await until(() => connection.ready())).toBeLessThan(2000);
  expect(await store.get('a')).toBeUndefined();
  expect(
    await store.lease('wf:c', {
      token: new Uint8Array(8).fill(1),
      leaseMs: 1000,
      stamp: new Uint8Array(16),
      force: false,
    }),
  ).toEqual({ kind: 'granted' });
  expect(readies()).toBe(2);
  expect(errors.length).toBeLessThanOrEqual(3);
});

test('calls in flight when the server dies fail', async () => {
  const redis = await server();
  const { store } = connect(redis.url);
  await store.get('a');
  const calls = Array.from({ length: 100 }, (_, i) => store.advance(`wf:hw:${i}`, 1n));
  const killed = redis.kill();
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject(unavailable);
  }
  await killed;
  expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
});

test('a killed connection: the next get fails at once or is answered, and it heals by itself', async () => {
  const { url } = await server();
  const { store, connection } = connect(url);
  const other = connect(url);
  await Promise.all([store.get('a'), other.store.get('a')]);
  await (other.connection.client as Redis).call('CLIENT', 'KILL', 'TYPE', 'normal');
  const { ms, error } = await timed(store.get('a'));
  if (error !== undefined) expect(error).toMatchObject(unavailable);
  expect(ms).toBeLessThan(100);
  expect(await until(async () => connection.ready() && (await timed(store.get('a'))).error === undefined)).toBeLessThan(
    500,
  );
});

test('a server that hangs: the watchdog ends it, further calls fail at once', async () => {
  const redis = await server();
  const { store, connection, errors } = connect(redis.url, { socketTimeoutMs: 100 });
  await store.get('a');
  process.kill(redis.pid() ?? 0, 'SIGSTOP');
  try {
    const { ms, error } = await timed(store.get('a'));
    expect(error).toMatchObject(unavailable);
    expect(ms).toBeLessThan(1000);
    expect((await timed(store.get('a'))).ms).toBeLessThan(50);
    await sleep(500);
    expect(errors.length).toBeLessThanOrEqual(3);
  } finally {
    process.kill(redis.pid() ?? 0, 'SIGCONT');
  }
  await until(async () => connection.ready() && (await timed(store.get('a'))).error === undefined);
});

test('C134: user, password and database are taken from the URL; a wrong password is reported without it', async () => {
  const redis = await server({ args: ['--requirepass', SECRET] });
  const of = (password: string) => redis.url.replace('//', `//:${encodeURIComponent(password)}@`);
  const right = connect(`${of(SECRET)}/3`);
  await right.store.advance('wf:hw', 1n);
  expect(await (right.connection.client as Redis).call('CLIENT', 'INFO')).toMatch(/ name=warmfeed .* db=3 /);
  const wrong = connect(of('other/secret'));
  expect(await timed(wrong.store.get('a'))).toMatchObject({ error: unavailable });
  await until(() => wrong.errors.length > 0);
  expect(wrong.errors.map(({ message }) => message)).toEqual([expect.stringMatching(/WRONGPASS|NOAUTH/)]);
  expect(JSON.stringify(wrong.errors, ['message', 'stack', 'cause', 'command', 'args'])).not.toContain('other/secret');
});

test('a server that quotes the password in its error', async () => {
  const { errors } = connect(
    (await fake(`-ERR unknown command 'AUTH', with args beginning with: '${SECRET}'`)).replace(
      '//',
      `//:${encodeURIComponent(SECRET)}@`,
    ),
  );
  await until(() => errors.length > 0);
  expect(errors[0]?.message).toContain("'***'");
});

test.each(['', 'nonsense', 'http://a:secret@b', 'redis://', 'redis://a:secret@b:notaport'])('%j is no URL', (url) => {
  expect(() => connect(url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => connect(url)).not.toThrow('secret');
});

test('closing lets calls that were made end, and later ones fail', async () => {
  const { url } = await server();
  const { store, connection } = connect(url);
  await store.get('a');
  const calls = Promise.all([store.get('a'), store.advance('wf:hw', 1n)]);
  await sleep(1);
  await connection.close();
  await calls;
  expect(await timed(store.get('a'))).toMatchObject({ error: unavailable });
  await connection.close();
});

test('C134: TLS: an unknown issuer and a foreign host name are refused, the right one is taken', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'warmfeed-tls-'));
  atEnd.push(() => rmSync(dir, { recursive: true }));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
    { stdio: 'ignore' },
  );
  const tlsPort = await freePort();
  const tls = [
    '--tls-port',
    String(tlsPort),
    '--tls-cert-file',
    cert,
    '--tls-key-file',
    key,
    '--tls-auth-clients',
    'no',
  ];
  const plain = await server({ args: tls });
  const unknown = connect(`rediss://localhost:${tlsPort}`);
  expect(await timed(unknown.store.get('a'))).toMatchObject({ error: unavailable });
  expect(unknown.errors[0]?.message).toContain('self-signed certificate');
  setDefaultCACertificates([...getCACertificates(), readFileSync(cert, 'utf8')]);
  expect(await connect(`rediss://localhost:${tlsPort}`).store.get('a')).toBeUndefined();
  const foreign = connect(`rediss://127.0.0.1:${tlsPort}`);
  expect(await timed(foreign.store.get('a'))).toMatchObject({ error: unavailable });
  expect(foreign.errors[0]?.message).toContain('does not match certificate');
  const toPlain = connect(`rediss://localhost:${plain.port}`);
  expect(await timed(toPlain.store.get('a'))).toMatchObject({ error: unavailable });
});

test('the order of calls is what one server keeps, and what is behind a proxy does not', async () => {
  const { url } = await server();
  const orders = (['NoCluster', 'EnterpriseCluster'] as const).map(
    (clustering) => connect(url, { clustering }).store.ordered,
  );
  expect(orders).toEqual([true, false]);
});

test('a process that stood still itself takes no server for dead: what came in meanwhile is read first', async () => {
  const { url } = await server();
  const { store, errors } = connect(url, { socketTimeoutMs: 100 });
  await store.remember('k', 'v');
  for (let i = 0; i < 5; i++) {
    const asked = store.recall('k');
    // It has been sent, and its answer waits in the socket.
    await new Promise(setImmediate);
    const end = performance.now() + 250;
    while (performance.now() < end);
    expect(await asked).toBe('v');
  }
  expect(errors).toEqual([]);
});

test('and one that is silent while the process listens is given up in time, also after it has answered some', async () => {
  const redis = await server();
  const { store, connection } = connect(redis.url, { socketTimeoutMs: 200 });
  await store.remember('k', 'v');
  process.kill(redis.pid() ?? 0, 'SIGSTOP');
  const { ms, error } = await timed(store.recall('k'));
  process.kill(redis.pid() ?? 0, 'SIGCONT');
  expect(error).toMatchObject(unavailable);
  expect(ms).toBeGreaterThan(150);
  await until(() => connection.ready());
  expect(await store.recall('k')).toBe('v');
});

test('a call does not wait for the replies of those before it', async () => {
  const redis = await server();
  const { connection, store } = connect(redis.url);
  await store.get('a');
  const [node] = connection.nodes();
  const ticks = () => sleep(20);
  await node?.call('CLIENT', 'PAUSE', 300, 'ALL');
  const answers: Promise<unknown>[] = [];
  const sent: number[] = [];
  for (const key of ['a', 'b', 'c']) {
    answers.push(store.get(key));
    await ticks();
    sent.push(node?.stream.bytesWritten ?? 0);
  }
  expect(sent).toEqual([...new Set(sent)].toSorted((a, b) => a - b));
  expect(await Promise.race([Promise.any(answers), Promise.resolve('none yet')])).toBe('none yet');
  await Promise.all(answers);
});
