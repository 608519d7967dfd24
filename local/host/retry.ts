/**
 * Retry policies, which the host runs in memory around the invocation: the trigger only learns whether it succeeded in
 * the end. A stop during the delay gives up at once.
 */
import type { App, RegisteredFunction } from './app.ts';
import type { InvocationResponse, RetryOptions, RpcDuration } from './core-types.ts';
import { errorText } from './error-text.ts';
import { type InvocationInput, invoke } from './invoke.ts';
import { sleep } from './sleep.ts';

export type Outcome = { ok: true; response: InvocationResponse } | { ok: false; error: unknown };

export interface RetryEnvironment {
  signal: AbortSignal;
  /** Multiplies every delay; tests shorten the policies' whole seconds with it. */
  timeScale: number;
}

const milliseconds = (duration: RpcDuration | undefined): number => (duration?.seconds ?? 0) * 1000;

function delayBefore(policy: RetryOptions, retry: number): number {
  if (policy.retryStrategy !== 'exponentialBackoff') return milliseconds(policy.delayInterval);
  const minimum = milliseconds(policy.minimumInterval);
  const jitter = 0.8 + Math.random() * 0.4;
  const backoff = retry <= 1 ? minimum : minimum * 2 ** (retry - 1) * jitter;
  return Math.min(Math.max(backoff, minimum), milliseconds(policy.maximumInterval));
}

export async function invokeWithRetry(
  app: App,
  fn: RegisteredFunction,
  input: InvocationInput,
  environment: RetryEnvironment,
): Promise<Outcome> {
  const policy = fn.metadata.retryOptions;
  let failure: unknown;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await invoke(
        app,
        fn,
        policy ? { ...input, retryContext: context(policy, attempt, failure) } : input,
      );
      return { ok: true, response };
    } catch (error) {
      failure = error;
    }
    if (!policy || (policy.maxRetryCount >= 0 && attempt >= policy.maxRetryCount) || environment.signal.aborted) {
      return { ok: false, error: failure };
    }
    const delay = delayBefore(policy, attempt + 1) * environment.timeScale;
    app.log({
      level: 'information',
      category: `Function.${fn.metadata.name}`,
      message: `Function code returned an error; retry ${attempt + 1} of ${policy.maxRetryCount} in ${Math.round(delay)}ms`,
    });
    if (!(await sleep(delay, environment.signal))) return { ok: false, error: failure };
  }
}

function context(
  policy: RetryOptions,
  retryCount: number,
  failure: unknown,
): NonNullable<InvocationInput['retryContext']> {
  const base = { retryCount, maxRetryCount: policy.maxRetryCount };
  if (retryCount === 0) return base;
  return {
    ...base,
    exception: { message: errorText(failure, 'message'), source: '', stackTrace: errorText(failure) },
  };
}
