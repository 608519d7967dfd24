// Results of queries over the shipped core at random, with everything in memory: many histories, replicas that lag, and
// rules that are knocked out, which is noticed. The same histories run against real databases in test/contract.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change, Source, Store } from '../../src/core/ports.ts';
import type { QueryStore } from '../../src/core/query/query-ports.ts';
import { createMemoryQueryStore, type MemoryQueryStore } from '../support/memory-query-store.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import {
  createQueryWorld,
  type Feed,
  type Item,
  type QueryBackend,
  steps,
  type Write,
} from '../support/query-world.ts';

const PARTITION = { id: 'db/1', ancestors: [] };

interface Stores {
  readonly store: Store;
  readonly queries: MemoryQueryStore;
}
type Sabotage = (stores: Stores) => { readonly store?: Store; readonly queries?: QueryStore };

interface Variant {
  readonly holds: 'documents' | 'keys';
  readonly onChange?: 'refresh' | 'evict';
  readonly sabotage?: Sabotage;
}

function inMemory({ holds, sabotage }: Variant): QueryBackend {
  const time = { now: 1_000_000 };
  const memory = createMemoryQueryStore();
  const honest = { store: createMemoryStore({ now: () => time.now }), queries: memory };
  const log: Write[] = [];
  let lag = 0;

  const stateAt = (position: number) => new Map(log.slice(0, position).map(({ item, document }) => [item, document]));
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
    async query({ values }, { floor } = {}) {
      const least = Number(floor?.positions.get(PARTITION.id) ?? 0n);
      const position = Math.max(log.length - lag, least);
      lag = 0;
      const rows = [...stateAt(position)].flatMap(([id, document]) =>
        document?.lists.includes(String(values['list'])) ? [{ id, ...document }] : [],
      );
      const at = { asOf: BigInt(position), partition: PARTITION };
      return { rows, keys: rows.map(({ id }) => [id]), at, isTracked: true, continuation: undefined };
    },
  };
  const changesOf = (from: number, to: number): Change[] =>
    log.slice(from, to).map(({ item, document }, i) => ({
      key: [item],
      version: BigInt(from + i + 1),
      document: holds === 'keys' || document === undefined ? undefined : { id: item, ...document },
    }));
  let applied = 0;

  return {
    ...honest,
    ...sabotage?.(honest),
    source,
    time,
    app: 'test',
    columns: [{ name: 'id', type: 'text', maxBytes: 100 }],
    text: '',
    itemOf: (id, item) => ({ id, ...item }),
    listOf: (list) => list,
    shown: (document) => document as unknown as Item & { id: string },
    write: async (write) => void log.push(write),
    feed: ({ sync }): Feed => ({
      async apply(count) {
        const to = Math.min(log.length, applied + count);
        if (to > applied) await sync.apply(changesOf(applied, to), { partition: PARTITION });
        applied = Math.max(applied, to);
        return applied;
      },
      async again(count) {
        if (applied === 0) return;
        await sync.apply(changesOf(Math.max(0, applied - count), applied), { partition: PARTITION });
      },
    }),
    lag(writes) {
      lag = holds === 'documents' ? writes : 0;
    },
    lose: async (index) => memory.lose(index),
  };
}

const explored = (variant: Variant) =>
  fc.asyncProperty(steps, async (all) => {
    const world = createQueryWorld(inMemory(variant), variant.onChange);
    await world.run(all);
    await world.settle();
  });

/** Breaks the indexes only. */
const only =
  (broken: (honest: MemoryQueryStore) => Partial<QueryStore>): Sabotage =>
  ({ queries }) => ({ queries: { ...queries, ...broken(queries) } });

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
    expect(result.errorInstance).toMatchObject({ name: 'AssertionError' });
  });
});
