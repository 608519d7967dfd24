// What operating the cache keeps in Redis, and looks at there. No call depends on how many keys there are.

import type { Redis } from 'ioredis';
import type { KeptLetter, OpsStore, SeenWatermark } from '../core/ops/ops-ports.ts';
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
        connection.send(key, (node) =>
          Promise.all([node.hset(key, fields), keepMs === undefined ? undefined : node.pexpire(key, ms(keepMs))]),
        ),
      );
    },

    async letters(key, { before, limit }) {
      const from = before === undefined ? '+' : beforeId(before);
      const found = await call(() => connection.send(key, (node) => node.xrevrange(key, from, '-', 'COUNT', limit)));
      return found.map(letterOf);
    },

    async letter(key, id) {
      const [found] = await call(() => connection.send(key, (node) => node.xrange(key, id, id)));
      return found && letterOf(found);
    },

    letterCount: (key) => call(() => connection.send(key, (node) => node.xlen(key))),

    async removeLetters(key, ids) {
      return ids.length === 0 ? 0 : call(() => connection.send(key, (node) => node.xdel(key, ...ids)));
    },

    removeLettersUpTo: (key, id) => call(() => connection.send(key, (node) => node.xtrim(key, 'MINID', afterId(id)))),

    async removeField(key, field) {
      await call(() => connection.send(key, (node) => node.hdel(key, field)));
    },

    async count(key, counts, keepMs) {
      if (counts.size === 0) return;
      const add = (node: Redis) => Array.from(counts, ([field, n]) => node.hincrby(key, field, n));
      await call(() => connection.send(key, (node) => Promise.all([...add(node), node.pexpire(key, ms(keepMs))])));
    },
  };
}

function letterOf([id, pairs]: [string, string[]]): KeptLetter {
  const of = (name: string): string => {
    const at = pairs.findIndex((text, i) => i % 2 === 0 && text === name);
    return at < 0 ? '' : (pairs[at + 1] ?? '');
  };
  return {
    id,
    source: of('source'),
    entity: of('entity'),
    key: of('key'),
    version: of('version'),
    reason: of('reason'),
  };
}

/** The id just before another; they are two numbers of 64 bits. */
function beforeId(id: string): string {
  const [time = 0n, seq = 0n] = id.split('-').map(BigInt);
  if (seq > 0n) return `${time}-${seq - 1n}`;
  return time > 0n ? `${time - 1n}-${MAX_SEQ}` : '0-0';
}

function afterId(id: string): string {
  const [time = 0n, seq = 0n] = id.split('-').map(BigInt);
  return seq < MAX_SEQ ? `${time}-${seq + 1n}` : `${time + 1n}-0`;
}

const MAX_SEQ = 2n ** 64n - 1n;
