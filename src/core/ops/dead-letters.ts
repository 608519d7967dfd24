// Dead letters: changes that could not be handled. Their keys were evicted when it happened, so nothing old is served; a
// letter says what is to be mended, and a replay reads the item anew, to see whether it is.

import type { Entity } from '../entity.ts';
import { isSourceError, isWarmfeedError } from '../errors.ts';
import { keyOfText, type RedisKeys } from '../key.ts';
import type { Load } from '../protocol/lease.ts';
import type { KeptLetter, OpsStore } from './ops-ports.ts';

export interface DeadLetterDeps {
  readonly ops: OpsStore;
  readonly keys: RedisKeys;
  readonly entities: readonly Entity[];
  readonly load: Load<Entity>;
}

export interface LetterSummary {
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly oldestAt: number;
}

/**
 * `failing`: it still cannot be handled. `skipped`: it names no item of an entity that there is. `gone`: there is no such
 * letter.
 */
export interface Replayed {
  readonly id: string;
  readonly outcome: 'replayed' | 'failing' | 'skipped' | 'gone';
  readonly reason: string | null;
}

const PAGE = 1000;
const AT_ONCE = 8;
/** Letters that a call for all of them takes at a time. */
export const REPLAY_PAGE = 200;

/** Every method rejects with WarmfeedError STORE_*. */
export function createDeadLetters({ ops, keys, entities, load }: DeadLetterDeps) {
  const stream = keys.deadLetters;

  async function page(limit: number, before?: string) {
    const [found, total] = await Promise.all([
      ops.letters(stream, { limit, ...(before !== undefined && { before }) }),
      ops.letterCount(stream),
    ]);
    return { letters: found, total, cursor: found.length < limit ? undefined : found.at(-1)?.id };
  }

  /** By source. As many reads of a thousand as there are letters for, and their number has a cap. */
  async function summary(): Promise<ReadonlyMap<string, LetterSummary>> {
    const sums = new Map<string, LetterSummary>();
    for (let before: string | undefined; ; ) {
      const { letters: found, cursor } = await page(PAGE, before);
      for (const letter of found) {
        const count = (sums.get(letter.source)?.count ?? 0) + 1;
        sums.set(letter.source, { count, oldestAt: writtenAt(letter.id) });
      }
      if (cursor === undefined) return sums;
      before = cursor;
    }
  }

  async function replay(ids: readonly string[]): Promise<readonly Replayed[]> {
    const found = await Promise.all(ids.map((id) => ops.letter(stream, id)));
    return replayAll(ids.map((id, i) => found[i] ?? id));
  }

  /** One page of all letters, newest first. */
  async function replayPage(before?: string) {
    const { letters: found, cursor } = await page(REPLAY_PAGE, before);
    return { results: await replayAll(found), cursor };
  }

  async function replayAll(letters: readonly (KeptLetter | string)[]): Promise<readonly Replayed[]> {
    const results: Replayed[] = [];
    const queue = letters.entries();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [i, letter] of queue) results[i] = await replayOne(letter);
      }),
    );
    return results;
  }

  async function replayOne(letter: KeptLetter | string): Promise<Replayed> {
    if (typeof letter === 'string') return { id: letter, outcome: 'gone', reason: null };
    const { id } = letter;
    const entity = entities.find(({ name }) => name === letter.entity);
    const key = keyOfText(letter.key);
    if (entity === undefined || key?.length !== entity.columns.length) {
      return { id, outcome: 'skipped', reason: 'it names no item of an entity that there is now' };
    }
    const reason = await reload(entity, key);
    if (reason !== undefined) return { id, outcome: 'failing', reason };
    await ops.removeLetters(stream, [id]);
    return { id, outcome: 'replayed', reason: null };
  }

  /** Why an item cannot be loaded; undefined: it was. */
  async function reload(entity: Entity, key: NonNullable<ReturnType<typeof keyOfText>>): Promise<string | undefined> {
    const recordKey = keys.record(entity.name, key);
    try {
      const answer = await load({ entity, key, recordKey, force: true, wait: false, known: undefined });
      return answer.kind === 'left' ? 'somebody else is loading it: try again' : undefined;
    } catch (error) {
      if (isSourceError(error) || (isWarmfeedError(error) && error.code === 'ROW_INVALID')) {
        return `${error.code}: ${error.message}`;
      }
      throw error;
    }
  }

  async function dropAll(): Promise<number> {
    const [newest] = await ops.letters(stream, { limit: 1 });
    return newest === undefined ? 0 : ops.removeLettersUpTo(stream, newest.id);
  }

  return {
    page,
    summary,
    replay,
    replayPage,
    one: (id: string) => ops.letter(stream, id),
    drop: (ids: readonly string[]) => ops.removeLetters(stream, ids),
    dropAll,
  };
}

export type DeadLetters = ReturnType<typeof createDeadLetters>;

/** When a letter was written, milliseconds since the epoch. */
export function writtenAt(id: string): number {
  return Number(id.split('-')[0]);
}
