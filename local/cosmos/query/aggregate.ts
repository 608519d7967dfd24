/** COUNT, SUM, MIN, MAX, AVG over rows: the final value, and the partial one that clients merge across ranges. */
import type { Evaluate, Row } from './expression.ts';
import { rank, typeOf } from './values.ts';

export interface Aggregate {
  name: string;
  final: (rows: Row[]) => unknown;
  /** As the SDKs' aggregators read it. */
  partial: (rows: Row[]) => unknown;
}

const sum = (values: unknown[]): number | undefined => {
  let total = 0;
  for (const value of values) {
    if (typeof value !== 'number') return undefined;
    total += value;
  }
  return total;
};

const extreme = (values: unknown[], sign: 1 | -1): unknown => {
  if (values.some((value) => typeOf(value) === 'object' || typeOf(value) === 'array')) return undefined;
  return values.reduce<unknown>(
    (best, value) => (best === undefined || rank(value, best) * sign > 0 ? value : best),
    undefined,
  );
};

const average = (values: unknown[]): number | undefined => {
  const total = sum(values);
  return total === undefined || values.length === 0 ? undefined : total / values.length;
};

const finals: Record<string, (values: unknown[]) => unknown> = {
  COUNT: (values) => values.length,
  SUM: sum,
  MIN: (values) => extreme(values, -1),
  MAX: (values) => extreme(values, 1),
  AVG: average,
};

const partials: Record<string, (values: unknown[]) => unknown> = {
  AVG: (values) => ({ sum: sum(values), count: values.length }),
  MIN: (values) => ({ min: extreme(values, -1), count: values.length }),
  MAX: (values) => ({ max: extreme(values, 1), count: values.length }),
};

export const aggregateOf = (name: string, argument: Evaluate): Aggregate => {
  const final = finals[name];
  if (!final) throw new Error(`Aggregate ${name} is not known.`);
  const partial = partials[name] ?? final;
  const values = (rows: Row[]): unknown[] => rows.map(argument).filter((value) => value !== undefined);
  return { name, final: (rows) => final(values(rows)), partial: (rows) => partial(values(rows)) };
};
