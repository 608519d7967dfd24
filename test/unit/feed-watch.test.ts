import { describe, expect, it } from 'vitest';
import type { CacheEvent } from '../../src/core/ports.ts';
import { createFeedWatch } from '../../src/core/sync/feed-watch.ts';
import { createWorld, seen } from '../support/world.ts';

function setUp(fromBeginning = false, age = 0) {
  const world = createWorld();
  const app = world.process();
  let identity: string | undefined;
  const positions = async () =>
    identity === undefined ? 'no leases' : { id: identity, since: world.clock.now() - age };
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
    events: () =>
      world.events.flatMap((event) => {
        if (event.kind === 'feed-unfollowed') return ['unfollowed'];
        return event.kind === 'feed-positions' ? [event.are] : [];
      }),
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

  it('leases that vanish: old at once, at each look while they are gone, and once more when they are back', async () => {
    const { app, watch, leases, cached, events } = setUp(true);
    leases('one');
    await watch.check();
    await cached();
    leases(undefined);
    expect(await watch.look()).toMatchObject({ state: 'gone', remark: 'no leases' });
    expect(await watch.check()).toBe('gone');
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(seen(await app.read('a')).how).toBe('hit');
    // What was cached meanwhile is followed by nobody.
    expect(await watch.check()).toBe('gone');
    expect(seen(await app.read('a')).how).toBe('miss');
    leases('one');
    expect((await watch.look()).state).toBe('lost');
    expect(await watch.check()).toBe('watched');
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(events()).toEqual(['new', 'unfollowed', 'unfollowed', 'lost']);
    expect(await watch.look()).toMatchObject({ state: 'watched', remark: undefined });
  });

  it('waits a little for a feed that starts; where it does not, nothing stays cached from before', async () => {
    const { world, app, watch, cached, events } = setUp();
    await cached();
    expect(await watch.check()).toBe('starting');
    expect(world.clock.now()).toBeGreaterThan(1_700_000_000_000 + 10_000);
    expect(events()).toEqual(['unfollowed']);
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(await watch.look()).toMatchObject({ state: 'starting', remark: 'no leases' });
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
