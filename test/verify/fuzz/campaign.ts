// Schedule after schedule, until there is no time left or enough was checked.

import { messageOf } from '../../../src/core/errors.ts';
import type { VerifyRow } from '../row.ts';
import { KNOCK_OUTS } from './knock-outs.ts';
import type { NaiveKind } from './naive.ts';
import { type Outcome, type RunOptions, runSchedule } from './run.ts';
import { planSchedule, type StageKind, stageOf } from './schedule.ts';
import { createStages, type Stages } from './stages.ts';

export interface CampaignOptions extends RunOptions {
  /** Of the first schedule; those that follow count up, unless it is to be replayed. */
  readonly seed: number;
  readonly isReplay?: boolean;
  /** Passes over schedules of others. */
  readonly stage?: StageKind;
  /** When it is enough. */
  readonly budgetMs: number;
  /** Goes on until so many reads after a completed invalidation were checked. */
  readonly leastChecked?: number;
  /** Ends with the first schedule in which something is found. */
  readonly untilFound?: boolean;
  readonly onProgress: (line: string) => void;
}

export interface Totals {
  schedules: number;
  faults: number;
  loads: number;
  reads: number;
  hits: number;
  afterInvalidation: number;
  stale: number;
  provisionalStale: number;
  failoverStale: number;
  sourceStale: number;
  invalidations: number;
  /** A text a schedule that failed, with its seed. */
  readonly failures: string[];
}

/** So many schedules that fail are enough. */
const MOST_FAILURES = 5;
const SHOWN = 5;

export async function campaign(options: CampaignOptions): Promise<Totals> {
  const { budgetMs, leastChecked = 0, untilFound = false, onProgress } = options;
  const totals = noTotals();
  const most = untilFound ? 1 : MOST_FAILURES;
  const end = performance.now() + budgetMs;
  const seeds = seedsOf(options);
  const stages = createStages();
  try {
    while (totals.failures.length < most && (performance.now() < end || totals.afterInvalidation < leastChecked)) {
      await runOne(totals, seeds.next().value, stages, options);
      onProgress(`${said(totals.schedules, 'schedule')}, ${number(totals.afterInvalidation)} reads checked`);
    }
  } finally {
    await stages.endAll();
  }
  return totals;
}

function* seedsOf({ seed, isReplay = false, stage }: CampaignOptions): Generator<number, never> {
  for (let next = seed; ; next += isReplay ? 0 : 1) {
    if (isReplay || stage === undefined || stageOf(next) === stage) yield next;
  }
}

async function runOne(totals: Totals, seed: number, stages: Stages, options: RunOptions): Promise<void> {
  totals.schedules++;
  const planned = planSchedule(seed);
  // A naive cache knows nothing of clusters.
  const stage = options.naive === undefined ? planned.stage : 'single';
  const schedule = { ...planned, stage, ...options.knockOut?.schedule };
  try {
    const { violations, figures, faults, loads } = await runSchedule(
      schedule,
      await stages.get(schedule.stage),
      options,
    );
    add(totals, { ...figures, faults, loads });
    if (violations.length === 0) return;
    const lines = violations.slice(0, SHOWN).map(({ invariant, text }) => `${invariant}: ${text}`);
    totals.failures.push([`seed ${seed}, ${said(violations.length, 'violation')}`, ...lines].join('\n  '));
  } catch (error) {
    totals.failures.push(`seed ${seed}: ${messageOf(error)}`);
    // Who knows in what state it is.
    await stages.end(schedule.stage);
  }
}

function add(totals: Totals, figures: Outcome['figures'] & Pick<Outcome, 'faults' | 'loads'>): void {
  for (const [name, value] of Object.entries(figures) as [keyof typeof figures, number][]) totals[name] += value;
}

function noTotals(): Totals {
  const seen = {
    reads: 0,
    hits: 0,
    afterInvalidation: 0,
    stale: 0,
    provisionalStale: 0,
    failoverStale: 0,
    sourceStale: 0,
  };
  return { ...seen, schedules: 0, faults: 0, loads: 0, invalidations: 0, failures: [] };
}

/** The shipped core, or what is left of it with a rule broken: nothing may be found. */
export async function fuzz(options: CampaignOptions): Promise<readonly VerifyRow[]> {
  const totals = await campaign(options);
  const { schedules, faults, reads, hits, invalidations, loads, stale, failoverStale, afterInvalidation } = totals;
  const checked = afterInvalidation;
  const bound = stale === 0 && checked > 0 ? ` (95 %: fewer than ${(3 / checked).toExponential(1)})` : '';
  return [
    {
      what: 'fuzz on a real Redis, and on a cluster',
      figures:
        `${said(schedules, 'schedule')} from seed ${options.seed}, ${said(faults, 'fault')}, ${said(reads, 'read')} ` +
        `(${number(hits)} hits), ${said(loads, 'load')}, ${said(invalidations, 'change')} handled`,
      checked: schedules,
      failures: totals.failures,
    },
    {
      what: 'stale reads after a completed invalidation',
      figures: `${number(stale)} of ${number(checked)}${bound}; ${number(failoverStale)} while a failover was not dealt with`,
      checked,
      failures: stale === 0 ? [] : [`${number(stale)} stale reads`],
    },
  ];
}

const NAIVE: readonly NaiveKind[] = ['delete', 'set'];

/** What caches usually do must be caught, or the check is worth nothing. */
export async function fuzzNaive(options: Omit<CampaignOptions, keyof RunOptions | 'untilFound'>): Promise<VerifyRow[]> {
  const rows: VerifyRow[] = [];
  for (const naive of NAIVE) {
    const { schedules, stale, afterInvalidation } = await campaign({
      ...options,
      naive,
      untilFound: true,
    });
    const figures = `${number(stale)} of ${number(afterInvalidation)} reads stale, in ${said(schedules, 'schedule')}`;
    const failures = stale > 0 ? [] : ['not one stale read was found'];
    rows.push({ what: `naive cache-aside that ${naive}s: caught`, figures, checked: afterInvalidation, failures });
  }
  return rows;
}

/** Every rule broken once: something must be found. */
export async function fuzzBroken(options: Omit<CampaignOptions, keyof RunOptions | 'untilFound'>): Promise<VerifyRow> {
  const found: string[] = [];
  const failures: string[] = [];
  for (const [rule, knockOut] of Object.entries(KNOCK_OUTS)) {
    const { schedules, failures: violations } = await campaign({
      ...options,
      stage: 'single',
      knockOut,
      untilFound: true,
    });
    if (violations.length > 0) found.push(`${rule} after ${said(schedules, 'schedule')}`);
    else failures.push(`${rule}: knocked out, and nothing was found in ${said(schedules, 'schedule')}`);
  }
  const count = Object.keys(KNOCK_OUTS).length;
  return { what: 'rules broken under the fuzz: caught', figures: found.join(', '), checked: count, failures };
}

export function number(value: number): string {
  return value.toLocaleString('en-GB');
}

function said(count: number, what: string): string {
  return `${number(count)} ${what}${count === 1 ? '' : 's'}`;
}
