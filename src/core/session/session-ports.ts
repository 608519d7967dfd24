// What sessions need from outside: randomness and digests, Redis, and a durable copy where one is configured.

import type { SessionContent, SessionRecord } from './session-record.ts';

export interface SessionEntropy {
  /** 128 random bits, base64url. */
  readonly id: () => string;
  /** 8 random bytes. */
  readonly token: () => Uint8Array;
  /** SHA-256. */
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly base64url: (bytes: Uint8Array) => string;
}

/** How long sessions live: `ttlMs` after their last use, `absoluteMs` at the longest. */
export interface SessionLife {
  readonly ttlMs: number;
  readonly absoluteMs: number;
}

export type SessionReply =
  /** `session.seen` is the use before this one. */
  | { readonly state: 'live'; readonly session: SessionRecord; readonly nowMs: number }
  | { readonly state: 'ended' }
  | { readonly state: 'none' };

export type SessionFound = { readonly leftMs: number } & (
  | { readonly state: 'live'; readonly session: SessionRecord }
  | { readonly state: 'ended' }
  | { readonly state: 'none' }
);

export interface EndMark {
  readonly token: Uint8Array;
  readonly keepMs: number;
  /** Also where there is no session. */
  readonly always?: boolean;
}

/** Sessions in Redis. Every method rejects with WarmfeedError STORE_*; each may be called again after that. */
export interface SessionStore {
  /** @param times of a session that comes back; default: now */
  create(
    key: string,
    content: SessionContent,
    life: SessionLife,
    times?: { created: number; seen: number },
  ): Promise<'created' | 'live' | 'ended' | 'expired'>;
  /** Uses the session: its sliding life begins anew. */
  read(key: string, life: SessionLife): Promise<SessionReply>;
  /** Looks at the session without using it. */
  peek(key: string): Promise<SessionFound>;
  /** False: written since it had that token, ended or gone. */
  swap(key: string, token: Uint8Array, content: SessionContent, life: SessionLife): Promise<boolean>;
  /** Leaves a mark for so long. False: none, ended before, or written since it had that token (undefined: whichever). */
  end(key: string, token: Uint8Array | undefined, mark: EndMark): Promise<boolean>;
  /** Adds a session to those of a subject. */
  list(key: string, name: string, absoluteMs: number): Promise<void>;
  /** Removes one that was listed at least so long ago. */
  unlist(key: string, name: string, graceMs: number): Promise<void>;
  listed(key: string): Promise<readonly string[]>;
}

/** The durable copy of sessions, by the digest of their ids. Every method rejects with WarmfeedError SOURCE_*. */
export interface DurableSessions {
  /** What is certainly the newest that is kept. */
  read(name: string): Promise<SessionRecord | 'ended' | undefined>;
  /** Keeps it, unless a newer one is kept already, or it has ended. */
  write(name: string, session: SessionRecord, leftMs: number): Promise<'kept' | 'ended'>;
  /** From now on it is ended for whoever reads or writes it. */
  end(name: string, keepMs: number): Promise<void>;
  /** Names of the live sessions of a subject. */
  listed(subject: Uint8Array): Promise<readonly string[]>;
}
