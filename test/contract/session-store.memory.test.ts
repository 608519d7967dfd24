import { createMemorySessionStore } from '../support/memory-session-store.ts';
import { sessionStoreContract } from './session-store.contract.ts';

sessionStoreContract('memory', async () => {
  let now = 1_750_000_000_000;
  return {
    store: createMemorySessionStore({ now: () => now }),
    advance: async (ms) => void (now += ms),
    end: async () => undefined,
  };
});
