// Results of queries over the shipped core: two processes, a database and a cache, with random steps. Items enter and
// leave lists while these are loaded, changes are applied late and again, indexes are lost, generations bumped. Every hit must show
// all changes that were applied before it, and nothing but the truth once all are. Database and cache are in memory or real ones.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect } from 'vitest';
import { hash64 } from '../../src/core/bytes.ts';
import type { Entity } from '../../src/core/entity.ts';
import type { KeyColumn } from '../../src/core/key.ts';
import { redisKeys } from '../../src/core/key.ts';
import type { Clock, Document, QueryRead, Source, Store } from '../../src/core/ports.ts';
import { createGenerations } from '../../src/core/protocol/generations.ts';
import type { Query } from '../../src/core/query/query.ts';
import { createQueryChanges } from '../../src/core/query/query-changes.ts';
import { createHotRefresh } from '../../src/core/query/query-hot.ts';
import type { QueryStore } from '../../src/core/query/query-ports.ts';
import { createQueryReader } from '../../src/core/query/query-read.ts';
import { NO_DIRECTIVES } from '../../src/core/read/policy.ts';
import type { ReadAnswer, ReaderDeps } from '../../src/core/read/read.ts';
import { createSync, type Sync } from '../../src/core/sync/sync.ts';

export const ITEMS = ['a', 'b', 'c'] as const;
export const LISTS = ['x', 'y'] as const;

/** An item can be in several lists, or in none. */
export interface Item {
  readonly lists: readonly string[];
  readonly n: number;
}

export interface Write {
  readonly item: string;
  /** Undefined: it was deleted. */
  readonly document: Item | undefined;
}

export type Step =
  | { readonly kind: 'write'; readonly item: string; readonly document: Item | undefined }
  | { readonly kind: 'apply'; readonly count: number }
  | { readonly kind: 'again'; readonly count: number }
  | { readonly kind: 'lose' }
  | { readonly kind: 'bump' }
  /** While its rows are on their way, `meanwhile` happens. */
  | {
      readonly kind: 'read';
      readonly list: string;
      readonly process: number;
      /** How many writes the replica that is asked lacks, where it can lack any. */
      readonly lag: number;
      readonly meanwhile: readonly Step[];
    };

/** How changes come to a process. */
export interface Feed {
  /** @param count writes at most, where it can be told @returns how many of all writes are applied by now */
  apply(count: number): Promise<number>;
  /** Delivers once more what was delivered. */
  again(count: number): Promise<void>;
}

export interface FeedDeps extends ReaderDeps {
  readonly clock: Clock;
  readonly sync: Sync;
  readonly source: Source;
}

export interface QueryBackend {
  readonly store: Store;
  readonly queries: QueryStore;
  readonly source: Source;
  /** The app's name: what tells one run's keys from another's. */
  readonly app: string;
  readonly columns: readonly KeyColumn[];
  readonly text: string;
  readonly partition?: Query['partition'];
  /** Items and lists in the database are named by the run, too. */
  itemOf(name: string, item: Item): Document;
  listOf(name: string): string;
  /** Out of a document of the database. */
  shown(document: Document): Item & { readonly id: string };
  write(write: Write): Promise<void>;
  feed(deps: FeedDeps): Feed;
  /** The next query is answered by a replica that lacks so many writes. */
  lag(writes: number): void;
  lose(index: string): Promise<void>;
  /** Milliseconds, as the store's clock has it where time is made up. */
  readonly time: { now: number };
}

export function createQueryWorld(backend: QueryBackend, onChange: 'refresh' | 'evict' = 'evict') {
  const { store, queries, time } = backend;
  const clock: Clock = {
    now: () => time.now,
    sleep: async (ms) => void (time.now += ms),
    deadline: () => new AbortController().signal,
  };
  const keys = redisKeys(backend.app);
  const log: Write[] = [];
  let applied = 0;
  let meanwhile: (() => Promise<void>) | undefined;
  let tokens = 0;

  const rowsAt = (list: string, position: number) => {
    const state = new Map(log.slice(0, position).map(({ item, document }) => [item, document]));
    return [...state]
      .flatMap(([id, document]) => (document?.lists.includes(list) ? [{ id, ...document }] : []))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  };
  const source: Source = {
    ...backend.source,
    async query(...args): Promise<QueryRead> {
      const answer = await (backend.source.query as NonNullable<Source['query']>)(...args);
      const task = meanwhile;
      meanwhile = undefined;
      await task?.();
      return answer;
    },
  };
  const { entity, query } = defined(source, backend, onChange);

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
    const changes = createQueryChanges({ ...deps, store: queries, queries: [query], hot, mostFields: 60 });
    const sync = createSync({ ...deps, queries: changes, source, entities: [entity] });
    return { reader, generations, hot, feed: backend.feed({ ...deps, sync, source }) };
  }
  const processes = [createProcess(), createProcess()] as const;

  async function run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await perform(step);
  }

  async function perform(step: Step): Promise<void> {
    time.now += 1;
    switch (step.kind) {
      case 'write':
        log.push({ item: step.item, document: step.document });
        return backend.write({ item: step.item, document: step.document });
      case 'apply':
        applied = Math.max(applied, await processes[0].feed.apply(step.count));
        return processes[0].hot.start();
      case 'again':
        await processes[1].feed.again(step.count);
        return processes[1].hot.start();
      case 'lose':
        return backend.lose(keys.queryIndex(entity.name));
      case 'bump':
        await processes[0].generations.bump(source.name);
        time.now += 1001;
        return;
      case 'read': {
        const known = applied;
        // Another process reads meanwhile: within one, the reads of a list share a load.
        const others = step.meanwhile.map((one) => (one.kind === 'read' ? { ...one, process: 1 - step.process } : one));
        meanwhile = () => run(others);
        backend.lag(step.lag);
        const answer = await read(step.list, step.process);
        backend.lag(0);
        meanwhile = undefined;
        if (answer.how === 'hit') expectTruth(step.list, answer.rows, known);
      }
    }
  }

  async function read(list: string, process: number) {
    const { reader } = processes[process as 0 | 1];
    const key = [backend.listOf(list), ''];
    const answer = await reader.read({ entity: query, key, directives: NO_DIRECTIVES });
    const rows = rowsOf(answer).map((row) => backend.shown(row));
    return { how: howOf(answer), rows: rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
  }

  /**
   * What is shown was true at a moment after all that had been applied. Where changes only name keys, of each item: one
   * that is read again tells a state that later changes of others have not led to yet.
   */
  function expectTruth(list: string, rows: readonly { id: string }[], known: number): void {
    const moments = Array.from({ length: log.length - known + 1 }, (_, i) => rowsAt(list, known + i));
    if (source.changesHold === 'documents') {
      expect(moments.map((moment) => JSON.stringify(moment))).toContain(JSON.stringify(rows));
      return;
    }
    for (const item of ITEMS) {
      const of = (all: readonly { id: string }[]) => JSON.stringify(all.filter(({ id }) => id === item));
      expect(moments.map(of)).toContain(of(rows));
    }
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

function defined(source: Source, backend: QueryBackend, onChange: 'refresh' | 'evict') {
  const entity: Entity = {
    name: 'item',
    source,
    columns: backend.columns,
    fingerprint: hash64('item'),
    ttlMs: () => 3_600_000,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1000,
    onChange: 'evict',
    match: () => true,
    deletedWhen: (document) => document['deleted'] === true,
    select: (document) => document,
    tags: (document) => backend.shown(document).lists.map((list) => `list:${backend.listOf(list)}`),
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
    text: backend.text,
    params: [{ name: 'list', type: 'text', maxBytes: 100 }],
    partition: backend.partition,
    tags: ({ list }) => [`list:${String(list)}`],
    row: (row) => row,
    ttlMs: 3_600_000,
    maxRows: 100,
    maxBytes: 100_000,
    onChange,
    http: entity.http,
  };
  return { entity, query };
}

function howOf(answer: ReadAnswer): string {
  return answer.kind === 'not-cached' ? answer.kind : answer.how;
}

function rowsOf(answer: ReadAnswer): readonly Document[] {
  if (answer.kind === 'not-cached') return [];
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const body = 'body' in value ? value.body : new Uint8Array();
  return (JSON.parse(new TextDecoder().decode(body)) as { rows: readonly Document[] }).rows;
}

const write = fc
  .record({
    item: fc.constantFrom(...ITEMS),
    document: fc.option(fc.record({ lists: fc.subarray([...LISTS]), n: fc.nat(9) }), { nil: undefined }),
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
export const steps = fc.array(step, { minLength: 1, maxLength: 25 });
