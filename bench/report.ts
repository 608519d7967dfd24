// What a run found: figures beside their goals, as a table for people and as JSON for what comes after.

import type { Machine } from './machine.ts';
import type { Spread } from './measure.ts';

export interface Figure {
  readonly what: string;
  readonly value: Spread;
  readonly unit: Unit;
  /** To what it was interleaved with. */
  readonly ratio?: Spread;
  readonly to?: string;
  /** Other numbers of the same measurement, by name with unit. */
  readonly also?: Readonly<Record<string, number>>;
  readonly goal?: Goal;
}

export interface Goal {
  readonly text: string;
  readonly isMet: boolean;
  /** It is about the value, not about the ratio. */
  readonly absolute?: boolean;
}

export type Unit = 'per second' | 'ms' | 'µs' | 'bytes' | 'count' | 'of reference';

export interface Section {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
}

export interface Report {
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly sections: readonly Section[];
}

export function goal(text: string, isMet: boolean): { goal: Goal } {
  return { goal: { text, isMet } };
}

export function print({ machine, isQuick, sections }: Report): string {
  const lines = [Object.entries(machine).map(([name, value]) => `${name}: ${value}`), ['']].flat();
  if (isQuick) lines.push('A quick run: fewer and shorter rounds, wider spreads.', '');
  for (const { title, figures } of sections) lines.push(title, ...table(figures), '');
  const goals = sections.flatMap(({ figures }) => figures.filter((figure) => figure.goal !== undefined));
  lines.push('Goals', ...goals.map(goalLine));
  return lines.join('\n');
}

function goalLine({ what, value, unit, ratio, to, goal: aim }: Figure): string {
  const found =
    ratio === undefined || aim?.absolute ? withUnit(value.median, unit) : `${ratio.median.toFixed(2)} of ${to}`;
  return `  ${aim?.isMet ? 'met   ' : 'missed'}  ${what}: ${found} (goal: ${aim?.text})`;
}

/** As a Markdown table, for docs/performance.md. */
export function markdown({ figures }: Section): string {
  const rows = figures.map((figure) => cells(figure));
  return [HEAD, HEAD.map(() => '---'), ...rows].map((parts) => `| ${parts.join(' | ')} |`).join('\n');
}

const HEAD = ['what', 'median', 'spread', 'ratio', 'more', 'goal'] as const;

function table(figures: readonly Figure[]): string[] {
  const rows = [[...HEAD], ...figures.map(cells)];
  const widths = HEAD.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd());
}

function cells({ what, value, unit, ratio, to, also, goal: aim }: Figure): string[] {
  return [
    what,
    withUnit(value.median, unit),
    `${short(value.low)} to ${short(value.high)}`,
    ratio === undefined
      ? ''
      : `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}) of ${to}`,
    Object.entries(also ?? {})
      .map(([name, number]) => `${name} ${short(number)}`)
      .join(', '),
    aim === undefined ? '' : `${aim.isMet ? 'met' : 'missed'}: ${aim.text}`,
  ];
}

function withUnit(value: number, unit: Unit): string {
  return unit === 'count' || unit === 'of reference' ? short(value) : `${short(value)} ${unit}`;
}

function short(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
