// What is explored of sessions, bundled anew for every knock-out like system.ts.

import { createHash } from 'node:crypto';
import { hash64, utf8 } from '../../../src/core/bytes.ts';
import { textOf } from '../../../src/core/json.ts';
import { type RedisKeys, redisKeys } from '../../../src/core/key.ts';
import { createSessions } from '../../../src/core/session/session.ts';
import { createMirror } from '../../../src/core/session/session-mirror.ts';
import type { DurableSessions, SessionStore } from '../../../src/core/session/session-ports.ts';
import { dataOf } from '../../../src/core/session/session-record.ts';
import { createMemorySessionCopy } from '../../support/memory-session-copy.ts';
import { createMemorySessionStore } from '../../support/memory-session-store.ts';
import type { Actor, Surroundings } from './process.ts';

export interface SessionsSetup {
  /** Distinct for each process: names its tokens. */
  readonly name: string;
  readonly isDurable: boolean;
}

/** All of one session. `move`: it becomes another subject's; `list`, `end all`: of its first subject. */
export type SessionDeed = 'create' | 'add' | 'move' | 'move back' | 'end' | 'read' | 'list' | 'end all';

export interface SessionTask {
  readonly do: SessionDeed;
  readonly serial: number;
}

/** `n`: how often something was added to the session, or how many are listed or ended. */
export interface Outcome {
  readonly kind: string;
  readonly n: number;
}

export const LIFE = { ttlMs: 3_600_000, absoluteMs: 36_000_000 };
const ID = 'a-session';
export const SUBJECTS = ['u', 'v'] as const;
const [FIRST, SECOND] = SUBJECTS;

export const keys: RedisKeys = redisKeys('x');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

const nameOf = (text: string): string => base64url(sha256(utf8(text)));

/** Of the session, and of the lists of its subjects. */
export const STORE_KEYS = [keys.session(nameOf(ID)), ...SUBJECTS.map((subject) => keys.subject(nameOf(subject)))];

function parked({ park }: Surroundings, port: string): object {
  const calls =
    (_: object, member: string | symbol) =>
    (...args: readonly unknown[]) =>
      park(port, String(member), args);
  return new Proxy({}, { get: calls });
}

export function createActor(surroundings: Surroundings, { name, isDurable }: SessionsSetup): Actor {
  let tokenOf = 0;
  let serial = 0;
  const store = parked(surroundings, 'store') as SessionStore;
  const copy = parked(surroundings, 'copy') as DurableSessions;
  const entropy = { id: () => ID, token: () => hash64(`${name} ${serial} ${tokenOf++}`), sha256, base64url };
  const clock = { sleep: async (ms: number) => void (await surroundings.park('clock', 'sleep', [ms])) };
  const observe = () => undefined;
  const mirror = createMirror({ store, copy, keys, entropy, clock, observe, markMs: LIFE.absoluteMs, capacity: 3 });
  const sessions = createSessions({
    store,
    keys,
    entropy,
    life: LIFE,
    maxBytes: 1000,
    subject: (data) => String(data['of']),
    ...(isDurable && { durable: { copy, mirror: (session: string) => mirror.add(session) } }),
  });

  async function perform(deed: SessionDeed): Promise<Outcome> {
    switch (deed) {
      case 'create':
        return { kind: (await sessions.createAs(ID, textOf({ n: 0, of: FIRST }))).kind, n: 0 };
      case 'add':
      case 'move':
      case 'move back': {
        const updated = await sessions.update(ID, (session) => {
          const { n, of } = dataOf(session);
          if (deed === 'add') return textOf({ n: Number(n) + 1, of: String(of) });
          return textOf({ n: Number(n), of: deed === 'move' ? SECOND : FIRST });
        });
        return { kind: updated.kind, n: updated.kind === 'updated' ? Number(dataOf(updated.session)['n']) : 0 };
      }
      case 'end':
        return { kind: (await sessions.end(ID)).kind, n: 0 };
      case 'read': {
        const session = await sessions.read(ID);
        return { kind: session === undefined ? 'none' : 'live', n: Number(session && dataOf(session)['n']) || 0 };
      }
      case 'list':
        return { kind: 'listed', n: (await sessions.list(FIRST)).length };
      case 'end all':
        return { kind: 'all ended', n: await sessions.endAll(FIRST) };
    }
  }

  return {
    begin: (task) => {
      tokenOf = 0;
      ({ serial } = task as SessionTask);
      return perform((task as SessionTask).do);
    },
    /** A process in which nothing runs knows nothing. */
    remains: () => [],
  };
}

export { createMemorySessionCopy, createMemorySessionStore, dataOf };
