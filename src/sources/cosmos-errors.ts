// What a failed call of the Cosmos DB SDK means. Texts of the service and of the network stay in `cause`: they name
// hosts, paths and tokens.

import { type ErrorCode, isWarmfeedError, WarmfeedError } from '../core/errors.ts';

/** The parts that errors of the SDK have, as far as they are there. */
interface CosmosFailure {
  readonly name?: string;
  readonly code?: unknown;
  readonly substatus?: number | undefined;
  readonly retryAfterInMs?: number;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly retryable: boolean;
}

/** A replica that has not reached the session token it was given. */
export const READ_SESSION_NOT_AVAILABLE = 1002;

const WRITE_FORBIDDEN = 3;
const ACCOUNT_NOT_FOUND = 1008;

/** @param place how messages name the container */
export function sourceError(place: string, error: unknown): WarmfeedError {
  if (isWarmfeedError(error)) return error;
  const failure: CosmosFailure = typeof error === 'object' && error !== null ? error : {};
  const { code, says, retryable } = meaningOf(failure);
  return new WarmfeedError(code, `${place}: ${says}`, {
    retryable,
    cause: error,
    ...(code === 'SOURCE_THROTTLED' ? { retryAfterMs: failure.retryAfterInMs ?? DEFAULT_RETRY_AFTER_MS } : {}),
  });
}

const DEFAULT_RETRY_AFTER_MS = 1000;

/** Whether a replica did not have what the session token asked for: it says nothing about the item. */
export function isLagging(error: unknown): boolean {
  const { code, substatus }: CosmosFailure = typeof error === 'object' && error !== null ? error : {};
  return code === 404 && substatus === READ_SESSION_NOT_AVAILABLE;
}

function meaningOf({ name, code, substatus }: CosmosFailure): Meaning {
  // First the names: a DOMException has a numeric code, too.
  if (name === 'TimeoutError' || name === 'AbortError') {
    return { code: 'SOURCE_TIMEOUT', says: 'no answer in time', retryable: true };
  }
  if (typeof code === 'number') return statusMeaning(code, substatus ?? 0);
  return unavailable('no answer');
}

function statusMeaning(status: number, substatus: number): Meaning {
  const shown = substatus === 0 ? `status ${status}` : `status ${status}/${substatus}`;
  switch (status) {
    case 401:
      return rejected(`the credentials were refused (${shown})`);
    case 403:
      // A region that is being switched off answers like this.
      if (substatus === WRITE_FORBIDDEN || substatus === ACCOUNT_NOT_FOUND) return unavailable(shown);
      return rejected(`access was refused (${shown})`);
    case 404:
      if (substatus === READ_SESSION_NOT_AVAILABLE) return unavailable(`a replica lags behind (${shown})`);
      return rejected(`the database or the container does not exist (${shown})`);
    case 408:
    case 410:
    case 449:
      return unavailable(shown);
    case 429:
      return { code: 'SOURCE_THROTTLED', says: `too many requests (${shown})`, retryable: true };
    default:
      return status >= 500 ? unavailable(shown) : rejected(`the request was refused (${shown})`);
  }
}

function unavailable(says: string): Meaning {
  return { code: 'SOURCE_UNAVAILABLE', says, retryable: true };
}

function rejected(says: string): Meaning {
  return { code: 'SOURCE_REJECTED', says, retryable: false };
}
