// A hit through the whole read path (key, breaker, generation, header), against a bare GET of the same bytes on a client of
// the same kind: auto-pipelined, which is the limit, and plain. And a hundred keys at once against MGET.

import { Redis } from 'ioredis';
import { parseKey } from '../src/core/key.ts';
import { NO_DIRECTIVES } from '../src/core/read/policy.ts';
import { type BenchApp, createBenchApp, documentOf, expectHit, sourceOf } from './app.ts';
import type { Context } from './context.ts';
import { type Contender, type Round, race, ratios, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const SIZES = [100, 1000, 10_000, 100_000] as const;
const IN_FLIGHT = [1, 16, 64, 256] as const;
const MOST_IN_FLIGHT = 256;
const BATCH = 100;
export const LIMIT = 0.9;

export async function hits(context: Context): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const app = createBenchApp(context.redis, sourceOf(documentOf(size)), `hit${size}`);
    const plain = new Redis(context.redis);
    const limit = new Redis(context.redis, { enableAutoPipelining: true });
    const ids = idsOf(MOST_IN_FLIGHT + 64);
    const keys = inTurn(ids.map((id) => app.keys.record('widget', [id])));
    const contenders = [
      { name: 'auto-pipelined getBuffer', call: () => limit.getBuffer(keys()) },
      { name: 'plain getBuffer', call: () => plain.getBuffer(keys()) },
      await hitOf(app, ids),
    ];
    for (const inFlight of context.isQuick ? ([64] as const) : IN_FLIGHT) {
      const progress = (round: number) => context.progress(`${size} bytes, ${inFlight} in flight, round ${round}`);
      const isMain = size === 1000 && inFlight === 64;
      const rounds = context.rounds * (isMain ? 2 : 1);
      const [bare = [], simple = [], hit = []] = await race(contenders, { inFlight, rounds, roundMs: 80, progress });
      figures.push(hitFigure(`${size} bytes, ${inFlight} in flight`, hit, bare, simple, isMain));
    }
    plain.disconnect();
    limit.disconnect();
    await app.close();
  }
  return [...figures, ...(await batches(context))];
}

function hitFigure(of: string, hit: Round[], bare: Round[], plain: Round[], isMain: boolean): Figure {
  const ratio = ratios(hit.map(speed), bare.map(speed));
  return {
    what: `hit, ${of}`,
    value: spread(hit.map(speed)),
    unit: 'per second',
    ratio,
    to: 'auto-pipelined getBuffer',
    also: {
      'of plain getBuffer': ratios(hit.map(speed), plain.map(speed)).median,
      'CPU µs': spread(hit.map(({ cpuUs }) => cpuUs)).median,
      'bare CPU µs': spread(bare.map(({ cpuUs }) => cpuUs)).median,
      ...latency(hit),
    },
    ...(isMain && goal(`at least ${LIMIT}`, ratio.median >= LIMIT)),
  };
}

export const speed = ({ perSecond }: Round): number => perSecond;

export function latency(rounds: readonly Round[]): Record<string, number> {
  return {
    'p50 ms': spread(rounds.map(({ p50 }) => p50)).median,
    'p99 ms': spread(rounds.map(({ p99 }) => p99)).median,
  };
}

/** The key is parsed from its URL segment for each call, as for a request. */
export async function hitOf({ entity, reader }: BenchApp, ids: readonly string[]): Promise<Contender> {
  const { columns } = entity;
  const id = inTurn(ids);
  const call = () => reader.read({ entity, key: parseKey(columns, [id()]), directives: NO_DIRECTIVES });
  for (const _ of ids) await call();
  for (const _ of ids) expectHit(await call());
  return { name: 'hit', call };
}

export function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `w${i}`);
}

/** One after the other, so that no two calls in flight are of one key: some peers would join them. */
export function inTurn<T>(all: readonly T[]): () => T {
  let at = 0;
  return () => all[at++ % all.length] as T;
}

async function batches(context: Context): Promise<Figure[]> {
  const app = createBenchApp(context.redis, undefined, 'batch');
  const limit = new Redis(context.redis, { enableAutoPipelining: true });
  const keys = idsOf(BATCH).map((id) => [id]);
  const recordKeys = keys.map((key) => app.keys.record('widget', key));
  const read = () => app.manyReader.readMany(app.entity, keys);
  await read();
  if (!(await read()).every((answer) => answer.kind === 'cached')) throw new Error('a batch of misses is measured');
  const contenders = [
    { name: 'MGET', call: () => limit.mgetBuffer(recordKeys) },
    { name: 'GETs', call: () => Promise.all(recordKeys.map((key) => limit.getBuffer(key))) },
    { name: 'batch', call: read },
  ];
  const progress = (round: number) => context.progress(`batches of ${BATCH}, round ${round}`);
  const [mget = [], gets = [], batch = []] = await race(contenders, {
    inFlight: 4,
    rounds: context.rounds,
    roundMs: 150,
    progress,
  });
  limit.disconnect();
  await app.close();
  return [
    {
      what: `batch of ${BATCH} keys of 1,000 bytes, 4 in flight`,
      value: spread(batch.map(speed)),
      unit: 'per second',
      ratio: ratios(batch.map(speed), mget.map(speed)),
      to: 'MGET of the same keys',
      also: { 'of auto-pipelined GETs': ratios(batch.map(speed), gets.map(speed)).median, ...latency(batch) },
    },
  ];
}
