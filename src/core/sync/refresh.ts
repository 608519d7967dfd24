// What a change worker writes under the leases it holds: the page's own documents, or a re-read where the page is
// behind the watermark or the watermark is to be seeded (protocol B).

import { hash64 } from '../bytes.ts';
import { type Represented, represent } from '../entity.ts';
import { keyText, type RedisKeys } from '../key.ts';
import type { Clock, DeadLetter, FillOutcome, Partition, Position, Source, SourceRead, Watermark } from '../ports.ts';
import { createFiller, type Fill, type FillerDeps, WINDOW_BYTES } from '../protocol/fill.ts';
import type { Snapshot } from '../protocol/generations.ts';
import { admit, floorAt, isSeedable, seed } from '../protocol/watermark.ts';
import { letterOf, type Work } from './page.ts';

export interface RefreshDeps extends FillerDeps {
  readonly source: Source;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly options: FillerDeps['options'] & { readonly leaseMs: number };
}

/** Where a page stands. */
export interface PagePosition {
  readonly partition: Partition;
  readonly highest: Position;
  readonly snapshot: Snapshot;
  /** Read after all invalidations. */
  readonly watermark: Watermark;
  /** Read already, and need not be read again. */
  readonly answers: Answers;
  readonly prepared: Prepared;
}

/** What the page's own documents are to the cache. */
export type Prepared = ReadonlyMap<Work, Represented>;

/** By the text of the key: what was read after the leases were taken. */
export type Answers = ReadonlyMap<string, SourceRead>;

export interface RefreshReport {
  readonly refreshed: number;
  readonly reread: number;
  readonly letters: readonly DeadLetter[];
}

export function createRefresh(deps: RefreshDeps) {
  const { store, source, generations, entropy, observe, options } = deps;
  const fillAll = createFiller(deps);

  /** While the store is busy with the page: it is likely that all of this will be filled. */
  async function prepare(works: readonly Work[]): Promise<Prepared> {
    const prepared = new Map<Work, Represented>();
    if (source.changesHold === 'keys') return prepared;
    await store.sent?.();
    let bytes = 0;
    for (const work of works) {
      if (work.own !== 'always') continue;
      try {
        const represented = represent(work.entity, work.change.document, entropy.digest);
        prepared.set(work, represented);
        bytes += represented.value.state === 'value' ? represented.value.body.length : 0;
      } catch {
        // Tried again, and told, if it is to be filled.
      }
      if (bytes >= WINDOW_BYTES) break;
    }
    return prepared;
  }

  async function refresh(held: readonly Work[], page: PagePosition): Promise<RefreshReport> {
    const { fills, reread } = await choose(held, page);
    const { stored, invalid } = await fillAll(fills, held, page.snapshot);
    const letters = invalid.map(({ held: work, error }) => letterOf(source, work.entity, work.change, error));
    return { refreshed: stored, reread, letters };
  }

  async function choose(held: readonly Work[], page: PagePosition): Promise<{ fills: Fill<Work>[]; reread: number }> {
    const { watermark, highest, partition } = page;
    const isBehind = source.changesHold === 'keys' || highest < (watermark.state === 'known' ? watermark.position : 0n);
    if (watermark.state === 'known' && isBehind) {
      const answers = await readAgain(held, page, watermark.position);
      return { fills: admitted(held, answers, partition, watermark), reread: answers.length };
    }
    if (isSeedable(watermark, source)) {
      const answers = await readAgain(held, page, watermark.pending);
      const known = await seedWith(answers, page, watermark);
      return { fills: admitted(held, answers, partition, known), reread: answers.length };
    }
    // Every document of a page reflects its partition up to the page's highest version.
    const admission = admit(watermark, highest, options.provisionalMs);
    if (source.changesHold === 'keys' || 'refused' in admission) {
      refuse(held, 'refused' in admission ? admission.refused : 'watermark');
      return { fills: [], reread: 0 };
    }
    const identity = hash64(partition.id);
    const { guarantee } = admission;
    const fills = held.map((work): Fill<Work> => {
      const { document, version, expiresAt } = work.change;
      const represented = page.prepared.get(work);
      return { held: work, document, represented, version, asOf: highest, expiresAt, guarantee, identity };
    });
    return { fills, reread: 0 };
  }

  async function readAgain(held: readonly Work[], page: PagePosition, least: Position): Promise<readonly SourceRead[]> {
    const read = held.map(({ change }) => page.answers.get(keyText(change.key)));
    if (read.every((answer) => answer !== undefined)) return read;
    const keys = held.map(({ change }) => change.key);
    // What comes after the leases have ended is refused anyway.
    const signal = deps.clock.deadline(options.leaseMs);
    return source.readMany(keys, { floor: floorAt(page.partition, least), signal });
  }

  async function seedWith(
    answers: readonly SourceRead[],
    { partition, snapshot }: PagePosition,
    watermark: Extract<Watermark, { state: 'unknown' }>,
  ): Promise<Watermark> {
    // Only answers of the very partition can seed its watermark.
    const least = leastOf(answers.filter((answer) => answer.partition.id === partition.id));
    if (least === undefined) return watermark;
    const generation = generations.ofSource(source.name, snapshot);
    return seed(deps, { source, partition, generation }, watermark, least);
  }

  function admitted(
    held: readonly Work[],
    answers: readonly SourceRead[],
    partition: Partition,
    watermark: Watermark,
  ): Fill<Work>[] {
    return held.flatMap((work, i): Fill<Work>[] => {
      const answer = answers[i];
      if (answer === undefined || answer.partition.id !== partition.id) return refuse([work], 'closed');
      if (answer.isStorable === false) return refuse([work], 'other-key');
      const admission = admit(watermark, answer.asOf, options.provisionalMs);
      if ('refused' in admission) return refuse([work], admission.refused);
      return [{ ...answer, held: work, guarantee: admission.guarantee, identity: hash64(partition.id) }];
    });
  }

  function refuse(held: readonly Work[], outcome: FillOutcome): [] {
    for (const { entity, recordKey } of held) {
      observe({ kind: 'fill', entity: entity.name, by: 'change', outcome, recordKey });
    }
    return [];
  }

  return { prepare, refresh };
}

/** The lowest as-of: the watermark that lets all of the answers be filled. */
export function leastOf(answers: readonly SourceRead[]): Position | undefined {
  const positions = answers.map(({ asOf }) => asOf);
  return positions.reduce<Position | undefined>((min, x) => (min === undefined || x < min ? x : min), undefined);
}
