// Pages of changes: how many a second become visible, and for how many round trips they wait, measured by making them longer.

import { createBenchApp, documentOf, sourceOf } from './app.ts';
import type { Context } from './context.ts';
import { ratios, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';
import { delayedRedis } from './round-trips.ts';

const PAGE = 1000;
const GOAL_PER_SECOND = 30_000;
const GOAL_TRIPS = 3;

export async function changes(context: Context): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of [200, 1000]) figures.push(...(await ofSize(context, size)));
  return figures;
}

async function ofSize(context: Context, size: number): Promise<Figure[]> {
  const document = documentOf(size);
  const source = sourceOf(document);
  const proxy = await delayedRedis(context.redis);
  const app = createBenchApp(context.redis, source, `changes${size}`);
  const counted = createBenchApp(proxy.url, source, `changes${size}`);
  await Promise.all([app.settled(), counted.settled()]);
  const page = () => Array.from({ length: PAGE }, (_, i) => ({ key: [`b${i}`], version: ++source.head, document }));
  const apply = async ({ sync }: typeof app) => {
    const report = await sync.apply(page());
    if (report.refreshed !== PAGE) throw new Error(`only ${report.refreshed} of ${PAGE} were refreshed`);
  };
  const body = JSON.stringify(document);
  const sets = () => Promise.all(page().map((_, i) => app.client.set(`bare:${i}`, body, 'PX', 3_600_000)));
  const times = { sets: [] as Taken[], apply: [] as Taken[] };
  for (let round = 0; round <= context.rounds; round++) {
    context.progress(`pages of ${PAGE} changes of ${size} bytes, round ${round}`);
    const one = await take(sets);
    const other = await take(() => apply(app));
    if (round > 0) {
      times.sets.push(one);
      times.apply.push(other);
    }
  }
  // Generations are read once a second, in a round trip that is none of the page's.
  const trips = [];
  for (let i = 0; i < 5; i++) trips.push(await proxy.tripsOf(() => apply(counted)));
  await Promise.all([app.close(), counted.close()]);
  await proxy.close();
  const perSecond = spread(times.apply.map(({ ms }) => (PAGE / ms) * 1000));
  const cpuUs = spread(times.apply.map((each) => each.cpuUs)).median;
  const roundTrips = spread(trips);
  return [
    {
      what: `changes of ${size} bytes, pages of ${PAGE}, refreshed`,
      value: perSecond,
      unit: 'per second',
      ratio: ratios(
        times.sets.map(({ ms }) => ms),
        times.apply.map(({ ms }) => ms),
      ),
      to: 'blind SETs, pipelined',
      also: { 'MB/s': (perSecond.median * size) / 1e6, 'CPU µs a change': cpuUs, 'a second and core': 1e6 / cpuUs },
      ...(size === 1000 && { goal: atLeast(perSecond.median) }),
    },
    {
      what: `round trips for a page of ${PAGE} changes of ${size} bytes`,
      value: roundTrips,
      unit: 'count',
      ...goal(`${GOAL_TRIPS}`, Math.round(roundTrips.median) <= GOAL_TRIPS),
    },
  ];
}

function atLeast(perSecond: number): NonNullable<Figure['goal']> {
  const text = `at least ${GOAL_PER_SECOND.toLocaleString('en')} per second`;
  return { text, isMet: perSecond >= GOAL_PER_SECOND, absolute: true };
}

interface Taken {
  readonly ms: number;
  readonly cpuUs: number;
}

async function take(work: () => Promise<unknown>): Promise<Taken> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuUs: (user + system) / PAGE };
}
