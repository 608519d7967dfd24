// What the benchmarks make of their numbers.

import { expect, test } from 'vitest';
import { percentiles, ratios, spread } from '../../bench/measure.ts';
import { bars } from '../../bench/plot.ts';
import { goal, markdown, print, type Report } from '../../bench/report.ts';

test('a spread is the median between the tenth and the ninetieth percentile, in whatever order', () => {
  expect(spread([5, 1, 4, 2, 3, 11, 6, 10, 7, 9, 8])).toEqual({ median: 6, low: 2, high: 10 });
  expect(percentiles([3, 1, 2])).toEqual({ p50: 2, p99: 3 });
});

test('a ratio is taken round by round: a round that was slow for both counts for neither', () => {
  expect(ratios([10, 1, 20], [5, 0.5, 10])).toEqual({ median: 2, low: 2, high: 2 });
});

test('a plot has a bar for each, as long as its value, and names are text', () => {
  const svg = bars('<b>', [
    { name: 'a & b', value: 100, isMarked: true },
    { name: 'c', value: 50 },
  ]);
  const widths = Array.from(svg.matchAll(/width="(\d+)"/g), ([, width]) => Number(width));
  expect(widths[0]).toBe(2 * (widths[1] ?? 0));
  expect(svg).toContain('a &#38; b');
  expect(svg).not.toContain('<b>');
});

test('a report says beside each goal what was found, and whether that is enough', () => {
  const found = { median: 0.95, low: 0.9, high: 1 };
  const value = { median: 12_345, low: 1, high: 2 };
  const report: Report = {
    machine: { node: 'v24' },
    isQuick: false,
    sections: [
      {
        name: 'hit',
        title: 'A hit',
        figures: [
          { what: 'hit', value, unit: 'per second', ratio: found, to: 'bare', ...goal('at least 0.9', true) },
          { what: 'page', value, unit: 'per second', ...goal('at least 30,000', false) },
        ],
      },
    ],
  };
  const text = print(report);
  expect(text).toContain('met     hit: 0.95 of bare (goal: at least 0.9)');
  expect(text).toContain('missed  page: 12,345 per second (goal: at least 30,000)');
  const [section] = report.sections;
  expect(section && markdown(section).split('\n')).toHaveLength(4);
});
