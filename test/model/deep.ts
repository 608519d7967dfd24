// The deep search: every scenario with its larger bound, for as long as there is time.

import type { VerifyRow } from '../verify/row.ts';
import { type Found, type Limits, search } from './explorer/search.ts';
import { loadSessionsSystem, loadSystem } from './explorer/variant.ts';
import { SCENARIOS } from './scenarios/catalogue.ts';
import { ItemsModel } from './scenarios/items.ts';
import { KNOCK_OUTS } from './scenarios/knock-outs.ts';
import { SessionsModel } from './scenarios/sessions.ts';
import { SESSION_KNOCK_OUTS, SESSION_SCENARIOS } from './scenarios/sessions-catalogue.ts';

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
  for (const [i, { title, find }] of SEARCHES.entries()) {
    // What a scenario leaves of its share is the others'.
    const ms = Math.max(1000, (end - performance.now()) / (SEARCHES.length - i));
    const tell = ({ states, depth }: { states: number; depth: number }) =>
      onProgress(`${title}: ${states} states, ${depth} steps deep`);
    const found = await find({ states: MOST_STATES, ms, onProgress: tell });
    rows.push({ what: title, figures: figuresOf(found), checked: found.states, failures: failuresOf(found) });
  }
  return [...rows, await knockOuts(onProgress)];
}

interface Search {
  readonly title: string;
  readonly find: (limits: Limits) => Promise<Found>;
}

const SEARCHES: readonly Search[] = [
  ...SCENARIOS.map(({ title, bounds, deep }): Search => {
    const model = async () => ItemsModel.of(await loadSystem(), { ...bounds, ...deep });
    return { title, find: async (limits) => search(await model(), limits) };
  }),
  ...SESSION_SCENARIOS.map(({ title, bounds, deep }): Search => {
    const model = async () => SessionsModel.of(await loadSessionsSystem(), { ...bounds, ...deep });
    return { title, find: async (limits) => search(await model(), limits) };
  }),
];

const KNOCKED_OUT: readonly Search[] = [
  ...Object.values(KNOCK_OUTS)
    .flat()
    .map(({ rule, edits, bounds, begins = [], looksFor }): Search => {
      const model = async () => ItemsModel.of(await loadSystem(edits), bounds);
      return { title: rule, find: async (limits) => search(await model(), { ...limits, begins, looksFor }) };
    }),
  ...SESSION_KNOCK_OUTS.map(({ rule, edits, bounds, looksFor }): Search => {
    const model = async () => SessionsModel.of(await loadSessionsSystem(edits), bounds);
    return { title: rule, find: async (limits) => search(await model(), { ...limits, looksFor }) };
  }),
];

async function knockOuts(onProgress: DeepOptions['onProgress']): Promise<VerifyRow> {
  const failures: string[] = [];
  for (const { title, find } of KNOCKED_OUT) {
    onProgress(`knocked out: ${title}`);
    const { broken } = await find({ states: MOST_STATES, ms: 120_000 });
    if (broken === undefined) failures.push(`knocked out, and nothing is noticed: ${title}`);
  }
  const found = KNOCKED_OUT.length - failures.length;
  const figures = `${found} of ${KNOCKED_OUT.length} noticed`;
  return { what: 'rules knocked out', figures, checked: KNOCKED_OUT.length, failures };
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
