// The connection to Redis, one server or a cluster, that fails fast: nothing is queued while it is down, nothing is
// sent twice, and a dead socket is found by one watchdog. It never throws for a server that cannot be reached; it
// reports that once.

import { type Cluster, Redis } from 'ioredis';
import type { WarmfeedError } from '../core/errors.ts';
import { createClusterConnection } from './cluster.ts';
import { createReporter, nodeOptions, parseUrl, retryDelay } from './target.ts';

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://` (TLS; the certificate must be the host name's). */
  readonly url: string;
  /** `OSSCluster`: the URL is that of any node. The others are served like one server. */
  readonly clustering?: Clustering;
  /** A server that is silent for so long while it owes replies is taken for dead. */
  readonly socketTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Called once for each kind of failure of an outage, not for each attempt. */
  readonly onError: (error: WarmfeedError) => void;
  readonly onReady?: () => void;
}

/** As Azure Managed Redis names them. */
export type Clustering = 'NoCluster' | 'EnterpriseCluster' | 'OSSCluster';

export interface RedisConnection {
  readonly client: Redis | Cluster;
  /** Runs `command` on the node that has the key; a second time only after a node that refused it named another. */
  send<T>(key: string, command: (node: Redis) => Promise<T>): Promise<T>;
  /** The nodes that have keys; undefined: one that is not connected. */
  primaries(): readonly (Redis | undefined)[];
  /** Whether a call has a chance. */
  ready(): boolean;
  /** Resolves, and never rejects, when the first attempt to connect has ended, one way or the other. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** @throws WarmfeedError CONFIG_INVALID for a URL that is none, or not a cluster's */
export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { url, clustering = 'NoCluster', socketTimeoutMs = 1000, connectTimeoutMs = 2000, onError, onReady } = options;
  const target = parseUrl(url);
  const node = nodeOptions(target, socketTimeoutMs, connectTimeoutMs);
  const reporter = createReporter(target, onError);
  if (clustering === 'OSSCluster') return createClusterConnection({ target, node, reporter, onReady });

  const { host, port, db, isEncrypted } = target;
  const client = new Redis({
    ...node,
    host,
    port,
    db,
    // Empty: Node's own checks of chain and host name.
    ...(isEncrypted ? { tls: {} } : {}),
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
  });
  client.on('error', (error: unknown) => reporter.report(error));
  client.on('ready', () => {
    reporter.over();
    onReady?.();
  });
  const first = firstAttempt(client, connectTimeoutMs);
  const isReady = () => client.status === 'ready';

  return {
    client,
    send: (_, command) => command(client),
    primaries: () => [isReady() ? client : undefined],
    ready: isReady,
    settled: () => first,
    async close() {
      // QUIT lets the replies that are due come in.
      if (isReady()) await client.quit().catch(() => undefined);
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
