// The routes under /ops, and what the process notes for them.

import { hex } from '../core/bytes.ts';
import type { Content } from '../core/content/content.ts';
import type { Entity } from '../core/entity.ts';
import type { RedisKeys } from '../core/key.ts';
import { createDeadLetters } from '../core/ops/dead-letters.ts';
import { createExplain } from '../core/ops/explain.ts';
import { createFailureNotes } from '../core/ops/failure-notes.ts';
import { createPartitionNotes } from '../core/ops/partition-notes.ts';
import { createPurge } from '../core/ops/purge.ts';
import { createRefusals } from '../core/ops/refusals.ts';
import { iso } from '../core/ops/shown.ts';
import { createSourceReport } from '../core/ops/source-report.ts';
import { createStats } from '../core/ops/stats.ts';
import { createWarmPages } from '../core/ops/warm.ts';
import { createWarmJobs } from '../core/ops/warm-jobs.ts';
import type { CacheEvent } from '../core/ports.ts';
import type { LoaderDeps } from '../core/protocol/lease.ts';
import type { Query } from '../core/query/query.ts';
import { marksOfQuery } from '../core/query/query-read.ts';
import { createLoader } from '../core/read/load.ts';
import { createPauses } from '../core/sync/pauses.ts';
import { type HealthCheck, stateOf } from '../functions/health.ts';
import { etagText } from '../functions/http.ts';
import { registerOpsConsole } from '../functions/ops/ops-console.ts';
import { registerOpsExplain } from '../functions/ops/ops-explain.ts';
import { registerOpsLetters } from '../functions/ops/ops-letters.ts';
import { registerOpsPurge } from '../functions/ops/ops-purge.ts';
import { registerOpsSources } from '../functions/ops/ops-sources.ts';
import { registerOpsWarm } from '../functions/ops/ops-warm.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createJobStore } from '../redis/job-store.ts';
import { createOpsStore } from '../redis/ops-store.ts';
import { createQueryStore } from '../redis/query-store.ts';
import type { FeedCheck } from './feeds.ts';
import { clock, every } from './runtime.ts';
import { type OpenedSources, readsOf } from './sources.ts';

const NOTES_MS = 1000;
const STATS_MS = 10_000;
/** Well below the longest that a function may run. */
const WARM_TURN_MS = 30_000;

/** Begins to note, before there is anything to observe. */
export function startNotes(connection: RedisConnection, keys: RedisKeys, onError: (error: unknown) => void) {
  const ops = createOpsStore(connection);
  const deps = { ops, keys, nowMs: () => Date.now() };
  const refusals = createRefusals(deps);
  const partitions = createPartitionNotes(deps);
  const failures = createFailureNotes(deps);
  const stats = createStats(deps);
  const notes = [refusals, partitions, failures];
  const flush = async (all: readonly { flush(): Promise<void> }[]): Promise<void> => {
    await Promise.all(all.map((each) => each.flush())).catch(onError);
  };
  const stops = [every(NOTES_MS, () => flush(notes)), every(STATS_MS, () => flush([stats]))];
  return {
    ops,
    refusals,
    partitions,
    failures,
    stats,
    pauses: createPauses({ ops, keys, clock }),
    observe: (event: CacheEvent) => {
      for (const each of [...notes, stats]) each.observe(event);
    },
    async drain() {
      for (const stop of stops) stop();
      await flush([...notes, stats]);
    },
  };
}

export type OpsNotes = ReturnType<typeof startNotes>;

export interface OpsDeps extends LoaderDeps {
  readonly notes: OpsNotes;
  readonly connection: RedisConnection;
  readonly sources: Pick<OpenedSources, 'watched' | 'polled'>;
  readonly feeds: readonly FeedCheck[];
  readonly queries: readonly Query[];
  readonly content: Content | undefined;
}

/** @param stop aborted, no page of a warm job is begun any more */
export function startOps(deps: OpsDeps, stop: AbortSignal): { readonly drain: () => Promise<void> } {
  const { notes, queries, content, keys, options, feeds } = deps;
  const { ops, stats, pauses } = notes;
  const opened = [...deps.sources.watched, ...deps.sources.polled];
  const entities = opened.flatMap((source) => source.entities);
  const queryStore = createQueryStore(deps.connection);
  const marksOf = marksOfQuery({ keys, queries: queryStore });
  const explain = createExplain({ ...deps, ...notes, etagText, leaseMs: options.leaseMs });
  registerOpsExplain({ explain, entities, queries, content, marksOf });
  const indexed = [...new Set(queries.flatMap((query) => query.of.map(({ name }) => name)))];
  registerOpsPurge({ purge: createPurge({ ...deps, queries: queryStore, indexed }), keys, entities, queries, content });
  const letters = createDeadLetters({ ops, keys, entities, load: createLoader(deps) });
  registerOpsLetters(letters);
  const sources = opened.map(({ definition, source, entities: own }) => {
    const checks: HealthCheck[] = [readsOf(source), ...feeds.filter((feed) => feed.source === source.name)];
    const names = own.map(({ name }) => name);
    return {
      name: source.name,
      kind: definition.kind,
      entities: names,
      checks: checks.map((check) => () => stateOf(check)),
    };
  });
  registerOpsConsole();
  const report = createSourceReport({ ...notes, keys, sources, letters });
  registerOpsSources({ report, pauses, stats, audited: () => ops.fields(keys.audit) });
  return startWarm(deps, entities, stop);
}

function startWarm(deps: OpsDeps, entities: readonly Entity[], stop: AbortSignal) {
  const jobs = createWarmJobs({
    jobs: createJobStore(deps.connection, deps.keys),
    pages: createWarmPages(deps),
    entities,
    clock,
    nowMs: () => Date.now(),
    owner: () => hex(deps.entropy.token()),
  });
  const running = new Set<Promise<void>>();
  const runTurn = (): Promise<void> => {
    const turn: Promise<void> = jobs.run(clock.now() + WARM_TURN_MS, stop).finally(() => running.delete(turn));
    running.add(turn);
    return turn;
  };
  registerOpsWarm({
    jobs,
    entities,
    idAt: (ms) => `w-${iso(ms).replace(/[-:]|\..*/g, '')}-${hex(deps.entropy.token()).slice(0, 8)}`,
    runSoon: () =>
      void runTurn().catch((error: unknown) => deps.observe({ kind: 'store-failed', during: 'warm', error })),
    runTurn,
  });
  return { drain: async () => void (await Promise.allSettled(running)) };
}
