// The deep search: every scenario with its larger bound, for as long as there is time.

import type { VerifyRow } from '../verify/row.ts';
import { type Found, search } from './explorer/search.ts';
import { loadSystem } from './explorer/variant.ts';
import { SCENARIOS } from './scenarios/catalogue.ts';
import { ItemsModel } from './scenarios/items.ts';
import { KNOCK_OUTS } from './scenarios/knock-outs.ts';

export interface DeepOptions {
  readonly budgetMs: number;
  readonly onProgress: (line: string) => void;
}

/** More would not fit into the memory of a small machine. */
const MOST_STATES = 1_500_000;

/** What knocking every rule out may take of the time. */
const SHARE_OF_KNOCK_OUTS = 0.25;

/** Also knocks every rule out once, to see that the search finds it: that is not cut short. */
export async function exploreDeep({ budgetMs, onProgress }: DeepOptions): Promise<readonly VerifyRow[]> {
  const end = performance.now() + budgetMs * (1 - SHARE_OF_KNOCK_OUTS);
  const rows: VerifyRow[] = [];
  for (const [i, { title, bounds, deep }] of SCENARIOS.entries()) {
    // What a scenario leaves of its share is the others'.
    const ms = Math.max(1000, (end - performance.now()) / (SCENARIOS.length - i));
    const model = await ItemsModel.of(await loadSystem(), { ...bounds, ...deep });
    const tell = ({ states, depth }: { states: number; depth: number }) =>
      onProgress(`${title}: ${states} states, ${depth} steps deep`);
    const found = await search(model, { states: MOST_STATES, ms, onProgress: tell });
    rows.push({ what: title, figures: figuresOf(found), checked: found.states, failures: failuresOf(found) });
  }
  return [...rows, await knockOuts(onProgress)];
}

async function knockOuts(onProgress: DeepOptions['onProgress']): Promise<VerifyRow> {
  const all = Object.values(KNOCK_OUTS).flat();
  const failures: string[] = [];
  for (const { rule, edits, bounds, begins = [], looksFor } of all) {
    onProgress(`knocked out: ${rule}`);
    const limits = { states: MOST_STATES, ms: 120_000, begins, looksFor };
    const { broken } = await search(await ItemsModel.of(await loadSystem(edits), bounds), limits);
    if (broken === undefined) failures.push(`knocked out, and nothing is noticed: ${rule}`);
  }
  const found = all.length - failures.length;
  return { what: 'rules knocked out', figures: `${found} of ${all.length} noticed`, checked: all.length, failures };
}

function figuresOf({ states, depth, isComplete }: Found): string {
  const count = states.toLocaleString('en-GB');
  return isComplete ? `${count} states, all there are` : `${count} states, all schedules of up to ${depth} steps`;
}

export function failuresOf({ broken }: Found): string[] {
  if (broken === undefined) return [];
  const { invariant, story, schedule } = broken;
  return [[invariant, ...story.map((line, i) => `${i + 1}. ${line}`), `schedule ${schedule.join()}`].join('\n')];
}
