import { describe, expect, it } from 'vitest';
import type { Key } from '../../src/core/key.ts';
import { type Asked, createExplain } from '../../src/core/ops/explain.ts';
import { createPartitionNotes } from '../../src/core/ops/partition-notes.ts';
import { createRefusals, MEANINGS, type Refused } from '../../src/core/ops/refusals.ts';
import type { CacheEvent, FillRequest, RunQuery, Store } from '../../src/core/ports.ts';
import type { Query } from '../../src/core/query/query.ts';
import { createQueryReader, marksOfQuery } from '../../src/core/query/query-read.ts';
import { NO_DIRECTIVES } from '../../src/core/read/policy.ts';
import { createPauses } from '../../src/core/sync/pauses.ts';
import { createMemoryOpsStore } from '../support/memory-ops-store.ts';
import { createMemoryQueryStore } from '../support/memory-query-store.ts';
import { createWorld, type World, type WorldOptions } from '../support/world.ts';

function setUp(options: WorldOptions = {}) {
  const world = createWorld(options);
  const ops = createMemoryOpsStore(world.memory, world.clock.now);
  const notes = { ops, keys: world.keys, nowMs: world.clock.now };
  const refusals = createRefusals(notes);
  const partitions = createPartitionNotes(notes);
  const { deps } = world.process();
  const pauses = createPauses({ ops, keys: world.keys, clock: world.clock });
  const explain = createExplain({
    ...deps,
    ops,
    refusals,
    partitions,
    pauses,
    etagText: (etag) => Buffer.from(etag).toString('hex'),
    leaseMs: deps.options.leaseMs,
  });
  let told = 0;
  /** After everything that happened was noted. */
  const explainKept = (asked: Asked) => {
    for (const event of world.events.slice(told)) {
      refusals.observe(event);
      partitions.observe(event);
    }
    told = world.events.length;
    return explain(asked);
  };
  return {
    world,
    explainKept,
    /** Explains a key of the world's entity. */
    explain: (id: string, read = false) => {
      const asked = { kept: world.entity, key: [id], source: world.source };
      return explainKept(read ? { ...asked, read: world.entity } : asked);
    },
  };
}

/** Of the world's entity, by the tag `red`. */
function queryOf({ entity, source }: World, run: RunQuery): Query {
  return {
    name: 'query/reds',
    title: 'reds',
    source,
    fingerprint: entity.fingerprint,
    staleForMs: 0,
    staleIfErrorMs: 0,
    madeOf: [entity],
    of: [entity],
    run,
    isOfItems: true,
    text: 'SELECT',
    params: [],
    partition: undefined,
    tags: () => ['red'],
    row: (row) => row,
    ttlMs: 60_000,
    maxRows: 100,
    maxBytes: 1000,
    onChange: 'evict',
    http: entity.http,
  };
}

describe('explain', () => {
  it('tells the partition once anything of it was seen, and what the source says on request', async () => {
    const { world, explain } = setUp();
    world.write('a', { v: 1 });
    const app = world.process();
    await app.read('a');
    expect(await explain('a')).toMatchObject({
      verdict: 'live',
      partition: world.range,
      watermark: { state: 'known', position: '1' },
      source: { read: null },
    });
    world.write('a', { v: 2 });
    expect(await explain('a', true)).toMatchObject({ source: { read: { sameAsCached: false, version: '2' } } });
  });

  it('fresh, stale, expired, never there', async () => {
    const { world, explain } = setUp();
    world.write('a', { v: 1 });
    await world.process().read('a');
    expect((await explain('a')).verdict).toBe('live');
    world.advance(60_001);
    expect((await explain('a')).verdict).toBe('stale');
    world.advance(10_000);
    expect((await explain('a')).verdict).toBe('expired');
    world.advance(90_000);
    expect((await explain('a')).verdict).toBe('missing');
  });

  it('another configuration, and everything made old', async () => {
    const { world, explain } = setUp();
    world.write('a', { v: 1 });
    const other = world.process({ fingerprint: new Uint8Array(8).fill(9) });
    await other.read('a');
    expect(await explain('a')).toMatchObject({ verdict: 'other fingerprint', fingerprint: { same: false } });
    const app = world.process();
    await app.read('a');
    await app.generations.bump(world.source.name);
    expect(await explain('a')).toMatchObject({ verdict: 'old generation', generation: { same: false } });
  });

  it('changes nothing: no watermark is made, no life is prolonged', async () => {
    const { world, explain } = setUp();
    expect(await explain('a', true)).toMatchObject({ watermark: { state: 'absent' }, partition: world.range });
    expect(world.memory.peek(world.watermarkKey())).toBeUndefined();
    expect(world.memory.peek(world.recordKey('a'))).toBeUndefined();
  });
});

describe('why the last fill was refused', () => {
  const during = (world: World, work: () => unknown) => {
    world.duringRead = async (key) => {
      if (key !== 'a') return;
      world.duringRead = undefined;
      await work();
    };
  };
  const filling = (over: Partial<FillRequest>) => (store: Store) => ({
    ...store,
    fill: (key: string, request: FillRequest) => store.fill(key, { ...request, ...over }),
  });

  /** Each reason that an item can have, brought about the way it comes about. */
  const REASONS: Record<Exclude<Refused, 'tags'>, (world: World) => Promise<void>> = {
    async lease(world) {
      during(world, () => world.memory.drop(world.recordKey('a')));
      await world.process().read('a');
    },
    async fence(world) {
      await world.process().read('a');
      await world.process({ onChange: 'evict' }).sync.apply([world.write('a', { v: 2 })]);
      await world.process({}, filling({ version: 0n, asOf: 9n })).read('a');
    },
    async older(world) {
      await world.process().read('a');
      await world.process({}, filling({ version: 0n })).read('a', { noCache: true });
    },
    async live(world) {
      await world.process().read('a');
      await world.process({}, filling({ guarantee: 'provisional' })).read('a', { noCache: true });
    },
    async watermark(world) {
      during(world, () => world.memory.advance(world.watermarkKey(), 99n));
      // A replica that never gets as far as it is asked to.
      const source = { ...world.source };
      Object.assign(world.source, { read: (key: Key) => source.read(key) });
      await world.process().read('a');
    },
    async generation(world) {
      const text = `K|${'9'.repeat(16)}${'f'.repeat(8)}|${'0'.repeat(16)}`;
      during(world, () => world.memory.poke(world.watermarkKey(), new TextEncoder().encode(text)));
      await world.process().read('a');
    },
    async closed(world) {
      during(world, () => world.memory.close(world.watermarkKey()));
      await world.process().read('a');
    },
    async 'too-large'(world) {
      world.write('a', { v: 'x'.repeat(2000) });
      await world.process().read('a');
    },
    async 'other-key'(world) {
      const source = { ...world.source };
      Object.assign(world.source, {
        read: async (...all: Parameters<typeof source.read>) => ({ ...(await source.read(...all)), isStorable: false }),
      });
      await world.process().read('a');
    },
  };

  it.each(Object.keys(REASONS) as (keyof typeof REASONS)[])('%s', async (reason) => {
    const { world, explain } = setUp({ entity: { maxBytes: 1000 } });
    await world.settle();
    world.write('a', { v: 1 });
    await REASONS[reason](world);
    const explained = await explain('a');
    expect(explained.lastRefusal).toMatchObject({ outcome: reason, by: 'read', meaning: MEANINGS[reason] });
    expect(explained.reasons.at(-1)).toContain(MEANINGS[reason]);
  });

  it('tags: an item of a result changes while it is loaded', async () => {
    const { world, explainKept } = setUp();
    const app = world.process();
    const queries = createMemoryQueryStore();
    const index = world.keys.queryIndex(world.entity.name);
    const query = queryOf(world, async () => {
      await queries.change(index, [{ item: 'a', tags: ['red'] }], 100);
      return { rows: [{ id: 'a' }], keys: [['a']], at: undefined, isTracked: true, continuation: undefined };
    });
    const reader = createQueryReader({ ...app.deps, queries, reloads: (work) => work(AbortSignal.timeout(60_000)) });
    const key = [''];
    await reader.read({ entity: query, key, directives: NO_DIRECTIVES });
    const marks = marksOfQuery({ keys: world.keys, queries })(query, key);
    const explained = await explainKept({ kept: query, key, marks });
    expect(explained).toMatchObject({
      verdict: 'missing',
      lastRefusal: { outcome: 'tags', by: 'read', meaning: MEANINGS.tags },
    });
    expect(explained.reasons.at(-1)).toContain(MEANINGS.tags);
  });

  it('by a change worker too, and forgotten after an hour', async () => {
    const { world, explain } = setUp({ provisionalMs: 0, replicaLagMs: 5000 });
    const app = world.process();
    await app.sync.apply([world.write('a', { v: 1 })]);
    expect((await explain('a')).lastRefusal).toMatchObject({ outcome: 'watermark', by: 'change' });
    world.advance(3_600_001);
    expect((await explain('a')).lastRefusal).toBeNull();
  });

  it('is written once for many refusals, and bounded', async () => {
    const { world } = setUp();
    const ops = createMemoryOpsStore(world.memory, world.clock.now);
    let written = 0;
    const refusals = createRefusals({
      ops: { ...ops, note: async (texts) => void (written += texts.size) },
      keys: world.keys,
      nowMs: world.clock.now,
    });
    const event = (i: number): CacheEvent => {
      return { kind: 'fill', entity: 'e', by: 'read', outcome: 'lease', recordKey: `k${i}` };
    };
    for (let i = 0; i < 5000; i++) refusals.observe(event(i % 2000));
    await refusals.flush();
    expect(written).toBe(500);
  });
});
