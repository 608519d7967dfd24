// The indexes of query results on Redis: one hash for each entity, so that eviction or loss takes it as a whole.

import type { Capture, QueryStore } from '../core/query/query-ports.ts';
import type { RedisConnection } from './connection.ts';
import { createRunner, ms, nonce, SCRIPTS, texts } from './scripts.ts';
import { createCall } from './store.ts';
import { createOutbox, createTogether } from './together.ts';

/** Of one reply. */
const MOST_TOGETHER = 64;
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

    marks: createMarks((index, fields) => call(() => connection.send(index, (node) => node.hmget(index, ...fields)))),

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

type ReadFields = (index: string, fields: readonly string[]) => Promise<readonly (string | null)[]>;

/** Of the reads of one tick, those of an index go out as one. */
function createMarks(read: ReadFields): QueryStore['marks'] {
  const ofIndex = new Map<string, (index: string, tags: readonly string[]) => Promise<string>>();

  async function send([index = '']: readonly string[], requests: readonly (readonly string[])[]) {
    const tags = [...new Set(requests.flat())];
    const [incarnation, ...found] = await read(index, ['inc', ...tags.map((tag) => `g:${tag}`)]);
    if (!incarnation) return requests.map(() => NO_INDEX);
    const marks = new Map(tags.map((tag, i) => [tag, found[i] ?? '0']));
    return requests.map((asked) => [incarnation, ...asked.map((tag) => marks.get(tag))].join('|'));
  }

  return (index, tags) => {
    let marks = ofIndex.get(index);
    if (marks === undefined) {
      marks = createTogether(createOutbox(), { most: MOST_TOGETHER, fits: () => true, send });
      ofIndex.set(index, marks);
    }
    return marks(index, tags);
  };
}
