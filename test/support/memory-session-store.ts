// Sessions in memory: the readable specification of the session scripts. Held to the same contract as Redis.

import { equalBytes } from '../../src/core/bytes.ts';
import type { SessionFound, SessionStore } from '../../src/core/session/session-ports.ts';
import type { SessionRecord } from '../../src/core/session/session-record.ts';

interface Entry {
  readonly until: number;
  /** Undefined: it has ended; `mark` says by which call. */
  readonly session?: SessionRecord;
  readonly mark?: Uint8Array;
}

interface SubjectList {
  readonly until: number;
  readonly listed: Map<string, number>;
}

export function createMemorySessionStore({ now }: { now: () => number }) {
  const entries = new Map<string, Entry>();
  const lists = new Map<string, SubjectList>();

  function entryOf(key: string): Entry | undefined {
    const entry = entries.get(key);
    if (entry === undefined || entry.until > now()) return entry;
    entries.delete(key);
    return undefined;
  }

  function listOf(key: string) {
    const list = lists.get(key);
    return list !== undefined && list.until > now() ? list : { until: 0, listed: new Map<string, number>() };
  }

  const store: SessionStore = {
    async create(key, content, { ttlMs, absoluteMs }, { created, seen } = { created: now(), seen: now() }) {
      const entry = entryOf(key);
      if (entry?.session !== undefined) return equalBytes(entry.session.token, content.token) ? 'created' : 'live';
      if (entry !== undefined) return 'ended';
      const until = Math.min(seen + ttlMs, created + absoluteMs);
      if (until <= now()) return 'expired';
      entries.set(key, { until, session: { ...content, created, seen } });
      return 'created';
    },

    async read(key, { ttlMs, absoluteMs }) {
      const entry = entryOf(key);
      if (entry?.session === undefined) return { state: entry === undefined ? 'none' : 'ended' };
      const { session } = entry;
      const until = Math.min(now() + ttlMs, session.created + absoluteMs);
      entries.set(key, { until, session: { ...session, seen: now() } });
      return until > now() ? { state: 'live', session, nowMs: now() } : { state: 'none' };
    },

    async peek(key): Promise<SessionFound> {
      const entry = entryOf(key);
      if (entry === undefined) return { state: 'none', leftMs: 0 };
      const leftMs = entry.until - now();
      return entry.session === undefined
        ? { state: 'ended', leftMs }
        : { state: 'live', session: entry.session, leftMs };
    },

    async swap(key, token, content, { ttlMs, absoluteMs }) {
      const before = entryOf(key)?.session;
      if (before === undefined) return false;
      if (equalBytes(before.token, content.token)) return true;
      const until = Math.min(now() + ttlMs, before.created + absoluteMs);
      if (!equalBytes(before.token, token) || until <= now()) return false;
      entries.set(key, { until, session: { ...content, created: before.created, seen: now() } });
      return true;
    },

    async end(key, token, mark) {
      const entry = entryOf(key);
      if (entry?.mark !== undefined) return equalBytes(entry.mark, mark.token);
      if (entry?.session === undefined && !mark.always) return false;
      const isOther = token !== undefined && entry?.session !== undefined && !equalBytes(entry.session.token, token);
      if (isOther) return false;
      entries.set(key, { until: now() + mark.keepMs, mark: mark.token });
      return true;
    },

    async list(key, name, absoluteMs) {
      const { until, listed } = listOf(key);
      for (const [each, at] of listed) if (at <= now() - absoluteMs) listed.delete(each);
      listed.set(name, now());
      lists.set(key, { until: Math.max(until, now() + absoluteMs), listed });
    },

    async unlist(key, name, graceMs) {
      const { listed } = listOf(key);
      if (now() - (listed.get(name) ?? now()) >= graceMs) listed.delete(name);
    },

    listed: async (key) => [...listOf(key).listed.keys()],
  };

  return {
    ...store,
    /** As if Redis had been lost. */
    clear() {
      entries.clear();
      lists.clear();
    },
    /** What is there under a key. */
    save: (key: string): unknown => structuredClone({ entry: entries.get(key), list: lists.get(key) }),
    restore(key: string, saved: unknown) {
      const { entry, list } = structuredClone(saved) as { entry?: Entry; list?: SubjectList };
      entries.delete(key);
      lists.delete(key);
      if (entry !== undefined) entries.set(key, entry);
      if (list !== undefined) lists.set(key, list);
    },
  };
}
