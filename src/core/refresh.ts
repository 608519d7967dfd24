// What a change worker writes under the leases it holds: the page's own documents, or a re-read where the page is
// behind the watermark or the watermark is to be seeded (protocol B).

import { type Represented, represent } from './entity.ts';
import type { Generations, Snapshot } from './generations.ts';
import type { RedisKeys } from './key.ts';
import { filled } from './load.ts';
import { letterOf, type Work } from './page.ts';
import { lifetime } from './policy.ts';
import type {
  DeadLetter,
  Document,
  Entropy,
  FillReply,
  Guarantee,
  Observe,
  Partition,
  Position,
  Source,
  SourceRead,
  Store,
  Watermark,
} from './ports.ts';
import { admit, floorAt, isSeedable, seed } from './watermark.ts';

export interface RefreshDeps {
  readonly source: Source;
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly entropy: Entropy;
  readonly observe: Observe;
  readonly options: { readonly provisionalMs: number; readonly jitter: number };
}

/** Where a page stands. */
export interface PagePosition {
  readonly partition: Partition;
  readonly highest: Position;
  readonly snapshot: Snapshot;
  /** Read after all invalidations. */
  readonly watermark: Watermark;
  /** 8 bytes: hash of the partition id. */
  readonly identity: Uint8Array;
}

interface Refresh {
  readonly work: Work;
  readonly document: Document | undefined;
  readonly version: Position;
  readonly asOf: Position;
  readonly expiresAt: number | undefined;
  readonly guarantee: Guarantee;
}

export interface RefreshReport {
  readonly refreshed: number;
  readonly reread: number;
  readonly letters: readonly DeadLetter[];
}

const WINDOW_BYTES = 4 * 1024 * 1024;

export function createRefresh(deps: RefreshDeps) {
  const { source, store, generations, entropy, observe, options } = deps;

  /** Fills what is held, in windows of bounded size; leases of what is not filled are given back. */
  return async function refresh(held: readonly Work[], page: PagePosition): Promise<RefreshReport> {
    const letters: DeadLetter[] = [];
    const { refreshes, reread } = await choose(held, page);
    const unfilled = new Set(held);
    let window: Promise<FillReply>[] = [];
    let bytes = 0;
    let refreshed = 0;
    const closeWindow = async (): Promise<void> => {
      refreshed += (await allSettled(window)).filter((reply) => reply === 'stored').length;
      window = [];
      bytes = 0;
    };
    for (const item of refreshes) {
      const represented = representOrBury(item, letters);
      if (represented === undefined) continue;
      unfilled.delete(item.work);
      window.push(fill(item, represented, page));
      bytes += represented.value.state === 'value' ? represented.value.body.length : 0;
      if (bytes >= WINDOW_BYTES) await closeWindow();
    }
    const given = [...unfilled].map(({ recordKey, token }) => store.release(recordKey, token));
    await closeWindow();
    await allSettled(given);
    return { refreshed, reread, letters };
  };

  async function choose(held: readonly Work[], page: PagePosition): Promise<{ refreshes: Refresh[]; reread: number }> {
    const { watermark, highest, partition } = page;
    if (watermark.state === 'known' && highest < watermark.position) {
      const answers = await readAgain(held, partition, watermark.position);
      return { refreshes: admitted(held, answers, partition, watermark), reread: answers.length };
    }
    if (isSeedable(watermark, source)) {
      const answers = await readAgain(held, partition, watermark.pending);
      const known = await seedWith(answers, page, watermark);
      return { refreshes: admitted(held, answers, partition, known), reread: answers.length };
    }
    // Every document of a page reflects its partition up to the page's highest version.
    const admission = admit(watermark, highest, options.provisionalMs);
    if ('refused' in admission) return { refreshes: [], reread: 0 };
    const refreshes = held.map((work): Refresh => {
      const { document, version, expiresAt } = work.change;
      return { work, document, version, asOf: highest, expiresAt, guarantee: admission.guarantee };
    });
    return { refreshes, reread: 0 };
  }

  function readAgain(held: readonly Work[], partition: Partition, least: Position): Promise<readonly SourceRead[]> {
    const keys = held.map(({ change }) => change.key);
    return source.readMany(keys, { floor: floorAt(partition, least) });
  }

  async function seedWith(
    answers: readonly SourceRead[],
    { partition, snapshot }: PagePosition,
    watermark: Extract<Watermark, { state: 'unknown' }>,
  ): Promise<Watermark> {
    // Only answers of the very partition can seed its watermark; the lowest lets all of them be filled.
    const positions = answers.filter((answer) => answer.partition.id === partition.id).map((answer) => answer.asOf);
    const lowest = positions.reduce<Position | undefined>(
      (min, x) => (min === undefined || x < min ? x : min),
      undefined,
    );
    if (lowest === undefined) return watermark;
    const generation = generations.ofSource(source.name, snapshot);
    return seed(deps, { source, partition, generation }, watermark, lowest);
  }

  function admitted(
    held: readonly Work[],
    answers: readonly SourceRead[],
    partition: Partition,
    watermark: Watermark,
  ): Refresh[] {
    return held.flatMap((work, i): Refresh[] => {
      const answer = answers[i];
      if (answer === undefined || answer.partition.id !== partition.id) return [];
      const admission = admit(watermark, answer.asOf, options.provisionalMs);
      if ('refused' in admission) return [];
      const { document, version, asOf, expiresAt } = answer;
      return [{ work, document, version, asOf, expiresAt, guarantee: admission.guarantee }];
    });
  }

  /** Undefined: not cacheable, and its key stays evicted. */
  function representOrBury({ work, document }: Refresh, letters: DeadLetter[]): Represented | undefined {
    try {
      const represented = represent(work.entity, document, entropy.digest);
      if (represented.cacheable) return represented;
      observe({ kind: 'fill', entity: work.entity.name, by: 'change', outcome: 'too-large' });
    } catch (error) {
      letters.push(letterOf(source, work.entity, work.change, error));
    }
    return undefined;
  }

  async function fill(item: Refresh, represented: Represented, page: PagePosition): Promise<FillReply> {
    const { work, version, asOf, guarantee, expiresAt } = item;
    const { entity, recordKey, token } = work;
    const now = generations.storeTime(page.snapshot);
    const life =
      guarantee === 'provisional'
        ? { softMs: options.provisionalMs, hardMs: options.provisionalMs }
        : lifetime(entity, represented, {
            jitter: options.jitter,
            random: entropy.random(),
            leftMs: expiresAt === undefined ? undefined : expiresAt - now,
          });
    const { value } = represented;
    const { identity } = page;
    const stamp = generations.stamp(entity, page.snapshot);
    const reply = await store.fill(recordKey, { token, identity, stamp, version, asOf, guarantee, value, ...life });
    observe({ kind: 'fill', entity: entity.name, by: 'change', outcome: filled(reply, guarantee) });
    return reply;
  }
}

/** All results once every call has ended, so that nothing still runs when the first failure is thrown. */
export async function allSettled<T extends readonly unknown[]>(calls: readonly [...T]): Promise<Settled<T>> {
  const results = await Promise.allSettled(calls as readonly Promise<unknown>[]);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as Settled<T>;
}

type Settled<T extends readonly unknown[]> = { -readonly [K in keyof T]: Awaited<T[K]> };
