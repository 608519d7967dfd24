// Faults at the edges, while a load goes on: what clients see of each. The figures that it prints are in
// docs/reliability.md.

import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LoadReport, startLoad } from '../support/load.ts';
import { startSlowProxy } from '../support/proxies.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const IDS = Array.from({ length: 20 }, (_, i) => `e${i}`);
const FAULT_MS = 3000;
let redis: RedisServer;
let proxy: Awaited<ReturnType<typeof startSlowProxy>>;
let admin: Redis;
let stack: Stack;
beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
  proxy = await startSlowProxy(redis.port, 0);
  stack = await startStack({
    settings: {
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      WARMFEED_REDIS_TIMEOUT: '500ms',
      WARMFEED_SOURCE_TIMEOUT: '1s',
      WARMFEED_BREAKER_RESET: '500ms',
    },
  });
});
afterEach(() => {
  stack.emulator.control.reset();
  proxy.delay(0);
  proxy.letGo();
});
afterAll(async () => {
  await stack?.close();
  admin?.disconnect();
  proxy?.close();
  await redis?.kill();
});

const write = (id: string, n: number) => stack.widgets.items.upsert({ id, region: 'eu', n });
const read = (id: string) => stack.get(`entities/widget/eu/${id}`);

async function hitOf(id: string, n: number): Promise<void> {
  await until(async () => {
    const answer = await read(id);
    return answer.json['n'] === n && answer.cacheStatus.includes('; hit') ? true : undefined;
  }, 30_000);
}

/** A load over warm items, with a fault in its midst; afterwards every item is a hit as it was last written. */
async function held(what: string, fault: () => Promise<unknown>, isWriting = true): Promise<LoadReport> {
  const writing = isWriting ? { write } : {};
  await Promise.all(IDS.map((id) => write(id, 1)));
  for (const id of IDS) await hitOf(id, 1);
  const load = startLoad({ url: stack.host.url, ids: IDS, ...writing });
  await sleep(500);
  await fault();
  await sleep(500);
  const report = await load.stop();
  console.log(`${what}: ${JSON.stringify(report)}`);
  for (const id of IDS) await hitOf(id, load.written.get(id) ?? 0);
  expect(report.reads).toBeGreaterThan(30);
  expect(report.wentBack).toBe(0);
  return report;
}

describe('under load', () => {
  it('no fault: the reference', async () => {
    const { statuses, hits, reads } = await held('no fault', () => sleep(FAULT_MS));
    expect(Object.keys(statuses)).toEqual(['200']);
    expect(hits / reads).toBeGreaterThan(0.8);
  });

  it.each([20, 200])('slow Redis, %i ms a reply: hits are slower, and nothing else', async (ms) => {
    const { statuses } = await held(`Redis ${ms} ms slower`, async () => {
      proxy.delay(ms);
      await sleep(FAULT_MS);
      proxy.delay(0);
    });
    expect(Object.keys(statuses)).toEqual(['200']);
  });

  it('a half-open connection, on which nothing comes back: given up, the source answers, hits again after it', async () => {
    const { statuses } = await held('half-open', async () => {
      proxy.hold();
      await sleep(FAULT_MS);
      proxy.letGo();
    });
    expect(Object.keys(statuses)).toEqual(['200']);
  });

  it('a Redis that stands still (SIGSTOP), again and again: what it does late changes nothing', async () => {
    const { statuses } = await held('stopped', async () => {
      for (let i = 0; i < 4; i++) {
        process.kill(redis.pid() ?? 0, 'SIGSTOP');
        await sleep(FAULT_MS / 4);
        process.kill(redis.pid() ?? 0, 'SIGCONT');
        await sleep(300);
      }
    });
    expect(Object.keys(statuses)).toEqual(['200']);
  });

  it('a source that throttles (429, retry-after): cached items are served, and changes are applied after it', async () => {
    const { statuses, hits, reads } = await held(
      'throttled',
      async () => {
        for (const operation of ['read', 'query'] as const) {
          stack.emulator.control.fault({ operation, times: 1e6, status: 429, retryAfterMs: 5000 });
        }
        await sleep(FAULT_MS);
        stack.emulator.control.clearFaults();
      },
      false,
    );
    expect(Object.keys(statuses)).toEqual(['200']);
    expect(hits).toBe(reads);
  });

  it('a source that hangs: likewise', async () => {
    const { statuses, hits, reads } = await held(
      'hanging',
      async () => {
        for (const operation of ['read', 'query'] as const) {
          stack.emulator.control.fault({ operation, times: 1e6, action: 'hang' });
        }
        await sleep(FAULT_MS);
        stack.emulator.control.clearFaults();
      },
      false,
    );
    expect(Object.keys(statuses)).toEqual(['200']);
    expect(hits).toBe(reads);
  });
});

describe('a change while the source does not answer', () => {
  it.each([
    ['throttles', { status: 429, retryAfterMs: 5000 }],
    ['hangs', { action: 'hang' as const }],
  ])('waits in the feed while it %s, and is applied', async (_, fault) => {
    await write('wait', 1);
    await hitOf('wait', 1);
    stack.emulator.control.fault({ operation: 'read', times: 1e6, ...fault });
    await write('wait', 2);
    stack.logs.length = 0;
    await until(() => stack.logs.find((line) => line.includes('waits, and will be delivered again')));
    stack.emulator.control.clearFaults();
    await hitOf('wait', 2);
  });
});

describe('clients that disconnect', () => {
  /** Asks and goes away after a while, if it is told when. */
  const ask = (path: string, leaveAfterMs?: number) =>
    new Promise<number | 'left'>((done, fail) => {
      const asked = httpRequest(`${stack.host.url}/api/${path}`, { agent: false }, (reply) => {
        reply.resume();
        reply.on('end', () => done(reply.statusCode ?? 0));
      });
      asked.on('error', (error) => (leaveAfterMs === undefined ? fail(error) : done('left')));
      asked.end();
      if (leaveAfterMs !== undefined) setTimeout(() => asked.destroy(), leaveAfterMs);
    });

  async function cold(id: string): Promise<void> {
    await write(id, 1);
    await hitOf(id, 1);
    // The feed still brings the write that a reader was faster to cache. What is cached changes by the feed alone, in order.
    for (const n of [1, 2]) {
      await write(`after-${id}`, n);
      await hitOf(`after-${id}`, n);
    }
    await admin.del(`wf:warmfeed:c:{widget/eu/${id}}`);
    stack.emulator.control.latency(400);
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
  }

  it('the one that began the load leaves: those that wait for it are answered, by the same read', async () => {
    await cold('left');
    const first = ask('entities/widget/eu/left', 100);
    await sleep(30);
    const others = Array.from({ length: 20 }, (_, i) => ask('entities/widget/eu/left', i % 2 === 0 ? 60 : undefined));
    const answers = await Promise.all([first, ...others]);
    expect(answers.filter((answer) => answer === 'left')).toHaveLength(11);
    expect(answers.filter((answer) => answer === 200)).toHaveLength(10);
    expect(stack.sourceReads()).toBe(1);
  });

  it('all of them leave: what was read is cached all the same', async () => {
    await cold('alone');
    expect(await ask('entities/widget/eu/alone', 100)).toBe('left');
    stack.emulator.control.latency(0);
    await hitOf('alone', 1);
    expect(stack.sourceReads()).toBe(1);
  });
});
