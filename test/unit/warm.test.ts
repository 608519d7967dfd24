import { describe, expect, it } from 'vitest';
import { createWarm, type WarmProgress } from '../../src/core/ops/warm.ts';
import { createWorld, seen, type World } from '../support/world.ts';

function warmOf(world: World) {
  const app = world.process();
  const warm = createWarm({ ...app.deps, options: { provisionalMs: 1000, jitter: 0, leaseMs: 10_000 } });
  return { app, warm };
}

async function setUp(count: number, options: Parameters<typeof createWorld>[0] = {}) {
  const world = createWorld(options);
  for (let i = 0; i < count; i++) world.write(`k${i}`, { i });
  return { world, ...warmOf(world) };
}

describe('warming', () => {
  it('caches everything that is there, with progress, and nothing of what is not', async () => {
    const { world, app, warm } = await setUp(25, { entity: { match: (document) => document['i'] !== 3 } });
    const told: WarmProgress[] = [];
    const end = await warm({ entity: world.entity, pageSize: 10, onProgress: (progress) => told.push(progress) });
    expect(end).toMatchObject({ scanned: 25, filled: 24, skipped: 0, continuation: undefined });
    expect(told.map(({ scanned }) => scanned)).toEqual([10, 20, 25]);
    world.sourceReads = 0;
    for (let i = 0; i < 25; i++) expect(seen(await app.read(`k${i}`)).how).toBe(i === 3 ? 'miss' : 'hit');
  });

  it('is under the full guarantee, also where it has to seed the watermark itself', async () => {
    const { world, app, warm } = await setUp(3);
    await warm({ entity: world.entity });
    expect(await app.read('k0')).toMatchObject({ how: 'hit', entry: { guarantee: 'watermarked' } });
  });

  it('leaves alone what is cached already, and what somebody else loads', async () => {
    const { world, app, warm } = await setUp(3);
    await app.read('k0');
    await app.read('k0');
    const before = world.memory.peek(world.recordKey('k0'));
    const token = new Uint8Array(8).fill(7);
    await world.memory.lease(world.recordKey('k1'), { token, leaseMs: 1e6, stamp: new Uint8Array(16), force: false });
    expect(await warm({ entity: world.entity })).toMatchObject({ scanned: 3, filled: 1, skipped: 2 });
    expect(world.memory.peek(world.recordKey('k0'))).toEqual(before);
  });

  it('never puts an older value over a newer: what changes meanwhile is not filled', async () => {
    const { world, app, warm } = await setUp(1);
    await world.settle();
    world.duringRead = async (key) => {
      world.duringRead = undefined;
      if (key === 'k0') await app.sync.apply([world.write('k0', { i: 'new' })]);
    };
    await warm({ entity: world.entity });
    expect(seen(await app.read('k0'))).toEqual({ how: 'hit', value: { i: 'new' } });
  });

  it('a replica that lags behind the watermark is asked again for what reaches it', async () => {
    const { world, app, warm } = await setUp(1, { entity: { onChange: 'evict' } });
    await world.settle();
    await app.sync.apply([world.write('k0', { i: 'new' })]);
    world.replicaAt = 1n;
    await warm({ entity: world.entity });
    expect(seen(await app.read('k0'))).toEqual({ how: 'hit', value: { i: 'new' } });
  });

  it('keeps to a rate', async () => {
    const { world, warm } = await setUp(30);
    const began = world.clock.now();
    // Each page costs one unit for its keys here.
    await warm({ entity: world.entity, pageSize: 10, unitsPerSecond: 2 });
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(1500);
  });

  it('ends when cancelled, after the page it is at, and goes on from there', async () => {
    const { world, app, warm } = await setUp(30);
    const cancel = new AbortController();
    const half = await warm({
      entity: world.entity,
      pageSize: 10,
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    expect(half).toMatchObject({ scanned: 10, filled: 10 });
    const { continuation } = half;
    if (continuation === undefined) throw new Error('nothing to go on from');
    expect(await warm({ entity: world.entity, pageSize: 10, continuation })).toMatchObject({ scanned: 20, filled: 20 });
    expect(seen(await app.read('k29')).how).toBe('hit');
  });

  it('gives its leases back when the source fails', async () => {
    const { world, warm } = await setUp(3);
    Object.assign(world.source, { readMany: () => Promise.reject(new Error('down')) });
    await expect(warm({ entity: world.entity })).rejects.toThrow('down');
    expect(world.memory.peek(world.recordKey('k0'))).toBeUndefined();
  });
});
