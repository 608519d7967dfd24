// The readable specification of the auditor's list and counts (src/redis/audit-store.ts), in memory.

import type { AuditStore } from '../../src/core/audit/audit-ports.ts';

export function createMemoryAuditStore(now: () => number): AuditStore {
  const lists = new Map<string, Map<string, number>>();
  const all = new Map<string, Map<string, number>>();

  const inOrder = (list: Map<string, number>) =>
    [...list].toSorted(([a, at], [b, bt]) => at - bt || (a < b ? -1 : a > b ? 1 : 0));

  return {
    async add(name, samples, most) {
      const list = lists.get(name) ?? new Map<string, number>();
      for (const { text, inMs } of samples) list.set(text, now() + inMs);
      lists.set(name, new Map(inOrder(list).slice(0, most)));
    },
    async take(name, most) {
      const list = lists.get(name) ?? new Map<string, number>();
      const due = inOrder(list)
        .filter(([, at]) => at <= now())
        .slice(0, most)
        .map(([text]) => text);
      for (const text of due) list.delete(text);
      const next = inOrder(list)[0]?.[1];
      return { due, nextMs: next === undefined ? undefined : Math.max(0, next - now()) };
    },
    async count(name, field) {
      const counts = all.get(name) ?? new Map<string, number>();
      counts.set(field, (counts.get(field) ?? 0) + 1);
      all.set(name, counts);
    },
    counts: async (name) => new Map(all.get(name)),
  };
}
