// Follows a database's own record of changes: pages of it go to the sync, and the checkpoint after them. Where the
// checkpoint is lost or changes are, everything cached becomes old, in the one order that is safe (protocol C).

import type { RedisKeys } from '../key.ts';
import type { ChangeLog, Clock, LogPage, Observe, Position, Source, Store, Watermark } from '../ports.ts';
import type { Generations } from '../protocol/generations.ts';
import type { Sync } from './sync.ts';

export interface PollDeps {
  readonly source: Source;
  readonly log: ChangeLog;
  readonly sync: Sync;
  /** Names of all entities of the source. */
  readonly entities: readonly string[];
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly observe: Observe;
  readonly options: PollOptions;
  /** Whether its changes are held, as somebody asked. */
  readonly isPaused?: () => Promise<boolean>;
}

export interface PollOptions {
  /** Pause after a poll that found everything told. */
  readonly pauseMs: number;
  /** Changes a page asks for. */
  readonly pageSize: number;
  readonly pruneMs: number;
}

interface Checkpoint {
  readonly lineage: string;
  readonly position: Position;
}

/** While nothing changes, the checkpoint is only written so often: it must not fall behind the retention. */
const CHECKPOINT_MS = 10_000;
/** In place of a checkpoint. */
const UNTRACKED = 'untracked';
const UNTRACKED_PAUSE_MS = 2000;
const PAUSED_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 2000;
/** Beyond so many early transactions they are told again: that costs reads, never truth. */
const SEEN_MOST = 5000;

export function createPoller(deps: PollDeps) {
  const { source, log, sync, store, keys, generations, clock, observe, options } = deps;
  const key = keys.checkpoint(source.name);
  let last: Checkpoint | undefined;
  let savedAt = Number.NEGATIVE_INFINITY;
  let prunedAt = Number.NEGATIVE_INFINITY;
  const seen = new Set<string>();

  /**
   * Polls until `end` or an abort, after which no page is begun; failures are told and tried again.
   * @param end by the clock, ms
   * @throws what the last poll failed with, if it failed
   */
  async function follow(end: number, signal: AbortSignal): Promise<void> {
    let failures = 0;
    let failure: unknown;
    // Another process may have gone on from there since.
    last = undefined;
    while (!signal.aborted) {
      let pauseMs = 0;
      try {
        pauseMs = await turn();
        failures = 0;
        failure = undefined;
      } catch (error) {
        observe({ kind: 'poll-failed', source: source.name, error });
        failure = error;
        pauseMs = Math.min(LONGEST_PAUSE_MS, 2 ** failures++ * 250);
        last = undefined;
      }
      if (clock.now() + pauseMs >= end) break;
      if (pauseMs > 0) await clock.sleep(pauseMs);
    }
    if (failure !== undefined) throw failure;
  }

  /** One poll. @returns how long to pause after it, ms */
  async function turn(): Promise<number> {
    if (await deps.isPaused?.()) return PAUSED_PAUSE_MS;
    const checkpoint = last ?? (await load());
    const page = await log.poll(checkpoint?.position, options.pageSize, [...seen]);
    const { lineage } = page;
    if (lineage === undefined) {
      if (checkpoint !== undefined) await leave();
      return UNTRACKED_PAUSE_MS;
    }
    if (checkpoint === undefined || checkpoint.lineage !== lineage || page.isLost) {
      await restart(lineage, checkpoint === undefined);
      // Committed before everything became old, so whatever is loaded since shows them.
      for (const { transaction } of page.early) seen.add(transaction);
      return 0;
    }
    if (page.items.length > 0) await sync.apply(page.items, { partition: page.partition });
    await save({ lineage, position: max(page.end, checkpoint.position) }, page.items.length > 0);
    await applyEarly(page);
    if (page.hasMore) return 0;
    await pruneNowAndThen();
    return options.pauseMs;
  }

  /**
   * Watermark up to what reads show now, then everything cached is old, then the checkpoint: in every other order a
   * load of before could be cached after it.
   */
  async function restart(lineage: string, isFirst: boolean): Promise<void> {
    const snapshot = await generations.refresh();
    const { partition } = await log.poll(undefined, 0, []);
    const mark = keys.watermark(source.name, partition.id);
    const generation = generations.ofSource(source.name, snapshot);
    const watermark = await store.watermark(mark, generation);
    if (watermark.state === 'newer') await generations.heal(source.name, watermark.generation);
    const { horizon, ...now } = await log.poll(undefined, 0, []);
    if (now.partition.id !== partition.id) return;
    await raise(mark, generation, watermark, horizon);
    await generations.bumpEntities(deps.entities);
    seen.clear();
    await save({ lineage, position: horizon }, true);
    observe({ kind: 'feed-positions', source: source.name, are: isFirst ? 'new' : 'lost' });
  }

  async function raise(mark: string, generation: string, found: Watermark, horizon: Position): Promise<void> {
    let watermark = found;
    if (reachOf(found) > horizon) {
      // The database was restored: no read would reach what had been applied before, for as long as that lies ahead.
      await store.drop(mark);
      watermark = await store.watermark(mark, generation);
    }
    const seeded = watermark.state === 'unknown' ? await store.seed(mark, watermark.nonce, horizon) : undefined;
    if (seeded === undefined) await store.advance(mark, horizon);
  }

  /** Nobody records changes any more: what was cached while somebody did must not be served as if. */
  async function leave(): Promise<void> {
    await generations.bumpEntities(deps.entities);
    last = undefined;
    await store.remember(key, UNTRACKED);
    observe({ kind: 'feed-positions', source: source.name, are: 'lost' });
  }

  /** Without watermark, fence and checkpoint: older changes may still come (protocol C). */
  async function applyEarly({ early, partition, items }: LogPage): Promise<void> {
    if (early.length === 0 && items.length > 0) seen.clear();
    if (early.length === 0) return;
    await sync.apply(
      early.map(({ item }) => item),
      { partition, isSettled: false },
    );
    const told = new Set(early.map(({ transaction }) => transaction));
    if (seen.size + told.size > SEEN_MOST) seen.clear();
    for (const transaction of told) seen.add(transaction);
  }

  async function load(): Promise<Checkpoint | undefined> {
    const [, lineage, position] = /^(.*)\|(\d+)$/.exec((await store.recall(key)) ?? '') ?? [];
    return lineage === undefined || position === undefined ? undefined : { lineage, position: BigInt(position) };
  }

  async function save(checkpoint: Checkpoint, isDue: boolean): Promise<void> {
    last = checkpoint;
    if (!isDue && clock.now() - savedAt < CHECKPOINT_MS) return;
    await store.remember(key, `${checkpoint.lineage}|${checkpoint.position}`);
    savedAt = clock.now();
  }

  async function pruneNowAndThen(): Promise<void> {
    if (clock.now() - prunedAt < options.pruneMs) return;
    prunedAt = clock.now();
    await log.prune();
  }

  /** What is remarkable about how the log stands; undefined: it is followed. @throws WarmfeedError STORE_* or SOURCE_* */
  async function remark(): Promise<string | undefined> {
    const [{ lineage }, checkpoint] = await Promise.all([log.poll(undefined, 0, []), load()]);
    if (lineage === undefined) return `nothing records its changes, so items live for their ttl: ${log.remedy}`;
    if (checkpoint === undefined) return 'nobody has read it yet: does its function run?';
    return checkpoint.lineage === lineage ? undefined : 'its positions are being renewed';
  }

  return { source: source.name, follow, remark };
}

export type Poller = ReturnType<typeof createPoller>;

function reachOf(watermark: Watermark): Position {
  if (watermark.state === 'known') return watermark.position;
  return watermark.state === 'unknown' ? watermark.pending : 0n;
}

function max(a: Position, b: Position): Position {
  return a > b ? a : b;
}
