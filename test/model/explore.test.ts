// The shipped core over the store's specification, through every interleaving of a scenario; and every rule knocked
// out, to see that it is noticed.

import { describe, expect, it } from 'vitest';
import { type Found, search } from './explorer/search.ts';
import { loadSystem } from './explorer/variant.ts';
import type { Bounds } from './scenarios/bounds.ts';
import { ItemsModel } from './scenarios/items.ts';
import { KNOCK_OUTS } from './scenarios/knock-outs.ts';

const LIMITS = { states: 200_000, ms: 30_000 };

function told({ broken }: Found): string {
  return broken === undefined
    ? ''
    : `${broken.invariant}\n${broken.story.join('\n')}\nschedule ${broken.schedule.join()}`;
}

const SCENARIOS: Record<string, Bounds> = {
  'a lagging reader and a change worker': { keys: 1, writes: 2, readers: 1, workers: 1, lagMs: 1000, endsCached: true },
};

describe('in every order of events', () => {
  it.each(Object.entries(SCENARIOS))('no invariant breaks: %s', async (_, bounds) => {
    const found = await search(await ItemsModel.of(await loadSystem(), bounds), LIMITS);
    expect(told(found)).toBe('');
    expect(found.isComplete).toBe(true);
  });
});

describe('the search notices that it no longer holds:', () => {
  it.each(Object.values(KNOCK_OUTS).flat())('$rule', async ({ edits, bounds, looksFor }) => {
    const found = await search(await ItemsModel.of(await loadSystem(edits), bounds), { ...LIMITS, looksFor });
    expect(told(found)).toMatch(looksFor);
  });
});
