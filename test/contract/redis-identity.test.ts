// Tokens as passwords on real servers that take them away again: under load nobody notices.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { createRedisConnection, type RedisConnectionOptions } from '../../src/redis/connection.ts';
import type { AccessToken } from '../../src/redis/identity.ts';
import { createRedisStore } from '../../src/redis/store.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/stack.ts';

const LIFE_MS = 1500;
const RIGHTS = ['on', '~*', '&*', '+@all'];
const atEnd: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of atEnd.splice(0).toReversed()) await end();
});

const jwt = (oid: string, n: number) =>
  ['header', Buffer.from(JSON.stringify({ oid, n })).toString('base64url'), 'signature'].join('.');

function adminOf(port: number): Redis {
  const admin = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: 50 });
  admin.on('error', () => undefined);
  atEnd.push(() => admin.disconnect());
  return admin;
}

/**
 * A token service that a Redis believes: each token is taken until its end. Each is a user of its own, so that its end,
 * as in Azure, cuts the connections that have shown nothing newer.
 */
function authority(admins: readonly Redis[]) {
  const issued: string[] = [];
  const ended: string[] = [];
  let isDown = false;

  async function end(user: string): Promise<void> {
    ended.push(user);
    await Promise.all(admins.map((admin) => admin.call('ACL', 'DELUSER', user).catch(() => undefined)));
  }

  async function tokens(): Promise<AccessToken> {
    if (isDown) throw new Error('no token service');
    const user = `oid-${issued.length}`;
    const token = jwt(user, issued.length);
    issued.push(user);
    const rights = [...RIGHTS, `>${token}`];
    await Promise.all(admins.map((admin) => admin.call('ACL', 'SETUSER', user, 'reset', ...rights)));
    setTimeout(() => void end(user), LIFE_MS).unref();
    return { token, expiresOnTimestamp: Date.now() + LIFE_MS };
  }

  return { tokens, issued, ended, down: (is: boolean) => (isDown = is) };
}

async function connect(options: Partial<RedisConnectionOptions> & { url: string }) {
  const errors: string[] = [];
  const connection = createRedisConnection({ onError: (error) => errors.push(error.message), ...options });
  atEnd.push(() => connection.close());
  return { connection, store: createRedisStore(connection), errors };
}

/** Calls of all kinds, without a pause, until so many tokens have ended; every one must be answered. */
async function load(store: ReturnType<typeof createRedisStore>, isOver: () => boolean): Promise<number> {
  let calls = 0;
  const worker = async (n: number) => {
    for (let i = 0; !isOver(); i++) {
      const text = `${n}-${i}`;
      await store.remember(`wf:t:{${n}}`, text);
      expect(await store.recall(`wf:t:{${n}}`)).toBe(text);
      expect(Buffer.from((await store.get(`wf:t:{${n}}`)) ?? []).toString()).toBe(text);
      await store.advance(`wf:w:{${n}}`, BigInt(i));
      calls += 4;
      await sleep(1);
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, n) => worker(n)));
  return calls;
}

/** `default` may do nothing any more, but whoever is connected stays. */
async function close(admins: readonly Redis[]): Promise<void> {
  for (const admin of admins) {
    await admin.call('ACL', 'SETUSER', 'admin', ...RIGHTS, '>admin');
    await admin.auth('admin', 'admin');
    Object.assign(admin.options, { username: 'admin', password: 'admin' });
    await admin.call('ACL', 'SETUSER', 'default', 'off');
  }
}

test('a server takes each token away: no call fails', async () => {
  const server = await startRedis();
  atEnd.push(() => server.stop());
  const admin = adminOf(server.port);
  await close([admin]);
  const { tokens, issued, ended } = authority([admin]);
  const { store, errors } = await connect({ url: server.url, tokens });
  const calls = await load(store, () => ended.length >= 4);
  expect(calls).toBeGreaterThan(100);
  expect(errors).toEqual([]);
  expect(issued.length).toBeGreaterThan(4);
});

test('a cluster of three takes each token away: no call fails', async () => {
  const cluster = await startRedisCluster({ primaries: 3, replicas: 0 });
  atEnd.push(() => cluster.stop());
  const admins = cluster.nodes.map(({ admin }) => admin);
  await close(admins);
  const { tokens, ended } = authority(admins);
  const { store, errors, connection } = await connect({ url: cluster.url, clustering: 'OSSCluster', tokens });
  const calls = await load(store, () => ended.length >= 4);
  expect(calls).toBeGreaterThan(100);
  expect(errors).toEqual([]);
  expect(connection.primaries()).toHaveLength(3);
});

test('one user whose old password is removed: a connection that was cut comes back with the newest', async () => {
  const server = await startRedis();
  atEnd.push(() => server.stop());
  const admin = adminOf(server.port);
  await close([admin]);
  let n = 0;
  const tokens = async (): Promise<AccessToken> => {
    const token = jwt('oid', ++n);
    // Only the newest is taken.
    await admin.call('ACL', 'SETUSER', 'oid', 'reset', ...RIGHTS, `>${token}`);
    return { token, expiresOnTimestamp: Date.now() + LIFE_MS };
  };
  const { store, connection } = await connect({ url: server.url, tokens });
  await store.remember('k', 'v');
  for (let i = 0; i < 3; i++) {
    const known = n;
    await until(() => (n > known ? true : undefined));
    await admin.call('CLIENT', 'KILL', 'USER', 'oid');
    await until(async () => ((await store.recall('k').catch(() => '')) === 'v' ? true : undefined));
  }
  expect(await admin.call('ACL', 'LOG')).toEqual([]);
  expect(connection.nodes().map(({ options }) => options.username)).toEqual(['oid']);
});

test('without a token service nothing is connected, it is said once, and it heals by itself', async () => {
  const server = await startRedis();
  atEnd.push(() => server.stop());
  const admin = adminOf(server.port);
  await close([admin]);
  const { tokens, down, ended } = authority([admin]);
  down(true);
  const { store, errors } = await connect({ url: server.url, tokens, connectTimeoutMs: 100 });
  await expect(store.recall('k')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  down(false);
  await until(async () => ((await store.recall('k').catch(() => 'no')) === undefined ? true : undefined));
  expect(errors).toEqual(['Redis: no token service']);
  // Down past the end of a token, and up again.
  down(true);
  const before = ended.length;
  await until(() => (ended.length > before ? true : undefined));
  down(false);
  await until(async () => ((await store.recall('k').catch(() => 'no')) === undefined ? true : undefined));
});

test('a token that cannot be read is not repeated in the error', async () => {
  const server = await startRedis();
  atEnd.push(() => server.stop());
  const tokens = () => Promise.resolve({ token: 'a.hush-hush.c', expiresOnTimestamp: Date.now() + LIFE_MS });
  const { store, errors } = await connect({ url: server.url, tokens, connectTimeoutMs: 100 });
  await expect(store.recall('k')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(errors.join()).toContain('object id');
  expect(errors.join()).not.toContain('hush');
});
