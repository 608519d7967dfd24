import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    settings: {
      WARMFEED_SOURCE_TIMEOUT: '1s',
      WARMFEED_BREAKER_RESET: '500ms',
      WARMFEED_SOURCE_CONCURRENCY: '4',
      WARMFEED_SOURCE_QUEUE: '4',
    },
  });
});
afterAll(() => stack?.close());

const brief = (id: string, init?: RequestInit) => stack.get(`entities/brief/eu/${id}`, init);

/** An item whose cached value is past its ttl of one second. */
async function stale(id: string) {
  await stack.widgets.items.upsert({ id, region: 'eu', n: 1 });
  await until(async () => ((await brief(id)).cacheStatus.includes('; hit') ? true : undefined));
  return until(async () => {
    const answer = await brief(id, { headers: { 'cache-control': 'only-if-cached' } });
    return answer.status === 504 ? true : undefined;
  });
}

const breakSource = (fault: object) => {
  for (const operation of ['read', 'query'] as const) stack.emulator.control.fault({ operation, times: 1e6, ...fault });
};

describe('the source', () => {
  it('C21: fails: stale within staleIfError, marked; nothing stale: 503 with Retry-After; back: fresh', async () => {
    await stale('a');
    breakSource({ status: 503 });
    const answer = await brief('a');
    expect([answer.status, answer.json['n']]).toEqual([200, 1]);
    expect(answer.cacheStatus).toMatch(/fwd=stale; fwd-status=503; ttl=-\d+/);
    const cold = await brief('cold');
    expect(cold.status).toBe(503);
    expect(Number(cold.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(cold.headers.get('content-type')).toContain('application/problem+json');
    expect(cold.text).not.toMatch(/127\.0\.0\.1|Error|at /);
    stack.emulator.control.clearFaults();
    await until(async () => ((await brief('cold')).status === 404 ? true : undefined));
    await until(async () => ((await brief('a')).cacheStatus.includes('; hit') ? true : undefined));
  });

  it('C96: throttles with a long retry-after: answered within the bound, not within the retry-after', async () => {
    await stale('b');
    breakSource({ status: 429, retryAfterMs: 30_000 });
    const signal = AbortSignal.timeout(10_000);
    expect((await brief('b', { signal })).json['n']).toBe(1);
    expect((await brief('cold2', { signal })).status).toBe(503);
    stack.emulator.control.clearFaults();
    await until(async () => ((await brief('b')).cacheStatus.includes('; hit') ? true : undefined));
  });

  it('hangs: the deadline answers, and concurrent readers beyond the bound are refused rather than queued', async () => {
    breakSource({ action: 'hang' });
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => brief(`hang${i}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    stack.emulator.control.clearFaults();
    await until(async () => ((await brief('hang0')).status === 404 ? true : undefined));
  });

  it('C71: 200 concurrent misses of one key are one read', async () => {
    await stack.widgets.items.upsert({ id: 'c', region: 'eu', n: 1 });
    const widget = (headers: Record<string, string> = {}) => stack.get('entities/widget/eu/c', { headers });
    // The feed is done with it, and reads no more.
    await until(async () => ((await widget({ 'cache-control': 'only-if-cached' })).status === 200 ? true : undefined));
    await stack.redis.del('wf:warmfeed:c:{widget/eu/c}');
    stack.emulator.control.latency(300);
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    const answers = await Promise.all(Array.from({ length: 200 }, () => widget()));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(1);
    expect(stack.sourceReads()).toBe(1);
    stack.emulator.control.reset();
  });

  it('a 404 with sub-status 1002 is no "not found", and is not remembered as one', async () => {
    await stack.widgets.items.upsert({ id: 'd', region: 'eu', n: 1 });
    await until(async () => ((await brief('d')).status === 200 ? true : undefined));
    await stack.redis.del('wf:warmfeed:c:{brief/eu/d}');
    breakSource({ status: 404, substatus: 1002 });
    expect((await brief('d')).status).toBe(503);
    stack.emulator.control.clearFaults();
    await until(async () => ((await brief('d')).status === 200 ? true : undefined));
  });

  it('no client can turn the cache off: reloads share a small bulkhead', async () => {
    await stack.widgets.items.upsert({ id: 'e', region: 'eu', n: 1 });
    await until(async () => ((await brief('e')).status === 200 ? true : undefined));
    stack.emulator.control.latency(200);
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => stack.get('entities/widget/eu/e', { headers: { 'cache-control': 'no-cache' } })),
    );
    stack.emulator.control.record(false);
    const refused = answers.filter(({ status }) => status === 503).length;
    const fine = answers.filter(({ status }) => status === 200).length;
    expect(refused + fine).toBe(50);
    expect(stack.sourceReads()).toBeLessThanOrEqual(10);
    stack.emulator.control.reset();
  });
});
