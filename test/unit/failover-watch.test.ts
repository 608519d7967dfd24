import { describe, expect, it } from 'vitest';
import type { CacheEvent } from '../../src/core/ports.ts';
import { createFailoverWatch, type Shard } from '../../src/core/sync/failover-watch.ts';

/** A shard as a server has it: what lies in it can be put back, who it is cannot. */
function server(name: string, id: string | undefined) {
  let data = { marked: undefined as string | undefined, beats: 0 };
  return {
    name,
    id,
    error: undefined as Error | undefined,
    data: () => ({ ...data }),
    restore: (to: typeof data) => {
      data = { ...to };
    },
    look(): Shard {
      if (this.error) throw this.error;
      data.beats++;
      return { name, id: this.id, ...data };
    },
    mark(to: string) {
      data.marked = to;
    },
  };
}

function setUp(...servers: ReturnType<typeof server>[]) {
  const events: CacheEvent[] = [];
  const world = { servers, events, bumps: 0, bumpError: undefined as Error | undefined, process };
  function process() {
    return createFailoverWatch({
      shards: {
        look: () => Promise.allSettled(servers.map(async (each) => each.look())),
        mark: async (name, id) => servers.find((each) => each.name === name)?.mark(id),
      },
      generations: {
        async bumpSources() {
          if (world.bumpError) throw world.bumpError;
          world.bumps++;
        },
      },
      observe: (event) => events.push(event),
    });
  }
  return world;
}

const EMPTY = { marked: undefined, beats: 0 };

describe('the watch for failovers', () => {
  it('a first look, and more of the same, make nothing old', async () => {
    const world = setUp(server('a', 'one'), server('b', 'two'));
    const watch = world.process();
    for (let i = 0; i < 3; i++) await watch.check();
    await world.process().check();
    expect([world.bumps, world.events]).toEqual([0, []]);
    expect(watch.needsHeartbeats()).toBe(false);
  });

  it('another server in place of one: old once, also for processes that look later', async () => {
    const [a, b] = [server('a', 'one'), server('b', 'two')];
    const world = setUp(a, b);
    const [watch, other] = [world.process(), world.process()];
    await watch.check();
    await other.check();
    a.id = 'promoted';
    await watch.check();
    await other.check();
    await watch.check();
    await world.process().check();
    expect(world.bumps).toBe(1);
    expect(world.events).toEqual([{ kind: 'failover', shards: ['a'], by: 'id' }]);
  });

  it('a process that was not there before notices by the mark', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    await world.process().check();
    a.id = 'promoted';
    await world.process().check();
    expect(world.bumps).toBe(1);
  });

  it('what cannot be made old stays suspect until it is, and is marked only then', async () => {
    const a = server('a', undefined);
    const world = setUp(a);
    const watch = world.process();
    await watch.check();
    const before = a.data();
    await watch.check();
    a.restore(before);
    world.bumpError = new Error('no Redis');
    await expect(watch.check()).rejects.toThrow('no Redis');
    // Its heartbeat has long passed the lost one.
    for (let i = 0; i < 5; i++) await expect(watch.check()).rejects.toThrow('no Redis');
    world.bumpError = undefined;
    await watch.check();
    expect(world.bumps).toBe(1);
    const b = server('b', 'one');
    const second = setUp(b);
    const again = second.process();
    await again.check();
    b.id = 'promoted';
    second.bumpError = new Error('no Redis');
    await expect(again.check()).rejects.toThrow('no Redis');
    expect(b.data().marked).toBe('one');
    second.bumpError = undefined;
    await second.process().check();
    expect([second.bumps, b.data().marked]).toEqual([1, 'promoted']);
  });

  it('a heartbeat that was counted and is not there, though the server is the same', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    await watch.check();
    const before = a.data();
    await watch.check();
    a.restore(before);
    await watch.check();
    expect(world.events).toEqual([{ kind: 'failover', shards: ['a'], by: 'heartbeat' }]);
    await watch.check();
    expect(world.bumps).toBe(1);
  });

  it('emptied by the same server: harmless; by another one: maybe rolled back to before it was marked', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    for (let i = 0; i < 3; i++) await watch.check();
    a.restore(EMPTY);
    await watch.check();
    expect([world.bumps, a.data().marked]).toEqual([0, 'one']);
    a.restore(EMPTY);
    a.id = 'restarted';
    await watch.check();
    expect([world.bumps, a.data().marked]).toEqual([1, 'restarted']);
  });

  it('promoted between the first heartbeat after it was emptied and its mark', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    await watch.check();
    a.restore(EMPTY);
    await watch.check();
    a.id = 'promoted';
    a.restore({ marked: undefined, beats: 1 });
    await watch.check();
    expect(world.events).toEqual([{ kind: 'failover', shards: ['a'], by: 'id' }]);
  });

  it('a promoted server whose mark has moved to another shard: an unmarked one that nobody has seen', async () => {
    const [a, b] = [server('a', 'one'), server('b', 'two')];
    const world = setUp(a, b);
    const watch = world.process();
    await watch.check();
    // The slot of its mark is the other's; a slot that it has kept is looked at in its place.
    world.servers.splice(0, 1, server('c', 'one'));
    await watch.check();
    expect(world.bumps).toBe(0);
    world.servers.splice(0, 1, server('d', 'promoted'));
    await watch.check();
    expect(world.events).toEqual([{ kind: 'failover', shards: ['d'], by: 'id' }]);
    await watch.check();
    await world.process().check();
    expect(world.bumps).toBe(1);
  });

  it('likewise for a process that was not there before, as other shards are marked', async () => {
    const world = setUp(server('a', 'one'), server('b', 'two'));
    await world.process().check();
    world.servers.splice(0, 1, server('d', 'promoted'));
    await world.process().check();
    await world.process().check();
    expect(world.events).toEqual([{ kind: 'failover', shards: ['d'], by: 'id' }]);
  });

  it('ids that come and go are several servers behind one address: not believed, heartbeats go on to count', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    for (const id of ['one', 'two', 'one', 'two', 'one', 'three']) {
      a.id = id;
      await watch.check();
    }
    expect(world.bumps).toBe(1);
    expect(world.events.at(-1)).toEqual({ kind: 'shard-anonymous', shard: 'a' });
    const before = a.data();
    await watch.check();
    a.restore(before);
    await watch.check();
    expect(world.bumps).toBe(2);
  });

  it('an address that leads back to a server with its old data is a failover, not several servers', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    await watch.check();
    const old = a.data();
    for (let i = 0; i < 3; i++) await watch.check();
    a.id = 'two';
    await watch.check();
    a.id = 'one';
    a.restore(old);
    await watch.check();
    expect(world.events.map((event) => 'by' in event && event.by)).toEqual(['id', 'heartbeat']);
  });

  it('a server that does not tell who it is: said once', async () => {
    const world = setUp(server('a', undefined));
    const watch = world.process();
    await watch.check();
    await watch.check();
    expect(world.events).toEqual([{ kind: 'shard-anonymous', shard: 'a' }]);
    expect(watch.needsHeartbeats()).toBe(true);
  });

  it('a shard that cannot be looked at fails the check, after the others were dealt with', async () => {
    const [a, b] = [server('a', 'one'), server('b', 'two')];
    const world = setUp(a, b);
    const watch = world.process();
    await watch.check();
    b.error = new Error('gone');
    a.id = 'promoted';
    await expect(watch.check()).rejects.toThrow('gone');
    expect([world.bumps, a.data().marked]).toEqual([1, 'promoted']);
  });

  it('one at a time; what comes meanwhile is looked at once more', async () => {
    const a = server('a', 'one');
    const world = setUp(a);
    const watch = world.process();
    await Promise.all([watch.check(), watch.check(), watch.check()]);
    expect(a.data().beats).toBe(2);
  });
});
