// A small line chart in plain SVG: at most two series over the same times, gaps where there is nothing.

import { svg } from './dom.client.js';

const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 44;
const BOTTOM = 16;
const TOP = 8;
const RIGHT = 6;

/**
 * @param description what a person who does not see it is told
 * @param ticks `{ at, text }`, `at` from 0 (bottom) to 1 (top)
 * @param series one or two lists of heights from 0 to 1, or null
 */
export function chart(description, ticks, series, minutes) {
  const y = (height) => HEIGHT - BOTTOM - height * (HEIGHT - BOTTOM - TOP);
  const lines = ticks.flatMap(({ at, text }) => [
    svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(at), y2: y(at) }),
    svg('text', { x: LEFT - 4, y: y(at) + 3, 'text-anchor': 'end' }, text),
  ]);
  const times = [
    svg('text', { x: LEFT, y: HEIGHT - 3 }, `${minutes} min ago`),
    svg('text', { x: WIDTH - RIGHT, y: HEIGHT - 3, 'text-anchor': 'end' }, 'now'),
  ];
  const drawn = series.flatMap((heights, i) => drawLine(heights, y, i === 0 ? '' : ' second'));
  const attributes = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': description };
  return svg('svg', attributes, lines, times, drawn);
}

function drawLine(heights, y, kind) {
  const x = (i) => LEFT + (i / Math.max(1, heights.length - 1)) * (WIDTH - LEFT - RIGHT);
  const isAlone = (i) => (heights[i - 1] ?? null) === null && (heights[i + 1] ?? null) === null;
  let d = '';
  const dots = [];
  heights.forEach((height, i) => {
    if (height === null) return;
    d += `${(heights[i - 1] ?? null) === null ? 'M' : 'L'}${x(i).toFixed(1)},${y(height).toFixed(1)}`;
    if (isAlone(i)) dots.push(svg('circle', { class: `dot${kind}`, cx: x(i), cy: y(height), r: 2 }));
  });
  return [svg('path', { class: `series${kind}`, d }), ...dots];
}
