// Warm jobs: a source is read from end to end, or some keys of it, by whichever instance has the job at the time. How far
// it is stands in the store after every page, so it goes on after a restart, and obeys within a page.

import type { Entity } from '../entity.ts';
import { isStoreError, isWarmfeedError } from '../errors.ts';
import { type Key, keyOfText } from '../key.ts';
import type { Clock } from '../ports.ts';
import type { WarmPages } from './warm.ts';

export type WarmState = 'queued' | 'running' | 'paused' | 'cancelled' | 'done' | 'failed';

export interface WarmSpec {
  readonly id: string;
  readonly entity: string;
  /** By their texts; undefined: all that there is, or that was written since. */
  readonly keys?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly unitsPerSecond?: number;
  readonly createdAt: number;
}

export interface WarmProgress {
  readonly scanned: number;
  readonly filled: number;
  readonly skipped: number;
  readonly units: number;
  readonly continuation?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
  readonly error?: string;
  /** Pages in a row that failed. */
  readonly failures?: number;
  /** When the next page may begin, for the rate; milliseconds since the epoch. */
  readonly dueAt?: number;
}

export interface WarmJob {
  readonly spec: WarmSpec;
  readonly state: WarmState;
  readonly progress: WarmProgress;
  /** When it last changed, milliseconds since the epoch. */
  readonly updatedAt: number;
}

/** Every method rejects with WarmfeedError STORE_*. */
export interface WarmJobStore {
  create(spec: WarmSpec): Promise<void>;
  job(id: string): Promise<WarmJob | undefined>;
  /** Newest first. */
  jobs(limit: number): Promise<readonly WarmJob[]>;
  /** Takes or keeps a job, and notes its progress. @returns its state; undefined: somebody else has it */
  step(id: string, step: WarmStep): Promise<WarmState | undefined>;
  /** @returns false: it cannot come to that state any more */
  turn(id: string, to: WarmState, from: readonly WarmState[]): Promise<boolean>;
}

export interface WarmStep {
  readonly owner: string;
  readonly leaseMs: number;
  readonly progress?: WarmProgress;
  readonly end?: 'done' | 'failed';
}

export interface WarmJobDeps {
  readonly jobs: WarmJobStore;
  readonly pages: WarmPages;
  readonly entities: readonly Entity[];
  readonly clock: Clock;
  readonly nowMs: () => number;
  /** Another one for each call. */
  readonly owner: () => string;
}

const LEASE_MS = 60_000;
const PAGE_SIZE = 100;
const AT_ONCE = 4;
const SLICE_MS = 500;
const LISTED = 50;
const MOST_FAILURES = 20;
export const NO_PROGRESS: WarmProgress = { scanned: 0, filled: 0, skipped: 0, units: 0 };
const ACTIVE: readonly WarmState[] = ['queued', 'running'];

export function createWarmJobs(deps: WarmJobDeps) {
  const { jobs, entities, clock, nowMs } = deps;

  /**
   * Runs what is to be run, oldest first, and ends some time before `end` (by the clock, ms) or after an abort.
   * @throws WarmfeedError STORE_*
   */
  async function run(end: number, stop: AbortSignal): Promise<void> {
    const active = (await jobs.jobs(LISTED)).filter(({ state }) => ACTIVE.includes(state)).toReversed();
    const queue = active.values();
    const worker = async (): Promise<void> => {
      for (const job of queue) await runOne(job, end, stop);
    };
    const workers = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
    const broken = workers.find((each) => each.status === 'rejected');
    if (broken !== undefined) throw broken.reason;
  }

  async function runOne({ spec, progress: before }: WarmJob, end: number, stop: AbortSignal): Promise<void> {
    const owner = deps.owner();
    const step = (more: Partial<WarmStep>) => jobs.step(spec.id, { owner, leaseMs: LEASE_MS, ...more });
    if ((await step({})) !== 'running') return;
    // Whoever had it may have got further since the list was read.
    let progress = (await jobs.job(spec.id))?.progress ?? before;
    progress = { ...progress, startedAt: progress.startedAt ?? nowMs() };
    for (;;) {
      const wait = await waitUntil(progress.dueAt ?? 0, end, stop);
      if (wait === 'over') break;
      if (wait === 'waited' && (await step({})) !== 'running') break;
      const began = nowMs();
      const { units } = progress;
      const done = await page(spec, progress);
      progress = { ...done.progress, dueAt: began + pauseOf(spec, done.progress, done.progress.units - units) };
      const state = await step({ progress, ...(done.end && { end: done.end }) });
      if (state !== 'running') break;
    }
    // Given back, so that the next one need not wait for it.
    await step({ leaseMs: 0 });
  }

  /** @param dueAt milliseconds since the epoch @param end by the clock, ms */
  async function waitUntil(dueAt: number, end: number, stop: AbortSignal): Promise<'due' | 'waited' | 'over'> {
    for (let waited = false; ; waited = true) {
      const leftMs = dueAt - nowMs();
      if (stop.aborted || clock.now() + Math.max(0, leftMs) >= end) return 'over';
      if (leftMs <= 0) return waited ? 'waited' : 'due';
      await clock.sleep(Math.min(leftMs, SLICE_MS));
    }
  }

  async function page(
    spec: WarmSpec,
    before: WarmProgress,
  ): Promise<{ progress: WarmProgress; end?: 'done' | 'failed' }> {
    const entity = entities.find(({ name }) => name === spec.entity);
    const { failures = 0, error: _, continuation: __, ...counts } = before;
    if (entity === undefined) return failed(before, `there is no entity ${spec.entity} any more`);
    try {
      const done = await pageOf(entity, spec, before.continuation);
      const progress = {
        ...counts,
        scanned: counts.scanned + done.scanned,
        filled: counts.filled + done.filled,
        skipped: counts.skipped + done.skipped,
        units: counts.units + done.units,
      };
      return done.continuation === undefined
        ? { progress, end: 'done' }
        : { progress: { ...progress, continuation: done.continuation } };
    } catch (error) {
      if (isStoreError(error)) throw error;
      const message = isWarmfeedError(error) ? `${error.code}: ${error.message}` : 'something failed inside the app';
      const mayPass = isWarmfeedError(error) && error.retryable && failures + 1 < MOST_FAILURES;
      return mayPass ? { progress: { ...before, error: message, failures: failures + 1 } } : failed(before, message);
    }
  }

  async function pageOf(entity: Entity, { keys, since }: WarmSpec, continuation: string | undefined) {
    if (keys === undefined) {
      const from = { ...(continuation !== undefined && { continuation }), ...(since !== undefined && { since }) };
      return deps.pages.page(entity, { limit: PAGE_SIZE, ...from });
    }
    const at = Number(continuation ?? 0);
    const some = keys.slice(at, at + PAGE_SIZE).map(keyOfText);
    const done = await deps.pages.keys(
      entity,
      some.filter((key): key is Key => key !== undefined),
    );
    const next = at + PAGE_SIZE;
    return { ...done, continuation: next < keys.length ? String(next) : undefined };
  }

  return {
    run,
    create: (spec: WarmSpec) => jobs.create(spec),
    job: (id: string) => jobs.job(id),
    list: () => jobs.jobs(LISTED),
    pause: (id: string) => jobs.turn(id, 'paused', ACTIVE),
    resume: (id: string) => jobs.turn(id, 'queued', ['paused', 'running']),
    cancel: (id: string) => jobs.turn(id, 'cancelled', [...ACTIVE, 'paused']),
  };
}

export type WarmJobs = ReturnType<typeof createWarmJobs>;

/** How long a page must take at least for the rate to be kept, ms; after a failure, a while. */
function pauseOf({ unitsPerSecond }: WarmSpec, { failures = 0 }: WarmProgress, units: number): number {
  if (failures > 0) return Math.min(10_000, 500 * 2 ** failures);
  return unitsPerSecond === undefined ? 0 : (units / unitsPerSecond) * 1000;
}

function failed(before: WarmProgress, error: string) {
  return { progress: { ...before, error }, end: 'failed' as const };
}
