import { createMemoryStore } from '../support/memory-store.ts';
import { storeContract } from './store.contract.ts';

storeContract({
  name: 'memory',
  async create() {
    let now = 1_750_000_000_000;
    const store = createMemoryStore({ now: () => now });
    return {
      store,
      advance: async (ms) => void (now += ms),
      peek: async (key) => store.peek(key),
      poke: async (key, content, ttlMs) => store.poke(key, content, ttlMs),
      ttl: async (key) => store.ttl(key),
      end: async () => undefined,
    };
  },
});
