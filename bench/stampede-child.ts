// One of the processes of a stampede: opens every contender, then does as it is told.

import { setTimeout as sleep } from 'node:timers/promises';
import { documentOf } from './app.ts';
import { CONTENDERS } from './contenders.ts';
import { type Order, type Outcome, SOURCE_MS } from './stampede.ts';

const url = process.argv[2] ?? '';
let loads = 0;
const load = async () => {
  loads++;
  await sleep(SOURCE_MS);
};
const caches = await Promise.all(CONTENDERS.map((open) => open(url, documentOf(1000), load)));
// Connections are open and code is compiled before the first measured request.
for (const { read } of caches) await read(`warm${process.pid}`);

process.on('message', (order: Order) => void obey(order));
process.on('disconnect', () => process.exit());
process.send?.(caches.map(({ name }) => name));

async function obey({ contender, key, requests }: Order): Promise<void> {
  const cache = caches[contender];
  if (cache === undefined) return;
  loads = 0;
  const times = await Promise.all(
    Array.from({ length: requests }, async () => {
      const began = performance.now();
      await cache.read(key);
      return performance.now() - began;
    }),
  );
  process.send?.({ name: cache.name, loads, times } satisfies Outcome);
}
