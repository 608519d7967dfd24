// The indexes of query results on Redis: one hash for each entity, so that eviction or loss takes it as a whole.

import type { Capture, QueryStore } from '../core/query/query-ports.ts';
import type { RedisConnection } from './connection.ts';
import { createRunner, ms, nonce, SCRIPTS, texts } from './scripts.ts';
import { createCall } from './store.ts';

const HOT_MOST = 200;
const HOT_MS = 300_000;
/** Of no index: equal to no entry's. */
const NO_INDEX = '-';

export function createQueryStore(connection: RedisConnection): QueryStore {
  const run = createRunner(connection);
  const call = createCall(connection);

  return {
    async capture(index, tags): Promise<Capture> {
      const reply = await call(() => run(SCRIPTS['query-capture'], index, [nonce(), ...tags]));
      const [incarnation = '', seq = '', ...marks] = texts(reply);
      return { incarnation, seq, marks: [incarnation, ...marks].join('|') };
    },

    async marks(index, tags) {
      const fields = ['inc', ...tags.map((tag) => `g:${tag}`)];
      const [incarnation, ...found] = await call(() => connection.send(index, (node) => node.hmget(index, ...fields)));
      return incarnation ? [incarnation, ...found.map((mark) => mark ?? '0')].join('|') : NO_INDEX;
    },

    async change(index, changes, mostFields) {
      const args = changes.flatMap(({ item, tags }) => [item, tags.length, ...tags]);
      const reply = await call(() => run(SCRIPTS['query-change'], index, [mostFields, ...args]));
      return Array.isArray(reply) ? texts(reply) : 'all';
    },

    async bump(index, tags) {
      await call(() => run(SCRIPTS['query-bump'], index, [...tags]));
    },

    async admit(index, { incarnation, seq }, tags, items) {
      const args = [incarnation, seq, tags.length, ...tags, ...items];
      return (await call(() => run(SCRIPTS['query-admit'], index, args))) === 1;
    },

    async drop(index) {
      await call(() => connection.send(index, (node) => node.del(index)));
    },

    async noteHot(list, query) {
      await call(() => run(SCRIPTS['query-hot'], list, [query, HOT_MOST, ms(HOT_MS)]));
    },

    hot: (list) => call(() => connection.send(list, (node) => node.zrevrange(list, 0, -1))),
  };
}
