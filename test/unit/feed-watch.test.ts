import { describe, expect, it } from 'vitest';
import { createFeedWatch } from '../../src/core/feed-watch.ts';
import type { CacheEvent } from '../../src/core/ports.ts';
import { createWorld, seen } from '../support/world.ts';

function setUp(fromBeginning = false, age = 0) {
  const world = createWorld();
  const app = world.process();
  let identity: string | undefined;
  const positions = async () => (identity === undefined ? undefined : { id: identity, since: world.clock.now() - age });
  const feed = { source: world.source.name, positions, fromBeginning };
  const deps = {
    store: world.memory,
    keys: world.keys,
    generations: app.generations,
    clock: world.clock,
    observe: (event: CacheEvent) => void world.events.push(event),
  };
  return {
    world,
    app,
    watch: createFeedWatch(feed, deps),
    leases: (value: string | undefined) => {
      identity = value;
    },
    cached: async () => {
      world.write('a', { v: world.log.length });
      await app.read('a');
      expect(seen(await app.read('a')).how).toBe('hit');
    },
    events: () => world.events.flatMap((event) => (event.kind === 'feed-positions' ? [event.are] : [])),
  };
}

describe('the watch over a feed', () => {
  it('remembers the first positions; what was cached before them may have missed a change, and becomes old', async () => {
    const { app, watch, leases, cached, events } = setUp();
    await cached();
    leases('one');
    expect(await watch.check()).toBe('watched');
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(await watch.check()).toBe('watched');
    expect(seen(await app.read('a')).how).toBe('hit');
    expect(events()).toEqual(['new']);
  });

  it('a feed from the beginning misses nothing at its first start', async () => {
    const { app, watch, leases, cached } = setUp(true);
    await cached();
    leases('one');
    await watch.check();
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('other leases, another prefix or container: everything cached becomes old, complete when it says so', async () => {
    const { world, app, watch, leases, cached, events } = setUp();
    leases('one');
    await watch.check();
    await cached();
    leases('two');
    expect((await watch.look()).state).toBe('lost');
    await watch.check();
    // A hit judged by the old generation is over by now in every process.
    expect(seen(await world.process().read('a')).how).toBe('miss');
    expect(seen(await app.read('a')).how).toBe('hit');
    expect(events()).toEqual(['new', 'lost']);
    expect((await watch.look()).state).toBe('watched');
  });

  it('leases that vanish: old at once, and once more when they are back', async () => {
    const { app, watch, leases, cached, events } = setUp(true);
    leases('one');
    await watch.check();
    await cached();
    leases(undefined);
    expect(await watch.check()).toBe('lost');
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(await watch.check()).toBe('lost');
    expect(seen(await app.read('a')).how).toBe('hit');
    leases('two');
    expect(await watch.check()).toBe('watched');
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(events()).toEqual(['new', 'lost', 'lost']);
  });

  it('waits a little for a feed that starts, and says so where it does not', async () => {
    const { world, watch, events } = setUp();
    expect(await watch.check()).toBe('starting');
    expect(world.clock.now()).toBeGreaterThan(1_700_000_000_000 + 10_000);
    expect(events()).toEqual([]);
  });

  it('a flushed Redis remembers nothing, but what was cached since then is younger than the positions: it stays', async () => {
    const { world, app, watch, leases, cached } = setUp(false, 3_600_000);
    leases('one');
    await watch.check();
    world.memory.lose();
    await cached();
    expect(await watch.check()).toBe('watched');
    expect(seen(await app.read('a')).how).toBe('hit');
  });
});
