// From a commit until a read over HTTP shows it, in the local stack, while other rows change at a given rate.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './context.ts';
import { type Database, openDatabases, POLL_MS } from './databases.ts';
import { builtApp, startBenchHost, until } from './host.ts';
import { percentiles, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const RATES = [10, 100, 1000] as const;

export async function lag(context: Context): Promise<Figure[]> {
  const closing: (() => unknown)[] = [];
  try {
    const { databases, settings } = await openDatabases(context, closing);
    const host = await startBenchHost(await builtApp(context.folder), { ...settings, REDIS_URL: context.redis });
    closing.push(() => host.child.disconnect());
    await until('the feeds', async () => (await fetch(`${host.url}/api/health/ready`)).status === 200);
    const figures: Figure[] = [];
    for (const database of databases) {
      for (const rate of context.isQuick ? ([100] as const) : RATES) {
        context.progress(`${database.name}, ${rate} changes a second`);
        figures.push(await lagOf(database, host.url, rate, context.isQuick ? 4000 : 10_000));
      }
    }
    return figures;
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function lagOf(database: Database, url: string, rate: number, forMs: number): Promise<Figure> {
  const others = { isOver: false, done: 0 };
  const writing = keepWriting(database, rate, others);
  const times: number[] = [];
  const began = performance.now();
  for (let n = 1; performance.now() - began < forMs; n++) {
    const marker = Math.round(began) * 1000 + n;
    await database.write(0, marker % 2_000_000_000);
    const committed = performance.now();
    const found = async () => database.shows(await (await fetch(url + database.path)).text(), marker % 2_000_000_000);
    await until(`a change of ${database.name}`, found, 2);
    times.push(performance.now() - committed);
    // Not in step with the poll.
    await sleep(Math.random() * POLL_MS);
  }
  others.isOver = true;
  await writing;
  const { p50, p99 } = percentiles(times);
  const real = Math.round((others.done / (performance.now() - began)) * 1000);
  return {
    what: `commit to visible, ${database.name}, ${rate} changes a second asked for`,
    value: spread(times),
    unit: 'ms',
    also: { 'p50 ms': p50, 'p99 ms': p99, 'changes a second': real, samples: times.length },
    ...(rate === 100 && { goal: goalOf(database, p50, p99) }),
  };
}

/** Other rows, as fast as asked for or as the database takes them. */
async function keepWriting(database: Database, rate: number, state: { isOver: boolean; done: number }): Promise<void> {
  const began = performance.now();
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let i = 0; !state.isOver; i++) {
      const due = began + ((i * 8 + lane) / rate) * 1000;
      const wait = due - performance.now();
      if (wait > 1) await sleep(Math.min(wait, 100));
      if (performance.now() < due) {
        i--;
        continue;
      }
      await database.write(1 + ((i * 8 + lane) % 100), i);
      state.done++;
    }
  });
  await Promise.all(lanes);
}

function goalOf({ isPolled }: Database, p50: number, p99: number): NonNullable<Figure['goal']> {
  return isPolled
    ? absolute('p50 at most 150 ms, p99 at most 300 ms', p50 <= 150 && p99 <= 300)
    : absolute(`p99 at most ${POLL_MS + 50} ms, one poll and 50 ms`, p99 <= POLL_MS + 50);
}

function absolute(text: string, isMet: boolean): NonNullable<Figure['goal']> {
  return { ...goal(text, isMet).goal, absolute: true };
}
