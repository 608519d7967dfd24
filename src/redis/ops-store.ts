// What operating the cache keeps in Redis, and looks at there. No call depends on how many keys there are.

import type { OpsStore, SeenWatermark } from '../core/ops-ports.ts';
import type { RedisConnection } from './connection.ts';
import { ms } from './scripts.ts';
import { createCall } from './store.ts';

const KNOWN = /^K\|([0-9a-f]{24})\|([0-9a-f]{16})$/i;
const UNKNOWN = /^U\|(?:-|[0-9a-f]{24})\|[0-9a-z-]+\|(\d+)\|([0-9a-f]{16})$/i;

export function createOpsStore(connection: RedisConnection): OpsStore {
  const call = createCall(connection);

  return {
    async watermark(key): Promise<SeenWatermark> {
      const [text, [seconds = 0, micros = 0]] = await call(() =>
        connection.send(key, (node) => Promise.all([node.get(key), node.time()])),
      );
      if (text === 'X') return { state: 'closed' };
      const [, generation, position] = KNOWN.exec(text ?? '') ?? [];
      if (generation !== undefined) return { state: 'known', position: BigInt(`0x${position}`), generation };
      const [, since, pending] = UNKNOWN.exec(text ?? '') ?? [];
      if (since === undefined) return { state: 'absent' };
      const nowMs = seconds * 1000 + Math.floor(micros / 1000);
      return { state: 'unknown', pending: BigInt(`0x${pending}`), ageMs: Math.max(0, nowMs - Number(since)) };
    },

    async note(texts, keepMs) {
      const set = ([key, text]: [string, string]) =>
        connection.send(key, (node) => node.set(key, text, 'PX', ms(keepMs)));
      await call(() => Promise.all(Array.from(texts, set)));
    },

    async noted(key) {
      return (await call(() => connection.send(key, (node) => node.get(key)))) ?? undefined;
    },

    async fields(key) {
      return new Map(Object.entries(await call(() => connection.send(key, (node) => node.hgetall(key)))));
    },

    async setFields(key, fields, keepMs) {
      if (fields.size === 0) return;
      await call(() =>
        connection.send(key, (node) => Promise.all([node.hset(key, fields), node.pexpire(key, ms(keepMs))])),
      );
    },
  };
}
