// When a cached value may be served: freshness by the store's clock, request directives, lifetimes with jitter.

import type { Kept, Represented } from '../entity.ts';
import type { Guarantee } from '../ports.ts';
import { LONGEST_LIFE_MS } from '../protocol/purges.ts';
import type { Entry } from '../record.ts';

/** A request's own wishes (RFC 9111 section 5.2.1). Seconds. */
export interface Directives {
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAgeS?: number;
  readonly maxStaleS?: number;
  readonly minFreshS?: number;
}

export const NO_DIRECTIVES: Directives = { noCache: false, onlyIfCached: false };

export type Verdict = 'hit' | 'stale' | 'reload' | 'miss';

/**
 * @param nowMs the store's time
 * @param isPurged softly: what would be a hit is stale, and so served no longer than without the purge
 * @returns `stale`: serve it and refresh behind it; `reload`: the client wants better than what is cached
 */
export function judge(
  entry: Entry | undefined,
  nowMs: number,
  directives: Directives,
  staleForMs: number,
  isPurged = false,
): Verdict {
  if (directives.noCache) return 'reload';
  if (entry === undefined || nowMs >= entry.hardAt) return 'miss';
  const { maxAgeS, maxStaleS, minFreshS } = directives;
  if (maxAgeS !== undefined && nowMs - entry.filledAt > maxAgeS * 1000) return 'reload';
  const ttlMs = entry.softAt - nowMs;
  if (ttlMs > 0 && isPurged) return minFreshS === undefined && maxAgeS === undefined ? 'stale' : 'reload';
  if (ttlMs > 0) return minFreshS !== undefined && ttlMs < minFreshS * 1000 ? 'reload' : 'hit';
  if (minFreshS !== undefined) return 'reload';
  const allowedMs = maxStaleS !== undefined ? maxStaleS * 1000 : maxAgeS !== undefined ? 0 : staleForMs;
  return -ttlMs < allowedMs ? 'stale' : 'miss';
}

/** Whether a value may stand in for a source that fails. */
export function servesOnError(entry: Entry, nowMs: number, staleIfErrorMs: number): boolean {
  return entry.state === 'value' && nowMs < entry.hardAt && nowMs < entry.softAt + staleIfErrorMs;
}

const EARLY_SHARE = 0.1;

/** In the last tenth of its life a hit is refreshed early, the likelier the nearer its expiry: no cliff of misses. */
export function refreshesEarly(entry: Entry, nowMs: number, random: () => number): boolean {
  const window = (entry.softAt - entry.filledAt) * EARLY_SHARE;
  const left = entry.softAt - nowMs;
  return left < window && entry.guarantee !== 'provisional' && left < window * random();
}

/** How long what is filled now stays fresh, and how long it stays usable at all. Milliseconds. */
export interface Lifetime {
  readonly softMs: number;
  readonly hardMs: number;
}

/** @param leftMs how long the source itself will keep the item */
export function lifetime(
  entity: Kept,
  represented: Represented,
  options: { jitter: number; random: number; leftMs?: number | undefined },
): Lifetime {
  const cap = Math.max(1, Math.floor(Math.min(options.leftMs ?? LONGEST_LIFE_MS, LONGEST_LIFE_MS)));
  const soft = Math.max(1, Math.round(represented.ttlMs * (1 - options.jitter * options.random)));
  const beyond = represented.value.state === 'absent' ? 0 : Math.max(entity.staleForMs, entity.staleIfErrorMs);
  return { softMs: Math.min(soft, cap), hardMs: Math.min(soft + beyond, cap) };
}

/** The longest life that a record of any of these can have, ms. */
export function longestLife(kept: readonly Kept[]): number {
  const lives = kept.map(({ longestTtlMs = LONGEST_LIFE_MS, staleForMs, staleIfErrorMs }) => {
    return longestTtlMs + Math.max(staleForMs, staleIfErrorMs);
  });
  return Math.min(LONGEST_LIFE_MS, Math.max(0, ...lives));
}

/** The lifetime of a fill under its guarantee: a provisional one lives `provisionalMs` and no longer. */
export function lifetimeUnder(
  guarantee: Guarantee,
  provisionalMs: number,
  ...of: Parameters<typeof lifetime>
): Lifetime {
  return guarantee === 'provisional' ? { softMs: provisionalMs, hardMs: provisionalMs } : lifetime(...of);
}
