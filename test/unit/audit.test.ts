import { describe, expect, it } from 'vitest';
import { createAuditor } from '../../src/core/audit/audit.ts';
import { auditReport } from '../../src/core/audit/audit-report.ts';
import { createSampler, sampleOf, textOf } from '../../src/core/audit/audit-sample.ts';
import { hash64 } from '../../src/core/bytes.ts';
import { WarmfeedError } from '../../src/core/errors.ts';
import type { Key } from '../../src/core/key.ts';
import { createSync } from '../../src/core/sync/sync.ts';
import { createMemoryAuditStore } from '../support/memory-audit-store.ts';
import { createWorld, RANGE, seen, type WorldOptions } from '../support/world.ts';

function setUp(options: WorldOptions & { perMinute?: number } = {}) {
  const world = createWorld(options);
  const app = world.process();
  const audits = createMemoryAuditStore(() => world.clock.now());
  const deps = { ...app.deps, audits, entities: [world.entity], perMinute: options.perMinute ?? 600 };
  const sampler = createSampler(deps);
  const sync = createSync({ ...app.deps, entities: [world.entity], sample: sampler });
  const auditor = createAuditor(deps);
  const counts = () => audits.counts(world.keys.audit);
  return {
    world,
    app,
    audits,
    sampler,
    /** Writes, and has the change applied. */
    change: async (id: string, v: number | undefined) => {
      const change = world.write(id, v === undefined ? undefined : { v });
      await sync.apply([change]);
      return change;
    },
    /** Time goes by, and the timer with it. */
    pass: async (ms: number) => {
      const end = world.clock.now() + ms;
      while (world.clock.now() < end) {
        await auditor.turn(Math.min(end, world.clock.now() + 500), new AbortController().signal);
        if (world.clock.now() < end) world.advance(Math.min(100, end - world.clock.now()));
      }
    },
    record: (id: string) => world.memory.peek(world.recordKey(id)) as Uint8Array,
    putBack: (id: string, record: Uint8Array) => world.memory.poke(world.recordKey(id), record, 1e9),
    counts: async () => Object.fromEntries(await counts()),
    report: async () => auditReport(await counts()),
  };
}

describe('the auditor', () => {
  it('a change that is cached as it is matches, after 1, 5 and 60 s', async () => {
    const { world, change, pass, counts, report } = setUp();
    await world.settle();
    await change('a', 1);
    await pass(900);
    expect(await counts()).toEqual({});
    await pass(200);
    expect(await counts()).toEqual({ '1:match': 1 });
    await pass(60_000);
    expect(await counts()).toEqual({ '1:match': 1, '5:match': 1, '60:match': 1 });
    expect(await report()).toMatchObject({ samples: 3, match: 3, stale: 0, share: 1, bound95: 1 });
  });

  it('a record of before the change, put back behind the cache: stale, and evicted', async () => {
    const { world, app, change, pass, counts, record, putBack } = setUp();
    await world.settle();
    await change('a', 1);
    const old = record('a');
    await change('a', 2);
    putBack('a', old);
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
    await pass(1200);
    expect((await counts())['1:stale']).toBe(1);
    expect(seen(await app.read('a'))).toMatchObject({ how: 'miss', value: { v: 2 } });
    expect(world.events.filter((event) => event.kind === 'audit' && event.verdict === 'stale')).toHaveLength(1);
  });

  it('a record that lies about its position is found too: the difference stays though everything was applied', async () => {
    const { world, app, change, pass, counts, record, putBack } = setUp();
    await world.settle();
    await change('a', 1);
    const forged = record('a').slice();
    const at = forged.lastIndexOf('1'.charCodeAt(0));
    forged[at] = '7'.charCodeAt(0);
    putBack('a', forged);
    await pass(1200);
    expect(await counts()).toEqual({});
    await pass(5000);
    expect((await counts())['1:stale']).toBe(1);
    expect(seen(await app.read('a'))).toMatchObject({ how: 'miss', value: { v: 1 } });
  });

  it('an item that changed again is superseded while that change waits in the feed, and is left alone', async () => {
    const { world, app, change, pass, counts } = setUp();
    await world.settle();
    await change('a', 1);
    world.write('a', { v: 2 });
    await pass(30_000);
    expect(await counts()).toEqual({ '1:superseded': 1, '5:superseded': 1 });
    expect(seen(await app.read('a'))).toEqual({ how: 'hit', value: { v: 1 } });
  });

  it('likewise if the later change is applied meanwhile', async () => {
    const { world, change, pass, counts } = setUp();
    await world.settle();
    await change('a', 1);
    const later = world.write('a', { v: 2 });
    await pass(1200);
    await world.process().sync.apply([later]);
    await pass(4500);
    expect((await counts())['1:superseded']).toBe(1);
    expect((await counts())['1:stale']).toBeUndefined();
  });

  it('what was filled while the watermark was unknown is counted apart', async () => {
    const { world, app, change, pass, counts } = setUp({ replicaLagMs: 60_000, provisionalMs: 60_000 });
    await change('a', 1);
    expect(seen(await app.read('a')).how).toBe('hit');
    await pass(1200);
    expect(await counts()).toEqual({ '1:provisional': 1 });
    expect(world.outcomes()).toContain('stored-provisionally');
  });

  it('what is not cached is no sample, and costs the source nothing', async () => {
    const { world, change, pass, counts } = setUp({ entity: { onChange: 'evict' } });
    await world.settle();
    await change('a', 1);
    const reads = world.sourceReads;
    await pass(61_000);
    expect([await counts(), world.sourceReads]).toEqual([{}, reads]);
  });

  it('a replica that lags is asked for what the cache has, and for the change at least', async () => {
    const { world, change, pass, counts } = setUp();
    await world.settle();
    await change('a', 1);
    await change('a', 2);
    world.replicaAt = 0n;
    await pass(1200);
    expect(await counts()).toEqual({ '1:match': 2 });
  });

  it('a source that fails gives no verdict, and the others go on', async () => {
    const { world, change, pass, counts } = setUp();
    await world.settle();
    await change('a', 1);
    world.sourceError = new WarmfeedError('SOURCE_THROTTLED', 'too many');
    await pass(1200);
    world.sourceError = undefined;
    await pass(5000);
    expect(await counts()).toEqual({ '5:match': 1 });
    expect(world.events.filter(({ kind }) => kind === 'audit-failed')).toHaveLength(1);
  });

  it('a deleted item that is cached as absent matches; the item put back is stale', async () => {
    const { world, app, change, pass, counts, record, putBack } = setUp();
    await world.settle();
    await change('a', 1);
    const old = record('a');
    await change('a', undefined);
    expect(seen(await app.read('a')).value).toBeNull();
    await pass(1200);
    expect((await counts())['1:match']).toBeGreaterThan(0);
    putBack('a', old);
    await pass(5000);
    expect((await counts())['5:stale']).toBe(1);
  });

  it('samples of other deployments, and texts that are none, are passed over', async () => {
    const { world, audits, pass, counts } = setUp();
    const foreign = textOf({ entity: 'other', key: ['a'], partition: RANGE, version: 1n, delayS: 1 });
    for (const text of [foreign, 'no JSON', '{}', '{"entity":"widget","key":["a"],"version":"x"}']) {
      await audits.add(world.keys.audits, [{ text, inMs: 0 }], 10);
    }
    await pass(100);
    expect(await counts()).toEqual({});
  });
});

describe('the sampler', () => {
  const pageOf = (world: ReturnType<typeof createWorld>, keys: readonly Key[]) =>
    keys.map((key) => ({
      entity: world.entity,
      change: { key, version: 5n, document: { v: 1 } },
      recordKey: '',
      own: 'always' as const,
      token: hash64('t'),
    }));
  const taken = async ({ audits, world }: ReturnType<typeof setUp>) => {
    world.advance(100_000);
    return (await audits.take(world.keys.audits, 10_000)).due.map((text) => sampleOf(text));
  };

  it('takes a few of a page, however many there are, and no more than its bound', async () => {
    const all = setUp({ perMinute: 10 });
    let draw = 0;
    const { world, audits } = all;
    const sampler = createSampler({
      ...all.app.deps,
      entropy: { ...all.app.deps.entropy, random: () => (draw = (draw + 0.37) % 1) },
      audits,
      perMinute: 10,
    });
    const page = pageOf(
      world,
      Array.from({ length: 1000 }, (_, i) => [`k${i}`]),
    );
    await sampler(page, { id: RANGE, ancestors: [] });
    expect(await taken(all)).toHaveLength(4 * 3);
    for (let i = 0; i < 20; i++) await sampler(page, { id: RANGE, ancestors: [] });
    // What the time that went by allows, and no page more than its share.
    expect(await taken(all)).toHaveLength(10 * 3);
  });

  it('keys of every kind survive the list', async () => {
    const all = setUp();
    const keys: readonly Key[] = [
      ['a/ü', 'x'],
      [null, 'x'],
      [undefined, 'x'],
      [1.5, 'x'],
    ];
    await all.sampler(pageOf(all.world, keys), { id: RANGE, ancestors: [] });
    const got = await taken(all);
    const ones = got.filter((sample) => sample?.delayS === 1);
    expect(ones.map((sample) => sample?.key)).toEqual(
      expect.arrayContaining([
        ['a/ü', 'x'],
        [null, 'x'],
        [{}, 'x'],
        [1.5, 'x'],
      ]),
    );
    expect(ones[0]?.version).toBe(5n);
  });

  it('a store that fails stops nothing', async () => {
    const { world, app } = setUp();
    const failing = () => Promise.reject(new WarmfeedError('STORE_UNAVAILABLE', 'gone'));
    const audits = { ...createMemoryAuditStore(() => 0), add: failing };
    const sampler = createSampler({ ...app.deps, audits, perMinute: 60 });
    await sampler(pageOf(world, [['a']]), { id: RANGE, ancestors: [] });
    expect(world.events.at(-1)).toMatchObject({ kind: 'store-failed', during: 'audit' });
  });
});

describe('the report', () => {
  const of = (counts: Record<string, number>) => auditReport(new Map(Object.entries(counts)));

  it('of nothing claims nothing', () => {
    expect(of({})).toMatchObject({ samples: 0, share: undefined, bound95: undefined });
  });

  it('sums up, leaves provisional ones out of the share, and bounds by the rule of three', () => {
    const report = of({ '1:match': 1000, '5:match': 990, '5:superseded': 8, '60:match': 1000, '1:provisional': 2 });
    expect(report).toMatchObject({ samples: 3000, match: 2990, superseded: 8, stale: 0, provisional: 2, share: 1 });
    expect(report.bound95).toBeCloseTo(3 / 2998, 10);
    expect(report.byDelay['5']).toEqual({ samples: 998, match: 990, superseded: 8, stale: 0, provisional: 0 });
  });

  it('with stale ones the bound is above their share, and never above 1', () => {
    const report = of({ '1:match': 95, '1:stale': 5 });
    expect(report.share).toBe(0.95);
    // The exact limit of Poisson for 5 is 10.51.
    expect(report.bound95).toBeCloseTo(0.1051, 3);
    expect(of({ '1:stale': 1 }).bound95).toBe(1);
  });
});
