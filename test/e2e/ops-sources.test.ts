import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAzurite } from '../support/azurite.ts';
import { startCollector } from '../support/collector.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

const CONFIGURATION = new URL('./ops-counts.config.ts', import.meta.url).pathname;
const NAME = 'cosmos/COSMOS/shop/widgets';

interface Source {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly partitions: readonly Record<string, unknown>[];
}
interface Bucket {
  readonly reads: Record<string, number>;
  readonly latency: readonly number[];
  readonly lag: readonly number[];
  readonly [field: string]: unknown;
}

describe('sources, stats and consistency', () => {
  let stack: Stack;
  let second: Awaited<ReturnType<Stack['start']>>;
  let collector: Awaited<ReturnType<typeof startCollector>>;
  let azurite: Awaited<ReturnType<typeof startAzurite>>;
  beforeAll(async () => {
    collector = await startCollector();
    azurite = await startAzurite();
    await azurite.put('a.txt', 'text');
    stack = await startStack({
      configuration: CONFIGURATION,
      settings: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_METRIC_EXPORT_INTERVAL: '100',
        CONTENT: azurite.connection,
      },
    });
    // Without an exporter, so that the metrics are the first one's.
    const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...settings } = stack.settings as Record<string, string>;
    second = await stack.start({ settings });
  });
  afterAll(async () => {
    await second?.close();
    await stack?.close();
    await collector?.close();
    await azurite?.stop();
  });

  const source = async () => ((await stack.get('ops/sources')).json['sources'] as Source[])[0] as Source;
  const turn = (name: string, action: string) => stack.get(`ops/sources/${name}/${action}`, { method: 'POST' });
  const show = (name: string) =>
    until(async () => ((await stack.get('entities/widget/eu/a')).json['name'] === name ? true : undefined));

  it('tells of each source how it stands, per partition', async () => {
    await stack.widgets.items.upsert({ id: 'a', region: 'eu', name: 'one' });
    await show('one');
    const found = await until(async () => {
      const each = await source();
      return each.partitions.some(({ lastPageAt }) => lastPageAt !== null) ? each : undefined;
    });
    expect(found).toMatchObject({
      name: NAME,
      kind: 'cosmos',
      entities: ['widget'],
      state: 'ok',
      remark: null,
      remedy: null,
      paused: null,
      deadLetters: { count: 0, oldestAt: null },
    });
    expect(found.partitions[0]).toMatchObject({ id: expect.stringMatching(/\/0$/), watermark: 'known' });
    expect(found['commitToVisibleMs']).toMatchObject({ samples: expect.any(Number), minutes: 15 });
  });

  it('holds the changes of a paused source, serves what is cached, says so everywhere, and loses nothing', async () => {
    await until(async () =>
      (await stack.get('entities/widget/eu/a')).cacheStatus.includes('; hit') ? true : undefined,
    );
    for (let i = 0; i < 2; i++) {
      const answer = await turn(encodeURIComponent(NAME), 'pause');
      expect(answer.json).toMatchObject({ name: NAME, state: 'paused', paused: { by: 'key' } });
    }
    expect((await stack.get('ops/explain/widget/eu/a')).json).toMatchObject({ source: { paused: { by: 'key' } } });
    const ready = await stack.get('health/ready');
    expect([ready.status, ready.json['status']]).toEqual([200, 'warn']);
    expect(ready.text).toContain('its changes are held since');
    stack.emulator.control.record(true);
    await stack.widgets.items.upsert({ id: 'a', region: 'eu', name: 'two' });
    await stack.widgets.items.upsert({ id: 'b', region: 'eu', name: 'two' });
    // Its reader has the page and asks for no other one: a drained feed is polled every 50 ms.
    await until(async () => {
      const polls = () => stack.emulator.control.counts()['change-feed'] ?? 0;
      const before = polls();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return polls() === before ? true : undefined;
    });
    expect((await stack.get('entities/widget/eu/a')).json['name']).toBe('one');
    // What is loaded now is right, and stays so.
    expect((await stack.get('entities/widget/eu/b')).json['name']).toBe('two');
    stack.emulator.control.record(false);
    // Whether its slashes come encoded or not.
    expect((await turn(NAME, 'resume')).json).toMatchObject({ state: 'ok', paused: null });
    await show('two');
    expect((await turn(NAME, 'resume')).status).toBe(200);
    expect(stack.logs.some((line) => line.includes(`ops: key paused the changes of ${NAME}`))).toBe(true);
    expect(stack.logs.some((line) => line.includes(`ops: key resumed the changes of ${NAME}`))).toBe(true);
  });

  it('says what failed last, and what mends it', async () => {
    const fault = stack.emulator.control.fault({ operation: 'read', status: 429 });
    await until(async () => ((await stack.get('entities/widget/eu/none')).status === 503 ? true : undefined));
    stack.emulator.control.removeFault(fault);
    const { lastError } = await source();
    expect(lastError).toMatchObject({
      message: expect.stringMatching(/^SOURCE_/),
      remedy: expect.stringMatching(/.{20}/),
      at: expect.stringMatching(/Z$/),
    });
    expect(JSON.stringify(lastError)).not.toMatch(/127\.0\.0\.1|AccountKey/);
  });

  it('counts what the metrics count, over all instances', async () => {
    await until(async () =>
      (await stack.get('entities/widget/eu/a')).cacheStatus.includes('; hit') ? true : undefined,
    );
    for (let i = 0; i < 7; i++) {
      expect((await get(`${second.url}/api/entities/widget/eu/a`)).cacheStatus).toContain('; hit');
    }
    for (let i = 0; i < 5; i++) await stack.get('entities/widget/eu/a');
    for (let i = 0; i < 2; i++) await stack.get('queries/widgetCount');
    await stack.get('entities/widget/eu/a', { headers: { 'cache-control': 'only-if-cached, no-cache' } });
    const json = { 'content-type': 'application/json' };
    // An item from the cache, one that is not, and one that cannot be: a key of its own is no read.
    await stack.get('batch/widget', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ keys: [['eu', 'a'], ['eu', 'no'], ['eu']] }),
    });
    for (let i = 0; i < 3; i++) expect((await stack.get('content/a.txt')).text).toBe('text');
    const made = await stack.get('sessions', { method: 'POST', headers: json, body: '{}' });
    const id = { 'x-session-id': made.headers.get('x-session-id') ?? '' };
    await stack.get('sessions/current', { headers: id });
    await stack.get('sessions/current', { headers: { ...id, 'if-match': '"x"' } });
    await stack.get('sessions/current/touch', { method: 'POST', headers: id });
    for (let i = 0; i < 2; i++) await stack.get('sessions/current', { method: 'DELETE', headers: id });
    // Each instance writes its own before it answers.
    await get(`${second.url}/api/ops/stats`);
    const answer = await stack.get('ops/stats?minutes=15');
    expect(answer.status).toBe(200);
    const buckets = answer.json['buckets'] as Bucket[];
    expect(buckets).toHaveLength(90);
    const total = (of: (bucket: Bucket) => number) => buckets.reduce((sum, bucket) => sum + of(bucket), 0);
    const reads = Object.keys(buckets[0]?.reads ?? {});
    expect(reads).toContain('stale-if-error');
    const metric = (outcome: string) =>
      ['widget', 'query/widgetCount', 'content']
        .map((of) => collector.point('warmfeed.reads', { entity: of, outcome })?.value ?? 0)
        .reduce((sum, n) => sum + n, outcome === 'hit' ? 7 : 0);
    const counted = Object.fromEntries(
      reads.map((outcome) => [outcome, total((bucket) => bucket.reads[outcome] ?? 0)]),
    );
    const exported = () => Object.fromEntries(reads.map((outcome) => [outcome, metric(outcome)]));
    await until(() => (JSON.stringify(exported()) === JSON.stringify(counted) ? true : undefined), 5000).catch(
      () => undefined,
    );
    expect(exported()).toEqual(counted);
    expect(total((bucket) => bucket.latency.reduce((sum, n) => sum + n, 0))).toBe(
      total((bucket) => Object.values(bucket.reads).reduce((sum, n) => sum + n, 0)),
    );
    expect(total((bucket) => Number(bucket['changes']))).toBeGreaterThanOrEqual(3);
    expect(total((bucket) => bucket.lag.reduce((sum, n) => sum + n, 0))).toBeGreaterThanOrEqual(3);
    expect(answer.json['byEntity']).toMatchObject({
      widget: { hit: expect.any(Number) },
      'query/widgetCount': {},
      content: { miss: 1, hit: 2 },
    });
    const none = { ok: 0, none: 0, refused: 0, failed: 0 };
    const sessions = {
      create: { ...none, ok: 1 },
      read: { ...none, ok: 1, refused: 1 },
      touch: { ...none, ok: 1 },
      end: { ...none, ok: 1, none: 1 },
    };
    expect(answer.json['sessions']).toEqual(sessions);
    expect(total((bucket) => Number((bucket['sessions'] as Record<string, number>)['ok']))).toBe(4);
    for (const [call, counts] of Object.entries(sessions)) {
      for (const [outcome, n] of Object.entries(counts)) {
        expect(collector.point('warmfeed.sessions', { call, outcome })?.value ?? 0).toBe(n);
      }
    }
    expect((await stack.get('ops/stats?minutes=1')).json['buckets']).toHaveLength(6);
  });

  it('shows what the auditor counted, and how much that says', async () => {
    expect((await stack.get('ops/consistency')).json).toMatchObject({
      share: expect.toSatisfy((x) => x === null || x === 1),
    });
    await stack.redis.del('wf:warmfeed:audit');
    await stack.redis.hset('wf:warmfeed:audit', {
      '1:match': 900,
      '5:match': 80,
      '60:superseded': 20,
      '60:provisional': 7,
    });
    expect((await stack.get('ops/consistency')).json).toMatchObject({
      samples: 1007,
      match: 980,
      superseded: 20,
      stale: 0,
      provisional: 7,
      share: 1,
      bound95: 0.003,
      byDelay: { 60: { superseded: 20, provisional: 7, samples: 27 } },
    });
  });

  it.each([
    ['GET', 'ops/stats?minutes=0', 400],
    ['GET', 'ops/stats?minutes=16', 400],
    ['GET', 'ops/stats?minutes=x', 400],
    ['GET', 'ops/stats?hours=1', 400],
    ['GET', 'ops/sources?x=1', 400],
    ['POST', 'ops/sources', 405],
    ['GET', `ops/sources/${NAME}/pause`, 405],
    ['POST', `ops/sources/${NAME}/stop`, 404],
    ['POST', 'ops/sources/nothing/pause', 404],
    ['POST', 'ops/sources/pause', 404],
    ['POST', 'ops/sources/%E0%A4/pause', 400],
    ['POST', 'ops/consistency', 405],
  ])('%s %s is %i', async (method, path, status) => {
    const answer = await stack.get(path, { method });
    expect(answer.status).toBe(status);
  });
});
