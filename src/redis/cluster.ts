// A connection to a Redis Cluster. ioredis finds the nodes and keeps their table; which node a call goes to, and what
// a redirection means, is decided here, call by call: ioredis' own cluster pipelines are sent again as a whole, and
// a MOVED of one slot moves all slots of its range.

import { isIP } from 'node:net';
import { Cluster, Redis } from 'ioredis';
import { messageOf, WarmfeedError } from '../core/errors.ts';
import { readable } from './gets.ts';
import { SLOTS, slotOf } from './slot.ts';
import { createListeners, type NodeConnectionOptions, retryDelay } from './target.ts';
import { watchPatiently } from './watchdog.ts';
import { gather } from './writes.ts';

const REDIRECTIONS = 5;
const TABLE_TIMEOUT_MS = 5000;
/** Redirections and lost nodes renew the table at once; this is for what nobody meets. */
const TABLE_INTERVAL_MS = 30_000;
/** The least pause between two renewals: each makes a connection. */
const RENEWAL_MS = 100;
const RETIREMENT_MS = 1000;
/**
 * A script deleted a key of a migrating slot and could not set it again here, where what is absent is asked for at the
 * other node. Scripts that do so bear it.
 */
const HALF_WAY = 'Script attempted to access a non local key';
const CLOSED = 'Connection is closed.';
const REDIRECTION = /^(MOVED|ASK) \d+ (\S+)$/;

/** @throws WarmfeedError CONFIG_INVALID for a URL with a database */
export function createClusterConnection({ target, node, reporter, identity, onReady }: NodeConnectionOptions) {
  const { host, port, db, isEncrypted } = target;
  if (db !== 0)
    throw new WarmfeedError('CONFIG_INVALID', 'A Redis Cluster has no databases: the URL must not name one');
  const redisOptions = {
    ...node,
    // Nodes are known by their addresses; the certificate has the name that everybody connects to.
    ...(isEncrypted ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
  };
  const client = new Cluster([{ host, port }], {
    redisOptions,
    lazyConnect: identity !== undefined,
    // A name stays a name, for the certificate's sake, and is looked up anew by each connection.
    dnsLookup: (address, done) => done(null, address),
    scaleReads: 'master',
    slotsRefreshTimeout: TABLE_TIMEOUT_MS,
    slotsRefreshInterval: TABLE_INTERVAL_MS,
    // It would connect to all nodes again and again while the cluster is down, which each node says by itself.
    enableReadyCheck: false,
    clusterRetryStrategy: (attempt) => retryDelay(attempt),
  });
  /** Of the pool, primaries and replicas. */
  const nodes = new Map<string, Redis>();
  /** Named by a redirection, but without slots of their own yet. */
  const newcomers = new Map<string, Redis>();
  /** Nobody waits for these to be connected. */
  const lost = new Set<string>();
  const listeners = createListeners();
  let primaries = new Set<string>();
  let isSettled = false;
  let isWhole = false;
  let isClosed = false;
  let failures = 0;
  let renewal: NodeJS.Timeout | undefined;
  let renewedAt = Number.NEGATIVE_INFINITY;
  const first = Promise.withResolvers<void>();
  const firstTimer = setTimeout(settle, 2 * node.connectTimeout);
  firstTimer.unref();

  function settle(): void {
    clearTimeout(firstTimer);
    isSettled = true;
    first.resolve();
  }

  void identity?.ready.then(() => client.connect().catch(() => undefined));
  client.on('error', reportFailure);
  client.on('node error', (error: unknown, address: string) => {
    if (messageOf(error) !== CLOSED) reporter.report(error, address);
  });
  client.on('+node', (added: Redis) => {
    identity?.equip(added);
    watchPatiently(added);
    const address = addressOf(added);
    nodes.set(address, added);
    retire(newcomers.get(address));
    newcomers.delete(address);
    added.on('ready', () => {
      lost.delete(address);
      listeners.call();
    });
  });
  client.on('-node', (removed: Redis) => {
    const address = addressOf(removed);
    if (nodes.get(address) === removed) nodes.delete(address);
    if (!primaries.has(address)) return;
    lost.add(address);
    isWhole = false;
    renew();
  });
  client.on('refresh', () => void connectPrimaries());
  client.on('close', () => {
    settle();
    // In case that ioredis does not come back by itself.
    renew(4 * RENEWAL_MS);
  });

  /** No node could be asked for the table. ioredis keeps quiet about why, so the URL is tried for it. */
  function reportFailure(error: unknown): void {
    const cause = error instanceof Error && 'lastNodeError' in error ? error.lastNodeError : error;
    if (messageOf(cause) !== CLOSED) return reporter.report(cause);
    const seed = `${host}:${port}`;
    if (isClosed || newcomers.has(seed)) return;
    const tried = newcomer(seed);
    void isConnected(tried).then(() => tried.disconnect());
  }

  async function connectPrimaries(): Promise<void> {
    const before = primaries;
    primaries = primariesOf(client);
    if ([...primaries].some((address) => !before.has(address))) listeners.call();
    for (const address of lost) if (!primaries.has(address)) lost.delete(address);
    const connected = await Promise.all([...primaries].map((address) => isConnected(nodes.get(address))));
    settle();
    if (isClosed) return;
    if (connected.includes(false)) {
      isWhole = false;
      failures++;
      return renew(retryDelay(failures));
    }
    failures = 0;
    if (isWhole) return;
    isWhole = true;
    reporter.over();
    onReady?.();
  }

  function renew(delayMs = 0): void {
    if (isClosed || renewal !== undefined) return;
    renewal = setTimeout(
      () => {
        renewal = undefined;
        renewedAt = performance.now();
        if (client.status === 'ready') client.refreshSlotsCache(renewed);
        else if (client.status === 'close') client.connect().catch(() => undefined);
      },
      Math.max(delayMs, renewedAt + RENEWAL_MS - performance.now()),
    );
    renewal.unref();
  }

  function renewed(error?: Error | null): void {
    if (!error || isClosed || client.status !== 'ready') return;
    reportFailure(error);
    // Replicas that were never connected to keep ioredis from giving up nodes that are gone.
    if (!isServing()) client.disconnect(true);
    else renew(retryDelay(++failures));
  }

  async function send<T>(key: string, command: (on: Redis) => Promise<T>): Promise<T> {
    let address = client.slots[slotOf(key)]?.[0];
    let isAsking = false;
    for (let left = REDIRECTIONS; ; left--) {
      const on = address === undefined ? undefined : await nodeAt(address);
      if (on === undefined) {
        renew();
        throw new Error('no connection to the node of the key');
      }
      try {
        gather(on);
        // Right before the command, so that nothing comes between.
        if (isAsking) void on.asking().catch(() => undefined);
        return await command(on);
      } catch (error) {
        const message = messageOf(error);
        const [, kind, to] = REDIRECTION.exec(message) ?? [];
        if (left === 0 || (to === undefined && !message.includes(HALF_WAY))) throw error;
        if (to === undefined) continue;
        // "MOVED 1 :6380" is the host that says so.
        address = to.startsWith(':') ? `${on.options.host}${to}` : to;
        isAsking = kind === 'ASK';
        if (!isAsking) renew();
      }
    }
  }

  /** Waits for a node that is new; one that was lost is there or is not. */
  function nodeAt(address: string): Redis | undefined | Promise<Redis | undefined> {
    const found = nodes.get(address) ?? newcomers.get(address);
    if (found?.status === 'ready') return found;
    if (lost.has(address) || isClosed) return undefined;
    const waited = found ?? newcomer(address);
    return isConnected(waited).then((is) => (is ? waited : undefined));
  }

  function newcomer(address: string): Redis {
    const at = address.lastIndexOf(':');
    const on = new Redis({
      ...redisOptions,
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
      lazyConnect: true,
      retryStrategy: () => null,
    });
    identity?.equip(on);
    watchPatiently(on);
    newcomers.set(address, on);
    on.on('ready', listeners.call);
    on.on('error', (error: unknown) => reporter.report(error, address));
    on.on('end', () => {
      if (newcomers.get(address) === on) newcomers.delete(address);
    });
    return on;
  }

  function isServing(): boolean {
    for (const address of primaries) if (nodes.get(address)?.status === 'ready') return true;
    return false;
  }

  return {
    client,
    nodes: () => [...nodes.values(), ...newcomers.values()],
    send,
    outbox: undefined,
    get: (key: string) => readable(send(key, (on) => on.getBuffer(key))),
    primaries: () =>
      Array.from(primaries, (address) => nodes.get(address)).map((on) => (on?.status === 'ready' ? on : undefined)),
    nodeOf(key: string) {
      const on = nodes.get(client.slots[slotOf(key)]?.[0] ?? '');
      return on?.status === 'ready' ? on : undefined;
    },
    onNodes: listeners.add,
    ready: () => isSettled && isServing(),
    settled: () => first.promise,
    async close() {
      isClosed = true;
      identity?.stop();
      clearTimeout(renewal);
      const open = [...nodes.values(), ...newcomers.values()];
      clearTimeout(firstTimer);
      // QUIT lets the replies that are due come in.
      await Promise.all(open.map(async (on) => (on.status === 'ready' ? on.quit().catch(() => undefined) : undefined)));
      for (const on of open) on.disconnect();
      client.disconnect();
    },
  };
}

/** Calls of this tick, and those that wait for a reply, still go through. */
function retire(node: Redis | undefined): void {
  if (node !== undefined) setTimeout(() => node.disconnect(), RETIREMENT_MS).unref();
}

const attempts = new WeakMap<Redis, Promise<boolean>>();

/** Resolves when its attempt to connect has ended: a node is connected to once, and made anew when it is lost. */
function isConnected(node: Redis | undefined): Promise<boolean> {
  if (node === undefined || node.status === 'end') return Promise.resolve(false);
  if (node.status === 'ready') return Promise.resolve(true);
  let attempt = attempts.get(node);
  if (attempt === undefined) {
    attempt = new Promise((resolve) => {
      node.once('ready', () => resolve(true)).once('end', () => resolve(false));
    });
    attempts.set(node, attempt);
  }
  if (node.status === 'wait') node.connect().catch(() => undefined);
  return attempt.then((was) => was && node.status === 'ready');
}

function primariesOf(client: Cluster): Set<string> {
  const found = new Set<string>();
  let last: readonly string[] | undefined;
  for (let slot = 0; slot < SLOTS; slot++) {
    const range = client.slots[slot];
    // All slots of a range have the same list.
    if (range === last || range === undefined) continue;
    last = range;
    if (range[0] !== undefined) found.add(range[0]);
  }
  return found;
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
