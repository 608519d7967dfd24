// /ops/sources, /ops/stats, /ops/consistency: how the sources stand, what happened of late, how right the cache is.

import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { auditReport } from '../../core/audit/audit-report.ts';
import { WarmfeedError } from '../../core/errors.ts';
import { iso } from '../../core/ops/shown.ts';
import type { SourceReport } from '../../core/ops/source-report.ts';
import {
  addTo,
  BUCKET_MS,
  type Bucket,
  LAG_BOUNDS_MS,
  LATENCY_BOUNDS_MS,
  MOST_MINUTES,
  type Stats,
  zeros,
} from '../../core/ops/stats.ts';
import { READ_OUTCOMES } from '../../core/read/read-outcome.ts';
import { SESSION_OUTCOMES } from '../../core/session/session-outcome.ts';
import type { Pauses } from '../../core/sync/pauses.ts';
import { problem, segmentsAfter } from '../http.ts';
import { parametersOf } from '../parameters.ts';
import { answerJson, numberOf, registerOps, whoAsks } from './ops-http.ts';

export interface SourceRoutes {
  readonly report: SourceReport;
  readonly pauses: Pauses;
  readonly stats: Stats;
  /** What the auditor counted, by `<delay>:<verdict>`. */
  readonly audited: () => Promise<ReadonlyMap<string, string>>;
}

export function registerOpsSources(routes: SourceRoutes): void {
  registerOps('sources', 'sources', {
    GET: async (request) => {
      parametersOf(request, []);
      return answerJson(200, await routes.report.all());
    },
  });
  registerOps('source', 'sources/{*name}', { POST: (request, context) => turn(request, context, routes) });
  registerOps('stats', 'stats', { GET: (request) => stats(request, routes.stats) });
  registerOps('consistency', 'consistency', {
    GET: async (request) => {
      parametersOf(request, []);
      const counts = Array.from(await routes.audited(), ([field, n]) => [field, Number(n)] as const);
      const { share = null, bound95 = null, ...report } = auditReport(new Map(counts));
      return answerJson(200, { ...report, share, bound95 });
    },
  });
}

async function turn(
  request: HttpRequest,
  context: InvocationContext,
  { report, pauses }: SourceRoutes,
): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const { name, action } = targetOf(request);
  const known = report.names();
  if (!known.includes(name)) throw new WarmfeedError('UNKNOWN_ENTITY', `of sources there are ${known.join(', ')}`);
  if (action !== 'pause' && action !== 'resume') {
    return problem(404, 'not-found', 'a source can be paused and resumed: …/pause, …/resume');
  }
  const who = whoAsks(request);
  if (action === 'pause') await pauses.pause(name, who, Date.now());
  else await pauses.resume(name);
  context.info(`ops: ${who} ${action}d the changes of ${name}`);
  const { sources } = await report.all();
  return answerJson(
    200,
    sources.find((source) => source.name === name),
  );
}

/** The slashes of a name may come encoded or not: some hosts decode them. */
function targetOf(request: HttpRequest): { readonly name: string; readonly action: string } {
  const parts = segmentsAfter(request, 'sources');
  const action = parts.pop() ?? '';
  try {
    return { name: decodeURIComponent(parts.join('/')), action };
  } catch {
    throw new WarmfeedError('BAD_REQUEST', 'the name of the source is not valid percent-encoded UTF-8');
  }
}

async function stats(request: HttpRequest, counted: Stats): Promise<HttpResponseInit> {
  const bounds = { least: 1, most: MOST_MINUTES, usual: MOST_MINUTES };
  const buckets = await counted.read(numberOf(parametersOf(request, ['minutes']), 'minutes', bounds));
  return answerJson(200, {
    bucketMs: BUCKET_MS,
    latencyBoundsMs: LATENCY_BOUNDS_MS,
    lagBoundsMs: LAG_BOUNDS_MS,
    buckets: buckets.map(shown),
    byEntity: sumsOf(
      buckets.map(({ byEntity }) => byEntity),
      NO_READS,
    ),
    sessions: sumsOf(
      buckets.map(({ sessions }) => sessions),
      NO_CALLS,
    ),
  });
}

/** The counts of all, by name. */
function sumsOf(all: readonly ReadonlyMap<string, Counts>[], none: Counts): Readonly<Record<string, Counts>> {
  const sums: Record<string, Counts> = {};
  for (const counted of all) for (const [name, counts] of counted) sums[name] = sum(sums[name] ?? none, counts);
  return sums;
}

type Counts = Readonly<Record<string, number>>;

const noneOf = (outcomes: readonly string[]): Counts => Object.fromEntries(outcomes.map((outcome) => [outcome, 0]));
const NO_READS = noneOf(READ_OUTCOMES);
const NO_CALLS = noneOf(SESSION_OUTCOMES);

function shown(bucket: Bucket) {
  const lag = zeros(LAG_BOUNDS_MS);
  for (const counts of bucket.lag.values()) addTo(lag, counts);
  return {
    at: iso(bucket.at),
    reads: [...bucket.byEntity.values()].reduce(sum, NO_READS),
    sessions: [...bucket.sessions.values()].reduce(sum, NO_CALLS),
    latency: bucket.latency,
    lag,
    changes: bucket.changes,
    fills: part(bucket.fills, true),
    refused: part(bucket.fills, false),
    deadLetters: bucket.letters,
    storeFailures: bucket.storeFailures,
    sourceFailures: bucket.sourceFailures,
  };
}

function sum(a: Counts, b: Counts): Counts {
  const all: Record<string, number> = { ...a };
  for (const [name, n] of Object.entries(b)) all[name] = (all[name] ?? 0) + n;
  return all;
}

function part(fills: Bucket['fills'], isStored: boolean): Record<string, number> {
  return Object.fromEntries(Object.entries(fills).filter(([outcome]) => outcome.startsWith('stored') === isStored));
}
