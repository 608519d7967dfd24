// Results of queries over the shipped core, at random: items enter and leave lists while these are loaded, changes are
// applied late and again, indexes are lost, generations bumped. Every hit must show all changes that were applied before
// it, and nothing but the truth once all are. Knocking a rule out is noticed.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash64 } from '../../src/core/bytes.ts';
import type { Entity } from '../../src/core/entity.ts';
import { createGenerations } from '../../src/core/generations.ts';
import { redisKeys } from '../../src/core/key.ts';
import { NO_DIRECTIVES } from '../../src/core/policy.ts';
import type { Change, QueryRead, Source, Store } from '../../src/core/ports.ts';
import type { Query } from '../../src/core/query.ts';
import { createQueryChanges } from '../../src/core/query-changes.ts';
import { createHotRefresh } from '../../src/core/query-hot.ts';
import type { QueryStore } from '../../src/core/query-ports.ts';
import { createQueryReader } from '../../src/core/query-read.ts';
import type { ReadAnswer } from '../../src/core/read.ts';
import { createSync } from '../../src/core/sync.ts';
import { createMemoryQueryStore, type MemoryQueryStore } from '../support/memory-query-store.ts';
import { createMemoryStore } from '../support/memory-store.ts';

const ITEMS = ['a', 'b', 'c'] as const;
const LISTS = ['x', 'y'] as const;
const PARTITION = { id: 'db/1', ancestors: [] };
/** An item can be in several lists, or in none. */
type Lists = readonly string[];

type Step =
  | { readonly kind: 'write'; readonly item: string; readonly lists: Lists | undefined; readonly n: number }
  | { readonly kind: 'apply'; readonly count: number }
  | { readonly kind: 'again'; readonly count: number }
  | { readonly kind: 'lose' }
  | { readonly kind: 'bump' }
  /** While its rows are on their way, `meanwhile` happens. */
  | {
      readonly kind: 'read';
      readonly list: string;
      readonly process: number;
      readonly lag: number;
      readonly meanwhile: readonly Step[];
    };

interface Stores {
  readonly store: Store;
  readonly queries: MemoryQueryStore;
}
type Sabotage = (stores: Stores) => { readonly store?: Store; readonly queries?: QueryStore };
const HONEST: Sabotage = () => ({});

interface Variant {
  readonly holds: 'documents' | 'keys';
  readonly onChange?: 'refresh' | 'evict';
  readonly sabotage?: Sabotage;
}

function createWorld({ holds, onChange = 'evict', sabotage = HONEST }: Variant) {
  let now = 1_000_000;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => void (now += ms),
    deadline: () => new AbortController().signal,
  };
  const memory = createMemoryQueryStore();
  const honest = { store: createMemoryStore({ now: () => now }), queries: memory };
  const { store, queries } = { ...honest, ...sabotage(honest) };
  const keys = redisKeys('test');
  const log: { item: string; document: { lists: Lists; n: number } | undefined }[] = [];
  let applied = 0;
  /** How many writes the replica that is asked next lacks. */
  let lag = 0;
  let meanwhile: (() => Promise<void>) | undefined;
  let tokens = 0;

  const stateAt = (position: number) => new Map(log.slice(0, position).map(({ item, document }) => [item, document]));
  const rowsAt = (list: string, position: number) =>
    [...stateAt(position)]
      .flatMap(([id, document]) => (document?.lists.includes(list) ? [{ id, ...document }] : []))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const readOf = (item: string) => {
    const asOf = BigInt(log.length);
    const document = stateAt(log.length).get(item);
    return { document: document && { id: item, ...document }, asOf, version: asOf, partition: PARTITION };
  };
  const source: Source = {
    name: 'db/items',
    replicaLagMs: 0,
    changesHold: holds,
    read: async ([id]) => readOf(String(id)),
    readMany: async (all) => all.map(([id]) => readOf(String(id))),
    scan: async () => ({ keys: [], continuation: undefined, units: 0 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change: (change) => change as Change,
    async query({ values }, { floor } = {}): Promise<QueryRead> {
      const least = Number(floor?.positions.get(PARTITION.id) ?? 0n);
      const position = Math.max(log.length - lag, least);
      lag = 0;
      const asOf = BigInt(position);
      const rows = rowsAt(String(values['list']), position);
      const task = meanwhile;
      meanwhile = undefined;
      await task?.();
      const at = { asOf, partition: PARTITION };
      return { rows, keys: rows.map(({ id }) => [id]), at, isTracked: true, continuation: undefined };
    },
  };
  const entity: Entity = {
    name: 'item',
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 100 }],
    fingerprint: hash64('item'),
    ttlMs: () => 3_600_000,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1000,
    onChange: 'evict',
    match: () => true,
    deletedWhen: () => false,
    select: (document) => document,
    tags: (document) => (document['lists'] as Lists).map((list) => `list:${list}`),
    maxBytes: 10_000,
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
  };
  const query: Query = {
    name: 'query/list',
    title: 'list',
    source,
    fingerprint: hash64('query'),
    staleForMs: 0,
    staleIfErrorMs: 0,
    madeOf: [entity],
    of: [entity],
    run: (statement, options) => (source.query as NonNullable<Source['query']>)(statement, options),
    isOfItems: true,
    text: '',
    params: [{ name: 'list', type: 'text', maxBytes: 100 }],
    partition: undefined,
    tags: ({ list }) => [`list:${String(list)}`],
    row: (row) => row,
    ttlMs: 3_600_000,
    maxRows: 100,
    maxBytes: 100_000,
    onChange,
    http: entity.http,
  };

  function createProcess() {
    const generations = createGenerations({
      store,
      key: keys.generations,
      clock,
      entities: [entity, query],
      ttlMs: 1000,
    });
    const deps = {
      store,
      keys,
      generations,
      clock,
      queries,
      observe: () => undefined,
      entropy: {
        random: () => 0.5,
        token: () => hash64(`token ${++tokens}`),
        digest: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()).subarray(0, 12),
      },
      options: { leaseMs: 10_000, fenceMs: 60_000, jitter: 0, waitMs: 0, provisionalMs: 1000 },
      reloads: <T>(work: (signal: AbortSignal) => Promise<T>) => work(AbortSignal.timeout(60_000)),
    };
    const reader = createQueryReader(deps);
    const hot = createHotRefresh({ ...deps, store: queries, queries: [query], refresh: reader.refresh });
    const changes = createQueryChanges({
      ...deps,
      store: queries,
      queries: [query],
      hot,
      mostFields: 60,
    });
    const sync = createSync({ ...deps, queries: changes, source, entities: [entity] });
    return { reader, sync, generations, hot };
  }
  const processes = [createProcess(), createProcess()] as const;

  const changesOf = (from: number, to: number): Change[] =>
    log.slice(from, to).map(({ item, document }, i) => ({
      key: [item],
      version: BigInt(from + i + 1),
      document: holds === 'keys' || document === undefined ? undefined : { id: item, ...document },
    }));

  async function run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await perform(step);
  }

  async function perform(step: Step): Promise<void> {
    now += 1;
    switch (step.kind) {
      case 'write':
        log.push({ item: step.item, document: step.lists && { lists: step.lists, n: step.n } });
        return;
      case 'apply': {
        const to = Math.min(log.length, applied + step.count);
        if (to > applied) await processes[0].sync.apply(changesOf(applied, to), { partition: PARTITION });
        applied = Math.max(applied, to);
        await processes[0].hot.start();
        return;
      }
      case 'again':
        if (applied > 0) {
          const from = Math.max(0, applied - step.count);
          await processes[1].sync.apply(changesOf(from, applied), { partition: PARTITION });
          await processes[1].hot.start();
        }
        return;
      case 'lose':
        memory.lose(keys.queryIndex('item'));
        return;
      case 'bump':
        await processes[0].generations.bump(source.name);
        now += 1001;
        return;
      case 'read': {
        const known = applied;
        // Another process reads meanwhile: within one, the reads of a list share a load.
        const others = step.meanwhile.map((one) => (one.kind === 'read' ? { ...one, process: 1 - step.process } : one));
        meanwhile = () => run(others);
        lag = holds === 'documents' ? step.lag : 0;
        const answer = await read(step.list, step.process);
        meanwhile = undefined;
        lag = 0;
        if (answer.how === 'hit') expectTruth(step.list, answer.rows, known);
        return;
      }
    }
  }

  async function read(list: string, process: number) {
    const { reader } = processes[process as 0 | 1];
    return shown(await reader.read({ entity: query, key: [list, ''], directives: NO_DIRECTIVES }));
  }

  /**
   * What is shown was true at a moment after all that had been applied. Where changes only name keys, of each item: one
   * that is read again tells a state that later changes of others have not led to yet.
   */
  function expectTruth(list: string, rows: unknown, known: number): void {
    if (holds === 'keys') {
      for (const item of ITEMS) {
        const of = (all: readonly { id: string }[]) => JSON.stringify(all.filter(({ id }) => id === item));
        const states = Array.from({ length: log.length - known + 1 }, (_, i) => of(rowsAt(list, known + i)));
        expect(states).toContain(of(rows as { id: string }[]));
      }
      return;
    }
    const truths = Array.from({ length: log.length - known + 1 }, (_, i) => JSON.stringify(rowsAt(list, known + i)));
    expect(truths).toContain(JSON.stringify(rows));
  }

  /** Once all is quiet, what is cached is what is there. */
  async function settle(): Promise<void> {
    await perform({ kind: 'apply', count: log.length });
    for (const list of LISTS) {
      for (const process of [0, 1]) {
        const { rows } = await read(list, process);
        expect(rows).toEqual(rowsAt(list, log.length));
      }
      expect((await read(list, 0)).how).toBe('hit');
    }
  }

  return { run, settle };
}

function shown(answer: ReadAnswer): { how: string; rows: unknown } {
  if (answer.kind === 'not-cached') return { how: answer.kind, rows: undefined };
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const body = 'body' in value ? value.body : new Uint8Array();
  return { how: answer.how, rows: (JSON.parse(new TextDecoder().decode(body)) as { rows: unknown }).rows };
}

/** Breaks the indexes only. */
const only =
  (broken: (honest: MemoryQueryStore) => Partial<QueryStore>): Sabotage =>
  ({ queries }) => ({ queries: { ...queries, ...broken(queries) } });

const write = fc
  .record({
    item: fc.constantFrom(...ITEMS),
    lists: fc.option(fc.subarray([...LISTS]), { nil: undefined }),
    n: fc.nat(9),
  })
  .map((step): Step => ({ kind: 'write', ...step }));
const apply = fc.integer({ min: 1, max: 3 }).map((count): Step => ({ kind: 'apply', count }));
const again = fc.integer({ min: 1, max: 4 }).map((count): Step => ({ kind: 'again', count }));
const loss = fc.constantFrom<Step>({ kind: 'lose' }, { kind: 'bump' });
const other = fc.oneof(
  { weight: 5, arbitrary: write },
  { weight: 5, arbitrary: apply },
  { weight: 2, arbitrary: again },
  { weight: 1, arbitrary: loss },
);
const readStep = (inner: fc.Arbitrary<Step>) =>
  fc
    .record({
      list: fc.constantFrom(...LISTS),
      process: fc.nat(1),
      lag: fc.nat(2),
      meanwhile: fc.array(inner, { maxLength: 4 }),
    })
    .map((step): Step => ({ kind: 'read', ...step }));
/** A read may also come while another's rows are on their way. */
const step = fc.oneof(
  { weight: 6, arbitrary: other },
  { weight: 5, arbitrary: readStep(fc.oneof(other, readStep(other))) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 25 });

const explored = (variant: Variant) =>
  fc.asyncProperty(steps, async (all) => {
    const world = createWorld(variant);
    await world.run(all);
    await world.settle();
  });

describe('results of queries', () => {
  test.each<Variant>([
    { holds: 'documents', onChange: 'evict' },
    { holds: 'documents', onChange: 'refresh' },
    { holds: 'keys', onChange: 'evict' },
    { holds: 'keys', onChange: 'refresh' },
  ])('are true, whatever happens (changes hold $holds, $onChange)', async (variant) => {
    await fc.assert(explored(variant), { numRuns: 800 });
  });

  const KNOCK_OUTS: Record<string, Sabotage> = {
    'stored without the check': only((honest) => ({
      admit: async (...args) => {
        await honest.admit(...args);
        return true;
      },
    })),
    'rows are not remembered': only((honest) => ({
      admit: (index, capture, tags) => honest.admit(index, capture, tags, []),
    })),
    'only lists that an item was found in are bumped': only((honest) => ({
      change: (index, changes, most) =>
        honest.change(
          index,
          changes.map(({ item }) => ({ item, tags: [] })),
          most,
        ),
    })),
    'changes are not told': only(() => ({ change: async () => [] })),
    'a lost index is taken for the same': only((honest) => ({
      capture: async (index, tags) => {
        const capture = await honest.capture(index, tags);
        return { ...capture, marks: capture.marks.replace(/^[^|]*/, 'i') };
      },
      marks: async (index, tags) => (await honest.marks(index, tags)).replace(/^[^|]+/, 'i'),
    })),
    'a replica that lags behind the watermark counts': ({ store }) => ({
      store: { ...store, watermark: async () => ({ state: 'known', position: 0n }) },
    }),
  };

  test.each(Object.entries(KNOCK_OUTS))('knocked out, %s is noticed', async (_, sabotage) => {
    const result = await fc.check(explored({ holds: 'documents', sabotage }), { numRuns: 3000 });
    expect(result.failed).toBe(true);
  });
});
