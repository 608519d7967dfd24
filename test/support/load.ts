// A steady load on the app, over HTTP, and what it saw: how it was answered, how fast, and whether any item went back.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, get } from './stack.ts';

export interface LoadOptions {
  readonly url: string;
  readonly ids: readonly string[];
  /** Documents have it as `n`, which only grows. Undefined: nothing is written. */
  readonly write?: (id: string, n: number) => Promise<unknown>;
  readonly readers?: number;
  readonly pauseMs?: number;
}

export interface LoadReport {
  readonly reads: number;
  readonly perSecond: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly hits: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly writes: number;
  /** Hits older than a hit, or something stored, that had come before they were asked for. */
  readonly wentBack: number;
  /** Hits older than what the source had said past the cache, which is ahead of the feed. */
  readonly behind: number;
}

export function startLoad({ url, ids, write, readers = 8, pauseMs = 4 }: LoadOptions) {
  const end = new AbortController();
  const began = performance.now();
  const cached = new Map<string, number>();
  const newest = new Map<string, number>();
  const written = new Map(ids.map((id) => [id, 1]));
  const times: number[] = [];
  const statuses: Record<string, number> = {};
  let [hits, writes, wentBack, behind] = [0, 0, 0, 0];

  async function read(id: string): Promise<void> {
    const before = { cached: cached.get(id) ?? 0, newest: newest.get(id) ?? 0 };
    const from = performance.now();
    const answer: Answer = await get(`${url}/api/entities/widget/eu/${id}`);
    times.push(performance.now() - from);
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    if (answer.status !== 200) return;
    const n = Number(answer.json['n']);
    const isHit = answer.cacheStatus.includes('; hit');
    if (isHit) hits++;
    if (isHit && n < before.cached) wentBack++;
    else if (isHit && n < before.newest) behind++;
    if (isHit || answer.cacheStatus.includes('; stored')) cached.set(id, Math.max(cached.get(id) ?? 0, n));
    newest.set(id, Math.max(newest.get(id) ?? 0, n));
  }

  const reading = Array.from({ length: readers }, async (_, reader) => {
    for (let i = reader; !end.signal.aborted; i += 7) {
      await read(ids[i % ids.length] ?? '');
      await sleep(pauseMs);
    }
  });
  const writing = (async () => {
    if (write === undefined) return;
    for (let i = 0; !end.signal.aborted; i++) {
      const id = ids[(11 * i) % ids.length] ?? '';
      const n = (written.get(id) ?? 0) + 1;
      await write(id, n);
      written.set(id, n);
      writes++;
      await sleep(20);
    }
  })();
  const all = Promise.all([...reading, writing]);

  return {
    statuses,
    /** How far the items have been written. */
    written,
    async stop(): Promise<LoadReport> {
      end.abort();
      await all;
      const sorted = times.toSorted((a, b) => a - b);
      const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10;
      return {
        reads: times.length,
        perSecond: Math.round((times.length * 1000) / (performance.now() - began)),
        statuses,
        hits,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        maxMs: at(1),
        writes,
        wentBack,
        behind,
      };
    },
  };
}
