import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createWorld, RANGE, seen, type World } from '../support/world.ts';

const DOWN = new WarmfeedError('STORE_UNAVAILABLE', 'down', { retryable: true });
const SOURCE_DOWN = new WarmfeedError('SOURCE_UNAVAILABLE', 'down', { retryable: true });

async function warm(world: World, id = 'a', document: object = { v: 1 }) {
  const app = world.process();
  world.write(id, document as never);
  await app.read(id);
  expect(seen(await app.read(id))).toEqual({ how: 'hit', value: document });
  world.sourceReads = 0;
  return app;
}

describe('a read', () => {
  it('misses, fills, and hits: with an empty cache the second read is a hit', async () => {
    const world = createWorld();
    const app = world.process();
    world.write('a', { v: 1 });
    expect(await app.read('a')).toMatchObject({ kind: 'loaded', how: 'miss', guarantee: 'watermarked' });
    expect(await app.read('a')).toMatchObject({ kind: 'cached', how: 'hit', entry: { guarantee: 'watermarked' } });
  });

  it('remembers that an item does not exist, for less long', async () => {
    const world = createWorld();
    const app = world.process();
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: null });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: null });
    world.advance(5000);
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: null });
  });

  it('shares one load among all requests of a process, and waits for the load of another', async () => {
    const world = createWorld();
    await world.settle();
    world.write('a', { v: 1 });
    const [one, other] = [world.process(), world.process()];
    world.sourceReads = 0;
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    const first = one.read('a');
    const joined = one.read('a');
    await new Promise(setImmediate);
    const waiting = other.read('a');
    await new Promise(setImmediate);
    arrive();
    const answers = await Promise.all([first, joined, waiting]);
    expect(answers.map((answer) => seen(answer).value)).toEqual([{ v: 1 }, { v: 1 }, { v: 1 }]);
    expect(answers.map((answer) => 'collapsed' in answer && answer.collapsed)).toEqual([false, true, true]);
    expect(world.sourceReads).toBe(1);
  });

  it('who asks after a change was handled is not answered by a load of before it', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    await world.settle();
    const arrivals: (() => void)[] = [];
    const isHeld = () => new Promise<void>((resolve) => void arrivals.push(resolve));
    const app = world.process({}, (store) => ({
      ...store,
      fill: async (...call) => {
        if (arrivals.length === 0) await isHeld();
        return store.fill(...call);
      },
    }));
    const until = async (count: number) => {
      while (arrivals.length < count) await new Promise(setImmediate);
    };
    world.write('a', { v: 1 });
    world.sourceReads = 0;
    const before = [app.read('a'), app.read('a')];
    await until(1);
    const change = world.write('a', { v: 2 });
    await world.process().sync.apply([change], { partition: { id: RANGE, ancestors: [] } });
    const after = [app.read('a'), app.read('a')];
    // They have looked, found nothing, and a load that is on its way.
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    arrivals[0]?.();
    const values = async (answers: typeof after) => (await Promise.all(answers)).map((answer) => seen(answer).value);
    expect(await values(after)).toEqual([{ v: 2 }, { v: 2 }]);
    expect(seen(await (before[0] as (typeof before)[0])).value).toEqual({ v: 1 });
    expect(await values(before)).not.toContain(null);
    // One for who came before, one for all the others.
    expect(world.sourceReads).toBe(2);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('who joins a load that found the key cached looks again: a change may have been applied since', async () => {
    const world = createWorld({ entity: { onChange: 'evict' } });
    const [one, other] = [world.process(), world.process()];
    world.write('a', { v: 1 });
    await world.settle();
    let letGo = () => {};
    const held = world.process({}, (store) => ({
      ...store,
      get: async () => undefined,
      async lease(key, request) {
        const reply = await store.lease(key, request);
        if (reply.kind === 'live') await new Promise<void>((resolve) => (letGo = resolve));
        return reply;
      },
    }));
    await one.read('a');
    const first = held.read('a');
    await new Promise(setImmediate);
    await other.sync.apply([world.write('a', { v: 2 })]);
    const joined = held.read('a');
    await new Promise(setImmediate);
    letGo();
    expect(seen(await first)).toEqual({ how: 'hit', value: { v: 1 } });
    expect(seen(await joined).value).toEqual({ v: 2 });
  });

  it('loads uncached when another holder of the lease takes too long', async () => {
    const world = createWorld({ waitMs: 50 });
    await world.settle();
    world.write('a', { v: 1 });
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    const stuck = world.process().read('a');
    await new Promise(setImmediate);
    world.duringRead = undefined;
    expect(await world.process().read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
    arrive();
    await stuck;
  });

  it('C76: serves stale at once and refreshes once behind it', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', { v: 2 });
    world.advance(60_000);
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    for (let i = 0; i < 3; i++) expect(seen(await app.read('a'))).toEqual({ how: 'stale', value: { v: 1 } });
    await new Promise(setImmediate);
    expect(world.sourceReads).toBe(1);
    arrive();
    await app.reader.drain();
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('serves stale while the source fails, within staleIfError, and says so', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.sourceError = SOURCE_DOWN;
    world.advance(60_000 + 20_000);
    expect(seen(await app.read('a'))).toEqual({ how: 'stale-if-error', value: { v: 1 } });
    world.advance(80_000);
    await expect(app.read('a')).rejects.toBe(SOURCE_DOWN);
  });

  it('C21: a source that says "not found" is believed, whatever is stale', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', undefined);
    world.advance(60_000 + 20_000);
    expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: null });
  });

  it('survives Redis: the source answers, and nothing is cached', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.storeError = DOWN;
    expect(await app.read('a')).toMatchObject({ how: 'bypass', guarantee: undefined });
    world.storeError = undefined;
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('C79: answers what is too large, and caches nothing of it', async () => {
    const world = createWorld();
    const app = world.process();
    world.write('a', { v: 'x'.repeat(2000) });
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
    expect(world.memory.peek(world.recordKey('a'))).toBeUndefined();
  });

  it('gives the lease back when the load fails, or select throws', async () => {
    const world = createWorld({ entity: { select: (document) => (document['bad'] as () => void)() ?? document } });
    const app = world.process();
    world.write('a', { bad: 1 });
    await expect(app.read('a')).rejects.toMatchObject({ code: 'ROW_INVALID' });
    expect(world.memory.peek(world.recordKey('a'))).toBeUndefined();
    world.sourceError = SOURCE_DOWN;
    await expect(app.read('a')).rejects.toBe(SOURCE_DOWN);
    expect(world.memory.peek(world.recordKey('a'))).toBeUndefined();
  });

  it('C67: treats foreign values as misses and repairs them', async () => {
    const world = createWorld();
    const app = await warm(world);
    const good = world.memory.peek(world.recordKey('a')) ?? new Uint8Array();
    const text = (value: string) => new TextEncoder().encode(value);
    const foreign = [text('not json'), text('{}'), text('null'), good.subarray(0, good.length / 2), 'list'] as const;
    for (const value of foreign) {
      world.memory.poke(world.recordKey('a'), value, 60_000);
      expect(seen(await app.read('a'))).toEqual({ how: 'miss', value: { v: 1 } });
      expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
    }
  });

  it('keeps nothing longer than the source itself does', async () => {
    const world = createWorld();
    world.write('a', { v: 1 });
    const read = world.source.read.bind(world.source);
    Object.assign(world.source, {
      read: async (...args: Parameters<typeof read>) => ({
        ...(await read(...args)),
        expiresAt: world.clock.now() + 700,
      }),
    });
    const app = world.process();
    await app.read('a');
    world.advance(699);
    expect(seen(await app.read('a')).how).toBe('hit');
    world.advance(1);
    expect(seen(await app.read('a')).how).toBe('miss');
  });

  it('is refreshed early for some, before it expires for all; never for only-if-cached', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', { v: 2 });
    world.advance(59_999);
    expect(seen(await app.read('a')).how).toBe('hit');
    world.random = 0.999;
    expect(seen(await app.read('a', { onlyIfCached: true })).how).toBe('hit');
    await app.reader.drain();
    expect(world.sourceReads).toBe(0);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
    await app.reader.drain();
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });
});

describe('request directives', () => {
  it('no-cache reloads, and what it finds is cached for all', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', { v: 2 });
    expect(seen(await app.read('a', { noCache: true }))).toEqual({ how: 'reload', value: { v: 2 } });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 2 } });
  });

  it('C85: no-cache finds a hard delete and evicts it for all', async () => {
    const world = createWorld();
    const app = await warm(world);
    world.write('a', undefined);
    expect(seen(await app.read('a', { noCache: true }))).toEqual({ how: 'reload', value: null });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: null });
  });

  it('C26: only-if-cached never asks the source', async () => {
    const world = createWorld();
    world.write('a', { v: 1 });
    expect(seen(await world.process().read('a', { onlyIfCached: true })).how).toBe('not-cached');
    expect(world.sourceReads).toBe(0);
    const app = await warm(world, 'b');
    expect(seen(await app.read('b', { onlyIfCached: true })).how).toBe('hit');
    world.advance(61_000);
    expect(seen(await app.read('b', { onlyIfCached: true, maxStaleS: 60 })).how).toBe('stale');
    await app.reader.drain();
    expect(world.sourceReads).toBe(0);
  });
});

describe('read your own writes', () => {
  it('is a hit where the cache reaches the write, and passes it by where not', async () => {
    const world = createWorld();
    const app = await warm(world);
    expect(seen(await app.read('a', {}, 1n)).how).toBe('hit');
    world.write('a', { v: 2 });
    world.replicaAt = 1n;
    expect(seen(await app.read('a', {}, 2n))).toEqual({ how: 'bypass', value: { v: 2 } });
  });

  it('holds when the record that reaches the write has expired: no load without a floor is joined', async () => {
    const world = createWorld({ entity: { staleForMs: 0 } });
    const app = await warm(world);
    world.write('a', { v: 2 });
    await app.read('a', { noCache: true });
    world.advance(60_000);
    world.replicaAt = 1n;
    expect(seen(await app.read('a', {}, 2n))).toEqual({ how: 'bypass', value: { v: 2 } });
    expect(seen(await app.read('a', { noCache: true }, 2n))).toEqual({ how: 'bypass', value: { v: 2 } });
    world.sourceError = SOURCE_DOWN;
    expect(seen(await app.read('a', {}, 2n))).toEqual({ how: 'stale-if-error', value: { v: 2 } });
    await expect(app.read('a', {}, 3n)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  it('R11: never changes shared state: the write is still to be invalidated', async () => {
    const world = createWorld();
    const app = await warm(world);
    const before = world.memory.peek(world.recordKey('a'));
    const change = world.write('a', { v: 2 });
    await app.read('a', {}, 2n);
    expect(world.memory.peek(world.recordKey('a'))).toEqual(before);
    await app.sync.apply([change]);
    expect(seen(await app.read('a', {}, 2n))).toEqual({ how: 'hit', value: { v: 2 } });
  });
});

describe('generations', () => {
  it('are asked for once by many reads at once, and again after T, also by reads that come while an answer is late', async () => {
    const world = createWorld();
    await warm(world);
    let asked = 0;
    let arrive = () => {};
    const late = new Promise<void>((resolve) => (arrive = resolve));
    const app = world.process({}, (store) => ({
      ...store,
      async generations(key, fields) {
        asked++;
        const answer = await store.generations(key, fields);
        await late;
        return answer;
      },
    }));
    const first = Array.from({ length: 100 }, () => app.read('a'));
    expect(asked).toBe(1);
    await world.memory.bump(world.keys.generations, 'e:widget', '');
    world.advance(1000);
    const second = Array.from({ length: 100 }, () => app.read('a'));
    expect(asked).toBe(2);
    arrive();
    expect((await Promise.all(first)).map((answer) => seen(answer).how)).toEqual(first.map(() => 'hit'));
    for (const answer of await Promise.all(second)) expect(seen(answer).how).not.toBe('hit');
  });

  it('a bump makes every record old, in every process after T', async () => {
    const world = createWorld();
    const app = await warm(world);
    await world.memory.bump(world.keys.generations, 'e:widget', '');
    expect(seen(await app.read('a')).how).toBe('hit');
    world.advance(1000);
    expect(seen(await app.read('a')).how).toBe('miss');
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('what is filled under a newer one is a hit at once: the cached generation is read again', async () => {
    const world = createWorld();
    const app = await warm(world);
    await world.memory.bump(world.keys.generations, 's:cosmos/TEST/db/widgets', '');
    const other = world.process();
    await other.read('a');
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('a load that began before a bump is never served after it', async () => {
    const world = createWorld();
    await world.settle();
    world.write('a', { v: 1 });
    let arrive = () => {};
    world.duringRead = () => new Promise((resolve) => (arrive = resolve));
    const early = world.process().read('a');
    await new Promise(setImmediate);
    await world.memory.bump(world.keys.generations, 'e:widget', '');
    arrive();
    await early;
    world.duringRead = undefined;
    expect(seen(await world.process().read('a')).how).toBe('miss');
  });

  it('a generation that was rolled back below a watermark is renewed', async () => {
    const world = createWorld();
    await world.settle();
    const field = 's:cosmos/TEST/db/widgets';
    const newer = await world.memory.bump(world.keys.generations, field, '9000000000000000ffffffff');
    await world.memory.watermark(world.watermarkKey(), newer);
    world.memory.lose(world.keys.generations);
    world.write('a', { v: 1 });
    const app = world.process();
    await app.read('a');
    expect(world.events.some(({ kind }) => kind === 'healed')).toBe(true);
    await app.read('a');
    expect(seen(await app.read('a')).how).toBe('hit');
  });

  it('old and new deployments run side by side, each with its own records', async () => {
    const world = createWorld();
    await world.settle();
    world.write('a', { v: 1 });
    const old = world.process();
    const fresh = world.process({ fingerprint: new Uint8Array(8), select: (document) => ({ ...document, n: 1 }) });
    expect(seen(await old.read('a')).value).toEqual({ v: 1 });
    expect(seen(await fresh.read('a')).value).toEqual({ v: 1, n: 1 });
    expect(seen(await old.read('a')).value).toEqual({ v: 1 });
    expect(seen(await fresh.read('a')).value).toEqual({ v: 1, n: 1 });
  });
});

describe('a watermark that is unknown', () => {
  it('is seeded by a read that was issued D after it was found missing; until then fills are provisional', async () => {
    const world = createWorld({ replicaLagMs: 5000 });
    const app = world.process();
    world.write('a', { v: 1 });
    expect(await app.read('a')).toMatchObject({ guarantee: 'provisional' });
    expect(await app.read('a')).toMatchObject({ how: 'hit', entry: { guarantee: 'provisional' } });
    world.advance(1000);
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: 'provisional' });
    world.advance(4000);
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: 'watermarked' });
    expect(world.events.filter(({ kind }) => kind === 'seeded')).toHaveLength(1);
  });

  it('without provisional fills nothing is cached meanwhile', async () => {
    const world = createWorld({ replicaLagMs: 5000, provisionalMs: 0 });
    const app = world.process();
    world.write('a', { v: 1 });
    await app.read('a');
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
  });

  it('R8: after a flush a lagging read is not cached for long', async () => {
    const world = createWorld({ replicaLagMs: 5000, provisionalMs: 0 });
    await world.settle();
    world.write('a', { v: 1 });
    const change = world.write('a', { v: 2 });
    await world.process().sync.apply([change]);
    world.memory.lose();
    world.replicaAt = 1n;
    const app = world.process();
    expect(seen(await app.read('a')).value).toEqual({ v: 1 });
    expect(await app.read('a')).toMatchObject({ how: 'miss', guarantee: undefined });
  });
});
