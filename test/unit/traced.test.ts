import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import type { QueryRead, Source } from '../../src/core/ports.ts';
import type { Sync } from '../../src/core/sync/sync.ts';
import { type Carrier, tracedSource, tracedSync } from '../../src/telemetry/traced.ts';

test('a traced page keeps what is known of its place', async () => {
  const calls: unknown[][] = [];
  const sync = { apply: async (...call: unknown[]) => void calls.push(call) } as unknown as Sync;
  const here = new AsyncLocalStorage<Carrier>();
  const traced = tracedSync(sync, 'db/items', { here, tracer: () => undefined, instruments: () => undefined });
  const origin = { partition: { id: 'p', ancestors: [] }, isSettled: false };
  await traced.apply(['a'], origin);
  await here.run({ context: {} as Carrier['context'], inBatch: false }, () => traced.apply(['b'], origin));
  expect(calls).toEqual([
    [['a'], origin],
    [['b'], origin],
  ]);
});

test('reads, grouped reads and queries of a source are timed', async () => {
  const rows: QueryRead = { rows: [], keys: [], at: undefined, isTracked: true, continuation: undefined };
  const source = {
    name: 'db/items',
    read: async () => ({ asOf: 1n }),
    readMany: async () => [],
    query: async () => rows,
  } as unknown as Source;
  const loads: string[] = [];
  const onLoad = (name: string, outcome: string) => void loads.push(`${name} ${outcome}`);
  const traces = {
    here: new AsyncLocalStorage<Carrier>(),
    tracer: () => undefined,
    instruments: () => ({ onLoad }) as never,
  };
  const traced = tracedSource(source, traces);
  await traced.read(['a']);
  await traced.readMany([['a']]);
  expect(
    await traced.query?.({ text: '', values: {}, partition: undefined, maxRows: 1, continuation: undefined }),
  ).toBe(rows);
  expect(loads).toEqual(['db/items ok', 'db/items ok', 'db/items ok']);
});
