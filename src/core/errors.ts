// The errors of Warmfeed. Outcomes such as hit, stale, miss, not found or a refused fill are results, never errors.

export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'SOURCE_THROTTLED'
  | 'SOURCE_UNAVAILABLE'
  | 'SOURCE_TIMEOUT'
  | 'SOURCE_BUSY'
  | 'SOURCE_REJECTED'
  | 'STORE_UNAVAILABLE'
  | 'STORE_REFUSED'
  | 'ROW_INVALID'
  | 'BAD_KEY'
  | 'BAD_REQUEST'
  | 'UNKNOWN_ENTITY'
  /** Changes of a source are held, as somebody asked. */
  | 'PAUSED'
  /** A query gave more rows than it may have. */
  | 'QUERY_TOO_LARGE';

/** Base of all errors: test `code`, not `instanceof`. `retryable` says whether the same call can succeed later. */
export class WarmfeedError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** How long the failing side asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WarmfeedError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** One problem of a configuration, with the path of the option or setting that has it. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
}

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends WarmfeedError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const list = problems.map(({ path, message }) => `  - ${path}: ${message}`).join('\n');
    super('CONFIG_INVALID', `The configuration has ${problems.length} problem(s):\n${list}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export function isWarmfeedError(error: unknown): error is WarmfeedError {
  return error instanceof Error && 'code' in error && 'retryable' in error;
}

/** True for a failure of the cache itself: reads then go on without it, change batches are retried. */
export function isStoreError(error: unknown): error is WarmfeedError {
  return isWarmfeedError(error) && error.code.startsWith('STORE_');
}

/** True for a failure of a source: stale values may be served where the configuration allows it. */
export function isSourceError(error: unknown): error is WarmfeedError {
  return isWarmfeedError(error) && error.code.startsWith('SOURCE_');
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
