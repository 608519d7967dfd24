// What caches usually do, to see that the check finds it: get, load where it is missing, set. On a change the key is
// deleted, or set to what the change brings.

import { Redis } from 'ioredis';
import type { Schedule } from './schedule.ts';
import type { FuzzSource } from './source.ts';
import type { Place, Served, Subject } from './subject.ts';
import { positionOf } from './warmfeed.ts';

export type NaiveKind = 'delete' | 'set';

export function createNaive(
  kind: NaiveKind,
  { schedule, database, place }: { schedule: Schedule; database: FuzzSource; place: Place },
): Subject {
  const connect = () => {
    const client = new Redis(place.url, { enableAutoPipelining: true, retryStrategy: () => 20 });
    client.on('error', () => undefined);
    return client;
  };
  const clients = Array.from({ length: schedule.processes }, connect);
  const at = (process: number) => clients[process % clients.length] as Redis;
  const nameOf = (key: string) => `${place.app}:${key}`;
  const set = (process: number, key: string, document: unknown) =>
    at(process).set(nameOf(key), JSON.stringify(document ?? null), 'PX', schedule.ttlMs);

  async function cached(process: number, key: string): Promise<Served | undefined> {
    const body = await at(process).getBuffer(nameOf(key));
    return body === null ? undefined : { from: 'cache', isProvisional: false, position: shown(body) };
  }

  return {
    cached,
    async read(process, key) {
      const found = await cached(process, key);
      if (found !== undefined) return found;
      const { document } = await database.source.read([key]);
      await set(process, key, document);
      return { from: 'source', isProvisional: false, position: document && Number(document['n']) };
    },
    async apply(process, { items }) {
      const work = items.map(({ key: [key], document }) =>
        kind === 'delete' ? at(process).del(nameOf(String(key))) : set(process, String(key), document),
      );
      await Promise.all(work);
    },
    die: async () => undefined,
    isNaive: true,
    bump: async () => undefined,
    async close() {
      for (const client of clients) client.disconnect();
    },
  };
}

function shown(body: Uint8Array): number | undefined {
  return body[0] === 0x7b ? positionOf(body) : undefined;
}
