import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import type { Sync } from '../../src/core/sync.ts';
import { type Carrier, tracedSync } from '../../src/telemetry/traced.ts';

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
