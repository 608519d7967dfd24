// Session state: what may happen to a session, and when. Every write is a swap by version, so that none is lost and
// none revives what has ended; with a durable copy, what Redis lost comes back from it.

import { equalBytes, utf8 } from '../bytes.ts';
import type { JsonObject, JsonText } from '../json.ts';
import type { RedisKeys } from '../key.ts';
import type { DurableSessions, SessionEntropy, SessionLife, SessionReply, SessionStore } from './session-ports.ts';
import type { SessionContent, SessionRecord } from './session-record.ts';

export interface SessionDeps {
  readonly store: SessionStore;
  readonly keys: Pick<RedisKeys, 'session' | 'subject'>;
  readonly entropy: SessionEntropy;
  readonly life: SessionLife;
  readonly maxBytes: number;
  readonly subject: (data: JsonObject) => string | undefined;
  readonly durable?: { readonly copy: DurableSessions; readonly mirror: (name: string) => void };
}

export type Created =
  | { readonly kind: 'created'; readonly id: string; readonly session: SessionContent }
  | { readonly kind: 'exists' | 'ended' | 'too-large' };

/** What a change makes of a session; undefined: nothing, for a precondition does not hold. */
export type Change = (session: SessionRecord) => JsonText | undefined;

export type Updated =
  | { readonly kind: 'updated'; readonly session: SessionContent }
  | { readonly kind: 'refused'; readonly session: SessionContent }
  | { readonly kind: 'none' | 'too-large' | 'busy' };

export type Ended =
  | { readonly kind: 'refused'; readonly session: SessionContent }
  | { readonly kind: 'ended' | 'none' | 'busy' };

export interface SessionSummary {
  /** Tells sessions apart without giving one away. */
  readonly handle: string;
  readonly created: number;
  readonly seen: number;
}

interface NamedSession extends SessionRecord {
  readonly name: string;
}

export type Sessions = ReturnType<typeof createSessions>;

/** Each swap that fails is another's that did not; in one process they take turns. */
const ATTEMPTS = 64;
const CHUNK = 32;
/** No request lasts so long (the hosts' limit is 230 s). */
const LISTING_GRACE_MS = 300_000;

export function createSessions(deps: SessionDeps) {
  const { store, keys, entropy, life, maxBytes, durable } = deps;
  const inTurn = createTurns();
  const nameOf = (id: string) => entropy.base64url(entropy.sha256(utf8(id)));

  function contentOf({ bytes, value }: JsonText, version: number): SessionContent {
    const owner = deps.subject(value);
    return { version, token: entropy.token(), subject: owner === undefined ? undefined : digestOf(owner), body: bytes };
  }

  function digestOf(subject: string): Uint8Array {
    return entropy.sha256(utf8(subject));
  }

  /** Before the write that it announces: a crash leaves a listing too many, never one too few. */
  async function list(name: string, subject: Uint8Array | undefined): Promise<void> {
    if (subject !== undefined) await store.list(keys.subject(entropy.base64url(subject)), name, life.absoluteMs);
  }

  /** Uses the session, wherever it is. */
  async function find(name: string): Promise<SessionReply> {
    const reply = await store.read(keys.session(name), life);
    if (reply.state === 'live') mirrorUse(name, reply.session.seen, reply.nowMs);
    if (reply.state !== 'none') return reply;
    const kept = await restore(name);
    if (kept === 'restored') return store.read(keys.session(name), life);
    return kept === 'ended' ? { state: 'ended' } : reply;
  }

  /** Brings back what Redis has lost, with what is left of its life. */
  async function restore(name: string): Promise<'restored' | 'ended' | undefined> {
    const kept = await durable?.copy.read(name);
    if (kept === undefined || kept === 'ended') return kept;
    await list(name, kept.subject);
    await store.create(keys.session(name), kept, life, kept);
    return 'restored';
  }

  /** A copy is behind in the time of the last use by a quarter of the ttl at most, for a write now and then. */
  function mirrorUse(name: string, before: number, now: number): void {
    const quarterMs = life.ttlMs / 4;
    if (Math.floor(before / quarterMs) !== Math.floor(now / quarterMs)) durable?.mirror(name);
  }

  async function place(id: string, body: JsonText): Promise<Created> {
    if (body.bytes.length > maxBytes) return { kind: 'too-large' };
    const name = nameOf(id);
    const session = contentOf(body, 1);
    await list(name, session.subject);
    const reply = await store.create(keys.session(name), session, life);
    if (reply === 'ended') return { kind: 'ended' };
    if (reply !== 'created') return { kind: 'exists' };
    durable?.mirror(name);
    return { kind: 'created', id, session };
  }

  async function attemptUpdate(name: string, change: Change): Promise<Updated> {
    const reply = await find(name);
    if (reply.state !== 'live') return { kind: 'none' };
    const before = reply.session;
    const body = change(before);
    if (body === undefined) return { kind: 'refused', session: before };
    if (body.bytes.length > maxBytes) return { kind: 'too-large' };
    const session = contentOf(body, before.version + 1);
    if (!sameSubject(session.subject, before.subject)) await list(name, session.subject);
    if (!(await store.swap(keys.session(name), before.token, session, life))) return { kind: 'busy' };
    durable?.mirror(name);
    return { kind: 'updated', session };
  }

  async function attemptEnd(name: string, allows: ((session: SessionRecord) => boolean) | undefined): Promise<Ended> {
    const reply = await find(name);
    if (reply.state === 'ended') await endCopy(name);
    if (reply.state !== 'live') return { kind: 'none' };
    if (allows?.(reply.session) === false) return { kind: 'refused', session: reply.session };
    const token = allows === undefined ? undefined : reply.session.token;
    const mark = { token: entropy.token(), keepMs: life.absoluteMs };
    const key = keys.session(name);
    if (!(await store.end(key, token, mark))) return { kind: 'busy' };
    await endCopy(name);
    // Had Redis lost the mark meanwhile, who read the copy just before could still bring the session back.
    if (durable !== undefined) await store.end(key, undefined, { ...mark, always: true });
    return { kind: 'ended' };
  }

  /** Before anybody is told that it has ended: an ended session never comes back. */
  async function endCopy(name: string): Promise<void> {
    if (durable === undefined) return;
    try {
      await durable.copy.end(name, life.absoluteMs);
    } catch (error) {
      durable.mirror(name);
      throw error;
    }
  }

  /** Live sessions of a subject; what was listed and is none is dropped. */
  async function ofSubject(subject: Uint8Array): Promise<readonly NamedSession[]> {
    const key = keys.subject(entropy.base64url(subject));
    const kept = (await durable?.copy.listed(subject)) ?? [];
    const names = new Set([...(await store.listed(key)), ...kept]);
    const found = await inChunks([...names], async (name) => {
      // What Redis lost would be neither shown nor ended.
      if ((await store.peek(keys.session(name))).state === 'none') await restore(name);
      return peekOf(name, subject, key);
    });
    return found.filter((session) => session !== undefined);
  }

  async function peekOf(name: string, subject: Uint8Array, key: string): Promise<NamedSession | undefined> {
    const found = await store.peek(keys.session(name));
    if (found.state === 'live' && sameSubject(found.session.subject, subject)) return { ...found.session, name };
    await store.unlist(key, name, LISTING_GRACE_MS);
    return undefined;
  }

  return {
    /** Under an id made here. */
    create: (body: JsonText) => place(entropy.id(), body),

    /** Under an id of the client's, unless somebody has it or had it. */
    async createAs(id: string, body: JsonText): Promise<Created> {
      const reply = await find(nameOf(id));
      if (reply.state !== 'none') return { kind: reply.state === 'ended' ? 'ended' : 'exists' };
      return place(id, body);
    },

    async read(id: string): Promise<SessionRecord | undefined> {
      const reply = await find(nameOf(id));
      return reply.state === 'live' ? reply.session : undefined;
    },

    update: (id: string, change: Change) => repeat(nameOf(id), (name) => attemptUpdate(name, change)),

    /** @param allows a precondition; none: whatever is there */
    end: (id: string, allows?: (session: SessionRecord) => boolean) =>
      repeat(nameOf(id), (name) => attemptEnd(name, allows)),

    async list(subject: string): Promise<readonly SessionSummary[]> {
      const sessions = await ofSubject(digestOf(subject));
      return sessions.map(({ name, created, seen }) => ({ handle: name.slice(0, 8), created, seen }));
    },

    /** Ends the sessions that the subject has now. @returns how many */
    async endAll(subject: string): Promise<number> {
      const digest = digestOf(subject);
      const sessions = await ofSubject(digest);
      const mine = (session: SessionRecord) => sameSubject(session.subject, digest);
      const ended = await inChunks(sessions, ({ name }) => repeat(name, () => attemptEnd(name, mine)));
      return ended.filter(({ kind }) => kind === 'ended').length;
    },
  };

  /** One after the other for each session, and again where another process was faster. */
  function repeat<T extends { kind: string }>(name: string, attempt: (name: string) => Promise<T>): Promise<T> {
    return inTurn(name, async () => {
      for (let left = ATTEMPTS - 1; ; left--) {
        const outcome = await attempt(name);
        if (outcome.kind !== 'busy' || left === 0) return outcome;
      }
    });
  }
}

function sameSubject(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

/** So many at a time as no bulkhead refuses. */
async function inChunks<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += CHUNK) {
    results.push(...(await Promise.all(items.slice(at, at + CHUNK).map(work))));
  }
  return results;
}

function createTurns() {
  const last = new Map<string, Promise<unknown>>();
  return function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (last.get(name) ?? Promise.resolve()).then(work, work);
    last.set(name, turn);
    const done = () => {
      if (last.get(name) === turn) last.delete(name);
    };
    turn.then(done, done);
    return turn;
  };
}
