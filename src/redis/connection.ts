// One connection to Redis that fails fast: nothing is queued while it is down, nothing is sent twice, and a dead
// socket is found by one watchdog. It never throws for a server that cannot be reached; it reports that once.

import type { Cluster } from 'ioredis';
import { Redis } from 'ioredis';
import { messageOf, WarmfeedError } from '../core/errors.ts';

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://` (TLS; the certificate must be the host name's). */
  readonly url: string;
  /** A server that is silent for so long while it owes replies is taken for dead. */
  readonly socketTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Called once for each kind of failure of an outage, not for each attempt. */
  readonly onError: (error: WarmfeedError) => void;
  readonly onReady?: () => void;
}

export interface RedisConnection {
  readonly client: Redis | Cluster;
  ready(): boolean;
  /** Resolves, and never rejects, when the first attempt to connect has ended, one way or the other. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
}

const LONGEST_RETRY_MS = 1000;

/** @throws WarmfeedError CONFIG_INVALID for a URL that is none */
export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { url, socketTimeoutMs = 1000, connectTimeoutMs = 2000, onError, onReady } = options;
  const target = parseUrl(url);
  const reported = new Set<string>();
  const client = new Redis({
    ...target,
    connectionName: 'warmfeed',
    disableClientInfo: true,
    protocol: 2,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    // A script whose reply was lost may have been applied; whether it can be repeated is for its caller to know.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    socketTimeout: socketTimeoutMs,
    retryStrategy: (attempt: number) => Math.min(LONGEST_RETRY_MS, 25 * 2 ** attempt) * (0.5 + Math.random() / 2),
  });

  client.on('error', (error: unknown) => {
    const message = withoutSecret(messageOf(error), target.password);
    if (reported.has(message)) return;
    reported.add(message);
    onError(new WarmfeedError('STORE_UNAVAILABLE', `Redis: ${message}`, { retryable: true }));
  });
  client.on('ready', () => {
    reported.clear();
    onReady?.();
  });
  const first = firstAttempt(client, connectTimeoutMs);

  return {
    client,
    ready: () => client.status === 'ready',
    settled: () => first,
    async close() {
      // QUIT lets the replies that are due come in.
      if (client.status === 'ready') await client.quit().catch(() => undefined);
      client.disconnect();
    },
  };
}

function firstAttempt(client: Redis, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, timeoutMs);
    timer.unref();
    client.once('ready', end).once('close', end);
    function end(): void {
      clearTimeout(timer);
      client.off('ready', end).off('close', end);
      resolve();
    }
  });
}

function parseUrl(text: string): Target {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') {
    // The text may hold a password.
    throw new WarmfeedError(
      'CONFIG_INVALID',
      'The Redis URL is not of the form redis[s]://[user:password@]host[:port]',
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    // Empty: Node's own checks of chain and host name.
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

/** A server that does not know HELLO or AUTH quotes their arguments in its reply. */
function withoutSecret(message: string, secret: string | undefined): string {
  return secret === undefined || secret === '' ? message : message.replaceAll(secret, '***');
}
