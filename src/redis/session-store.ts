// Sessions on Redis. Unlike the cache they have no other source, so a call whose connection broke is made once more:
// the scripts know their own writes again and apply none twice.

import { setTimeout as sleep } from 'node:timers/promises';
import { isWarmfeedError } from '../core/errors.ts';
import type { SessionStore } from '../core/session/session-ports.ts';
import { decodeSession, encodeContent, isEnded } from '../core/session/session-record.ts';
import type { RedisConnection } from './connection.ts';
import { bin, createRunner, ms, pick, SCRIPTS } from './scripts.ts';
import { createCall } from './store.ts';

/** An idle connection that was closed is there again after 25 ms or so. */
const AGAIN_AFTER_MS = 100;
const CREATE_REPLIES = ['live', 'created', 'ended', 'expired'] as const;
const EMPTY = Buffer.alloc(0);

export function createSessionStore(connection: RedisConnection): SessionStore {
  const run = createRunner(connection);
  const callOnce = createCall(connection);

  async function call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await callOnce(work);
    } catch (error) {
      if (!isWarmfeedError(error) || error.code !== 'STORE_UNAVAILABLE') throw error;
      await sleep(AGAIN_AFTER_MS);
      return callOnce(work);
    }
  }

  return {
    async create(key, content, { ttlMs, absoluteMs }, { created, seen } = { created: 0, seen: 0 }) {
      const args = [bin(encodeContent(content)), ms(ttlMs), ms(absoluteMs), created, seen];
      return pick(CREATE_REPLIES, await call(() => run(SCRIPTS['session-create'], key, args)));
    },

    async read(key, { ttlMs, absoluteMs }) {
      const reply = await call(() => run(SCRIPTS['session-read'], key, [ms(ttlMs), ms(absoluteMs)]));
      if (!Array.isArray(reply)) return { state: reply === 2 ? 'ended' : 'none' };
      const [record, nowMs] = reply as [Buffer, Buffer];
      const session = decodeSession(record);
      return session === undefined ? { state: 'none' } : { state: 'live', session, nowMs: Number(nowMs) };
    },

    async peek(key) {
      const [record, leftMs] = await call(() =>
        connection.send(key, (node) => Promise.all([node.getBuffer(key).catch(foreign), node.pttl(key)])),
      );
      const session = record === null ? undefined : decodeSession(record);
      // Gone between the two.
      if (record === null || leftMs <= 0) return { state: 'none', leftMs: 0 };
      if (session !== undefined) return { state: 'live', session, leftMs };
      return { state: isEnded(record) ? 'ended' : 'none', leftMs };
    },

    async swap(key, token, content, { ttlMs, absoluteMs }) {
      const args = [bin(token), bin(encodeContent(content)), ms(ttlMs), ms(absoluteMs)];
      return (await call(() => run(SCRIPTS['session-swap'], key, args))) === 1;
    },

    async end(key, token, mark) {
      const args = [token === undefined ? EMPTY : bin(token), bin(mark.token), ms(mark.keepMs), mark.always ? 1 : 0];
      return (await call(() => run(SCRIPTS['session-end'], key, args))) === 1;
    },

    async list(key, name, absoluteMs) {
      await call(() => run(SCRIPTS['session-list'], key, [name, ms(absoluteMs)]));
    },

    async unlist(key, name, graceMs) {
      await call(() => run(SCRIPTS['session-unlist'], key, [name, graceMs]));
    },

    listed: (key) => call(() => connection.send(key, (node) => node.zrange(key, 0, '-1'))),
  };
}

function foreign(error: unknown): null {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return null;
  throw error;
}
