// GET /health/live and /health/ready, for anybody: is the process there, and can it do its work.

import { app, type HttpResponseInit } from '@azure/functions';
import { type ConfigProblem, isWarmfeedError } from '../core/errors.ts';
import { METHODS, methodNotAllowed } from './http.ts';

export interface HealthCheck {
  readonly name: string;
  /** Resolves with what is remarkable though it works; rejects where it does not, or never ends. */
  readonly check: () => Promise<string | undefined>;
}

interface CheckState {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'error';
  readonly detail?: string;
}

const CHECK_TIMEOUT_MS = 2000;

export function registerHealth(options: { checks: readonly HealthCheck[]; problems: readonly ConfigProblem[] }): void {
  register('live', () => Promise.resolve(json(200, { status: 'ok' })));
  register('ready', async () => {
    if (options.problems.length > 0) {
      // Paths name options and settings, never values.
      return json(503, { status: 'error', problems: options.problems });
    }
    const states = await Promise.all(options.checks.map(stateOf));
    const worst = (['error', 'warn'] as const).find((state) => states.some((check) => check.state === state)) ?? 'ok';
    return json(worst === 'error' ? 503 : 200, { status: worst, dependencies: states });
  });
}

function register(name: 'live' | 'ready', answer: () => Promise<HttpResponseInit>): void {
  app.http(`health-${name}`, {
    route: `health/${name}`,
    methods: [...METHODS],
    authLevel: 'anonymous',
    handler: (request) =>
      request.method === 'GET' || request.method === 'HEAD'
        ? answer()
        : Promise.resolve(methodNotAllowed(['GET', 'HEAD'])),
  });
}

/** Never rejects. */
export async function stateOf({ name, check }: HealthCheck): Promise<CheckState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), CHECK_TIMEOUT_MS);
  });
  try {
    const remark = await Promise.race([check(), late]);
    return remark === undefined ? { name, state: 'ok' } : { name, state: 'warn', detail: remark };
  } catch (error) {
    // What a source refuses for good its own message tells, without hosts; other causes may name some.
    const isRefusal = isWarmfeedError(error) && error.code === 'SOURCE_REJECTED';
    return { name, state: 'error', detail: isRefusal ? error.message : 'does not answer' };
  } finally {
    clearTimeout(timer);
  }
}

function json(status: number, body: object): HttpResponseInit {
  return { status, jsonBody: body, headers: { 'cache-control': 'no-store' } };
}
