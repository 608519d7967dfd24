import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPurge } from '../../src/core/ops/purge.ts';
import type { PurgeMode } from '../../src/core/ports.ts';
import { parsePurges, tagName } from '../../src/core/protocol/purges.ts';
import { createManyReader } from '../../src/core/read/read-many.ts';
import { createMemoryQueryStore } from '../support/memory-query-store.ts';
import { createWorld, seen, type WorldOptions } from '../support/world.ts';

function setUp(options: WorldOptions = {}) {
  const tags = (document: { [name: string]: unknown }) => (document['tags'] ?? []) as string[];
  const world = createWorld({ ...options, entity: { tags, ...options.entity } });
  const purgeOf = (app: ReturnType<typeof world.process>) => {
    const { deps } = app;
    return createPurge({ ...deps, queries: createMemoryQueryStore(), indexed: [] });
  };
  const app = world.process();
  const how = async (id: string, of = app) => seen(await of.read(id)).how;
  return { world, app, purge: purgeOf(app), purgeOf, how };
}

async function cached(options: WorldOptions = {}, tags = ['x']) {
  const all = setUp(options);
  await all.world.settle();
  all.world.write('a', { v: 1, tags });
  await all.app.read('a');
  expect(await all.how('a')).toBe('hit');
  all.world.sourceReads = 0;
  return all;
}

describe('a purge', () => {
  it.each<PurgeMode>(['drop', 'stale'])('by key, %s: loaded once, then a hit', async (mode) => {
    const { world, app, purge, how } = await cached();
    await purge.records([world.recordKey('a')], mode);
    expect(await how('a')).toBe(mode === 'drop' ? 'miss' : 'stale');
    await app.reader.drain();
    expect([await how('a'), await how('a'), world.sourceReads]).toEqual(['hit', 'hit', 1]);
  });

  it.each<PurgeMode>([
    'drop',
    'stale',
  ])('T40: by tag, %s: loaded once, then a hit, also in the same millisecond', async (mode) => {
    const { world, app, purge, how } = await cached();
    await purge.tags(['x'], mode);
    expect(await how('a')).toBe(mode === 'drop' ? 'miss' : 'stale');
    await app.reader.drain();
    expect([await how('a'), await how('a'), world.sourceReads]).toEqual(['hit', 'hit', 1]);
    // The clock stands still between this fill and this purge.
    await purge.tags(['x'], mode);
    expect(await how('a')).toBe(mode === 'drop' ? 'miss' : 'stale');
    await app.reader.drain();
    expect(await how('a')).toBe('hit');
  });

  it.each<PurgeMode>(['drop', 'stale'])('of an entity, %s', async (mode) => {
    const { app, purge, how } = await cached();
    await purge.kept('widget', mode);
    expect(await how('a')).toBe(mode === 'drop' ? 'miss' : 'stale');
    await app.reader.drain();
    expect(await how('a')).toBe('hit');
  });

  it('is complete in every process when it resolves', async () => {
    for (const mode of ['drop', 'stale'] as const) {
      const { world, purge, how } = await cached();
      const other = world.process();
      expect(await how('a', other)).toBe('hit');
      await purge.tags(['x'], mode);
      expect(await how('a', other)).toBe(mode === 'drop' ? 'miss' : 'stale');
      await other.reader.drain();
    }
  });

  it('T36: means exactly the tag, whatever is in it', async () => {
    const { purge, how } = await cached({}, ['/items/1', 'a.c', '.*', 'Ü:é']);
    for (const tag of ['/items', '/items/', '/items/1/2', 'abc', 'a.', '*', 'ü:é', 'widget']) {
      await purge.tags([tag], 'drop');
      expect([tag, await how('a')]).toEqual([tag, 'hit']);
    }
    await purge.tags(['.*'], 'drop');
    expect(await how('a')).toBe('miss');
  });

  it('T37: the tag that an item has now counts, not one that it had', async () => {
    const { world, app, purge, how } = await cached({}, ['old']);
    await app.sync.apply([world.write('a', { v: 2, tags: ['new'] })]);
    expect(await how('a')).toBe('hit');
    await purge.tags(['old'], 'drop');
    expect(await how('a')).toBe('hit');
    await purge.tags(['new'], 'drop');
    expect(await how('a')).toBe('miss');
  });

  it('covers a load that had begun before it, however late that is stored', async () => {
    for (const way of ['key', 'tag', 'entity'] as const) {
      for (const mode of ['drop', 'stale'] as const) {
        const { world, app, purge, how } = await cached();
        await world.memory.drop(world.recordKey('a'));
        world.duringRead = async () => {
          world.duringRead = undefined;
          if (way === 'key') await purge.records([world.recordKey('a')], mode);
          else if (way === 'tag') await purge.tags(['x'], mode);
          else await purge.kept('widget', mode);
        };
        expect(await how('a')).toBe('miss');
        // Not cached, or cached and known to be from before.
        expect([way, mode, await how('a')]).not.toEqual([way, mode, 'hit']);
        await app.reader.drain();
        expect([way, mode, await how('a')]).toEqual([way, mode, 'hit']);
      }
    }
  });

  it('softly: one load behind it for all processes, and no longer served than without it', async () => {
    const { world, app, purge, how } = await cached();
    const others = [world.process(), world.process(), world.process()];
    await purge.tags(['x'], 'stale');
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    for (const each of [...others, app, ...others]) expect(await how('a', each)).toBe('stale');
    await new Promise(setImmediate);
    expect(world.sourceReads).toBe(1);
    arrive();
    await Promise.all([...others, app].map((each) => each.reader.drain()));
    expect([await how('a'), world.sourceReads]).toEqual(['hit', 1]);
    world.duringRead = undefined;
    await purge.tags(['x'], 'stale');
    world.advance(70_000);
    expect(await how('a')).toBe('miss');
  });

  it('hard: one load for all that wait in all processes', async () => {
    const { world, app, purge, how } = await cached();
    await purge.tags(['x'], 'drop');
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    const other = world.process();
    const reads = [how('a'), how('a'), how('a', other), how('a', other)];
    await new Promise(setImmediate);
    arrive();
    expect(await Promise.all(reads)).toContain('miss');
    expect(world.sourceReads).toBe(1);
    expect(await how('a', app)).toBe('hit');
  });

  it('while the source fails: what was dropped is not served, what is stale may be', async () => {
    for (const mode of ['drop', 'stale'] as const) {
      const { world, app, purge, how } = await cached();
      await purge.tags(['x'], mode);
      world.sourceReads = 0;
      Object.assign(world.source, {
        read: () => Promise.reject(Object.assign(new Error('down'), { code: 'SOURCE_UNAVAILABLE', retryable: true })),
      });
      if (mode === 'drop') await expect(how('a')).rejects.toThrow('down');
      else expect(await how('a')).toBe('stale');
      await app.reader.drain();
    }
  });

  it('reaches reads of many keys', async () => {
    for (const mode of ['drop', 'stale'] as const) {
      const { world, app, purge } = await cached();
      const many = createManyReader({ ...app.deps, reader: app.reader });
      const read = async () =>
        (await many.readMany(world.entity, [['a']])).map((answer) => 'how' in answer && answer.how);
      expect(await read()).toEqual(['hit']);
      await purge.tags(['x'], mode);
      expect(await read()).toEqual([mode === 'drop' ? 'miss' : 'stale']);
      await many.drain();
      expect([await read(), world.sourceReads]).toEqual([['hit'], 1]);
    }
  });

  it('by a client that wants it fresh, what is softly purged is loaded', async () => {
    const { purge, app } = await cached();
    await purge.tags(['x'], 'stale');
    expect(seen(await app.read('a', { maxAgeS: 100 })).how).toBe('reload');
  });

  it('of a tag both ways: what is older than the hard one is dropped, the rest stale', async () => {
    const { world, app, purge, how } = await cached();
    await purge.tags(['x'], 'drop');
    world.write('b', { v: 1, tags: ['x'] });
    await app.read('b');
    expect(await how('b')).toBe('hit');
    await purge.tags(['x'], 'stale');
    expect([await how('a'), await how('b')]).toEqual(['miss', 'stale']);
    await app.reader.drain();
  });

  it('is forgotten when nothing so old can be cached, and costs nothing then', async () => {
    const { world, app, purge } = await cached();
    await purge.tags(['x'], 'drop');
    expect((await app.generations.refresh()).purges).toBeDefined();
    world.advance(31 * 86_400_000);
    expect((await app.generations.refresh()).purges).toBeUndefined();
    await purge.tags(['y'], 'drop');
    expect([...((await app.generations.refresh()).purges?.byName.keys() ?? [])]).toEqual([tagName('y')]);
  });

  it('says when too many others are listed, and does nothing then', async () => {
    const { purge, how } = await cached();
    const tags = Array.from({ length: 100 }, (_, i) => `t${i}`);
    for (let i = 0; i < 20; i++)
      expect(
        await purge.tags(
          tags.map((tag) => `${tag}/${i}`),
          'drop',
        ),
      ).toBe('done');
    expect(await purge.tags(['x'], 'drop')).toBe('full');
    expect(await how('a')).toBe('hit');
    expect(await purge.tags(['t0/0'], 'drop')).toBe('done');
    expect(await purge.kept('widget', 'drop')).toBe('done');
    expect(await how('a')).toBe('miss');
  });
});

it('histories: after a purge nothing of before is a hit, and what is read twice is one', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), id: fc.constantFrom('a', 'b'), tags: fc.subarray(['x', 'y']) }),
    fc.record({ kind: fc.constant('read' as const), id: fc.constantFrom('a', 'b'), of: fc.nat(1) }),
    fc.record({
      kind: fc.constant('purge' as const),
      tag: fc.constantFrom('x', 'y'),
      mode: fc.constantFrom<PurgeMode>('drop', 'stale'),
    }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 500, 5000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { world, app, purge } = setUp();
      const apps = [app, world.process()];
      await world.settle();
      /** Versions of each id whose tags were purged since they were written and cached. */
      const banned = new Map<string, number>();
      let version = 0;
      const latest = new Map<string, { v: number; tags: string[] }>();
      for (const each of steps) {
        if (each.kind === 'pass') world.advance(each.ms);
        else if (each.kind === 'write') {
          latest.set(each.id, { v: ++version, tags: each.tags });
          world.write(each.id, latest.get(each.id));
          world.memory.lose(world.recordKey(each.id));
        } else if (each.kind === 'purge') {
          await purge.tags([each.tag], each.mode);
          for (const [id, { tags }] of latest) if (tags.includes(each.tag)) banned.set(id, world.sourceReads);
        } else {
          const reader = apps[each.of] ?? app;
          const before = world.sourceReads;
          const first = seen(await reader.read(each.id));
          await reader.reader.drain();
          const sinceBan = banned.get(each.id);
          // A hit needs a load that began after the last purge of its tags.
          if (first.how === 'hit' && sinceBan !== undefined) expect(before).toBeGreaterThan(sinceBan);
          expect(seen(await reader.read(each.id)).how).toBe('hit');
        }
      }
    }),
    { numRuns: 150 },
  );
});

it('the list is read as it is written', () => {
  expect(parsePurges('')).toBeUndefined();
  expect(parsePurges('5 0 100 t:a b\n0 7 90 k:query/x\n')).toEqual({
    byName: new Map([
      ['t:a b', { dropAt: 5, staleAt: 0 }],
      ['k:query/x', { dropAt: 0, staleAt: 7 }],
    ]),
    latest: 7,
    until: 100,
  });
});
