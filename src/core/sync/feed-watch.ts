// Notices lost feed positions: while a change feed has no leases, or others than those remembered, changes may pass
// unseen, so everything cached of the source becomes old once it has leases again (protocol E).

import type { RedisKeys } from '../key.ts';
import type { Clock, Observe, Store } from '../ports.ts';
import type { Generations } from '../protocol/generations.ts';

export interface FeedPositions {
  /** Another one whenever positions may have been lost. */
  readonly id: string;
  /** When they were first made, milliseconds since the epoch by the source's clock. */
  readonly since: number;
}

export interface WatchedFeed {
  readonly source: string;
  /** A text says why the feed has none, and what to do about it. */
  positions(): Promise<FeedPositions | string>;
  /** A feed without leases starts with the oldest change: its first start misses nothing. */
  readonly fromBeginning: boolean;
}

export interface FeedWatchDeps {
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly observe: Observe;
}

/** `gone`: nobody follows the changes. `lost`: somebody does again, from another position. */
export type FeedState = 'watched' | 'starting' | 'lost' | 'gone';

const VANISHED = 'none';
const RENEWING = 'its positions are being renewed';
const PATIENCE_MS = 20_000;
const PAUSE_MS = 500;
/** How far the clocks of a source and of Redis may be apart. */
const CLOCKS_APART_MS = 60_000;

export function createFeedWatch(feed: WatchedFeed, deps: FeedWatchDeps) {
  const { store, keys, generations, clock, observe } = deps;
  const key = keys.feed(feed.source);
  /** Of the process's first check: the feed starts when it does. */
  let patienceMs = PATIENCE_MS;

  /** How the feed stands, without doing anything about it. @throws WarmfeedError STORE_* or SOURCE_* */
  async function look() {
    const [positions, remembered] = await Promise.all([feed.positions(), store.recall(key)]);
    if (typeof positions !== 'string') {
      const state: FeedState = positions.id === remembered ? 'watched' : 'lost';
      return { state, found: positions, remembered, remark: state === 'lost' ? RENEWING : undefined };
    }
    const state: FeedState = remembered === undefined ? 'starting' : 'gone';
    return { state, found: undefined, remembered, remark: positions };
  }

  /** Whether something cached may have missed a change before these positions were made. */
  async function mayHaveMissed(found: FeedPositions, isFirst: boolean): Promise<boolean> {
    if (!isFirst) return true;
    if (feed.fromBeginning) return false;
    // After Redis was flushed nothing is remembered, but all that is cached is younger than the positions.
    const cachedSince = generations.since(feed.source, await generations.refresh());
    return cachedSince < found.since + CLOCKS_APART_MS;
  }

  /**
   * Compares with what is remembered, makes old what may have missed a change, and remembers. Idempotent, also when
   * several processes do it at a time. The first check waits a little for a feed without positions; while it has none,
   * each check makes everything cached old, so that what nobody follows is not served for its whole life.
   * @throws WarmfeedError STORE_* or SOURCE_*
   */
  async function check(): Promise<FeedState> {
    const end = clock.now() + patienceMs;
    patienceMs = 0;
    for (let isOld = false; ; ) {
      const { state, found, remembered, remark } = await look();
      if (state === 'watched') return state;
      if (found !== undefined) {
        const isFirst = remembered === undefined;
        // In this order: a crash between the two bumps once more, and forgets nothing.
        if (await mayHaveMissed(found, isFirst)) await generations.bump(feed.source);
        await store.remember(key, found.id);
        observe({ kind: 'feed-positions', source: feed.source, are: isFirst ? 'new' : 'lost' });
        return 'watched';
      }
      const isOver = clock.now() >= end;
      if (isOver || (state === 'gone' && !isOld)) {
        isOld = true;
        await generations.bump(feed.source);
        if (state === 'gone') await store.remember(key, VANISHED);
        observe({ kind: 'feed-unfollowed', source: feed.source, remark });
      }
      if (isOver) return state;
      await clock.sleep(PAUSE_MS);
    }
  }

  return { source: feed.source, look, check };
}

export type FeedWatch = ReturnType<typeof createFeedWatch>;
