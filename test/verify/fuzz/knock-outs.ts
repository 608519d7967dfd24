// Rules broken one at a time, between the core and Redis, to see that the check notices.

import type { Store } from '../../../src/core/ports.ts';
import type { FaultKind } from './schedule.ts';

export interface KnockOut {
  readonly wrap: (store: Store) => Store;
  /** Those in which the rule is needed; default all. */
  readonly faults?: readonly FaultKind[];
}

export const KNOCK_OUTS: Readonly<Record<string, KnockOut>> = {
  /** What misses changes is cached. */
  watermark: { wrap: (store) => ({ ...store, watermark: async () => ({ state: 'known', position: 0n }) }) },
  /** Changes do not raise the watermark. */
  advance: { wrap: (store) => ({ ...store, advance: async () => undefined }) },
  /** Nothing is left behind of a change: needed where the watermark is lost after it. */
  fence: {
    wrap: (store) => ({ ...store, invalidate: (key, request) => store.invalidate(key, { ...request, fenceMs: 1 }) }),
    faults: ['lose-watermarks'],
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
  /** What is cached stays. */
  invalidation: { wrap: (store) => ({ ...store, invalidate: async () => 'dropped' }) },
};
