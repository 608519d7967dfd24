// The cache on Redis: the Store port over one connection. Decides what a failure means; what a call does is in the
// scripts. A hit is one GET and nothing around it.

import { messageOf, WarmfeedError } from '../core/errors.ts';
import type { DeadLetter, Store } from '../core/ports.ts';
import type { RedisConnection } from './connection.ts';
import { createScripts } from './scripts.ts';

export interface RedisStoreOptions {
  /** About how many dead letters are kept. */
  readonly deadLettersCap?: number;
}

/** Replies that say the server cannot serve at the moment. */
const UNAVAILABLE = new Set('LOADING CLUSTERDOWN MASTERDOWN MOVED ASK TRYAGAIN NOSCRIPT NOAUTH WRONGPASS'.split(' '));
/** Refusals that pass by themselves. */
const PASSING = new Set(['READONLY', 'OOM', 'BUSY', 'MISCONF', 'NOREPLICAS']);
/** Up to Redis 6 an error inside a script is wrapped. */
const CODE = /^(?:ERR Error running script.*?-)?([A-Z]+)\b/;

/**
 * Calls wait for the connection's first attempt; after that, a call without a connection fails at once. So the next
 * call after a connection was cut (idle, CLIENT KILL) either fails with STORE_UNAVAILABLE or is answered, and they
 * are answered again some 50 ms later.
 */
export function createRedisStore(connection: RedisConnection, options: RedisStoreOptions = {}): Store {
  const { deadLettersCap = 10_000 } = options;
  const scripts = createScripts(connection);
  const call = createCall(connection);

  const getBuffer = (key: string) => connection.send(key, (node) => node.getBuffer(key)).then(found, unreadable);

  async function getOnceConnected(key: string): Promise<Uint8Array | undefined> {
    await connection.settled();
    if (!connection.ready()) throw notConnected();
    return getBuffer(key);
  }

  return {
    ordered: !connection.client.isCluster,
    get: (key) => (connection.ready() ? getBuffer(key) : getOnceConnected(key)),
    lease: (key, request) => call(() => scripts.lease(key, request)),
    release: (key, token) => call(() => scripts.release(key, token)),
    fill: (key, request) => call(() => scripts.fill(key, request)),
    invalidate: (key, request) => call(() => scripts.invalidate(key, request)),
    async drop(key) {
      await call(() => connection.send(key, (node) => node.del(key)));
    },
    advance: (key, position) => call(() => scripts.advance(key, position)),
    watermark: (key, generation) => call(() => scripts.watermark(key, generation)),
    seed: (key, nonce, asOf) => call(() => scripts.seed(key, nonce, asOf)),
    close: (key) => call(() => scripts.close(key)),
    soften: (key) => call(() => scripts.soften(key)),
    generations: (key, fields, known = '') => call(() => scripts.generations(key, fields, known)),
    purge: (key, request) => call(() => scripts.purge(key, request)),
    bump: (key, field, seen) => call(() => scripts.bump(key, field, seen)),
    async deadLetter(key, letter) {
      const fields = pairs(letter);
      await call(() => connection.send(key, (node) => node.xadd(key, 'MAXLEN', '~', deadLettersCap, '*', ...fields)));
    },
    recall: (key) => call(() => connection.send(key, (node) => node.get(key))).then((text) => text ?? undefined),
    async remember(key, text) {
      await call(() => connection.send(key, (node) => node.set(key, text)));
    },
  };
}

/** What a call of Redis waits for, and what its failure means. */
export function createCall(connection: RedisConnection) {
  return async function call<T>(work: () => Promise<T>): Promise<T> {
    if (!connection.ready()) {
      await connection.settled();
      if (!connection.ready()) throw notConnected();
    }
    try {
      return await work();
    } catch (error) {
      throw storeError(error);
    }
  };
}

function pairs({ source, entity, key, version, reason }: DeadLetter): string[] {
  return Object.entries({ source, entity, key, version, reason }).flat();
}

function found(value: Buffer | null): Uint8Array | undefined {
  return value ?? undefined;
}

function unreadable(error: unknown): undefined {
  if (messageOf(error).startsWith('WRONGTYPE')) return undefined;
  throw storeError(error);
}

function notConnected(): WarmfeedError {
  return new WarmfeedError('STORE_UNAVAILABLE', 'Redis: not connected', { retryable: true });
}

/** Without the driver's error as cause: that one carries the command's arguments, which are keys and documents. */
function storeError(error: unknown): WarmfeedError {
  const message = messageOf(error);
  const isReply = error instanceof Error && error.name === 'ReplyError';
  const code = CODE.exec(message)?.[1] ?? '';
  if (!isReply || UNAVAILABLE.has(code)) {
    return new WarmfeedError('STORE_UNAVAILABLE', `Redis: ${message}`, { retryable: true });
  }
  return new WarmfeedError('STORE_REFUSED', `Redis: ${message}`, { retryable: PASSING.has(code) });
}
