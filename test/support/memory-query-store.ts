// The readable specification of a query index (src/redis/lua/query-*.lua): what each call means, in memory.

import type { QueryStore } from '../../src/core/query/query-ports.ts';

interface Index {
  readonly incarnation: string;
  seq: number;
  readonly tags: Map<string, number>;
  readonly members: Map<string, { readonly seq: number; readonly tags: ReadonlySet<string> }>;
}

export interface MemoryQueryStore extends QueryStore {
  /** The index is gone, as by eviction. */
  lose(index: string): void;
  /** What is there under the name of an index or a list. */
  save(name: string): unknown;
  restore(name: string, saved: unknown): void;
}

/** @param next a number that was not given before */
export function createMemoryQueryStore(next?: () => number): MemoryQueryStore {
  const indexes = new Map<string, Index>();
  const lists = new Map<string, string[]>();
  let incarnations = 0;
  const another = next ?? (() => ++incarnations);

  const marksOf = ({ incarnation, tags }: Index, names: readonly string[]) =>
    [incarnation, ...names.map((tag) => tags.get(tag) ?? 0)].join('|');

  return {
    async capture(index, tags) {
      let found = indexes.get(index);
      if (found === undefined) {
        found = { incarnation: `i${another()}`, seq: 0, tags: new Map(), members: new Map() };
        indexes.set(index, found);
      }
      return { incarnation: found.incarnation, seq: String(found.seq), marks: marksOf(found, tags) };
    },
    async marks(index, tags) {
      const found = indexes.get(index);
      return found === undefined ? '-' : marksOf(found, tags);
    },
    async change(index, changes, mostFields) {
      const found = indexes.get(index);
      if (found === undefined) return [];
      // Incarnation, counter, tags, members.
      if (2 + found.tags.size + found.members.size > mostFields) {
        indexes.delete(index);
        return 'all';
      }
      found.seq++;
      const bumped = new Set<string>();
      for (const { item, tags } of changes) {
        for (const tag of [...(found.members.get(item)?.tags ?? []), ...tags]) bumped.add(tag);
        found.members.set(item, { seq: found.seq, tags: new Set() });
      }
      for (const tag of bumped) found.tags.set(tag, found.seq);
      return [...bumped];
    },
    async bump(index, tags) {
      const found = indexes.get(index);
      if (found === undefined) return;
      found.seq++;
      for (const tag of tags) found.tags.set(tag, found.seq);
    },
    async admit(index, { incarnation, seq }, tags, items) {
      const found = indexes.get(index);
      if (found === undefined || found.incarnation !== incarnation) return false;
      if (tags.some((tag) => (found.tags.get(tag) ?? 0) > Number(seq))) return false;
      if (items.some((item) => (found.members.get(item)?.seq ?? 0) > Number(seq))) return false;
      for (const item of items) {
        const member = found.members.get(item);
        found.members.set(item, { seq: member?.seq ?? 0, tags: new Set([...(member?.tags ?? []), ...tags]) });
      }
      return true;
    },
    async drop(index) {
      indexes.delete(index);
    },
    async noteHot(list, query) {
      lists.set(list, [query, ...(lists.get(list) ?? []).filter((other) => other !== query)].slice(0, 200));
    },
    hot: async (list) => lists.get(list) ?? [],
    lose: (index) => void indexes.delete(index),
    save: (name) => structuredClone({ index: indexes.get(name), list: lists.get(name) }),
    restore(name, saved) {
      const { index, list } = structuredClone(saved) as { index?: Index; list?: string[] };
      indexes.delete(name);
      lists.delete(name);
      if (index !== undefined) indexes.set(name, index);
      if (list !== undefined) lists.set(name, list);
    },
  };
}
