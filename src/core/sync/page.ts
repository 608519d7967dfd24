// What a page of a change feed means: per key and entity, what is to be done. Pure; the doing is sync.ts.

import type { Entity } from '../entity.ts';
import { isWarmfeedError, messageOf, WarmfeedError } from '../errors.ts';
import { type Key, keyText, type RedisKeys } from '../key.ts';
import type { Change, DeadLetter, Entropy, Position, Source } from '../ports.ts';

/** What one change means for one entity. */
export interface Work {
  readonly entity: Entity;
  readonly change: Change;
  readonly recordKey: string;
  /** Whether the worker takes the key's lease, to refresh it. */
  readonly own: 'always' | 'cached' | 'never';
  readonly token: Uint8Array;
}

export interface Page {
  readonly works: readonly Work[];
  readonly highest: Position;
  /** Any key of the page; undefined: nothing in it is a change. */
  readonly sample: Key | undefined;
  /** See Change; undefined: not told. */
  readonly container: string | undefined;
  /** Items that name no key, so that what they changed is unknown, and why the first does not; undefined: all do. */
  readonly nameless: { readonly changes: number; readonly reason: string } | undefined;
  readonly letters: readonly DeadLetter[];
  /** When the changes were committed, as far as the source tells. */
  readonly committedAt: readonly number[];
}

const OWN = { refresh: 'always', 'refresh-cached': 'cached', evict: 'never' } as const;

/** @throws WarmfeedError when the feed as a whole is not what the source takes it for */
export function planPage(
  items: readonly unknown[],
  source: Source,
  entities: readonly Entity[],
  deps: { keys: RedisKeys; entropy: Entropy },
): Page {
  const letters: DeadLetter[] = [];
  const changes = newestPerKey(items, source, letters);
  const [unnamed] = letters;
  const nameless = unnamed && { changes: letters.length, reason: unnamed.reason };
  const works = changes.flatMap((change) =>
    entities.map((entity): Work => {
      const own = ownership(entity, change, source, letters);
      const recordKey = deps.keys.record(entity.name, change.key);
      return { entity, change, recordKey, own, token: deps.entropy.token() };
    }),
  );
  const highest = changes.reduce((max, { version }) => (version > max ? version : max), 0n);
  const committedAt = changes.flatMap((change) => (change.committedAt === undefined ? [] : [change.committedAt]));
  const container = changes.find((change) => change.container !== undefined)?.container;
  return { works, highest, sample: changes[0]?.key, container, nameless, letters, committedAt };
}

/**
 * Of several changes of a key the newest counts, and of those of one transaction, which share a version, the last;
 * what is no change at all goes to the dead letters.
 */
function newestPerKey(items: readonly unknown[], source: Source, letters: DeadLetter[]): readonly Change[] {
  if (!Array.isArray(items))
    throw new WarmfeedError('SOURCE_REJECTED', `${source.name}: a page of its feed is no list`);
  const newest = new Map<string, Change>();
  for (const item of items) {
    try {
      const change = source.change(item);
      const key = keyText(change.key);
      const other = newest.get(key);
      if (other === undefined || other.version <= change.version) newest.set(key, change);
    } catch (error) {
      if (!isWarmfeedError(error) || error.code !== 'ROW_INVALID') throw error;
      letters.push({ source: source.name, entity: '', key: '', version: '', reason: error.message });
    }
  }
  return [...newest.values()];
}

function ownership(entity: Entity, change: Change, source: Source, letters: DeadLetter[]): Work['own'] {
  try {
    // A document that does not match may have matched before: evicted, never filled.
    return change.document === undefined || entity.match(change.document) ? OWN[entity.onChange] : 'never';
  } catch (error) {
    letters.push(letterOf(source, entity, change, error));
    return 'never';
  }
}

export function letterOf(source: Source, entity: Entity, change: Change, error: unknown): DeadLetter {
  return {
    source: source.name,
    entity: entity.name,
    key: keyText(change.key),
    version: String(change.version),
    reason: messageOf(error),
  };
}
