import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCollector } from '../support/collector.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
let collector: Awaited<ReturnType<typeof startCollector>>;
let stack: Stack;

beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack({
    settings: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      WEBSITE_SITE_NAME: 'test-site',
    },
  });
});

afterAll(async () => {
  await stack?.close();
  await collector?.close();
});

const traced = (path: string, parent = 'b7ad6b7169203331') =>
  stack.get(path, { headers: { traceparent: `00-${TRACE}-${parent}-01` } });

it('counts reads by outcome, fills, changes and their age', async () => {
  await stack.widgets.items.upsert({ id: 'm1', region: 'eu', name: 'one', secret: 'hush-hush' });
  await until(async () =>
    (await stack.get('entities/widget/eu/m1')).cacheStatus.includes('; hit') ? true : undefined,
  );
  const before = collector.point('warmfeed.reads', { outcome: 'hit' })?.value ?? 0;
  for (let i = 0; i < 10; i++) await stack.get('entities/widget/eu/m1');
  await until(() =>
    (collector.point('warmfeed.reads', { entity: 'widget', outcome: 'hit' })?.value ?? 0) >= before + 10
      ? true
      : undefined,
  );
  await until(() => (collector.point('warmfeed.fills', { entity: 'widget' })?.value ? true : undefined));
  await until(() => (collector.point('warmfeed.batch.size')?.value ? true : undefined));
  await until(() => (collector.point('warmfeed.batch.changes')?.value ? true : undefined));
  const age = await until(() => collector.point('warmfeed.change.age'));
  expect(age.value).toBeGreaterThanOrEqual(1);
  // Commits have whole seconds; and nobody waits a minute here.
  expect((age.sum ?? 0) / age.value).toBeLessThan(60);
  expect(collector.resources.at(-1)).toMatchObject({ 'service.name': 'test-site' });
});

it("puts a miss's reads of Redis and of the source into the trace of its request, and a hit's nowhere", async () => {
  // Its change was handled before, so nobody else fills it now.
  const hit = async () => ((await stack.get('entities/widget/eu/m1')).cacheStatus.includes('; hit') ? true : undefined);
  await until(hit);
  collector.spans.length = 0;
  await traced('entities/widget/eu/m1');
  await stack.redis.del('wf:warmfeed:c:{widget/eu/m1}');
  const miss = await traced('entities/widget/eu/m1');
  expect(miss.cacheStatus).toContain('fwd=miss');
  const ofTrace = () => collector.spans.filter(({ traceId }) => traceId === TRACE);
  await until(() => (ofTrace().some(({ name }) => name === 'warmfeed.redis.fill') ? true : undefined));
  // One of each: the hit before it had none.
  const names = ofTrace().map(({ name }) => name);
  expect(names.filter((name) => name === 'warmfeed.source.read')).toHaveLength(1);
  expect(names.toSorted()).toEqual([
    'warmfeed.redis.fill',
    'warmfeed.redis.lease',
    'warmfeed.redis.watermark',
    'warmfeed.source.read',
  ]);
  // All under the span that the host made for the request.
  expect(new Set(ofTrace().map(({ parentSpanId }) => parentSpanId)).size).toBe(1);
  const read = ofTrace().find(({ name }) => name === 'warmfeed.source.read');
  expect(Number(read?.attributes['warmfeed.request_units'])).toBeGreaterThan(0);
  await until(() => (collector.point('warmfeed.load.duration', { outcome: 'ok' })?.value ? true : undefined));
});

it('counts failures of the source and of Redis, and says when the breaker opened', async () => {
  const fault = stack.emulator.control.fault({ operation: 'read', status: 503 });
  for (let i = 0; i < 12; i++) await stack.get(`entities/widget/eu/none-${i}`);
  stack.emulator.control.removeFault(fault);
  await until(() => collector.point('warmfeed.source.failures', { entity: 'widget', code: 'SOURCE_UNAVAILABLE' }));
  await until(() => collector.point('warmfeed.reads', { outcome: 'error' }));
  await until(() => (collector.point('warmfeed.breaker.state')?.value === 2 ? true : undefined));
  await stack.redisServer.kill();
  await stack.get('entities/widget/eu/m1');
  await until(() => collector.point('warmfeed.store.failures'));
  await stack.redisServer.start();
});

it('tells neither keys nor documents nor hosts', () => {
  const sent = collector.bodies.join('\n');
  expect(sent).toContain('warmfeed.reads');
  expect(sent).not.toMatch(/hush-hush|"m1"|widget\/eu|127\.0\.0\.1|AccountKey/);
});

it('every metric and span stands in docs/telemetry.md, and only those', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/telemetry.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(warmfeed\.[\w.-]+)` \|/gm)].map((row) => row[1] ?? '');
  const sources = ['instruments', 'traced'].map((file) =>
    readFileSync(resolve(import.meta.dirname, `../../src/telemetry/${file}.ts`), 'utf8'),
  );
  const code = sources.join('\n');
  const named = [
    ...[...code.matchAll(/(?:counter|histogram)\('([\w.]+)'/g)].map((match) => `warmfeed.${match[1]}`),
    ...[
      ...code.matchAll(/'(warmfeed\.(?:reads|sessions|breaker\.state|source\.(?:read|read-many|query)|changes))'/g),
    ].map((match) => match[1] ?? ''),
    ...[...code.matchAll(/=> span\('(\w+)'/g)].map((match) => `warmfeed.redis.${match[1]}`),
  ].filter((name) => name !== 'warmfeed.source');
  expect([...new Set(named)].toSorted()).toEqual([...new Set(documented)].toSorted());
  for (const name of collector.names()) expect(documented).toContain(name);
  for (const { name } of collector.spans) expect(documented).toContain(name);
});
