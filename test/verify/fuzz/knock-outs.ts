// Rules broken one at a time, between the core and Redis, to see that the check notices.

import type { Store } from '../../../src/core/ports.ts';

export const KNOCK_OUTS: Readonly<Record<string, (store: Store) => Store>> = {
  /** Reads that miss changes are cached. */
  watermark: (store) => ({ ...store, watermark: async () => ({ state: 'known', position: 0n }) }),
  /** Changes do not raise the watermark. */
  advance: (store) => ({ ...store, advance: async () => undefined }),
  /** Nothing is left behind where a value was dropped. */
  fence: (store) => ({
    ...store,
    async invalidate(key, request) {
      const reply = await store.invalidate(key, { ...request, fenceMs: 1 });
      return reply;
    },
  }),
  /** Whoever asks for a lease has it. */
  lease: (store) => ({
    ...store,
    async lease(key, request) {
      const reply = await store.lease(key, request);
      return reply.kind === 'held' ? { kind: 'granted' } : reply;
    },
  }),
  /** What is cached stays. */
  invalidation: (store) => ({ ...store, invalidate: async () => 'dropped' }),
};
