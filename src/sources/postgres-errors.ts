// What a failed statement of PostgreSQL means. Texts of the server and of the network stay in `cause`: they name
// hosts, users and values.

import { type ErrorCode, isWarmfeedError, WarmfeedError } from '../core/errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly retryable: boolean;
}

/** @param place how messages name the table */
export function postgresError(place: string, error: unknown): WarmfeedError {
  if (isWarmfeedError(error)) return error;
  const { code, says, retryable } = meaningOf(error);
  return new WarmfeedError(code, `${place}: ${says}`, {
    retryable,
    cause: error,
    ...(code === 'SOURCE_THROTTLED' ? { retryAfterMs: 1000 } : {}),
  });
}

/** The server's own code, SQLSTATE of PostgreSQL's appendix A; undefined: it is not the server that failed. */
export function sqlState(error: unknown): string | undefined {
  const { code } = typeof error === 'object' && error !== null ? (error as { code?: unknown }) : {};
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function meaningOf(error: unknown): Meaning {
  const state = sqlState(error);
  if (state !== undefined) return serverMeaning(state);
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  if (name === 'TimeoutError' || name === 'AbortError' || /timeout/i.test(message)) {
    return { code: 'SOURCE_TIMEOUT', says: 'no answer in time', retryable: true };
  }
  return { code: 'SOURCE_UNAVAILABLE', says: 'no answer', retryable: true };
}

function serverMeaning(state: string): Meaning {
  const shown = `(SQLSTATE ${state})`;
  if (state === '57014')
    return { code: 'SOURCE_TIMEOUT', says: `the statement took too long ${shown}`, retryable: true };
  if (state.startsWith('53'))
    return { code: 'SOURCE_THROTTLED', says: `the server is at its limits ${shown}`, retryable: true };
  // Connections, shutdowns, failovers, a standby that answers, transactions that lost against others.
  if (/^(08|57P|58|40)/.test(state) || state === '55000' || state === '25006') {
    return { code: 'SOURCE_UNAVAILABLE', says: `the server cannot answer now ${shown}`, retryable: true };
  }
  if (state.startsWith('28')) return rejected(`the sign-in was refused ${shown}`);
  if (state === '42501') return rejected(`the role may not do that ${shown}`);
  if (state === '42P01' || state === '3F000') return rejected(`the table or schema is not there ${shown}`);
  return rejected(`the statement was refused ${shown}`);
}

function rejected(says: string): Meaning {
  return { code: 'SOURCE_REJECTED', says, retryable: false };
}
