import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createWarmPages } from '../../src/core/ops/warm.ts';
import {
  createWarmJobs,
  NO_PROGRESS,
  type WarmJob,
  type WarmJobStore,
  type WarmSpec,
} from '../../src/core/ops/warm-jobs.ts';
import { createWorld, seen } from '../support/world.ts';

const GO_ON = new AbortController().signal;

/** The readable specification of src/redis/lua/warm-*.lua. */
function createMemoryJobs(now: () => number): WarmJobStore {
  const all = new Map<string, { job: WarmJob; owner?: string | undefined; until: number }>();
  const change = (id: string, job: Partial<WarmJob>) => {
    const found = all.get(id);
    if (found !== undefined) found.job = { ...found.job, ...job, updatedAt: now() };
  };
  return {
    async create(spec) {
      all.set(spec.id, { job: { spec, state: 'queued', progress: NO_PROGRESS, updatedAt: now() }, until: 0 });
    },
    job: async (id) => all.get(id)?.job,
    jobs: async (limit) =>
      [...all.values()]
        .map(({ job }) => job)
        .toReversed()
        .slice(0, limit),
    async step(id, { owner, leaseMs, progress, end }) {
      const found = all.get(id);
      if (found === undefined || (found.owner !== undefined && found.owner !== owner && found.until > now()))
        return undefined;
      if (progress !== undefined) found.job = { ...found.job, progress };
      const { state } = found.job;
      if (state !== 'queued' && state !== 'running') {
        found.owner = undefined;
        return state;
      }
      change(id, { state: end ?? 'running' });
      Object.assign(found, { owner, until: now() + leaseMs });
      return end ?? 'running';
    },
    async turn(id, to, from) {
      const state = all.get(id)?.job.state;
      if (state !== to && (state === undefined || !from.includes(state))) return false;
      change(id, { state: to });
      return true;
    },
  };
}

function setUp(count: number) {
  const world = createWorld();
  for (let i = 0; i < count; i++) world.write(`k${i}`, { i });
  const store = createMemoryJobs(world.clock.now);
  let owners = 0;
  const create = () => {
    const app = world.process();
    const pages = createWarmPages({ ...app.deps, options: { provisionalMs: 1000, jitter: 0, leaseMs: 10_000 } });
    const deps = { jobs: store, pages, entities: [world.entity], clock: world.clock, nowMs: world.clock.now };
    return { app, ...createWarmJobs({ ...deps, owner: () => `o${++owners}` }) };
  };
  const spec = (over: Partial<WarmSpec> = {}): WarmSpec => ({
    id: 'w',
    entity: 'widget',
    createdAt: world.clock.now(),
    ...over,
  });
  const turn = (jobs: ReturnType<typeof create>, ms = 30_000, stop = GO_ON) => jobs.run(world.clock.now() + ms, stop);
  return { world, store, create, spec, turn };
}

describe('a warm job', () => {
  it('caches everything, and says so', async () => {
    const { create, spec, turn, store } = setUp(250);
    const jobs = create();
    await jobs.create(spec());
    expect((await jobs.list()).map(({ state }) => state)).toEqual(['queued']);
    await turn(jobs);
    expect(await store.job('w')).toMatchObject({ state: 'done', progress: { scanned: 250, filled: 250, skipped: 0 } });
    expect(seen(await jobs.app.read('k249')).how).toBe('hit');
  });

  it('caches some keys, in pages', async () => {
    const { create, spec, turn, store, world } = setUp(250);
    const jobs = create();
    await jobs.create(spec({ keys: Array.from({ length: 120 }, (_, i) => `k${i}`) }));
    await turn(jobs);
    expect(await store.job('w')).toMatchObject({ state: 'done', progress: { scanned: 120, filled: 120 } });
    expect(world.memory.peek(world.recordKey('k120'))).toBeUndefined();
  });

  it('goes on in another process where one ended, also one that was killed', async () => {
    const { world, create, spec, turn, store } = setUp(250);
    const stop = new AbortController();
    const first = create();
    await first.create(spec());
    world.duringRead = async (key) => {
      if (key === 'k120') stop.abort();
    };
    await turn(first, 30_000, stop.signal);
    expect(await store.job('w')).toMatchObject({ state: 'running', progress: { scanned: 200 } });
    // Killed with the job in its hands: taken by another after its lease.
    await store.step('w', { owner: 'dead', leaseMs: 60_000 });
    const second = create();
    await turn(second);
    expect(await store.job('w')).toMatchObject({ progress: { scanned: 200 } });
    world.advance(60_000);
    await turn(second);
    expect(await store.job('w')).toMatchObject({ state: 'done', progress: { scanned: 250, filled: 250 } });
  });

  it('keeps to its rate, over turns too', async () => {
    const { world, create, spec, turn, store } = setUp(1000);
    const jobs = create();
    await jobs.create(spec({ unitsPerSecond: 0.1 }));
    const began = world.clock.now();
    for (let i = 0; i < 200 && (await store.job('w'))?.state !== 'done'; i++) {
      await turn(jobs);
      world.advance(1);
    }
    const { units } = (await store.job('w'))?.progress ?? NO_PROGRESS;
    expect(units).toBeGreaterThanOrEqual(10);
    // The last page's own units may be ahead.
    expect(world.clock.now() - began).toBeGreaterThanOrEqual((units - 1) * 10_000 - 1);
  });

  it('obeys within a page: pause, resume, cancel; an ended one cannot be turned', async () => {
    const { world, create, spec, turn, store } = setUp(500);
    const jobs = create();
    await jobs.create(spec());
    world.duringRead = async (key) => {
      if (key === 'k150') await jobs.pause('w');
    };
    await turn(jobs);
    expect(await store.job('w')).toMatchObject({ state: 'paused', progress: { scanned: 200 } });
    await turn(jobs);
    expect(await store.job('w')).toMatchObject({ state: 'paused', progress: { scanned: 200 } });
    expect([await jobs.pause('w'), await jobs.resume('w')]).toEqual([true, true]);
    world.duringRead = async (key) => {
      if (key === 'k350') await jobs.cancel('w');
    };
    await turn(jobs);
    expect(await store.job('w')).toMatchObject({ state: 'cancelled', progress: { scanned: 400 } });
    await turn(jobs);
    expect([await jobs.cancel('w'), await jobs.pause('w'), await jobs.resume('w')]).toEqual([true, false, false]);
  });

  it('tries again what may pass, and gives up on what does not', async () => {
    const { world, create, spec, turn, store } = setUp(10);
    const jobs = create();
    await jobs.create(spec());
    const { scan } = { scan: world.source.scan.bind(world.source) };
    const failing = (retryable: boolean) => () =>
      Promise.reject(new WarmfeedError(retryable ? 'SOURCE_THROTTLED' : 'SOURCE_REJECTED', 'no', { retryable }));
    Object.assign(world.source, { scan: failing(true) });
    await turn(jobs, 2000);
    expect(await store.job('w')).toMatchObject({ state: 'running', progress: { error: 'SOURCE_THROTTLED: no' } });
    world.advance(10_000);
    Object.assign(world.source, { scan });
    await turn(jobs);
    const mended = await store.job('w');
    expect(mended).toMatchObject({ state: 'done', progress: { scanned: 10 } });
    expect(mended?.progress.error).toBeUndefined();
    await jobs.create(spec({ id: 'v' }));
    Object.assign(world.source, { scan: failing(false) });
    await turn(jobs);
    expect(await store.job('v')).toMatchObject({ state: 'failed', progress: { error: 'SOURCE_REJECTED: no' } });
    await jobs.create(spec({ id: 'u' }));
    Object.assign(world.source, { scan: failing(true) });
    for (let i = 0; i < 40; i++) {
      await turn(jobs, 60_000);
      world.advance(10_000);
    }
    expect(await store.job('u')).toMatchObject({ state: 'failed' });
    await jobs.create(spec({ id: 't', entity: 'gone' }));
    await turn(jobs);
    expect(await store.job('t')).toMatchObject({
      state: 'failed',
      progress: { error: 'there is no entity gone any more' },
    });
  });

  it('is run by one process at a time', async () => {
    const { world, create, spec, turn, store } = setUp(250);
    const jobs = create();
    await jobs.create(spec());
    world.sourceReads = 0;
    await Promise.all([turn(jobs), turn(create()), turn(create())]);
    expect(await store.job('w')).toMatchObject({ state: 'done', progress: { scanned: 250 } });
    // Each key once, and once more for the watermark that became known.
    expect(world.sourceReads).toBeLessThanOrEqual(350);
  });
});
