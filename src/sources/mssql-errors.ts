// What a failed batch of Azure SQL Database means. Texts of the server and of the network stay in `cause`: they name
// servers, users and values.

import { type ErrorCode, isWarmfeedError, WarmfeedError } from '../core/errors.ts';

interface Failure {
  /** The driver's own code. */
  readonly code?: unknown;
  /** The server's error number. */
  readonly number?: unknown;
  readonly name?: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly retryable: boolean;
}

/** Limits of the service: sessions, workers, resources, too many operations. */
const THROTTLED = new Set([10_928, 10_929, 40_501, 49_918, 49_919, 49_920]);
/** Failovers, a database that wakes up, deadlocks and snapshot conflicts: over soon. */
const PASSING = new Set([
  40_197, 40_613, 4060, 1205, 3960, 3961, 11_001, 42_108, 42_109, 64, 233, 10_053, 10_054, 10_060,
]);
const SAYS: ReadonlyMap<number, string> = new Map([
  [18_456, 'the sign-in was refused'],
  [229, 'the user may not read the table'],
  [208, 'the table is not there'],
  [3952, 'snapshot isolation is not allowed in the database: ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON'],
]);

/** @param place how messages name the table */
export function sqlError(place: string, error: unknown): WarmfeedError {
  if (isWarmfeedError(error)) return error;
  const { code, says, retryable } = meaningOf(error);
  return new WarmfeedError(code, `${place}: ${says}`, {
    retryable,
    cause: error,
    ...(code === 'SOURCE_THROTTLED' ? { retryAfterMs: 1000 } : {}),
  });
}

/** The server's error number; undefined: it is not the server that failed. */
export function sqlErrorNumber(error: unknown): number | undefined {
  const { number } = failureOf(error);
  return typeof number === 'number' ? number : undefined;
}

function failureOf(error: unknown): Failure {
  return typeof error === 'object' && error !== null ? error : {};
}

function meaningOf(error: unknown): Meaning {
  const number = sqlErrorNumber(error);
  const { code, name } = failureOf(error);
  if (code === 'ETIMEOUT' || code === 'ECANCEL' || name === 'TimeoutError' || name === 'AbortError') {
    return { code: 'SOURCE_TIMEOUT', says: 'no answer in time', retryable: true };
  }
  if (number === undefined) {
    return code === 'ELOGIN' || code === 'EENCRYPT'
      ? { code: 'SOURCE_REJECTED', says: 'the sign-in was refused', retryable: false }
      : { code: 'SOURCE_UNAVAILABLE', says: 'no answer', retryable: true };
  }
  const shown = `(error ${number})`;
  if (THROTTLED.has(number))
    return { code: 'SOURCE_THROTTLED', says: `the server is at its limits ${shown}`, retryable: true };
  if (PASSING.has(number))
    return { code: 'SOURCE_UNAVAILABLE', says: `the server cannot answer now ${shown}`, retryable: true };
  return { code: 'SOURCE_REJECTED', says: `${SAYS.get(number) ?? 'the batch was refused'} ${shown}`, retryable: false };
}
