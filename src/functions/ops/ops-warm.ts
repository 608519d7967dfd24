// /ops/warm: jobs that cache an entity, all of it, what was written since, or some keys; and the timer that runs them.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import type { Entity } from '../../core/entity.ts';
import { messageOf, WarmfeedError } from '../../core/errors.ts';
import { keyOfJson, keyText } from '../../core/key.ts';
import { iso } from '../../core/ops/shown.ts';
import type { WarmJob, WarmJobs, WarmSpec } from '../../core/ops/warm-jobs.ts';
import { bodyOf, JSON_TYPE } from '../body.ts';
import { problem, segmentsAfter } from '../http.ts';
import { parametersOf } from '../parameters.ts';
import { entityNamed } from './ops-explain.ts';
import { answerJson, registerOps, whoAsks } from './ops-http.ts';

export interface WarmRoutes {
  readonly jobs: WarmJobs;
  readonly entities: readonly Entity[];
  /** Names a new job. */
  readonly idAt: (ms: number) => string;
  /** Runs jobs for a while, now; never rejects. */
  readonly runSoon: () => void;
  /** The same, until it is time for the next turn. @throws what it failed with */
  readonly runTurn: () => Promise<void>;
}

const MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 1000;
const MAX_RATE = 1_000_000;
const ID = /^w-\d{8}T\d{6}-[0-9a-f]{8}$/;
const ACTIONS = ['pause', 'resume', 'cancel'] as const;

export function registerOpsWarm(routes: WarmRoutes): void {
  registerOps('warm', 'warm', {
    POST: (request, context) => create(request, context, routes),
    GET: async (request) => {
      parametersOf(request, []);
      return answerJson(200, { jobs: (await routes.jobs.list()).map(shown) });
    },
  });
  registerOps('warm-job', 'warm/{id}', { GET: (request) => one(request, routes) });
  registerOps('warm-turn', 'warm/{id}/{action}', { POST: (request, context) => turn(request, context, routes) });
  app.timer('warm', {
    // Jobs begin at once where they are asked for; this goes on with them, also after a restart.
    schedule: '*/10 * * * * *',
    runOnStartup: true,
    useMonitor: false,
    handler: async (_timer, context) => {
      await routes.runTurn().catch((error: unknown) => context.warn(`warm jobs: ${messageOf(error)}`));
    },
  });
}

async function create(request: HttpRequest, context: InvocationContext, routes: WarmRoutes): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes: MAX_BYTES, what: 'a warm job' });
  if ('answer' in body) return body.answer;
  const now = Date.now();
  const spec: WarmSpec = { id: routes.idAt(now), createdAt: now, ...specOf(body.value, routes.entities, now) };
  await routes.jobs.create(spec);
  const what = spec.keys === undefined ? 'all' : `${spec.keys.length} key(s)`;
  context.info(`ops: ${whoAsks(request)} began to warm ${what} of ${spec.entity}: ${spec.id}`);
  routes.runSoon();
  const job = await routes.jobs.job(spec.id);
  const location = `${new URL(request.url).pathname.replace(/\/+$/, '')}/${spec.id}`;
  return job === undefined ? notFound() : answerJson(202, shown(job), { location });
}

/** @throws WarmfeedError BAD_REQUEST, BAD_KEY, UNKNOWN_ENTITY */
function specOf(
  body: Readonly<Record<string, unknown>>,
  entities: readonly Entity[],
  now: number,
): Omit<WarmSpec, 'id' | 'createdAt'> {
  const { entity: name, keys, since, unitsPerSecond, ...others } = body;
  if (Object.keys(others).length > 0 || (keys !== undefined && since !== undefined)) {
    throw bad('the body must be {"entity": …}, with "keys" or "since", and "unitsPerSecond", if any; nothing else');
  }
  const entity = entityNamed(entities, name);
  return {
    entity: entity.name,
    ...(keys !== undefined && { keys: keysOf(entity, keys) }),
    ...(since !== undefined && { since: sinceOf(entity, since, now) }),
    ...(unitsPerSecond !== undefined && { unitsPerSecond: rateOf(unitsPerSecond) }),
  };
}

function keysOf(entity: Entity, keys: unknown): readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    throw bad(`keys must be a list of 1 to ${MAX_KEYS} keys`);
  }
  const texts = keys.map((key: unknown) => keyText(keyOfJson(entity.columns, Array.isArray(key) ? key : [key])));
  return [...new Set(texts)];
}

function sinceOf(entity: Entity, since: unknown, now: number): number {
  if (entity.source.changesHold === 'keys') {
    throw bad('rows of a table do not tell when they were written: warm all of it, or some keys');
  }
  const isTime = typeof since === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z$/.test(since);
  const ms = isTime ? Date.parse(since) : Number.NaN;
  if (!(ms >= 0 && ms <= now)) throw bad('since must be a time that has passed, such as 2026-01-31T12:00:00Z');
  return ms;
}

function rateOf(rate: unknown): number {
  if (typeof rate === 'number' && rate >= 1 && rate <= MAX_RATE) return rate;
  throw bad(`unitsPerSecond must be a number from 1 to ${MAX_RATE}`);
}

async function one(request: HttpRequest, { jobs }: WarmRoutes): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const [id = ''] = segmentsAfter(request, 'warm');
  const job = ID.test(id) ? await jobs.job(id) : undefined;
  return job === undefined ? notFound() : answerJson(200, shown(job));
}

async function turn(request: HttpRequest, context: InvocationContext, routes: WarmRoutes): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const [id = '', name = ''] = segmentsAfter(request, 'warm');
  const action = ACTIONS.find((each) => each === name);
  const before = ID.test(id) && action !== undefined ? await routes.jobs.job(id) : undefined;
  if (before === undefined || action === undefined) return notFound();
  if (!(await routes.jobs[action](id))) {
    return problem(409, 'conflict', `the job has ended: it is ${before.state}`);
  }
  context.info(`ops: ${whoAsks(request)} asked to ${action} the warm job ${id}`);
  if (action === 'resume') routes.runSoon();
  const job = await routes.jobs.job(id);
  return job === undefined ? notFound() : answerJson(200, shown(job));
}

function shown({ spec, state, progress, updatedAt }: WarmJob) {
  const hasEnded = state === 'done' || state === 'failed' || state === 'cancelled';
  return {
    id: spec.id,
    entity: spec.entity,
    what: spec.keys === undefined ? (spec.since === undefined ? 'all' : 'since') : 'keys',
    since: spec.since === undefined ? null : iso(spec.since),
    unitsPerSecond: spec.unitsPerSecond ?? null,
    state,
    scanned: progress.scanned,
    filled: progress.filled,
    skipped: progress.skipped,
    units: Math.round(progress.units * 100) / 100,
    error: progress.error ?? null,
    createdAt: iso(spec.createdAt),
    startedAt: progress.startedAt === undefined ? null : iso(progress.startedAt),
    updatedAt: iso(updatedAt),
    endedAt: hasEnded ? iso(updatedAt) : null,
    total: spec.keys?.length ?? null,
  };
}

function notFound(): HttpResponseInit {
  return problem(404, 'not-found', `there is no such job, or it cannot do that: it can ${ACTIONS.join(', ')}`);
}

function bad(message: string): WarmfeedError {
  return new WarmfeedError('BAD_REQUEST', message);
}
