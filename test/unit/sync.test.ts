import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createWorld, seen, type World } from '../support/world.ts';

const DOWN = new WarmfeedError('STORE_UNAVAILABLE', 'down', { retryable: true });

async function warm(world: World, id = 'a', document: object = { v: 1 }) {
  const app = world.process();
  world.write(id, document as never);
  await app.read(id);
  await app.read(id);
  world.sourceReads = 0;
  world.events.length = 0;
  return app;
}

describe('a page of changes', () => {
  it('refreshes what changed before anybody asks', async () => {
    const world = createWorld();
    const app = await warm(world);
    const report = await app.sync.apply([world.write('a', { v: 2 }), world.write('b', { v: 1 })]);
    expect(report).toMatchObject({ changes: 2, refreshed: 2, evicted: 0, ignored: 0, deadLettered: 0 });
    world.sourceReads = 0;
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
    expect(seen(await app.read('b'))).toEqual({ how: 'hit', value: { v: 1 } });
    expect(world.sourceReads).toBe(0);
  });

  it('gives the bytes and the ETag that a read gives', async () => {
    const world = createWorld();
    const app = await warm(world);
    const document = { z: 1, a: 'é', nested: { b: [1, 2.5, null] } };
    const change = world.write('a', document);
    await app.sync.apply([change]);
    const refreshed = await app.read('a');
    world.memory.lose(world.recordKey('a'));
    await app.read('a');
    const filled = await app.read('a');
    if (refreshed.kind !== 'cached' || filled.kind !== 'cached') throw new Error('not cached');
    expect(refreshed.entry.body).toEqual(filled.entry.body);
    expect(refreshed.entry.record.subarray(96, 108)).toEqual(filled.entry.record.subarray(96, 108));
  });

  it('evict: drops, and leaves the load to the next reader', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    const app = await warm(world);
    expect(await app.sync.apply([world.write('a', { v: 2 })])).toMatchObject({ refreshed: 0, evicted: 1 });
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('refresh-cached: refreshes what is cached and leaves no key for the rest', async () => {
    const world = createWorld({ entity: { onChange: 'refresh-cached' } });
    const app = await warm(world);
    const report = await app.sync.apply([world.write('a', { v: 2 }), world.write('b', { v: 1 })]);
    expect(report).toMatchObject({ refreshed: 1, evicted: 1 });
    expect(seen(await app.read('a')).how).toBe('hit');
    expect(world.memory.peek(world.recordKey('b'))).toBeUndefined();
  });

  it('C85: a soft delete becomes "not found", and stays so', async () => {
    const world = createWorld();
    const app = await warm(world);
    await app.sync.apply([world.write('a', { v: 1, deleted: true })]);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: null });
  });

  it('a document that leaves match is evicted, one that never matched leaves nothing', async () => {
    const world = createWorld({ entity: { match: (document) => document['type'] !== 'other' } });
    const app = await warm(world);
    await app.sync.apply([world.write('a', { type: 'other' }), world.write('b', { type: 'other' })]);
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: null });
    expect(world.memory.peek(world.recordKey('b'))).toBeUndefined();
  });

  it('several entities of a container each take their part of a change', async () => {
    const world = createWorld({ more: [{ name: 'label', select: (document) => document['label'] }] });
    const app = world.process();
    await warm(world);
    await app.sync.apply([world.write('a', { label: 'x' })]);
    expect(world.memory.peek(world.keys.record('label', ['a']))).toBeDefined();
  });

  it('C91: of several changes of a key the last one counts', async () => {
    const world = createWorld();
    const app = await warm(world);
    const changes = [2, 3, 4].map((v) => world.write('a', { v }));
    expect(await app.sync.apply(changes)).toMatchObject({ changes: 3, refreshed: 1 });
    expect(seen(await app.read('a')).value).toEqual({ v: 4 });
  });

  it('C83: delivered again, it changes nothing', async () => {
    const world = createWorld();
    const app = await warm(world);
    const change = world.write('a', { v: 2 });
    await app.sync.apply([change]);
    const before = world.memory.peek(world.recordKey('a'));
    expect(await app.sync.apply([change])).toMatchObject({ ignored: 1, refreshed: 0 });
    expect(world.memory.peek(world.recordKey('a'))).toEqual(before);
  });

  it('poison: a document whose mapping throws is evicted and put with the dead letters; the rest goes on', async () => {
    const world = createWorld({
      entity: {
        select: (document) => {
          if (document['poison'] === true) throw new Error('cannot map');
          return document;
        },
      },
    });
    const app = await warm(world);
    const changes = [world.write('a', { poison: true }), world.write('b', { v: 1 })];
    expect(await app.sync.apply([...changes, 'what is this'])).toMatchObject({ refreshed: 1, deadLettered: 2 });
    expect(world.memory.letters).toMatchObject([
      { entity: '', key: '', reason: 'no change' },
      { entity: 'widget', key: 'a', version: '2', reason: expect.stringContaining('cannot map') as string },
    ]);
    await expect(app.read('a')).rejects.toMatchObject({ code: 'ROW_INVALID' });
    expect(seen(await app.read('b')).how).toBe('hit');
  });

  it('poison in match is evicted too', async () => {
    const world = createWorld({
      entity: {
        match: (document) => {
          if (document['poison'] === true) throw new Error('cannot match');
          return true;
        },
      },
    });
    const app = await warm(world);
    await app.sync.apply([world.write('a', { poison: true })]);
    expect(world.memory.letters).toHaveLength(1);
    await expect(app.read('a')).rejects.toMatchObject({ code: 'ROW_INVALID' });
  });

  it('T33: what is too large is evicted and answered uncached', async () => {
    const world = createWorld();
    const app = await warm(world);
    await app.sync.apply([world.write('a', { v: 'x'.repeat(2000) })]);
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
  });

  it('C81: Redis failing makes it throw, and the same page done again completes it', async () => {
    const world = createWorld();
    const app = await warm(world);
    const changes = [world.write('a', { v: 2 }), world.write('b', { v: 2 })];
    world.storeError = DOWN;
    await expect(app.sync.apply(changes)).rejects.toBe(DOWN);
    world.storeError = undefined;
    await app.sync.apply(changes);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('T34: a single reply that fails makes it throw, after all others have come in', async () => {
    const world = createWorld();
    const app = await warm(world);
    const invalidate = world.memory.invalidate.bind(world.memory);
    Object.assign(world.memory, {
      invalidate: async (key: string, request: never) => {
        if (key === world.recordKey('b')) throw DOWN;
        return invalidate(key, request);
      },
    });
    const changes = ['a', 'b', 'c'].map((id) => world.write(id, { v: 2 }));
    await expect(app.sync.apply(changes)).rejects.toBe(DOWN);
  });

  it('an item that names nothing makes everything cached old, since nobody knows what has changed', async () => {
    const world = createWorld();
    const app = await warm(world);
    const other = world.process();
    expect(seen(await other.read('a')).how).toBe('hit');
    world.write('a', { v: 2 });
    expect(await app.sync.apply([world.write('b', { v: 1 }), 'what is this', null])).toMatchObject({ refreshed: 1 });
    for (const process of [app, other]) expect(seen(await process.read('b')).how).toBe('hit');
    expect(seen(await app.read('a'))).toMatchObject({ how: 'miss', value: { v: 2 } });
    expect(world.events).toContainEqual({
      kind: 'nameless',
      source: world.source.name,
      changes: 2,
      reason: 'no change',
    });
  });

  it('a page of nothing but that, too, and a page that is no list is not done', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', { v: 2 });
    expect(await app.sync.apply([7])).toMatchObject({ changes: 1, deadLettered: 1, evicted: 0 });
    expect(seen(await app.read('a'))).toMatchObject({ how: 'miss', value: { v: 2 } });
    const pages = [{ Documents: [] }, 'text', null, undefined, 5] as unknown as unknown[][];
    for (const page of pages) await expect(app.sync.apply(page)).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  it('an older version behind a newer one in a page does not count', async () => {
    const world = createWorld();
    const app = await warm(world);
    const [old, newest] = [world.write('a', { v: 2 }), world.write('a', { v: 3 })];
    await app.sync.apply([old, newest, old]);
    expect(seen(await app.read('a'))).toMatchObject({ how: 'hit', value: { v: 3 } });
  });

  it('versions and deletes of one key in a page: a reader in flight caches none of those between', async () => {
    const world = createWorld();
    const app = await warm(world);
    const [made, removed, back] = [{ v: 2 }, undefined, { v: 4 }].map((document) => world.write('a', document));
    const page = [made, removed, world.write('b', { v: 1 }), back, world.write('b', undefined)];
    world.memory.lose(world.recordKey('a'));
    // Its load shows the deleted state.
    world.replicaAt = 3n;
    world.duringRead = async () => {
      world.duringRead = undefined;
      world.replicaAt = undefined;
      await app.sync.apply(page);
    };
    await world.process().read('a');
    expect(world.duringRead).toBeUndefined();
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 4 } });
    expect(seen(await app.read('b'))).toEqual({ how: 'hit', value: null });
  });

  it('an item of the wrong shape makes the whole page fail: the feed is not what it is taken for', async () => {
    const world = createWorld();
    const broken = new WarmfeedError('SOURCE_REJECTED', 'no _lsn');
    Object.assign(world.source, {
      change: () => {
        throw broken;
      },
    });
    await expect(world.process().sync.apply([{}])).rejects.toBe(broken);
  });
});

describe('a page behind the watermark', () => {
  it('is read again rather than trusted, and its keys end up cached', async () => {
    const world = createWorld();
    const app = await warm(world);
    const early = world.write('a', { v: 2 });
    const late = world.write('b', { v: 1 });
    await app.sync.apply([late]);
    expect(await app.sync.apply([early])).toMatchObject({ refreshed: 1, reread: 1 });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('a re-read ends with the leases that its fills would need', async () => {
    const world = createWorld();
    const app = await warm(world);
    const changes = [world.write('a', { v: 2 }), world.write('b', { v: 1 })];
    await app.sync.apply([world.write('c', { v: 1 })]);
    const asked: number[] = [];
    world.clock.deadline = (ms) => {
      asked.push(ms);
      return AbortSignal.abort(new Error('late'));
    };
    const late = new WarmfeedError('SOURCE_TIMEOUT', 'late', { retryable: true });
    Object.assign(world.source, {
      readMany: async (_: unknown, { signal }: { signal?: AbortSignal } = {}) => {
        if (signal?.aborted === true) throw late;
        return [];
      },
    });
    await expect(app.sync.apply(changes)).rejects.toBe(late);
    expect(asked).toEqual([app.deps.options.leaseMs]);
    // What was dropped stays dropped.
    expect(seen(await app.read('a'))).toMatchObject({ value: { v: 2 } });
  });

  it('with an empty cache, a replay from the beginning and no readers, everything ends up cached', async () => {
    for (const replicaLagMs of [0, 5000]) {
      const world = createWorld({ replicaLagMs });
      const changes = Array.from({ length: 50 }, (_, i) => world.write(`k${i}`, { i }));
      const app = world.process();
      for (let i = 0; i < changes.length; i += 10) {
        if (i === 20) world.advance(replicaLagMs);
        await app.sync.apply(changes.slice(i, i + 10));
      }
      world.sourceReads = 0;
      // With D > 0 the first pages came before the watermark could be seeded: they were cached provisionally.
      const first = replicaLagMs === 0 ? 0 : 20;
      for (let i = first; i < 50; i++) expect(await app.read(`k${i}`)).toMatchObject({ how: 'hit' });
      expect(world.sourceReads).toBe(0);
    }
  });

  it('from another partition: its watermark is the one of the partition that answers', async () => {
    const world = createWorld();
    const app = await warm(world);
    const change = world.write('a', { v: 2 });
    world.range = 'rid/1';
    world.ancestors = ['rid/0'];
    await app.sync.apply([change]);
    expect(await world.memory.watermark(world.keys.watermark(world.source.name, 'rid/0'), 'x')).toEqual({
      state: 'closed',
    });
    await app.read('a');
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });
});

// The races of docs/caching-field, section 3, each with the outcome that the protocol promises.
describe('races', () => {
  /** A read whose answer is held back until `arrive`. */
  async function slowRead(world: World, id: string) {
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    const app = world.process();
    const answer = app.read(id);
    await new Promise(setImmediate);
    world.duringRead = undefined;
    return { answer, arrive, app };
  }

  it('R1: a load that began before a change is not cached after it', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    await world.settle();
    world.write('a', { v: 1 });
    const { answer, arrive, app } = await slowRead(world, 'a');
    await app.sync.apply([world.write('a', { v: 2 })]);
    arrive();
    // What was loaded is behind the watermark, so it is read again; the lease is gone either way.
    expect(seen(await answer).value).toEqual({ v: 2 });
    expect(world.outcomes().at(-1)).toBe('lease');
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('R2: pages out of order never put an older version in place of a newer', async () => {
    const world = createWorld();
    const app = await warm(world);
    const [older, newer] = [world.write('a', { v: 2 }), world.write('a', { v: 3 })];
    await app.sync.apply([newer]);
    await app.sync.apply([older]);
    expect(seen(await app.read('a')).value).toEqual({ v: 3 });
  });

  it('R3: a delete is not undone by a late change', async () => {
    const world = createWorld();
    const app = await warm(world);
    const change = world.write('a', { v: 2 });
    const deletion = world.write('a', { deleted: true });
    await app.sync.apply([deletion]);
    await app.sync.apply([change]);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: null });
  });

  it('R4: a lagging replica cannot refill what was invalidated, even when the fence is gone', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    const app = await warm(world);
    await app.sync.apply([world.write('a', { v: 2 })]);
    world.memory.lose(world.recordKey('a'));
    const read = world.source.read.bind(world.source);
    // A replica that lags whatever is asked of it.
    Object.assign(world.source, { read: (key: never) => read(key) });
    world.replicaAt = 1n;
    expect(seen(await app.read('a')).value).toEqual({ v: 1 });
    expect(world.outcomes().at(-1)).toBe('watermark');
    world.replicaAt = undefined;
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
  });

  it('R4: where the source can be asked for more, the refused read is repeated at the watermark', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    const app = await warm(world);
    await app.sync.apply([world.write('a', { v: 2 })]);
    world.replicaAt = 1n;
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: 'watermarked' });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('R5: a redelivery after everything of the key was lost cannot bring back an old version', async () => {
    const world = createWorld();
    const app = await warm(world);
    const old = world.write('a', { v: 2 });
    const newer = world.write('a', { v: 3 });
    await app.sync.apply([old]);
    await app.sync.apply([newer]);
    world.memory.lose(world.recordKey('a'));
    await app.sync.apply([old]);
    expect(seen(await app.read('a')).value).toEqual({ v: 3 });
  });

  it('R6: a zombie worker that wakes up between its steps writes nothing over its successor', async () => {
    const world = createWorld();
    const app = await warm(world);
    const zombie = world.process();
    const page = world.write('a', { v: 2 });
    let wake = () => {};
    const fill = world.memory.fill.bind(world.memory);
    Object.assign(world.memory, {
      fill: async (key: string, request: never) => {
        Object.assign(world.memory, { fill });
        await new Promise<void>((resolve) => (wake = resolve));
        return fill(key, request);
      },
    });
    const asleep = zombie.sync.apply([page]);
    await new Promise(setImmediate);
    await app.sync.apply([page]);
    await app.sync.apply([world.write('a', { v: 3 })]);
    wake();
    await asleep;
    expect(world.outcomes()).toContain('lease');
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 3 } });
  });

  it('R7: the watermark moves before any key is touched', async () => {
    const world = createWorld();
    const app = await warm(world);
    const calls: string[] = [];
    for (const name of ['advance', 'invalidate', 'watermark', 'fill'] as const) {
      const original = world.memory[name].bind(world.memory) as (...args: unknown[]) => Promise<unknown>;
      const recorded = async (...args: unknown[]) => {
        calls.push(name);
        const result = await original(...args);
        calls.push(`${name} done`);
        return result;
      };
      Object.assign(world.memory, { [name]: recorded });
    }
    await app.sync.apply([world.write('a', { v: 2 })]);
    expect(calls.indexOf('advance done')).toBeLessThan(calls.indexOf('invalidate'));
    expect(calls.indexOf('invalidate')).toBeLessThan(calls.indexOf('watermark'));
    expect(calls.indexOf('watermark done')).toBeLessThan(calls.indexOf('fill'));
  });

  it('R9: a batch in flight over a flush stays true', async () => {
    const world = createWorld({ replicaLagMs: 5000 });
    await world.settle();
    const app = await warm(world);
    const change = world.write('a', { v: 2 });
    const invalidate = world.memory.invalidate.bind(world.memory);
    Object.assign(world.memory, {
      invalidate: async (key: string, request: never) => {
        world.memory.lose();
        return invalidate(key, request);
      },
    });
    await app.sync.apply([change]);
    Object.assign(world.memory, { invalidate });
    world.replicaAt = 1n;
    const answer = await app.read('a');
    // At worst provisional, and so gone within a second.
    if (seen(answer).how === 'hit') expect(seen(answer).value).toEqual({ v: 2 });
  });

  it('R13: nothing of a page counts as done when the source cannot be asked for its partition', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.sourceError = new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });
    await expect(app.sync.apply([world.write('a', { v: 2 })])).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
  });

  it('R14: of a delete and a change with one version the last in the page wins', async () => {
    const world = createWorld();
    const app = await warm(world);
    const change = world.write('a', { v: 2 });
    await app.sync.apply([change, { ...change, document: undefined }]);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: null });
  });

  it('of a container that was deleted and made anew meanwhile only drops what is cached: its positions mean nothing', async () => {
    const world = createWorld();
    await world.settle();
    const late = { ...world.write('a', { v: 1 }), version: 1000n, container: 'old/' };
    world.write('a', { v: 2 });
    const app = world.process();
    await app.read('a');
    expect(await app.sync.apply([late])).toMatchObject({ evicted: 1, refreshed: 0 });
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 2 } });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
    // One of the container itself is applied as ever.
    const change = { ...world.write('a', { v: 3 }), container: 'rid/' };
    expect(await app.sync.apply([change])).toMatchObject({ refreshed: 1 });
  });
});
