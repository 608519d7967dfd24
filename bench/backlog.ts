// Nobody followed the changes for an hour: how long it takes until what is cached is right again, in the local stack.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './context.ts';
import { type Database, openDatabases } from './databases.ts';
import { builtApp, startBenchHost, until } from './host.ts';
import { spread } from './measure.ts';
import type { Figure } from './report.ts';

const HOUR_S = 3600;
/** Changes a second. The emulator takes ten times as long to write them. */
const RATES: Readonly<Record<string, number>> = { 'Cosmos DB (emulator)': 10, PostgreSQL: 100 };
const MARKER = 4711;
const FIRST_POSITIONS_MS = 5000;

export async function backlog(context: Context): Promise<Figure[]> {
  const closing: (() => unknown)[] = [];
  try {
    const { databases, settings } = await openDatabases(context, closing);
    // The auditor would find the row that is looked at stale, and evict it.
    const quiet = { ...settings, REDIS_URL: context.redis, WARMFEED_AUDIT_PER_MINUTE: '0' };
    const host = await startBenchHost(await builtApp(context.folder), quiet);
    closing.push(() => host.child.disconnect());
    await until('the feeds', async () => (await fetch(`${host.url}/api/health/ready`)).status === 200);
    const figures: Figure[] = [];
    for (const database of databases) {
      const rate = RATES[database.name];
      if (rate !== undefined) figures.push(await caughtUp(context, database, host.url, rate));
    }
    return figures;
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function caughtUp(context: Context, database: Database, url: string, rate: number): Promise<Figure> {
  const count = (rate * HOUR_S) / (context.isQuick ? 10 : 1);
  const order = async (what: 'pause' | 'resume') => {
    const { status } = await fetch(`${url}/api/ops/sources/${encodeURIComponent(database.source)}/${what}`, {
      method: 'POST',
    });
    if (status !== 200) throw new Error(`${what} of ${database.source} is answered with ${status}`);
  };
  const shown = async () => (await fetch(url + database.path)).text();
  const status = async () => (await fetch(url + database.path)).headers.get('cache-status') ?? '';
  // A feed that has just begun makes everything old until its positions are there.
  await database.write(0, 1);
  await until('a change', async () => database.shows(await shown(), 1));
  await sleep(FIRST_POSITIONS_MS);
  await until('a hit', async () => /; hit;.*detail=(watermarked|leased)/.test(await status()));
  await order('pause');
  // Processes ask twice a second.
  await sleep(1000);
  context.progress(`${database.name}, writing ${count} changes`);
  await database.written?.(count);
  await database.write(0, MARKER);
  if (database.shows(await shown(), MARKER)) throw new Error(`${database.name}: nothing was held back`);
  context.progress(`${database.name}, catching up with ${count} changes`);
  const began = performance.now();
  await order('resume');
  // The last of them is the row that is looked at.
  await until('the end of the backlog', async () => database.shows(await shown(), MARKER), 20, 300_000);
  const ms = performance.now() - began;
  return {
    what: `${count.toLocaleString('en')} changes of ${database.name} caught up with`,
    value: spread([(count / ms) * 1000]),
    unit: 'per second',
    also: { seconds: ms / 1000, 'an hour at a second': rate },
  };
}
