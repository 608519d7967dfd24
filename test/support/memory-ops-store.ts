// The readable specification of what operating the cache keeps (src/redis/ops-store.ts), beside a cache in memory.

import type { KeptLetter, OpsStore } from '../../src/core/ops/ops-ports.ts';
import type { DeadLetter } from '../../src/core/ports.ts';
import type { MemoryStore } from './memory-store.ts';

export interface MemoryOpsStore extends OpsStore {
  /** Writes a dead letter. */
  write(letter: DeadLetter): void;
}

/** @param now milliseconds since the epoch */
export function createMemoryOpsStore(store: MemoryStore, now: () => number): MemoryOpsStore {
  const texts = new Map<string, { readonly text: string; readonly until: number }>();
  const hashes = new Map<string, { readonly fields: Map<string, string>; until: number }>();

  const hashOf = (key: string): Map<string, string> => {
    const hash = hashes.get(key);
    return hash !== undefined && hash.until > now() ? hash.fields : new Map<string, string>();
  };

  let kept: readonly KeptLetter[] = [];
  let letters = 0;

  return {
    write: (letter: DeadLetter) => {
      kept = [...kept, { ...letter, id: `${now()}-${letters++}` }];
    },
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
    async setFields(key, fields, keepMs = Number.POSITIVE_INFINITY) {
      hashes.set(key, { fields: new Map([...hashOf(key), ...fields]), until: now() + keepMs });
    },
    async letters(_key, { before, limit }) {
      // Ids count up.
      const place = (id: string) => Number(id.split('-')[1]);
      const older = before === undefined ? kept : kept.filter(({ id }) => place(id) < place(before));
      return older.toReversed().slice(0, limit);
    },
    letter: async (_key, id) => kept.find((each) => each.id === id),
    letterCount: async () => kept.length,
    async removeLetters(_key, ids) {
      const before = kept.length;
      kept = kept.filter(({ id }) => !ids.includes(id));
      return before - kept.length;
    },
    async removeLettersUpTo(_key, last) {
      const at = kept.findIndex(({ id }) => id === last);
      kept = kept.slice(at + 1);
      return at + 1;
    },
    async removeField(key, field) {
      hashes.get(key)?.fields.delete(field);
    },
    async count(key, counts, keepMs) {
      const fields = hashOf(key);
      for (const [field, n] of counts) fields.set(field, String(Number(fields.get(field) ?? 0) + n));
      hashes.set(key, { fields, until: now() + keepMs });
    },
  };
}
