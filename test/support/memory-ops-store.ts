// The readable specification of what operating the cache keeps (src/redis/ops-store.ts), beside a cache in memory.

import type { OpsStore } from '../../src/core/ops-ports.ts';
import type { MemoryStore } from './memory-store.ts';

/** @param now milliseconds since the epoch */
export function createMemoryOpsStore(store: MemoryStore, now: () => number): OpsStore {
  const texts = new Map<string, { readonly text: string; readonly until: number }>();
  const hashes = new Map<string, { readonly fields: Map<string, string>; until: number }>();

  const hashOf = (key: string): Map<string, string> => {
    const hash = hashes.get(key);
    return hash !== undefined && hash.until > now() ? hash.fields : new Map<string, string>();
  };

  return {
    async watermark(key) {
      const [state, first = '', since = '', , pending = ''] = ((await store.recall(key)) ?? '').split('|');
      if (state === 'X') return { state: 'closed' };
      if (state === 'K') return { state: 'known', generation: first, position: BigInt(`0x${since}`) };
      if (state !== 'U') return { state: 'absent' };
      return { state: 'unknown', pending: BigInt(`0x${pending}`), ageMs: 0 };
    },
    async note(noted, keepMs) {
      for (const [key, text] of noted) texts.set(key, { text, until: now() + keepMs });
    },
    async noted(key) {
      const found = texts.get(key);
      return found !== undefined && found.until > now() ? found.text : undefined;
    },
    fields: async (key) => new Map(hashOf(key)),
    async setFields(key, fields, keepMs) {
      hashes.set(key, { fields: new Map([...hashOf(key), ...fields]), until: now() + keepMs });
    },
  };
}
