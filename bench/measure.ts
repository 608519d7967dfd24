// How everything is measured: contenders run in turn, many short rounds each, and every figure is a ratio within its round,
// so that a machine that is slow or busy is slow for all of them.

import type { Redis } from 'ioredis';

export interface Contender {
  readonly name: string;
  readonly call: () => Promise<unknown>;
}

export interface Round {
  readonly perSecond: number;
  /** Of this process, for one call, in µs. */
  readonly cpuUs: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Of several rounds. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface RaceOptions {
  readonly inFlight: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly progress?: (round: number) => void;
}

/** One array of rounds for each contender; the first round warms up and is thrown away. */
export async function race(contenders: readonly Contender[], options: RaceOptions): Promise<readonly Round[][]> {
  const all: Round[][] = contenders.map(() => []);
  for (let round = 0; round <= options.rounds; round++) {
    options.progress?.(round);
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (turn + round) % contenders.length;
      const contender = contenders[at];
      if (contender === undefined) continue;
      const measured = await flood(contender.call, options);
      if (round > 0) all[at]?.push(measured);
    }
  }
  return all;
}

/** As many calls as fit into `roundMs`, with a constant number in flight. */
export async function flood(
  call: () => Promise<unknown>,
  { inFlight, roundMs }: Pick<RaceOptions, 'inFlight' | 'roundMs'>,
): Promise<Round> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  const until = began + roundMs;
  async function lane(): Promise<void> {
    for (let start = performance.now(); start < until; ) {
      await call();
      const end = performance.now();
      times.push(end - start);
      start = end;
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane));
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const { p50, p99 } = percentiles(times);
  return { perSecond: (times.length / ms) * 1000, cpuUs: (user + system) / times.length, p50, p99 };
}

export function percentiles(times: readonly number[]): { p50: number; p99: number } {
  const sorted = Float64Array.from(times).toSorted();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

export function spread(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN;
  return { median: at(0.5), low: at(0.1), high: at(0.9) };
}

/** Round by round. */
export function ratios(of: readonly number[], to: readonly number[]): Spread {
  return spread(of.map((value, i) => value / (to[i] ?? Number.NaN)));
}

/** How long it took, ms. */
export async function msOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Bytes that Redis has in use. */
export async function usedBy(client: Pick<Redis, 'info'>): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
}
