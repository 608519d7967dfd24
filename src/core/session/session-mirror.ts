// Write-behind of sessions to their durable copy: what Redis has of a session when its turn comes, so that many
// writes of one session are one, and the order in which they were noticed does not matter.

import type { RedisKeys } from '../key.ts';
import type { CacheEvent, Clock } from '../ports.ts';
import type { DurableSessions, SessionEntropy, SessionStore } from './session-ports.ts';

export interface MirrorDeps {
  readonly store: SessionStore;
  readonly copy: DurableSessions;
  readonly keys: Pick<RedisKeys, 'session'>;
  readonly entropy: Pick<SessionEntropy, 'token'>;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly observe: (event: CacheEvent) => void;
  /** How long the mark of an ended session is kept. */
  readonly markMs: number;
  /** Sessions that may wait; beyond it the oldest is given up, until it is next written. */
  readonly capacity: number;
}

export interface Mirror {
  /** Has the session copied soon. */
  add(name: string): void;
  /** Copies what waits, for so long at most; what fails now is given up. */
  drain(timeoutMs: number): Promise<void>;
}

const WORKERS = 8;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

export function createMirror(deps: MirrorDeps): Mirror {
  const { store, copy, keys, clock, observe } = deps;
  const waiting = new Set<string>();
  const workers = new Set<Promise<void>>();
  let failures = 0;
  const closing = Promise.withResolvers<void>();
  let isClosing = false;

  function add(name: string): void {
    if (waiting.size >= deps.capacity && !waiting.has(name)) {
      const [oldest = name] = waiting;
      waiting.delete(oldest);
      observe({ kind: 'session-not-copied', reason: 'too many sessions wait' });
    }
    waiting.add(name);
    if (workers.size < WORKERS) start();
  }

  function start(): void {
    const worker = work().finally(() => workers.delete(worker));
    workers.add(worker);
  }

  async function work(): Promise<void> {
    // Not within the request that noticed it.
    await clock.sleep(0);
    for (let name = next(); name !== undefined; name = next()) {
      try {
        await flush(name);
        failures = 0;
      } catch (error) {
        observe({ kind: 'session-not-copied', reason: 'it is tried again', error });
        if (isClosing) continue;
        waiting.add(name);
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures++, 10));
        await Promise.race([clock.sleep(pauseMs), closing.promise]);
      }
    }
  }

  function next(): string | undefined {
    const [name] = waiting;
    if (name !== undefined) waiting.delete(name);
    return name;
  }

  async function flush(name: string): Promise<void> {
    const key = keys.session(name);
    const found = await store.peek(key);
    if (found.state === 'ended') return copy.end(name, found.leftMs);
    if (found.state === 'none') return;
    if ((await copy.write(name, found.session, found.leftMs)) === 'kept') return;
    // Redis had forgotten that it has ended.
    await store.end(key, undefined, { token: deps.entropy.token(), keepMs: deps.markMs, always: true });
  }

  return {
    add,
    async drain(timeoutMs) {
      isClosing = true;
      closing.resolve();
      await Promise.race([Promise.all(workers), clock.sleep(timeoutMs)]);
    },
  };
}
