// Redis loses writes that it had acknowledged: the whole app over servers that are promoted and restarted.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startSlowProxy } from '../support/proxies.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const warnings: string[] = [];
vi.spyOn(console, 'warn').mockImplementation((line: string) => void warnings.push(line));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  warnings.length = 0;
  for (const end of ends.splice(0).toReversed()) await end();
});

/** Only reconnections are looked at: the timer is due once a year. */
const NEVER = '0 0 0 1 1 *';

async function stackOn(url: string, settings: Record<string, string> = {}): Promise<Stack> {
  const stack = await startStack({
    settings: { REDIS_URL: url, WARMFEED_REDIS_TIMEOUT: '500ms', WARMFEED_FAILOVER_WATCH: NEVER, ...settings },
  });
  ends.push(() => stack.close());
  return stack;
}

function admin({ port }: RedisServer): Redis {
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 20 });
  client.on('error', () => undefined);
  ends.push(() => client.disconnect());
  return client;
}

async function server(args: readonly string[] = []): Promise<RedisServer> {
  const started = await startRedis({ args });
  ends.push(() => started.kill());
  return started;
}

const write = (stack: Stack, id: string, n: number) => stack.widgets.items.upsert({ id, region: 'eu', n });

async function read(stack: Stack, id: string) {
  const { status, json, cacheStatus } = await stack.get(`entities/widget/eu/${id}`);
  return { status, n: json['n'], isHit: cacheStatus.includes('; hit') };
}

async function hitOf(stack: Stack, id: string, n: number): Promise<void> {
  await until(async () => {
    const got = await read(stack, id);
    return got.n === n && got.isHit ? true : undefined;
  }, 30_000);
}

const said = () => warnings.filter((line) => line.includes('may have lost what it had acknowledged'));

/** Reads without pause until the item is a hit as it is now, and tells for how long older hits were seen. */
async function expectMended(stack: Stack, id: string, now: number): Promise<void> {
  const older: number[] = [];
  const from = performance.now();
  await until(async () => {
    const got = await read(stack, id);
    if (got.isHit && got.n !== now) older.push(performance.now());
    // Nothing is written any more, so nothing else mends it.
    return got.isHit && got.n === now && said().length > 0 ? true : undefined;
  }, 30_000);
  const staleMs = (older.at(-1) ?? 0) - (older[0] ?? 0);
  console.log(
    `${expect.getState().currentTestName}: mended after ${Math.round(performance.now() - from)} ms, ` +
      `${older.length} older hits within ${Math.round(staleMs)} ms`,
  );
  for (let i = 0; i < 50; i++) expect(await read(stack, id)).toMatchObject({ status: 200, n: now });
}

describe('a failover of Redis', () => {
  it('a promoted replica that lacks an invalidation serves nothing of before', async () => {
    const primary = await server();
    const link = await startSlowProxy(primary.port, 0);
    const replica = await server(['--replicaof', '127.0.0.1', String(link.port)]);
    const address = await startSlowProxy(primary.port, 0);
    ends.push(
      () => link.close(),
      () => address.close(),
    );
    const stack = await stackOn(`redis://127.0.0.1:${address.port}`);
    const other = admin(replica);
    await write(stack, 'lost', 1);
    await hitOf(stack, 'lost', 1);
    // The page of the write may still come; the replica has all of it then.
    await sleep(500);
    await until(async () => {
      const [at, acknowledged] = await Promise.all([other.info('replication'), admin(primary).info('replication')]);
      const offset = (text: string, field: string) => new RegExp(`${field}:(\\d+)`).exec(text)?.[1];
      return offset(at, 'slave_repl_offset') === offset(acknowledged, 'master_repl_offset') ? true : undefined;
    });
    link.hold();
    await write(stack, 'lost', 2);
    await hitOf(stack, 'lost', 2);
    await primary.kill();
    await other.call('REPLICAOF', 'NO', 'ONE');
    expect((await other.getBuffer('wf:warmfeed:c:{widget/eu/lost}'))?.toString()).toContain('"n":1');
    address.leadTo(replica.port);
    address.cut();
    await expectMended(stack, 'lost', 2);
    expect(said()).toHaveLength(1);
  });

  it('killed and restarted from an old snapshot: likewise', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'warmfeed-rdb-'));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    const redis = await server(['--dir', directory, '--dbfilename', 'old.rdb']);
    const stack = await stackOn(redis.url);
    const own = admin(redis);
    await write(stack, 'old', 1);
    await hitOf(stack, 'old', 1);
    await sleep(500);
    await own.save();
    await write(stack, 'old', 2);
    await hitOf(stack, 'old', 2);
    await redis.kill();
    await redis.start();
    expect((await own.getBuffer('wf:warmfeed:c:{widget/eu/old}'))?.toString()).toContain('"n":1');
    await expectMended(stack, 'old', 2);
    expect(said()).toHaveLength(1);
    // All was in good order the last time: nothing becomes old again.
    await own.call('CLIENT', 'KILL', 'TYPE', 'normal');
    await hitOf(stack, 'old', 2);
    expect(said()).toHaveLength(1);
  });

  it('a process that begins after the failover notices by the mark', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'warmfeed-rdb-'));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    const redis = await server(['--dir', directory, '--dbfilename', 'old.rdb']);
    const stack = await stackOn(redis.url);
    const own = admin(redis);
    await write(stack, 'slept', 1);
    await hitOf(stack, 'slept', 1);
    await sleep(500);
    await own.save();
    await write(stack, 'slept', 2);
    await hitOf(stack, 'slept', 2);
    await stack.host.close();
    await redis.kill();
    await redis.start();
    await stack.restart();
    await hitOf(stack, 'slept', 2);
    expect(said()).toHaveLength(1);
  });

  it('killed and restarted without a file: everything is cached again', async () => {
    const redis = await server();
    const stack = await stackOn(redis.url);
    await write(stack, 'gone', 1);
    await hitOf(stack, 'gone', 1);
    await redis.kill();
    await write(stack, 'gone', 2);
    await redis.start();
    await hitOf(stack, 'gone', 2);
    await write(stack, 'gone', 3);
    await hitOf(stack, 'gone', 3);
  });

  it('behind a proxy that hides who it is: noticed by a heartbeat, when the timer is due', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'warmfeed-rdb-'));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    const redis = await server(['--dir', directory, '--dbfilename', 'old.rdb', '--enable-debug-command', 'yes']);
    const stack = await stackOn(redis.url, { WARMFEED_REDIS_CLUSTERING: 'EnterpriseCluster' });
    const own = admin(redis);
    await write(stack, 'veiled', 1);
    await hitOf(stack, 'veiled', 1);
    await sleep(500);
    await own.save();
    await write(stack, 'veiled', 2);
    await hitOf(stack, 'veiled', 2);
    // A heartbeat follows the changes by itself.
    const marks = await own.keys('wf:warmfeed:shard:*');
    const beats = async () => Number(await own.hget(marks[0] ?? '', 'beats'));
    const before = await beats();
    await until(async () => ((await beats()) > before ? true : undefined));
    expect(marks.length).toBe(64);
    // The same server, the same connections, and the data of before.
    await own.call('DEBUG', 'RELOAD', 'NOSAVE');
    expect(await read(stack, 'veiled')).toEqual({ status: 200, n: 1, isHit: true });
    await stack.host.invoke('watch-failovers');
    await hitOf(stack, 'veiled', 2);
    expect(said()).toHaveLength(1);
  });
});

describe('a failover in a cluster', () => {
  it('of the shard of the items alone, whose replica lacks invalidations', async () => {
    const cluster = await startRedisCluster();
    ends.push(() => cluster.stop());
    const stack = await stackOn(cluster.url, { WARMFEED_REDIS_CLUSTERING: 'OSSCluster' });
    const ids = Array.from({ length: 30 }, (_, i) => `c${i}`);
    const keyOf = (id: string) => `wf:warmfeed:c:{widget/eu/${id}}`;
    const victim = await cluster.nodeOf(keyOf('c0'));
    const replica = await cluster.replicaOf(victim);
    const mine: string[] = [];
    for (const id of ids) if ((await cluster.nodeOf(keyOf(id))) === victim) mine.push(id);
    for (const id of ids) await write(stack, id, 1);
    for (const id of ids) await hitOf(stack, id, 1);
    await sleep(500);
    expect(await victim.admin.call('WAIT', 1, 5000)).toBe(1);
    // Its link ends, and it is in no state to make another: what follows is acknowledged by the primary alone.
    process.kill(replica.server.pid() ?? 0, 'SIGSTOP');
    await victim.admin.call('CLIENT', 'KILL', 'TYPE', 'slave');
    for (const id of ids) await write(stack, id, 2);
    for (const id of ids) await hitOf(stack, id, 2);
    await victim.server.kill();
    process.kill(replica.server.pid() ?? 0, 'SIGCONT');
    await cluster.takeOver(replica);
    const [first = 'c0'] = mine;
    expect((await replica.admin.getBuffer(keyOf(first)))?.toString()).toContain('"n":1');
    await expectMended(stack, first, 2);
    for (const id of ids) await hitOf(stack, id, 2);
    for (const id of ids) expect(await read(stack, id)).toMatchObject({ status: 200, n: 2 });
    expect(said().length).toBeGreaterThan(0);
  });
});
