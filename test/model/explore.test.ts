// The shipped core over the store's specification, through every interleaving of a scenario; and every rule knocked
// out, to see that it is noticed.

import { describe, expect, it } from 'vitest';
import { failuresOf } from './deep.ts';
import { retell, search } from './explorer/search.ts';
import { loadSessionsSystem, loadSystem } from './explorer/variant.ts';
import { SCENARIOS } from './scenarios/catalogue.ts';
import { ItemsModel } from './scenarios/items.ts';
import { KNOCK_OUTS } from './scenarios/knock-outs.ts';
import { SessionsModel } from './scenarios/sessions.ts';
import { SESSION_KNOCK_OUTS, SESSION_SCENARIOS } from './scenarios/sessions-catalogue.ts';

const LIMITS = { states: 400_000, ms: 100_000 };

describe('in every order of events no invariant breaks:', () => {
  it.each(SCENARIOS)('$title', async ({ bounds }) => {
    const found = await search(await ItemsModel.of(await loadSystem(), bounds), LIMITS);
    expect(failuresOf(found)).toEqual([]);
    expect(found.isComplete).toBe(true);
  });

  it.each(SESSION_SCENARIOS)('$title', async ({ bounds }) => {
    const found = await search(await SessionsModel.of(await loadSessionsSystem(), bounds), LIMITS);
    expect(failuresOf(found)).toEqual([]);
    expect(found.isComplete).toBe(true);
  });
});

describe('the search notices that it no longer holds:', () => {
  it.each(Object.values(KNOCK_OUTS).flat())('$rule', async ({ edits, bounds, begins = [], looksFor }) => {
    const model = await ItemsModel.of(await loadSystem(edits), bounds);
    const { broken } = await search(model, { ...LIMITS, begins, looksFor });
    expect(broken?.invariant).toMatch(looksFor);
    // What it tells can be followed again.
    expect(await retell(model, broken?.schedule ?? [])).toEqual(broken?.story);
  });

  it.each(SESSION_KNOCK_OUTS)('$rule', async ({ edits, bounds, looksFor }) => {
    const model = await SessionsModel.of(await loadSessionsSystem(edits), bounds);
    expect((await search(model, { ...LIMITS, looksFor })).broken?.invariant).toMatch(looksFor);
  });

  it('and an edit whose text is gone is no knock-out', async () => {
    const edits = [{ file: 'src/core/sync/sync.ts', from: 'no such text', to: '' }];
    await expect(loadSystem(edits)).rejects.toThrow('has not exactly one');
  });
});
