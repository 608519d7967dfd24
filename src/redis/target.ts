// What a connection to one node is set up with, and how its failures are told: the same for a single server and
// for every node of a cluster.

import type { RedisOptions } from 'ioredis';
import { messageOf, WarmfeedError } from '../core/errors.ts';
import type { Identity } from './identity.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly isEncrypted: boolean;
}

/** What one server and a cluster are connected with. */
export interface NodeConnectionOptions {
  readonly target: Target;
  readonly node: ReturnType<typeof nodeOptions>;
  readonly reporter: ReturnType<typeof createReporter>;
  readonly identity: Identity | undefined;
  readonly onReady: (() => void) | undefined;
}

const LONGEST_RETRY_MS = 1000;
/** The server must be looked for again (a primary that became a replica), or wants to be told who we are again. */
const MAKES_ANEW = /\b(READONLY|NOAUTH)\b/;
/** A server that stays read-only is not connected to for each call. */
const ANEW_AFTER_MS = 1000;

/** @throws WarmfeedError CONFIG_INVALID for a URL that is none */
export function parseUrl(text: string): Target {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') {
    // The text may hold a password.
    throw new WarmfeedError(
      'CONFIG_INVALID',
      'The Redis URL is not of the form redis[s]://[user:password@]host[:port]',
    );
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    isEncrypted: url.protocol === 'rediss:',
  };
}

/** Fails fast: nothing is sent twice, and one watchdog finds a dead socket. */
export function nodeOptions(target: Target, socketTimeoutMs: number, connectTimeoutMs: number) {
  const { username, password } = target;
  let anewAt = 0;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    connectionName: 'warmfeed',
    disableClientInfo: true,
    protocol: 2,
    // A script whose reply was lost may have been applied; whether it can be repeated is for its caller to know.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    socketTimeout: socketTimeoutMs,
    reconnectOnError(error: Error) {
      if (!MAKES_ANEW.test(error.message) || performance.now() < anewAt) return false;
      anewAt = performance.now() + ANEW_AFTER_MS;
      // Again, but without the call that met it.
      return true;
    },
  } satisfies RedisOptions;
}

export function retryDelay(attempt: number): number {
  return Math.min(LONGEST_RETRY_MS, 25 * 2 ** attempt) * (0.5 + Math.random() / 2);
}

/** Who wants to know of changed nodes. */
export function createListeners() {
  const all: (() => void)[] = [];
  return {
    add: (listener: () => void) => void all.push(listener),
    call: () => {
      for (const listener of all) listener();
    },
  };
}

/** Tells each kind of failure of an outage once. */
export function createReporter(secret: () => string | undefined, onError: (error: WarmfeedError) => void) {
  const reported = new Set<string>();
  return {
    report(error: unknown, node?: string): void {
      const text = withoutSecret(messageOf(error), secret());
      const message = node === undefined || text.includes(node) ? text : `${node}: ${text}`;
      if (reported.has(message)) return;
      reported.add(message);
      onError(new WarmfeedError('STORE_UNAVAILABLE', `Redis: ${message}`, { retryable: true }));
    },
    over: () => reported.clear(),
  };
}

/** A server that does not know HELLO or AUTH quotes their arguments in its reply. */
function withoutSecret(message: string, secret: string | undefined): string {
  return secret === undefined || secret === '' ? message : message.replaceAll(secret, '***');
}
