// Rules broken one at a time, between the core and Redis, to see that the check notices.

import type { Store } from '../../../src/core/ports.ts';
import type { Schedule } from './schedule.ts';

export interface KnockOut {
  readonly wrap: (store: Store) => Store;
  /** In which the rule is needed; default anything. */
  readonly schedule?: Partial<Schedule>;
}

/** What is dropped is asked for at once, leaves no fence, and is read from a replica that lags. */
const LAGGING: Partial<Schedule> = {
  keys: 16,
  onChange: 'evict',
  ttlMs: 1000,
  writePauseMs: 12,
  replicaLagMs: 60,
  slowLoads: 0.02,
  failingLoads: 0,
  slowCalls: 0,
  faults: [],
};

export const KNOCK_OUTS: Readonly<Record<string, KnockOut>> = {
  /** What misses changes is cached. */
  watermark: {
    wrap: (store) => ({ ...store, watermark: async () => ({ state: 'known', position: 0n }) }),
    schedule: LAGGING,
  },
  /** Changes do not raise the watermark. */
  advance: { wrap: (store) => ({ ...store, advance: async () => undefined }), schedule: LAGGING },
  /** Nothing is left behind of a change: needed where the watermark is lost after it. */
  fence: {
    wrap: (store) => ({ ...store, invalidate: (key, request) => store.invalidate(key, { ...request, fenceMs: 1 }) }),
    schedule: {
      keys: 16,
      onChange: 'refresh',
      ttlMs: 20,
      staleForMs: 0,
      fenceMs: 300,
      provisionalMs: 30,
      replicaLagMs: 60,
      failingLoads: 0,
      slowCalls: 0,
      faults: Array.from({ length: 50 }, (_, i) => ({ atMs: 200 + i * 25, fault: { kind: 'lose-watermarks' } })),
    },
  },
  /** Whoever asks for a lease has it. */
  lease: {
    wrap: (store) => ({
      ...store,
      async lease(key, request) {
        const reply = await store.lease(key, request);
        return reply.kind === 'held' ? { kind: 'granted' } : reply;
      },
    }),
  },
  /** Nothing is made old: needed where a failover has put back what was there before. */
  failover: {
    wrap: (store) => ({ ...store, bump: async () => '' }),
    schedule: {
      keys: 64,
      onChange: 'refresh-cached',
      ttlMs: 1000,
      writePauseMs: 12,
      slowLoads: 0,
      failingLoads: 0,
      slowCalls: 0,
      faults: [300, 700, 1100].map((atMs) => ({ atMs, fault: { kind: 'promote', node: 0, heldMs: 200, stopMs: 0 } })),
    },
  },
  /** What is cached stays. */
  invalidation: { wrap: (store) => ({ ...store, invalidate: async () => 'dropped' }) },
};
