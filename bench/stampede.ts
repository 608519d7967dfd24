// A cold key that everybody asks for at once, in several processes: how often the source is read, and how long they wait.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Context } from './context.ts';
import { percentiles, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const PROCESSES = 8;
const REQUESTS = 10_000;
export const SOURCE_MS = 200;

export interface Order {
  /** Of CONTENDERS. */
  readonly contender: number;
  readonly key: string;
  readonly requests: number;
}

export interface Outcome {
  readonly name: string;
  readonly loads: number;
  readonly times: readonly number[];
}

export async function stampede(context: Context): Promise<Figure[]> {
  context.progress(`starting ${PROCESSES} processes`);
  const file = join(import.meta.dirname, 'stampede-child.ts');
  const children = Array.from({ length: PROCESSES }, () => fork(file, [context.redis], { serialization: 'advanced' }));
  try {
    const names = (await Promise.all(children.map((child) => answerOf<string[]>(child))))[0] ?? [];
    const figures: Figure[] = [];
    for (const [contender, name] of names.entries()) {
      const rounds: Outcome[][] = [];
      for (let round = 0; round < (context.isQuick ? 1 : 3); round++) {
        context.progress(`${name}, round ${round}`);
        const order: Order = { contender, key: `cold-${name}-${round}`, requests: REQUESTS / PROCESSES };
        for (const child of children) child.send(order);
        rounds.push(await Promise.all(children.map((child) => answerOf<Outcome>(child))));
      }
      figures.push(figureOf(name, rounds, contender === 0));
    }
    return figures;
  } finally {
    for (const child of children) child.disconnect();
  }
}

function figureOf(name: string, rounds: readonly Outcome[][], isOurs: boolean): Figure {
  const loads = spread(rounds.map((outcomes) => outcomes.reduce((sum, outcome) => sum + outcome.loads, 0)));
  const waits = rounds.map((outcomes) => percentiles(outcomes.flatMap(({ times }) => times)));
  return {
    what: `source reads for ${REQUESTS.toLocaleString('en')} requests of a cold key in ${PROCESSES} processes, ${name}`,
    value: loads,
    unit: 'count',
    also: {
      'p50 ms': spread(waits.map(({ p50 }) => p50)).median,
      'p99 ms': spread(waits.map(({ p99 }) => p99)).median,
    },
    ...(isOurs && goal('1', loads.high === 1)),
  };
}

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', answered);
    child.once('exit', ended);
    function answered(message: unknown): void {
      child.off('exit', ended);
      resolve(message as T);
    }
    function ended(code: number | null): void {
      reject(new Error(`a process of the stampede ended with ${code}`));
    }
  });
}
