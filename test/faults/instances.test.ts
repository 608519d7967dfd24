// Several instances of the app on one Redis: a stampede over all of them, and clocks that disagree.

import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HostProcess, startHostProcess } from '../support/host-process.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
const hosts: HostProcess[] = [];
beforeAll(async () => {
  stack = await startStack({
    settings: { WARMFEED_SOURCE_TIMEOUT: '1m', WARMFEED_LEASE: '5m', WARMFEED_WAIT: '5m' },
  });
});
afterEach(async () => {
  stack.emulator.control.reset();
  await Promise.all(hosts.splice(0).map((host) => host.end('SIGKILL')));
});
afterAll(() => stack?.close());

async function start(skewMs = 0): Promise<string> {
  const host = await startHostProcess({ root: stack.root, settings: stack.settings, skewMs });
  hosts.push(host);
  await until(async () => ((await get(`${host.url}/api/health/ready`)).status === 200 ? true : undefined), 20_000);
  return host.url;
}

/** The status and the length of the answer; a thousand of them need not be parsed. */
function ask(url: string, agent: Agent): Promise<{ status: number; etag: string }> {
  return new Promise((done, fail) => {
    request(url, { agent }, (reply) => {
      reply.resume();
      reply.on('end', () => done({ status: reply.statusCode ?? 0, etag: reply.headers.etag ?? '' }));
    })
      .on('error', fail)
      .end();
  });
}

describe('8 instances', () => {
  it('10,000 concurrent misses of one key are one read of the source', async () => {
    await stack.widgets.items.upsert({ id: 'hot', region: 'eu', n: 1 });
    // Its page has been applied, for an entity that is refreshed; the one that is asked for is not cached.
    await until(async () => ((await stack.redis.exists('wf:warmfeed:c:{widget/eu/hot}')) === 1 ? true : undefined));
    await until(async () => {
      const answer = await stack.get('entities/open/eu/other');
      return answer.cacheStatus.includes('detail=watermarked') ? true : undefined;
    });
    const urls = await Promise.all(Array.from({ length: 8 }, () => start()));
    stack.emulator.control.latency(4000);
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
    const from = performance.now();
    const asked = Array.from({ length: 10_000 }, (_, i) => ask(`${urls[i % 8]}/api/entities/open/eu/hot`, agent));
    const answers = await Promise.all(asked);
    const ms = Math.round(performance.now() - from);
    stack.emulator.control.record(false);
    // The trigger reads its leases meanwhile.
    const reads = stack.emulator.control.requests().filter(({ path }) => path.endsWith('/colls/widgets/docs/hot'));
    console.log(`10,000 misses over 8 processes: ${reads.length} read(s), all answered after ${ms} ms`);
    expect(reads).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ etag }) => etag)).size).toBe(1);
  });
});

describe('two instances whose clocks are ten minutes apart', () => {
  it('agree on what is fresh, how old it is, and when it ends', async () => {
    const [ahead, late] = await Promise.all([start(5 * 60_000), start(-5 * 60_000)]);
    await stack.host.close();
    for (const [writer, n] of [
      [ahead, 1],
      [late, 2],
      [ahead, 3],
    ] as const) {
      await stack.widgets.items.upsert({ id: 'skew', region: 'eu', n });
      for (const url of [ahead, late]) {
        const answer = await until(async () => {
          const got = await get(`${url}/api/entities/widget/eu/skew`);
          return got.json['n'] === n && got.cacheStatus.includes('; hit') ? got : undefined;
        });
        expect(Number(answer.headers.get('age'))).toBeLessThan(60);
        expect(Number(/ttl=(-?\d+)/.exec(answer.cacheStatus)?.[1])).toBeGreaterThan(3500);
      }
      // Its ttl is a second: cached by one, it is there for the other, and ends for both.
      const other = writer === ahead ? late : ahead;
      const brief = (url: string, headers = {}) => get(`${url}/api/entities/brief/eu/skew`, { headers });
      await until(async () => {
        await brief(writer);
        return (await brief(other)).cacheStatus.includes('; hit') ? true : undefined;
      });
      for (const url of [ahead, late]) {
        await until(async () =>
          (await brief(url, { 'cache-control': 'only-if-cached' })).status === 504 ? true : undefined,
        );
      }
    }
  });
});
