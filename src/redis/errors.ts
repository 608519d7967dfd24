// What a failure of a call means.

import { messageOf, WarmfeedError } from '../core/errors.ts';

/** Replies that say the server cannot serve at the moment. */
const UNAVAILABLE = new Set('LOADING CLUSTERDOWN MASTERDOWN MOVED ASK TRYAGAIN NOSCRIPT NOAUTH WRONGPASS'.split(' '));
/** Refusals that pass by themselves. */
const PASSING = new Set(['READONLY', 'OOM', 'BUSY', 'MISCONF', 'NOREPLICAS']);
/** Up to Redis 6 an error inside a script is wrapped. */
const CODE = /^(?:ERR Error running script.*?-)?([A-Z]+)\b/;

/** Without the driver's error as cause: that one carries the command's arguments, which are keys and documents. */
export function storeError(error: unknown): WarmfeedError {
  const message = messageOf(error);
  const isReply = error instanceof Error && error.name === 'ReplyError';
  const code = CODE.exec(message)?.[1] ?? '';
  if (!isReply || UNAVAILABLE.has(code)) {
    return new WarmfeedError('STORE_UNAVAILABLE', `Redis: ${message}`, { retryable: true });
  }
  return new WarmfeedError('STORE_REFUSED', `Redis: ${message}`, { retryable: PASSING.has(code) });
}

export function notConnected(): WarmfeedError {
  return new WarmfeedError('STORE_UNAVAILABLE', 'Redis: not connected', { retryable: true });
}
