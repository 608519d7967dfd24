// Warming: reads a source from end to end, in pages, and caches what is not cached yet, under ordinary leases and
// fills: never over something newer. It can be paced, cancelled and resumed.

import { hash64 } from './bytes.ts';
import type { Entity } from './entity.ts';
import { allSettled, createFiller, type Fill, type FillerDeps, type Held } from './fill.ts';
import type { Snapshot } from './generations.ts';
import type { Key, RedisKeys } from './key.ts';
import type { Clock, Partition, SourceRead, Watermark } from './ports.ts';
import { leastOf } from './refresh.ts';
import { admit, floorAt, isSeedable, seed } from './watermark.ts';

export interface WarmDeps extends FillerDeps {
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly options: FillerDeps['options'] & { readonly leaseMs: number };
}

export interface WarmRequest {
  readonly entity: Entity;
  /** Where an earlier run stopped; undefined: from the start. */
  readonly continuation?: string;
  readonly pageSize?: number;
  /** Bound of what the source may be asked for, in its own units (request units) a second. */
  readonly unitsPerSecond?: number;
  /** Aborted: it ends after the page that it is at. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WarmProgress) => void;
}

export interface WarmProgress {
  readonly scanned: number;
  /** Cached now by this run. */
  readonly filled: number;
  /** Cached already, or being loaded by somebody else. */
  readonly skipped: number;
  readonly units: number;
  /** Hand it to a later run to go on from here; undefined: everything was read. */
  readonly continuation: string | undefined;
}

interface WarmKey extends Held {
  readonly key: Key;
}

const PAGE_SIZE = 100;

export function createWarm(deps: WarmDeps) {
  const { store, keys, generations, clock, entropy, options } = deps;
  const fillAll = createFiller(deps);

  /** @throws WarmfeedError STORE_* or SOURCE_*: what was done so far was told to `onProgress` */
  async function warm(request: WarmRequest): Promise<WarmProgress> {
    const { entity, signal, unitsPerSecond, pageSize = PAGE_SIZE } = request;
    let progress: WarmProgress = { scanned: 0, filled: 0, skipped: 0, units: 0, continuation: request.continuation };
    const began = clock.now();
    for (;;) {
      const page = await entity.source.scan({ limit: pageSize, ...continuing(progress.continuation) });
      const done = await warmPage(entity, page.keys);
      progress = {
        scanned: progress.scanned + page.keys.length,
        filled: progress.filled + done.filled,
        skipped: progress.skipped + done.skipped,
        units: progress.units + page.units + done.units,
        continuation: page.continuation,
      };
      request.onProgress?.(progress);
      if (unitsPerSecond !== undefined) {
        const ahead = (progress.units / unitsPerSecond) * 1000 - (clock.now() - began);
        if (ahead > 0) await clock.sleep(ahead);
      }
      if (progress.continuation === undefined || signal?.aborted === true) return progress;
    }
  }

  async function warmPage(entity: Entity, all: readonly Key[]) {
    const snapshot = await generations.refresh();
    const asked = all.map((key): WarmKey => {
      return { entity, key, recordKey: keys.record(entity.name, key), token: entropy.token() };
    });
    const stamp = generations.stamp(entity, snapshot);
    const replies = await allSettled(
      asked.map(({ recordKey, token }) =>
        store.lease(recordKey, { token, leaseMs: options.leaseMs, stamp, force: false }),
      ),
    );
    const held = asked.filter((_, i) => replies[i]?.kind === 'granted');
    if (held.length === 0) return { filled: 0, skipped: all.length, units: 0 };
    try {
      const { fills, units } = await load(entity, held, snapshot);
      const { stored } = await fillAll(fills, held, snapshot);
      return { filled: stored, skipped: all.length - held.length, units };
    } catch (error) {
      await Promise.allSettled(held.map(({ recordKey, token }) => store.release(recordKey, token)));
      throw error;
    }
  }

  /** Reads what is held; each partition's watermark is read after the leases were granted. */
  async function load(entity: Entity, held: readonly WarmKey[], snapshot: Snapshot) {
    const answers = await entity.source.readMany(held.map(({ key }) => key));
    let units = unitsOf(answers);
    const fills: Fill<WarmKey>[] = [];
    for (const [id, group] of byPartition(held, answers)) {
      const { partition } = group[0].answer;
      const confirmed = await confirm(entity, partition, group, snapshot);
      units += confirmed.units;
      for (const { key, answer } of confirmed.group) {
        const admission = admit(confirmed.watermark, answer.asOf, options.provisionalMs);
        if ('refused' in admission || answer.partition.id !== id || !isWanted(entity, answer)) continue;
        fills.push({ ...answer, held: key, guarantee: admission.guarantee, identity: hash64(id) });
      }
    }
    return { fills, units };
  }

  /** The watermark of a partition; answers that are behind it, or came too early to seed it, are read again. */
  async function confirm(entity: Entity, partition: Partition, group: readonly Answered[], snapshot: Snapshot) {
    const { source } = entity;
    const generation = generations.ofSource(source.name, snapshot);
    let watermark: Watermark = await store.watermark(keys.watermark(source.name, partition.id), generation);
    const seedable = isSeedable(watermark, source) ? watermark : undefined;
    const least = watermark.state === 'known' ? watermark.position : seedable?.pending;
    const isBehind = seedable !== undefined || group.some(({ answer }) => least !== undefined && answer.asOf < least);
    if (!isBehind || least === undefined) return { watermark, group, units: 0 };
    const floor = floorAt(partition, least);
    const answers = await source.readMany(
      group.map(({ key }) => key.key),
      { floor },
    );
    const again = group.map(({ key, answer }, i) => ({ key, answer: answers[i] ?? answer }));
    const lowest = leastOf(answers.filter((answer) => answer.partition.id === partition.id));
    if (seedable !== undefined && lowest !== undefined) {
      watermark = await seed(deps, { source, partition, generation }, seedable, lowest);
    }
    return { watermark, group: again, units: unitsOf(answers) };
  }

  return warm;
}

export type Warm = ReturnType<typeof createWarm>;

interface Answered {
  readonly key: WarmKey;
  readonly answer: SourceRead;
}

function byPartition(held: readonly WarmKey[], answers: readonly SourceRead[]) {
  const groups = new Map<string, [Answered, ...Answered[]]>();
  held.forEach((key, i) => {
    const answer = answers[i];
    if (answer === undefined) return;
    const group = groups.get(answer.partition.id);
    if (group === undefined) groups.set(answer.partition.id, [{ key, answer }]);
    else group.push({ key, answer });
  });
  return groups;
}

/** What is not there is not worth a key; what cannot be told is left to the filler, which reports it. */
function isWanted(entity: Entity, { document }: SourceRead): boolean {
  if (document === undefined) return false;
  try {
    return entity.match(document) && !entity.deletedWhen(document);
  } catch {
    return true;
  }
}

function unitsOf(answers: readonly SourceRead[]): number {
  return answers.reduce((sum, { units = 0 }) => sum + units, 0);
}

function continuing(continuation: string | undefined): { continuation?: string } {
  return continuation === undefined ? {} : { continuation };
}
