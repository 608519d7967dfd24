// How each source stands: whether it answers and its changes come, how far behind, what failed last and what mends it.

import type { RedisKeys } from '../key.ts';
import type { Pauses } from '../sync/pauses.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { FailureNotes } from './failure-notes.ts';
import type { OpsStore } from './ops-ports.ts';
import type { PartitionNotes } from './partition-notes.ts';
import { iso, shownWatermark } from './shown.ts';
import { addTo, LAG_BOUNDS_MS, MOST_MINUTES, quantile, type Stats, zeros } from './stats.ts';

export interface ReportedSource {
  readonly name: string;
  readonly kind: 'cosmos' | 'postgres' | 'sql';
  readonly entities: readonly string[];
  /** Whether reads work, and whether its changes are followed. Never reject. */
  readonly checks: readonly (() => Promise<CheckState>)[];
}

interface CheckState {
  readonly state: 'ok' | 'warn' | 'error';
  readonly detail?: string;
}

export interface SourceReportDeps {
  readonly sources: readonly ReportedSource[];
  readonly ops: OpsStore;
  readonly keys: RedisKeys;
  readonly stats: Stats;
  readonly pauses: Pauses;
  readonly failures: FailureNotes;
  readonly partitions: PartitionNotes;
  readonly letters: DeadLetters;
}

export function createSourceReport(deps: SourceReportDeps) {
  const { ops, keys, stats, pauses, failures, partitions, letters } = deps;

  /** @throws WarmfeedError STORE_* */
  async function all() {
    const [buckets, paused, dead, lastFailure] = await Promise.all([
      stats.read(MOST_MINUTES),
      pauses.all(),
      letters.summary(),
      failures.all(),
    ]);
    const sources = await Promise.all(
      deps.sources.map(async (source) => {
        const pause = paused.get(source.name);
        const lag = zeros(LAG_BOUNDS_MS);
        for (const bucket of buckets) addTo(lag, bucket.lag.get(source.name) ?? []);
        const failure = lastFailure(source.name, source.entities);
        const [state, places] = await Promise.all([stateOf(source), partitionsOf(source.name)]);
        return {
          name: source.name,
          kind: source.kind,
          entities: source.entities,
          ...(pause === undefined ? state : { ...state, state: 'paused' as const, remedy: RESUME }),
          paused: pause === undefined ? null : { at: iso(pause.at), by: pause.by },
          commitToVisibleMs: visible(lag),
          deadLetters: shown(dead.get(source.name)),
          lastError: failure === undefined ? null : { ...failure, at: iso(failure.at) },
          partitions: places,
        };
      }),
    );
    const known = new Set(deps.sources.map(({ name }) => name));
    const others = [...dead].filter(([source]) => !known.has(source)).map(([, summary]) => summary);
    return { sources, unattributedDeadLetters: shown(merged(others)) };
  }

  async function partitionsOf(source: string) {
    const notes = [...(await partitions.of(source))].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Promise.all(
      notes.map(async ([id, { pageAt, lagMs }]) => {
        const { state, position } = shownWatermark(await ops.watermark(keys.watermark(source, id)));
        const lastPageAt = pageAt === undefined ? null : iso(pageAt);
        return { id, watermark: state, position, lastPageAt, lagMs: lagMs ?? null };
      }),
    );
  }

  return { all, names: () => deps.sources.map(({ name }) => name) };
}

export type SourceReport = ReturnType<typeof createSourceReport>;

const RESUME = 'resume it: what changed meanwhile is applied then';
const REMEDY = 'npm run doctor tells what the databases lack; docs/change-feed.md what each state of a feed means';

async function stateOf({ checks }: ReportedSource) {
  const found = await Promise.all(checks.map((check) => check()));
  const worst = (['error', 'warn'] as const).find((state) => found.some((each) => each.state === state)) ?? 'ok';
  const remark = found.flatMap(({ detail }) => (detail === undefined ? [] : [detail])).join('; ') || null;
  return { state: worst, remark, remedy: worst === 'ok' ? null : REMEDY };
}

function visible(lag: readonly number[]) {
  const samples = lag.reduce((sum, n) => sum + n, 0);
  const of = (share: number) => quantile(LAG_BOUNDS_MS, lag, share);
  return { p50: of(0.5), p99: of(0.99), samples, minutes: MOST_MINUTES };
}

interface Summary {
  readonly count: number;
  readonly oldestAt: number;
}

function merged(all: readonly Summary[]): Summary | undefined {
  if (all.length === 0) return undefined;
  const count = all.reduce((sum, each) => sum + each.count, 0);
  return { count, oldestAt: Math.min(...all.map(({ oldestAt }) => oldestAt)) };
}

function shown(summary: Summary | undefined) {
  return { count: summary?.count ?? 0, oldestAt: summary === undefined ? null : iso(summary.oldestAt) };
}
