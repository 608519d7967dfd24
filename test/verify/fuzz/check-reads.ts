// What readers were served, against what was written, and which changes had been handled when they asked.

import type { Violation } from './check.ts';
import type { History, Loss, ReadSeen, StoreCall, Written } from './history.ts';

export interface ReadFigures {
  readonly reads: number;
  readonly hits: number;
  /** Served from the cache, of a key of which a change had been handled before the reader asked. */
  readonly afterInvalidation: number;
  /** Of those: older than that change. */
  readonly stale: number;
  /** Older than that change, but under the guarantee that says so. */
  readonly provisionalStale: number;
  /** Older than that change, after a failover that had not been dealt with yet. */
  readonly failoverStale: number;
  /** Older than that change, and not from the cache. */
  readonly sourceStale: number;
  readonly invalidations: number;
}

export function checkReads(history: History): { violations: Violation[]; figures: ReadFigures } {
  const facts = factsOf(history);
  const violations: Violation[] = [];
  const count = { hits: 0, afterInvalidation: 0, stale: 0, provisionalStale: 0, failoverStale: 0, sourceStale: 0 };
  for (const read of history.reads) {
    const required = facts.requiredAt(read.key, read.begun);
    const isOld = required > 0 && !facts.showsSince(read, required);
    const isCached = read.from === 'cache';
    const isPutBack = isCached && facts.mayBePutBack(read);
    if (isCached) count.hits++;
    if (!facts.exists(read)) violations.push({ invariant: 'truth', text: `${show(read)}: nobody ever wrote that` });
    if (read.floor !== undefined && !facts.showsSince(read, read.floor)) {
      violations.push({ invariant: 'I8', text: `${show(read)} although ${read.floor} was asked for` });
    }
    if (isCached && !read.isProvisional) {
      if (required > 0 && !isPutBack) count.afterInvalidation++;
      const untrue = facts.untruthOf(read);
      if (untrue !== undefined)
        violations.push({ invariant: read.position === undefined ? 'I9' : 'truth', text: untrue });
    }
    if (!isOld) continue;
    if (!isCached) count.sourceStale++;
    else if (read.isProvisional) count.provisionalStale++;
    else if (isPutBack) count.failoverStale++;
    else {
      count.stale++;
      const text = `${show(read)} from the cache although ${required} had been handled before it was asked for`;
      violations.push({ invariant: 'I1', text });
    }
  }
  violations.push(...checkOrder(history, facts.shown));
  for (const { key, reason } of history.failed)
    violations.push({ invariant: 'L3', text: `a read of ${key}: ${reason}` });
  const figures = { reads: history.reads.length, ...count, invalidations: history.applied.length };
  return { violations, figures };
}

function factsOf({ writes, applied, losses }: History) {
  const failovers = losses.filter(({ taken }) => taken === 'acknowledged');
  const written = grouped(writes);
  const done = grouped(applied);
  /** The highest so far, by tick. */
  const marks = new Map<string, { readonly tick: number; readonly position: number }[]>();
  for (const [key, all] of done) {
    let most = 0;
    const sorted = all.toSorted((a, b) => a.tick - b.tick);
    marks.set(
      key,
      sorted.map(({ tick, position }) => ({ tick, position: (most = Math.max(most, position)) })),
    );
  }
  const stateAt = (key: string, position: number) =>
    lastUpTo(written.get(key) ?? [], (write) => write.position <= position);

  return {
    requiredAt: (key: string, tick: number) =>
      lastUpTo(marks.get(key) ?? [], (mark) => mark.tick < tick)?.position ?? 0,
    mayBePutBack: (read: ReadSeen) => failovers.some(({ begun, ended }) => begun < read.ended && ended > read.begun),
    /** Whether what was served was true at some time from `since` on. */
    showsSince({ key, position, ended }: ReadSeen, since: number): boolean {
      const own = written.get(key) ?? [];
      if (position !== undefined) {
        const next = firstAfter(own, (write) => write.position <= position);
        return next === undefined || next.position > since;
      }
      const before = stateAt(key, since);
      if (before === undefined || before.absent) return true;
      for (let at = own.indexOf(before) + 1; at < own.length; at++) {
        const write = own[at] as Written;
        if (write.tick >= ended) return false;
        if (write.absent) return true;
      }
      return false;
    },
    /** The write that was served, which may be a delete; 0: as it was before all. */
    shown: ({ key, position, asOf = 0 }: ReadSeen) => position ?? stateAt(key, asOf)?.position ?? 0,
    exists({ key, position, ended }: ReadSeen): boolean {
      if (position === undefined) return true;
      const write = stateAt(key, position);
      return write?.position === position && !write.absent && write.tick < ended;
    },
    /** What a record says it reflects is what it shows. */
    untruthOf(read: ReadSeen): string | undefined {
      if (read.asOf === undefined) return undefined;
      const truth = stateAt(read.key, read.asOf);
      const position = truth === undefined || truth.absent ? undefined : truth.position;
      return position === read.position ? undefined : `${show(read)}, which is not as of ${read.asOf}`;
    },
  };
}

/**
 * I4: what is served of a key never gets older, unless what was served before is gone. It may say an earlier as-of of the
 * same state: then there was no change in between.
 */
function checkOrder({ reads, losses, calls }: History, shown: (read: ReadSeen) => number): Violation[] {
  const violations: Violation[] = [];
  const dropped = grouped(calls.filter(drops).map(({ key, ...call }) => ({ ...call, key: itemOf(key) })));
  for (const [key, all] of grouped(reads.filter((read) => read.from === 'cache' && !read.isProvisional))) {
    const gone = (before: ReadSeen, after: ReadSeen) => {
      const within = ({ begun, ended }: Loss) => begun < after.ended && ended > before.begun;
      const late = (call: StoreCall) => call.begun < after.ended && lastingTo(call) > before.begun;
      const lost = (loss: Loss) => takesRecord(loss, key) && within(loss);
      // A record that has ended makes place for an older one: a replica may lag. Whole milliseconds, read twice.
      const isOver = (before.hardAt ?? 0) <= after.endedAtMs + 2;
      return isOver || losses.some(lost) || (dropped.get(key) ?? []).some(late);
    };
    let newest: ReadSeen | undefined;
    for (const read of all.toSorted((a, b) => a.ended - b.ended)) {
      if (newest === undefined || shown(read) >= shown(newest)) newest = read;
      else if (read.begun > newest.ended) {
        if (!gone(newest, read)) {
          violations.push({ invariant: 'I4', text: `${show(read)} after ${show(newest)}` });
        }
        newest = read;
      }
    }
  }
  return violations;
}

/** Whether a record is gone, or old. @param key of the item */
export function takesRecord({ taken }: Loss, key: string): boolean {
  return typeof taken === 'string' ? taken !== 'watermarks' : taken.record === key;
}

/** A call without a reply may still be done at any time. */
export function lastingTo({ reply, ended }: StoreCall): number {
  return reply === undefined ? Number.POSITIVE_INFINITY : ended;
}

function drops({ call, reply }: StoreCall): boolean {
  return (call === 'invalidate' && reply !== 'ignored') || call === 'drop';
}

/** `k1` of `wf:app:c:{item/k1}`. */
export function itemOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1, -1);
}

export function grouped<T extends { readonly key: string }>(all: readonly T[]): Map<string, T[]> {
  return groupedBy(all, ({ key }) => key);
}

export function groupedBy<T, K>(all: readonly T[], by: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const group = groups.get(by(one));
    if (group === undefined) groups.set(by(one), [one]);
    else group.push(one);
  }
  return groups;
}

/** Of a sorted list, how many it holds for; it holds for all before the last of them. */
function countWhile<T>(sorted: readonly T[], holds: (one: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lastUpTo<T>(sorted: readonly T[], holds: (one: T) => boolean): T | undefined {
  return sorted[countWhile(sorted, holds) - 1];
}

function firstAfter<T>(sorted: readonly T[], holds: (one: T) => boolean): T | undefined {
  return sorted[countWhile(sorted, holds)];
}

function show({ key, position, begun, ended, from, asOf }: ReadSeen): string {
  const at = asOf === undefined ? '' : `, as of ${asOf}`;
  return `${key} read (${begun}–${ended}) ${position === undefined ? 'absent' : `at ${position}`} from ${from}${at}`;
}
