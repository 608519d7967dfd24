// The auditor's list of samples and its counts on Redis.

import type { AuditStore } from '../core/audit/audit-ports.ts';
import type { RedisConnection } from './connection.ts';
import { createRunner, ms, SCRIPTS, texts } from './scripts.ts';
import { createCall } from './store.ts';

/** The longest delay is a minute; what nobody has taken much later is of no use. */
const KEEP_MS = 600_000;

export function createAuditStore(connection: RedisConnection): AuditStore {
  const run = createRunner(connection);
  const call = createCall(connection);

  return {
    async add(list, samples, most) {
      const args = samples.flatMap(({ text, inMs }) => [ms(inMs), text]);
      await call(() => run(SCRIPTS['audit-add'], list, [most, KEEP_MS, ...args]));
    },

    async take(list, most) {
      const [wait, ...due] = texts(await call(() => run(SCRIPTS['audit-take'], list, [most])));
      return { due, nextMs: wait === '' ? undefined : Number(wait) };
    },

    async count(counts, field) {
      await call(() => connection.send(counts, (node) => node.hincrby(counts, field, 1)));
    },

    async counts(counts) {
      const found = await call(() => connection.send(counts, (node) => node.hgetall(counts)));
      return new Map(Object.entries(found).map(([field, count]) => [field, Number(count)]));
    },
  };
}
