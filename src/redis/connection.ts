// The connection to Redis, one server or a cluster, that fails fast: nothing is queued while it is down, nothing is
// sent twice, and a dead socket is found by one watchdog. It never throws for a server that cannot be reached; it
// reports that once.

import { type Cluster, Redis } from 'ioredis';
import type { WarmfeedError } from '../core/errors.ts';
import { createClusterConnection } from './cluster.ts';
import { createGets, readable } from './gets.ts';
import { createIdentity, type Identity, type TokenSource } from './identity.ts';
import {
  createListeners,
  createReporter,
  type NodeConnectionOptions,
  nodeOptions,
  parseUrl,
  retryDelay,
} from './target.ts';
import { createOutbox, type Outbox } from './together.ts';
import { watchPatiently } from './watchdog.ts';
import { gather } from './writes.ts';

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://` (TLS; the certificate must be the host name's). */
  readonly url: string;
  /** `OSSCluster`: the URL is that of any node. The others are served like one server. */
  readonly clustering?: Clustering;
  /** Entra tokens are shown instead of the URL's user and password. */
  readonly tokens?: TokenSource | undefined;
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
  /** Whether calls of any keys take effect in the order in which they are made. */
  readonly ordered: boolean;
  /** Runs `command` on the node that has the key; a second time only after a node that refused it named another. */
  send<T>(key: string, command: (node: Redis) => Promise<T>): Promise<T>;
  /**
   * What a key holds; of reads of one tick there is one command where one server has all keys.
   * @throws WarmfeedError STORE_*
   */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Where calls of several keys can be one command; undefined: the keys are on several servers. */
  readonly outbox: Outbox | undefined;
  /** All connections there are, connected or not. */
  nodes(): readonly Redis[];
  /** The nodes that have keys; undefined: one that is not connected. */
  primaries(): readonly (Redis | undefined)[];
  /** Whose key it is, as far as is known and connected. */
  nodeOf(key: string): Redis | undefined;
  /** Is called whenever a node has been connected to, or other nodes have keys. */
  onNodes(listener: () => void): void;
  /** Whether a call has a chance. */
  ready(): boolean;
  /** Resolves, and never rejects, when the first attempt to connect has ended, one way or the other. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** @throws WarmfeedError CONFIG_INVALID for a URL that is none, or not a cluster's */
export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { url, clustering = 'NoCluster', tokens, socketTimeoutMs = 1000, connectTimeoutMs = 2000 } = options;
  const { onError, onReady } = options;
  const target = parseUrl(url);
  const node = nodeOptions(target, socketTimeoutMs, connectTimeoutMs);
  const reporter = createReporter(() => identity?.secret() ?? target.password, onError);
  const identity: Identity | undefined =
    tokens && createIdentity({ tokens, nodes: () => connection.nodes(), onError: (error) => reporter.report(error) });
  const common = { target, node, reporter, identity, onReady };
  const connection: RedisConnection =
    clustering === 'OSSCluster'
      ? { ...createClusterConnection(common), ordered: false }
      : createSingleConnection(common, clustering === 'NoCluster');
  return connection;
}

/** @param isOne whether it is one server, not a proxy of many */
function createSingleConnection(options: NodeConnectionOptions, isOne: boolean): RedisConnection {
  const { target, node, reporter, identity, onReady } = options;
  const { host, port, db, isEncrypted } = target;
  const client = new Redis({
    ...node,
    host,
    port,
    db,
    // Empty: Node's own checks of chain and host name.
    ...(isEncrypted ? { tls: {} } : {}),
    lazyConnect: identity !== undefined,
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
  });
  watchPatiently(client);
  client.on('error', (error: unknown) => reporter.report(error));
  client.on('ready', () => {
    reporter.over();
    onReady?.();
  });
  void identity?.ready.then(() => client.connect().catch(() => undefined));
  const listeners = createListeners();
  client.on('ready', listeners.call);
  // A first token takes its time too.
  const first = firstAttempt(client, (identity === undefined ? 1 : 2) * node.connectTimeout);
  const isReady = () => client.status === 'ready';
  const outbox = createOutbox();

  function send<T>(_: string, command: (on: Redis) => Promise<T>): Promise<T> {
    outbox.flush();
    gather(client);
    return command(client);
  }

  return {
    client,
    // Behind a proxy each call goes to the shard that has its key.
    ordered: isOne,
    nodes: () => [client],
    send,
    outbox: isOne ? outbox : undefined,
    get: isOne ? createGets(client, outbox) : (key) => readable(send(key, (on) => on.getBuffer(key))),
    primaries: () => [isReady() ? client : undefined],
    nodeOf: () => (isReady() ? client : undefined),
    onNodes: listeners.add,
    ready: isReady,
    settled: () => first,
    async close() {
      identity?.stop();
      // QUIT lets the replies that are due come in.
      outbox.flush();
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
