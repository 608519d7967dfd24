// Keeps a source and its callers from hurting each other: so many reads at a time, so long at most, and none while
// it fails one after the other. Only misses pass here; a hit knows nothing of it.

import {
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  isBrokenCircuitError,
  isBulkheadRejectedError,
} from 'cockatiel';
import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import type { ReadOptions, Source } from '../core/ports.ts';
import type { Limit } from '../core/read/read.ts';
import { deadline, untilAborted } from './deadline.ts';

export interface GuardLimits {
  readonly concurrency: number;
  /** Reads that may wait for their turn. */
  readonly queue: number;
  /** Longest duration of a read, with the wait for its turn. */
  readonly timeoutMs: number;
  /** Failures in a row that open the breaker. */
  readonly breakerFailures: number;
  /** For how long it stays open until one read may try again. */
  readonly breakerResetMs: number;
  readonly onBreaker?: (state: 'closed' | 'half-open' | 'open') => void;
}

const STATES = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  // Held open by hand, which nobody does.
  [CircuitState.Isolated]: 'open',
} as const;
const FAILURES: ReadonlySet<string> = new Set(['SOURCE_UNAVAILABLE', 'SOURCE_TIMEOUT', 'SOURCE_THROTTLED']);

/** read and readMany throw SOURCE_BUSY beyond the limits, and SOURCE_UNAVAILABLE while the breaker is open. */
export function guard(source: Source, limits: GuardLimits): Source {
  const run = createGuard(source.name, limits);
  const { query, isTracked } = source;

  return {
    name: source.name,
    replicaLagMs: source.replicaLagMs,
    changesHold: source.changesHold,
    read: (key, options = {}) => run(options, (inner) => source.read(key, inner)),
    readMany: (keys, options = {}) => run(options, (inner) => source.readMany(keys, inner)),
    scan: (page) => source.scan(page),
    ...(query && { query: (statement, options = {}) => run(options, (inner) => query(statement, inner)) }),
    ...(isTracked && { isTracked: (options = {}) => run(options, (inner) => isTracked(inner)) }),
    check: () => source.check(),
    floor: (token) => source.floor(token),
    change: (item) => source.change(item),
  };
}

/** Runs what it is given within the limits, with a signal that is aborted at their deadline. */
export function createGuard(name: string, limits: GuardLimits) {
  const limited = createLimited(name, limits);
  const breaker = createBreaker(name, limits);

  return function run<T>(options: ReadOptions, work: (options: ReadOptions) => Promise<T>): Promise<T> {
    return limited((signal) => breaker(options, signal, () => work({ ...options, signal })), options.signal);
  };
}

/** A small bulkhead with a deadline: the reloads that clients ask for share one. */
export function createLimit(limits: { concurrency: number; queue?: number; timeoutMs: number }): Limit {
  const limited = createLimited('reloads', { queue: 0, ...limits });
  return (work) => limited(work);
}

function createLimited(name: string, limits: { concurrency: number; queue: number; timeoutMs: number }) {
  const slots = bulkhead(limits.concurrency, limits.queue);
  return async <T>(work: (signal: AbortSignal) => Promise<T>, caller?: AbortSignal): Promise<T> => {
    const signal = deadline(limits.timeoutMs, caller);
    try {
      // Twice: neither the caller in the queue nor the slot waits for work that ignores the signal.
      return await inTime(
        name,
        signal,
        slots.execute(() => inTime(name, signal, work(signal)), signal),
      );
    } catch (error) {
      if (!isBulkheadRejectedError(error)) throw error;
      throw new WarmfeedError('SOURCE_BUSY', `${name}: too many reads at a time`, { retryable: true, cause: error });
    }
  };
}

function createBreaker(name: string, limits: Pick<GuardLimits, 'breakerFailures' | 'breakerResetMs' | 'onBreaker'>) {
  /** Failures that the caller brought about: they say nothing about the source. */
  const excused = new WeakSet<Error>();
  let openUntil = 0;
  const isFailure = handleWhen((error) => {
    if (!isWarmfeedError(error) || !FAILURES.has(error.code)) return false;
    // A read that probes must succeed, whoever is to blame.
    return circuit.state === CircuitState.HalfOpen || !excused.has(error);
  });
  const circuit = circuitBreaker(isFailure, {
    halfOpenAfter: limits.breakerResetMs,
    breaker: new ConsecutiveBreaker(limits.breakerFailures),
  });
  circuit.onStateChange((state) => limits.onBreaker?.(STATES[state]));
  circuit.onBreak(() => {
    openUntil = Date.now() + limits.breakerResetMs;
  });

  async function run<T>(options: ReadOptions, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await circuit.execute(() => attempt(options, signal, work));
    } catch (error) {
      throw isBrokenCircuitError(error) ? open(error) : error;
    }
  }

  async function attempt<T>(options: ReadOptions, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await inTime(name, signal, work());
    } catch (error) {
      // A floor may ask for what no replica has yet, or will ever have, and a caller may leave early.
      const isExcused = options.signal?.aborted === true || options.floor !== undefined;
      if (isExcused && error instanceof Error) excused.add(error);
      throw error;
    }
  }

  function open(cause?: unknown): WarmfeedError {
    const retryAfterMs = Math.max(1, openUntil - Date.now());
    return new WarmfeedError('SOURCE_UNAVAILABLE', `${name}: left alone after failures in a row`, {
      retryable: true,
      retryAfterMs,
      cause,
    });
  }

  return run;
}

async function inTime<T>(name: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  try {
    return await untilAborted(signal, work);
  } catch (cause) {
    if (!signal.aborted || isWarmfeedError(cause)) throw cause;
    throw new WarmfeedError('SOURCE_TIMEOUT', `${name}: no answer in time`, { retryable: true, cause });
  }
}
