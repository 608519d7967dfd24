import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

const CONFIGURATION = new URL('./ops.config.ts', import.meta.url).pathname;
const COUNT = 320;

describe('/ops/warm', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ configuration: CONFIGURATION });
    for (let i = 0; i < COUNT; i += 40) {
      const some = Array.from({ length: 40 }, (_, k) => i + k);
      await Promise.all(some.map((k) => stack.widgets.items.upsert({ id: `k${k}`, region: `r${k % 3}`, n: k })));
    }
  });
  afterAll(() => stack?.close());

  const post = (path: string, body?: unknown) =>
    stack.get(path, {
      method: 'POST',
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    });
  const job = async (id: unknown) => (await stack.get(`ops/warm/${String(id)}`)).json;
  const ended = (id: unknown) =>
    until(async () => {
      const found = await job(id);
      return found['endedAt'] === null ? undefined : found;
    }, 30_000);
  const emptied = async () => {
    for (const key of await stack.redis.keys('wf:warmfeed:c:*')) await stack.redis.del(key);
  };
  const isHit = async (k: number) => (await stack.get(`entities/widget/r${k % 3}/k${k}`)).cacheStatus.includes('; hit');

  it('caches an entity, shows its progress, and lists the job', async () => {
    await emptied();
    const answer = await post('ops/warm', { entity: 'widget' });
    expect(answer.status).toBe(202);
    expect(answer.json).toMatchObject({
      entity: 'widget',
      what: 'all',
      since: null,
      unitsPerSecond: null,
      total: null,
    });
    expect(answer.headers.get('location')).toBe(`/api/ops/warm/${String(answer.json['id'])}`);
    expect(await ended(answer.json['id'])).toMatchObject({ state: 'done', scanned: COUNT, error: null });
    expect(await Promise.all([0, 100, COUNT - 1].map(isHit))).toEqual([true, true, true]);
    const { jobs } = (await stack.get('ops/warm')).json as { jobs: Record<string, unknown>[] };
    expect(jobs[0]).toEqual(await job(answer.json['id']));
    expect(
      stack.logs.some((line) => line.includes(`ops: key began to warm all of widget: ${String(answer.json['id'])}`)),
    ).toBe(true);
  });

  it('caches some keys, or what was written since', async () => {
    await emptied();
    const keys = await post('ops/warm', {
      entity: 'widget',
      keys: [
        ['r0', 'k0'],
        ['r1', 'k1'],
        ['r1', 'k1'],
        ['r0', 'none'],
      ],
    });
    expect(await ended(keys.json['id'])).toMatchObject({
      state: 'done',
      what: 'keys',
      total: 3,
      scanned: 3,
      filled: 2,
    });
    expect(await isHit(1)).toBe(true);
    // Commits have whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const since = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
    await stack.widgets.items.upsert({ id: 'k2', region: 'r2', n: -2 });
    await emptied();
    const answer = await post('ops/warm', { entity: 'widget', since });
    expect(await ended(answer.json['id'])).toMatchObject({ state: 'done', what: 'since', since, scanned: 1 });
  });

  it('keeps to a rate, pauses, goes on after a restart, and is cancelled', async () => {
    await emptied();
    const { id } = (await post('ops/warm', { entity: 'widget', unitsPerSecond: 1 })).json;
    const first = await until(async () => {
      const found = await job(id);
      return Number(found['scanned']) > 0 ? found : undefined;
    });
    expect(first).toMatchObject({ state: 'running', unitsPerSecond: 1 });
    expect(Number(first['scanned'])).toBeLessThan(COUNT);
    expect((await post(`ops/warm/${String(id)}/pause`)).json).toMatchObject({ state: 'paused' });
    await stack.restart();
    expect(await job(id)).toMatchObject({ state: 'paused', scanned: first['scanned'] });
    expect((await post(`ops/warm/${String(id)}/resume`)).json['state']).toMatch(/queued|running/);
    expect((await post(`ops/warm/${String(id)}/cancel`)).json).toMatchObject({ state: 'cancelled' });
    expect((await post(`ops/warm/${String(id)}/cancel`)).status).toBe(200);
    const late = await post(`ops/warm/${String(id)}/resume`);
    expect([late.status, late.json['type']]).toEqual([409, 'urn:warmfeed:problem:conflict']);
  });

  it('a job that a process left behind is gone on with by the next one', async () => {
    await emptied();
    const fault = stack.emulator.control.fault({ operation: 'change-feed', status: 503 });
    const { id } = (await post('ops/warm', { entity: 'widget' })).json;
    await until(async () => ((await job(id))['error'] === null ? undefined : true));
    await stack.host.close();
    stack.emulator.control.removeFault(fault);
    await stack.restart();
    expect(await ended(id)).toMatchObject({
      state: 'done',
      scanned: expect.toSatisfy((n: number) => n >= COUNT),
      error: null,
    });
  });

  it.each([
    ['{', 400],
    [{}, 404],
    [{ entity: 'gadget' }, 404],
    [{ entity: 'widget', keys: [], since: '2026-01-01T00:00:00Z' }, 400],
    [{ entity: 'widget', keys: [] }, 400],
    [{ entity: 'widget', keys: [['r0']] }, 400],
    [{ entity: 'widget', keys: 'all' }, 400],
    [{ entity: 'widget', keys: Array.from({ length: 1001 }, (_, i) => ['r', `k${i}`]) }, 400],
    [{ entity: 'widget', since: 'yesterday' }, 400],
    [{ entity: 'widget', since: '2999-01-01T00:00:00Z' }, 400],
    [{ entity: 'widget', since: 5 }, 400],
    [{ entity: 'widget', unitsPerSecond: 0 }, 400],
    [{ entity: 'widget', unitsPerSecond: '9' }, 400],
    [{ entity: 'widget', unitsPerSecond: 1e9 }, 400],
    [{ entity: 'widget', force: true }, 400],
  ])('refuses %j with %i', async (body, status) => {
    const answer = await post('ops/warm', body);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
  });

  it('refuses jobs and actions that there are not', async () => {
    expect((await stack.get('ops/warm/w-20260101T000000-00000000')).status).toBe(404);
    expect((await stack.get('ops/warm/x')).status).toBe(404);
    // The host finds routes in any case.
    const { jobs: some } = (await stack.get('OPS/Warm')).json as { jobs: { id: string }[] };
    expect((await stack.get(`Ops/WARM/${some[0]?.id}`)).json['id']).toBe(some[0]?.id);
    expect((await post('ops/warm/w-20260101T000000-00000000/pause')).status).toBe(404);
    const { jobs } = (await stack.get('ops/warm')).json as { jobs: { id: string }[] };
    expect((await post(`ops/warm/${jobs[0]?.id}/restart`)).status).toBe(404);
    expect((await stack.get(`ops/warm/${jobs[0]?.id}/pause`)).status).toBe(405);
  });
});
