// What users of other caches met, tried on ours. Each test is named after the issue, or the page that admits it.

import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createPurge } from '../../src/core/ops/purge.ts';
import { createGenerations } from '../../src/core/protocol/generations.ts';
import { createManyReader } from '../../src/core/read/read-many.ts';
import { createMemoryQueryStore } from '../support/memory-query-store.ts';
import { createWorld, seen, type World, type WorldOptions } from '../support/world.ts';

const TAG = 'x';
const HOUR = 3_600_000;
const purgeOf = (app: ReturnType<World['process']>) =>
  createPurge({ ...app.deps, queries: createMemoryQueryStore(), indexed: [] });

/** A world with one cached item that carries a tag. */
async function cached(options: WorldOptions = {}) {
  const world = createWorld({ ...options, entity: { tags: () => [TAG], ...options.entity } });
  const app = world.process();
  await world.settle();
  world.write('a', { v: 1 });
  await app.read('a');
  expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
  world.sourceReads = 0;
  return { world, app, purge: purgeOf(app) };
}

/** The next read of the source has its answer already when this happens, and gives it afterwards. */
function during(world: World, what: () => Promise<unknown>): void {
  world.duringRead = async () => {
    world.duringRead = undefined;
    await what();
  };
}

/** The next reads of the source wait until they are let go. */
function held(world: World): () => void {
  const gate = Promise.withResolvers<void>();
  world.duringRead = () => gate.promise;
  return () => {
    world.duringRead = undefined;
    gate.resolve();
  };
}

const turn = () => new Promise(setImmediate);

describe('FusionCache', () => {
  it.each(['a purge', 'a change'])('#625: %s during a load: what was loaded before is not kept', async (by) => {
    const { world, app, purge } = await cached();
    await world.memory.drop(world.recordKey('a'));
    during(world, async () => {
      const change = world.write('a', { v: 2 });
      if (by === 'a change') await world.process().sync.apply([change]);
      else await purge.records([world.recordKey('a')], 'drop');
    });
    // Itself it may be answered with either.
    await app.read('a');
    expect(seen(await app.read('a')).value).toEqual({ v: 2 });
  });

  it('#535: made stale during a load: the load is not what makes it fresh again', async () => {
    const { world, app, purge } = await cached();
    await world.memory.drop(world.recordKey('a'));
    during(world, async () => {
      world.write('a', { v: 2 });
      await purge.records([world.recordKey('a')], 'stale');
    });
    await app.read('a');
    expect(seen(await app.read('a')).how).not.toBe('hit');
    await app.reader.drain();
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('#628: a purge by tag is not lost to a refresh in the background, though that is stored after it', async () => {
    const { world, app, purge } = await cached();
    world.advance(60_000);
    during(world, async () => {
      world.write('a', { v: 2 });
      await purge.tags([TAG], 'drop');
    });
    expect(seen(await app.read('a')).how).toBe('stale');
    await app.reader.drain();
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('#627: a node whose clock is an hour off purges a tag: what is cached after it stays cached', async () => {
    for (const off of [HOUR, -HOUR]) {
      const { world, app } = await cached();
      const clock = { ...world.clock, now: () => world.clock.now() + off };
      const { store, keys } = app.deps;
      const generations = createGenerations({
        store,
        key: keys.generations,
        clock,
        entities: [world.entity],
        ttlMs: 1000,
      });
      const purge = createPurge({ store, keys, generations, queries: createMemoryQueryStore(), indexed: [] });
      await purge.tags([TAG], 'drop');
      expect(seen(await app.read('a')).how).toBe('miss');
      expect(seen(await app.read('a')).how).toBe('hit');
    }
  });

  it('#613: a read that is under way in another node while an item is purged leaves nothing old there', async () => {
    const { world, purge } = await cached();
    const other = world.process();
    await other.read('a');
    const reading = other.read('a');
    world.write('a', { v: 2 });
    await purge.tags([TAG], 'drop');
    await reading;
    expect(seen(await other.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('#648: what was dropped does not stand in for a source that fails; what was made stale does', async () => {
    for (const mode of ['drop', 'stale'] as const) {
      const { world, app, purge } = await cached();
      world.advance(65_000);
      await purge.kept('widget', mode);
      world.sourceError = new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });
      if (mode === 'drop') await expect(app.read('a')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
      else expect(seen(await app.read('a')).value).toEqual({ v: 1 });
      await app.reader.drain();
    }
  });
});

describe('HybridCache', () => {
  it('#7771: a node that has just begun, and knows of no purge yet, does not serve what was purged', async () => {
    const { world, purge } = await cached();
    await purge.tags([TAG], 'drop');
    expect(seen(await world.process().read('a')).how).toBe('miss');
  });

  it('#7411: a node that has looked at a tag before learns of its purge', async () => {
    const { world, purge } = await cached();
    const other = world.process();
    for (let i = 0; i < 3; i++) expect(seen(await other.read('a')).how).toBe('hit');
    await purge.tags([TAG], 'drop');
    expect(seen(await other.read('a')).how).toBe('miss');
  });

  it('a value whose tag was purged while it was made is not dated anew, and so not served', async () => {
    const { world, app, purge } = await cached();
    await world.memory.drop(world.recordKey('a'));
    during(world, async () => {
      world.write('a', { v: 2 });
      await purge.tags([TAG], 'drop');
    });
    await app.read('a');
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('#6759, cacheable #1201: misses of several nodes at a time are one load', async () => {
    const { world } = await cached();
    await world.memory.drop(world.recordKey('a'));
    const letGo = held(world);
    const nodes = Array.from({ length: 5 }, () => world.process());
    const reads = nodes.flatMap((node) => [node.read('a'), node.read('a'), node.read('a')]);
    for (let i = 0; i < 5; i++) await turn();
    letGo();
    expect((await Promise.all(reads)).map((answer) => seen(answer).value)).toEqual(reads.map(() => ({ v: 1 })));
    expect(world.sourceReads).toBe(1);
  });
});

describe('async-cache-dedupe, cacheable, bentocache', () => {
  it('dedupe #35: a load that fails is not what later reads join', async () => {
    const { world, app } = await cached();
    await world.memory.drop(world.recordKey('a'));
    world.sourceError = new WarmfeedError('SOURCE_TIMEOUT', 'late', { retryable: true });
    await expect(Promise.all([app.read('a'), app.read('a')])).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    world.sourceError = undefined;
    expect(seen(await app.read('a')).value).toEqual({ v: 1 });
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('dedupe #164: readers of something stale share one refresh', async () => {
    const { world, app } = await cached();
    world.advance(60_000);
    const letGo = held(world);
    const answers = await Promise.all(Array.from({ length: 100 }, () => app.read('a')));
    expect(new Set(answers.map((answer) => seen(answer).how))).toEqual(new Set(['stale']));
    await turn();
    letGo();
    await app.reader.drain();
    expect(world.sourceReads).toBe(1);
  });

  it('cacheable #888, #977: a hundred misses at a time in one process are one load', async () => {
    const { world, app } = await cached();
    await world.memory.drop(world.recordKey('a'));
    await Promise.all(Array.from({ length: 100 }, () => app.read('a')));
    expect(world.sourceReads).toBe(1);
  });

  it('bentocache #78: many keys are one question to the source, each with its own outcome', async () => {
    const { world, app } = await cached();
    const many = createManyReader({ ...app.deps, reader: app.reader });
    world.write('b', { v: 2 });
    const answers = await many.readMany(world.entity, [['a'], ['b'], ['none'], ['b']]);
    expect(answers.map(({ kind }) => kind)).toEqual(['cached', 'loaded', 'loaded', 'loaded']);
    expect(world.sourceReads).toBe(2);
  });
});

describe('rockscache', () => {
  it('a loader that died leaves a key that ends by itself, and the next one loads', async () => {
    const { world, app } = await cached();
    await world.memory.drop(world.recordKey('a'));
    const { store } = app.deps;
    const stamp = app.generations.stamp(world.entity, await app.generations.refresh());
    const lease = { leaseMs: 10_000, stamp, force: false };
    await store.lease(world.recordKey('a'), { ...lease, token: new Uint8Array(8).fill(1) });
    const ttl = world.memory.ttl(world.recordKey('a'));
    expect(ttl > 0 && ttl <= 10_000).toBe(true);
    world.advance(10_000);
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('a node whose clock is ahead takes nobody’s lease', async () => {
    const { world, app } = await cached({ waitMs: 20 });
    await world.memory.drop(world.recordKey('a'));
    const letGo = held(world);
    const first = app.read('a');
    await turn();
    const clock = { ...world.clock, now: () => world.clock.now() + HOUR };
    const { store, keys } = app.deps;
    const own = createGenerations({ store, key: keys.generations, clock, entities: [world.entity], ttlMs: 1000 });
    const stamp = own.stamp(world.entity, await own.refresh());
    const asked = { token: new Uint8Array(8).fill(2), leaseMs: 10_000, stamp, force: false };
    expect(await store.lease(world.recordKey('a'), asked)).toEqual({ kind: 'held' });
    letGo();
    await first;
  });

  it('a batch of which one lock was lost stores the others', async () => {
    const { world, app } = await cached();
    for (const id of ['b', 'c', 'd']) world.write(id, { v: 1 });
    const many = createManyReader({ ...app.deps, reader: app.reader });
    during(world, () => world.memory.drop(world.recordKey('b')));
    await many.readMany(world.entity, [['b'], ['c'], ['d']]);
    expect(seen(await app.read('b')).how).toBe('miss');
    expect(seen(await app.read('c')).how).toBe('hit');
    expect(seen(await app.read('d')).how).toBe('hit');
  });

  it('a replica that lags cannot fill again what was invalidated', async () => {
    const { world, app } = await cached();
    const before = BigInt(world.log.length);
    await app.sync.apply([world.write('a', { v: 2 })]);
    await world.memory.drop(world.recordKey('a'));
    world.replicaAt = before;
    await app.read('a');
    const again = seen(await app.read('a'));
    expect(again.how === 'hit' ? again.value : { v: 2 }).toEqual({ v: 2 });
  });
});

describe('others', () => {
  it('identity_cache, “flush loses the marker”: a load of before a change is not kept after change and flush', async () => {
    const { world, app } = await cached({ provisionalMs: 0 });
    await world.memory.drop(world.recordKey('a'));
    during(world, async () => {
      await world.process().sync.apply([world.write('a', { v: 2 })]);
      world.memory.lose();
    });
    await app.read('a');
    expect(seen(await app.read('a')).value).toEqual({ v: 2 });
  });

  it('redis.io’s sample: a holder whose lock has ended writes nothing over its successor', async () => {
    const { world, app } = await cached();
    await world.memory.drop(world.recordKey('a'));
    during(world, async () => {
      world.advance(10_000);
      world.write('a', { v: 2 });
      await world.process().read('a');
    });
    await app.read('a');
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('Azure’s write-around sample: a change that comes again, equal to what is cached, is no error', async () => {
    const { world, app } = await cached();
    const change = world.write('a', { v: 1 });
    await app.sync.apply([change]);
    expect(await app.sync.apply([change])).toMatchObject({ changes: 1, ignored: 1 });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
  });

  it('Microsoft’s cache-aside page: nothing is ever stored without its end', async () => {
    const { world, app } = await cached();
    await app.read('none');
    await app.sync.apply([world.write('b', { v: 1 })]);
    for (const id of ['a', 'none', 'b']) {
      const ttl = world.memory.ttl(world.recordKey(id));
      expect([id, ttl > 0 && ttl <= 60_000 + 100_000]).toEqual([id, true]);
    }
  });
});
