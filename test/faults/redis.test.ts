import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ settings: { WARMFEED_REDIS_TIMEOUT: '500ms' } });
});
afterAll(() => stack?.close());

async function hitOf(path: string, n: number) {
  return until(async () => {
    const answer = await stack.get(path);
    return answer.json['n'] === n && answer.cacheStatus.includes('; hit') ? answer : undefined;
  });
}

const write = (id: string, n: number) => stack.widgets.items.upsert({ id, region: 'eu', n });

describe('Redis', () => {
  it('C58: stopped: the source answers, quickly; back: hits again, without a restart', async () => {
    await write('r1', 1);
    await hitOf('entities/widget/eu/r1', 1);
    await stack.redisServer.stop();
    const answers = await Promise.all(Array.from({ length: 50 }, () => stack.get('entities/widget/eu/r1')));
    for (const answer of answers) {
      expect([answer.status, answer.json['n']]).toEqual([200, 1]);
      expect(answer.cacheStatus).toContain('fwd=bypass');
    }
    expect((await stack.get('health/ready')).status).toBe(503);
    expect((await stack.get('health/ready')).json['dependencies']).toMatchObject([
      { name: 'redis', state: 'error' },
      { state: 'ok' },
      { state: 'error' },
    ]);
    await stack.redisServer.start();
    await hitOf('entities/widget/eu/r1', 1);
    expect((await stack.get('health/ready')).status).toBe(200);
  });

  it('C81, I11: gone while changes come in: the feed waits, and nothing is skipped', async () => {
    const ids = ['s1', 's2', 's3', 's4', 's5'];
    for (const id of ids) await write(id, 1);
    for (const id of ids) await hitOf(`entities/widget/eu/${id}`, 1);
    await stack.redisServer.stop();
    stack.logs.length = 0;
    for (const id of ids) await write(id, 2);
    await until(() => stack.logs.find((line) => line.includes('changes-shop-widgets')));
    await stack.redisServer.start();
    for (const id of ids) await hitOf(`entities/widget/eu/${id}`, 2);
  });

  it('killed in the middle of a batch: all of it is there afterwards', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `k${i}`);
    for (const id of ids) await write(id, 1);
    for (const id of ids) await hitOf(`entities/widget/eu/${id}`, 1);
    // The next batch dies after its invalidations were sent.
    const writes = Promise.all(ids.map((id) => write(id, 2)));
    await until(async () => ((await stack.redis.get('never')) === null ? true : undefined));
    await stack.redisServer.kill();
    await writes;
    await stack.redisServer.start();
    for (const id of ids) await hitOf(`entities/widget/eu/${id}`, 2);
  });

  it('hung: a silent server is given up within its timeout, and the source answers', async () => {
    await write('h1', 1);
    await hitOf('entities/widget/eu/h1', 1);
    process.kill(stack.redisServer.pid() ?? 0, 'SIGSTOP');
    try {
      const answer = await stack.get('entities/widget/eu/h1');
      expect([answer.status, answer.json['n']]).toEqual([200, 1]);
      expect(answer.cacheStatus).toContain('fwd=bypass');
    } finally {
      process.kill(stack.redisServer.pid() ?? 0, 'SIGCONT');
    }
    await hitOf('entities/widget/eu/h1', 1);
  });

  it('full (noeviction): nothing new is cached, but what changes is still invalidated', async () => {
    await write('f1', 1);
    await hitOf('entities/widget/eu/f1', 1);
    await stack.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stack.redis.config('SET', 'maxmemory', '1');
    await write('f1', 2);
    const answer = await until(async () => {
      const got = await stack.get('entities/widget/eu/f1');
      return got.json['n'] === 2 ? got : undefined;
    });
    expect(answer.status).toBe(200);
    await stack.redis.config('SET', 'maxmemory', '0');
    await hitOf('entities/widget/eu/f1', 2);
  });

  it('C63: scripts flushed: nobody notices', async () => {
    await write('n1', 1);
    await hitOf('entities/widget/eu/n1', 1);
    await stack.redis.script('FLUSH');
    await write('n1', 2);
    await hitOf('entities/widget/eu/n1', 2);
    await stack.redis.script('FLUSH');
    expect((await stack.get('entities/brief/eu/n1')).status).toBe(200);
  });

  it('C67: a foreign value or type under a key is a miss, and is repaired', async () => {
    await write('v1', 1);
    await hitOf('entities/widget/eu/v1', 1);
    const key = 'wf:warmfeed:c:{widget/eu/v1}';
    // The feed still brings the write that a reader was faster to cache.
    await new Promise((resolve) => setTimeout(resolve, 800));
    const good = await stack.redis.getBuffer(key);
    if (good === null) throw new Error('not cached under the documented key');
    for (const value of ['not json', '{}', 'null', good.subarray(0, good.length / 2), Buffer.from('57ff', 'hex')]) {
      await stack.redis.set(key, value);
      const answer = await stack.get('entities/widget/eu/v1');
      expect([answer.status, answer.json['n'], answer.cacheStatus.includes('fwd=miss')]).toEqual([200, 1, true]);
      await hitOf('entities/widget/eu/v1', 1);
    }
    await stack.redis.del(key);
    await stack.redis.lpush(key, 'x');
    expect((await stack.get('entities/widget/eu/v1')).status).toBe(200);
    await hitOf('entities/widget/eu/v1', 1);
  });

  it('C69: a connection closed while idle is not noticed by the next request', async () => {
    await stack.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect((await stack.get('entities/widget/eu/v1')).status).toBe(200);
    await hitOf('entities/widget/eu/v1', 1);
  });

  it('I10: every key has a TTL but for watermarks, generations, marks and dead letters', async () => {
    for (const key of await stack.redis.keys('*')) {
      const lives = /:(hw:|feed:|shard:|gen$|dead$)/.test(key);
      expect([key, (await stack.redis.pttl(key)) > 0]).toEqual([key, !lives]);
    }
  });

  it('flushed: everything is cached again, and nothing old comes back', async () => {
    await write('z1', 1);
    await hitOf('entities/widget/eu/z1', 1);
    await stack.redis.flushall();
    await write('z1', 2);
    await hitOf('entities/widget/eu/z1', 2);
  });
});
