// The cache on Redis: the Store port over one connection. Decides what a failure means; what a call does is in the
// scripts. A hit is one GET and nothing around it.

import type { DeadLetter, Store } from '../core/ports.ts';
import type { RedisConnection } from './connection.ts';
import { notConnected, storeError } from './errors.ts';
import { createScripts } from './scripts.ts';

export interface RedisStoreOptions {
  /** About how many dead letters are kept. */
  readonly deadLettersCap?: number;
}

/**
 * Calls wait for the connection's first attempt; after that, a call without a connection fails at once. So the next
 * call after a connection was cut (idle, CLIENT KILL) either fails with STORE_UNAVAILABLE or is answered, and they
 * are answered again some 50 ms later.
 */
export function createRedisStore(connection: RedisConnection, options: RedisStoreOptions = {}): Store {
  const { deadLettersCap = 10_000 } = options;
  const scripts = createScripts(connection);
  const call = createCall(connection);

  async function getOnceConnected(key: string): Promise<Uint8Array | undefined> {
    await connection.settled();
    if (!connection.ready()) throw notConnected();
    return connection.get(key);
  }

  return {
    ordered: connection.ordered,
    // The client writes what a tick brought when that has ended.
    sent: () => new Promise((resolve) => void setImmediate(resolve)),
    get: (key) => (connection.ready() ? connection.get(key) : getOnceConnected(key)),
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
