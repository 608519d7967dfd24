// The purges of late, as every process keeps them beside the generations: what was filled before one, and is named by it,
// is dropped or stale. There is no index from tags to keys: a record tells its own tags when it is read.

import type { Kept } from '../entity.ts';
import type { PurgeMode } from '../ports.ts';
import { type Entry, tagsOf } from '../record.ts';

export interface Purged {
  /** 0: never. Milliseconds of the store's time. */
  readonly dropAt: number;
  readonly staleAt: number;
}

export interface Purges {
  readonly byName: ReadonlyMap<string, Purged>;
  /** No record that was begun after it is concerned. */
  readonly latest: number;
  /** From then on no record is as old as these purges. */
  readonly until: number;
}

/** No record lives longer, whatever its ttl. */
export const LONGEST_LIFE_MS = 30 * 86_400_000;

export const tagName = (tag: string): string => `t:${tag}`;
export const keptName = (name: string): string => `k:${name}`;

/** @param text lines of `dropAt staleAt until name` @returns undefined: there are none */
export function parsePurges(text: string): Purges | undefined {
  const byName = new Map<string, Purged>();
  let latest = 0;
  let until = 0;
  for (const [, drop, stale, till, name] of text.matchAll(/^(\d+) (\d+) (\d+) (.+)$/gm)) {
    const purged = { dropAt: Number(drop), staleAt: Number(stale) };
    byName.set(name ?? '', purged);
    latest = Math.max(latest, purged.dropAt, purged.staleAt);
    until = Math.max(until, Number(till));
  }
  return byName.size === 0 ? undefined : { byName, latest, until };
}

/** How a record was purged since its load began; undefined: it was not. */
export function purgedHow(kept: Kept, entry: Entry, purges: Purges | undefined): PurgeMode | undefined {
  const marked = entry.isSoft ? 'stale' : undefined;
  if (purges === undefined || entry.filledAt > purges.latest) return marked;
  const found = purgesOf(kept, entry, purges);
  if (found.some(({ dropAt }) => entry.filledAt <= dropAt)) return 'drop';
  return found.some(({ staleAt }) => entry.filledAt <= staleAt) ? 'stale' : marked;
}

/** The purges that name a record, by its tags, what it is kept of, or what it is made of; covered or not. */
export function purgesOf(kept: Kept, entry: Entry, purges: Purges): readonly (Purged & { readonly name: string })[] {
  const names = [
    keptName(kept.name),
    ...(kept.madeOf ?? []).map((part) => keptName(part.name)),
    ...tagsOf(entry).map(tagName),
  ];
  return names.flatMap((name) => {
    const purged = purges.byName.get(name);
    return purged === undefined ? [] : [{ ...purged, name }];
  });
}
