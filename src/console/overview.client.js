// What happened of late: reads, their time, the age of changes, what was refused.

import { chart } from './chart.client.js';
import { duration, facts, h, number, percent, table } from './dom.client.js';

const FROM_CACHE = ['hit', 'stale', 'stale-if-error'];
const OUTCOMES = {
  hit: 'hits',
  stale: 'stale',
  'stale-if-error': 'stale, as the source failed',
  miss: 'misses',
  joined: 'misses that joined another load',
  reload: 'reloads',
  bypass: 'past the cache',
  'not-cached': 'not cached (504)',
  error: 'errors',
};

const total = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);

function addAll(all) {
  const sums = {};
  for (const counts of all) for (const [name, n] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}

const addLists = (lists) => lists.reduce((sums, list) => list.map((n, i) => n + (sums[i] ?? 0)), []);

const sumOf = (buckets, name) => buckets.reduce((sum, bucket) => sum + bucket[name], 0);

/** Undefined: nothing was read. */
function hitRate(reads) {
  const all = total(reads);
  return all === 0 ? undefined : FROM_CACHE.reduce((sum, name) => sum + (reads[name] ?? 0), 0) / all;
}

/** Index of the bound that a share of the values is within; null: there are none. */
function boundAt(counts, share) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  let seen = 0;
  for (const [i, n] of counts.entries()) {
    seen += n;
    if (n > 0 && seen >= all * share) return i;
  }
  return null;
}

function within(counts, bounds, share) {
  const at = boundAt(counts, share);
  if (at === null) return '–';
  return at < bounds.length ? `≤ ${duration(bounds[at])}` : `> ${duration(bounds.at(-1))}`;
}

export function overview({ buckets, bucketMs, latencyBoundsMs, lagBoundsMs, byEntity, sessions }) {
  const minutes = Math.round((buckets.length * bucketMs) / 60_000);
  const reads = readsOf(buckets);
  return [
    h(
      'div',
      { class: 'cards' },
      hitCard(buckets, reads, minutes),
      timeCard('Latency of reads', 'latency', 'reads', buckets, latencyBoundsMs, minutes),
      timeCard('Commit to visible', 'lag', 'changes', buckets, lagBoundsMs, minutes),
    ),
    totals(buckets, reads),
    entityTable(byEntity),
    sessionTable(sessions),
    minuteTable(buckets, bucketMs, latencyBoundsMs, lagBoundsMs),
  ];
}

function hitCard(buckets, reads, minutes) {
  const rate = hitRate(reads);
  const figure = rate === undefined ? 'no reads' : percent(rate);
  const heights = buckets.map((bucket) => hitRate(bucket.reads) ?? null);
  const ticks = [0, 0.5, 1].map((at) => ({ at, text: `${at * 100} %` }));
  return h(
    'article',
    {},
    h('h3', {}, 'Hit rate'),
    h('p', { class: 'figure', id: 'hit-rate' }, figure),
    h('p', { class: 'hint', id: 'read-count' }, `of ${number(total(reads))} reads, served from the cache`),
    chart(`Hit rate over ${minutes} minutes: ${figure} in all`, ticks, [heights], minutes),
  );
}

function timeCard(title, field, what, buckets, bounds, minutes) {
  const all = listOf(buckets, field);
  const count = all.reduce((sum, n) => sum + n, 0);
  const [p50, p99] = [within(all, bounds, 0.5), within(all, bounds, 0.99)];
  const heights = (share) => buckets.map((bucket) => heightOf(boundAt(bucket[field], share), bounds));
  const ticks = [0, Math.floor(bounds.length / 2), bounds.length].map((i) => ({
    at: heightOf(i, bounds),
    text: i < bounds.length ? duration(bounds[i]) : `> ${duration(bounds.at(-1))}`,
  }));
  const description = `${title} over ${minutes} minutes: half ${p50}, 99 of 100 ${p99}`;
  return h(
    'article',
    {},
    h('h3', {}, title),
    h('p', { class: 'figure', id: `${field}-p99` }, count === 0 ? `no ${what}` : `p99 ${p99}`),
    h('p', { class: 'hint', id: `${field}-p50` }, count === 0 ? ' ' : `p50 ${p50}, of ${number(count)} ${what}`),
    chart(description, ticks, [heights(0.5), heights(0.99)], minutes),
    h('p', { class: 'legend' }, 'solid p50, dashed p99'),
  );
}

/** Bounds grow by steps alike in a logarithm, so each takes the same height. */
function heightOf(i, bounds) {
  return i === null ? null : i / bounds.length;
}

function totals(buckets, reads) {
  const refused = Object.entries(addAll(buckets.map((bucket) => bucket.refused))).filter(([, n]) => n > 0);
  const outcomes = Object.entries(OUTCOMES).map(([name, title]) => [title, number(reads[name] ?? 0)]);
  return facts([
    ...outcomes.filter(([title, n]) => n !== '0' || title === 'hits' || title === 'misses'),
    ['changes', number(sumOf(buckets, 'changes'))],
    ['fills', number(total(addAll(buckets.map((bucket) => bucket.fills))))],
    ['fills refused', refused.map(([why, n]) => `${number(n)} ${why}`).join(', ') || '0'],
    ['new dead letters', number(sumOf(buckets, 'deadLetters'))],
    ['failures of Redis', number(sumOf(buckets, 'storeFailures'))],
    ['failures of sources', number(sumOf(buckets, 'sourceFailures'))],
  ]);
}

function entityTable(byEntity) {
  const rows = Object.entries(byEntity);
  if (rows.length === 0) return [];
  return table(
    'By entity, query and content',
    [
      { title: 'Entity', cell: ([name]) => name },
      { title: 'Reads', number: true, cell: ([, reads]) => number(total(reads)) },
      { title: 'Hit rate', number: true, cell: ([, reads]) => percent(hitRate(reads) ?? 0) },
      { title: 'Errors', number: true, cell: ([, reads]) => number(reads.error ?? 0) },
    ],
    rows,
  );
}

/** Sessions are no reads of the cache. */
function sessionTable(calls) {
  const rows = Object.entries(calls);
  if (rows.length === 0) return [];
  return table(
    'Sessions',
    [
      { title: 'Call', cell: ([name]) => name },
      { title: 'Calls', number: true, cell: ([, counts]) => number(total(counts)) },
      { title: 'No such session', number: true, cell: ([, counts]) => number(counts.none) },
      { title: 'Refused', number: true, cell: ([, counts]) => number(counts.refused) },
      { title: 'Failed', number: true, cell: ([, counts]) => number(counts.failed) },
    ],
    rows,
  );
}

const listOf = (buckets, field) => addLists(buckets.map((bucket) => bucket[field]));
const readsOf = (buckets) => addAll(buckets.map((bucket) => bucket.reads));

function rateOf(buckets) {
  const rate = hitRate(readsOf(buckets));
  return rate === undefined ? '–' : percent(rate);
}

/** What the charts show, for those who do not see them. */
function minuteTable(buckets, bucketMs, latencyBounds, lagBounds) {
  const perMinute = Math.max(1, Math.round(60_000 / bucketMs));
  const minutes = [];
  for (let i = 0; i < buckets.length; i += perMinute) minutes.push(buckets.slice(i, i + perMinute));
  const columns = [
    { title: 'From', cell: ([first]) => new Date(first.at).toLocaleTimeString('en-GB') },
    { title: 'Reads', number: true, cell: (all) => number(total(readsOf(all))) },
    { title: 'Hit rate', number: true, cell: rateOf },
    { title: 'Latency p50', number: true, cell: (all) => within(listOf(all, 'latency'), latencyBounds, 0.5) },
    { title: 'Latency p99', number: true, cell: (all) => within(listOf(all, 'latency'), latencyBounds, 0.99) },
    { title: 'Changes', number: true, cell: (all) => number(sumOf(all, 'changes')) },
    { title: 'Visible p99', number: true, cell: (all) => within(listOf(all, 'lag'), lagBounds, 0.99) },
  ];
  return h(
    'details',
    { 'data-id': 'minutes' },
    h('summary', { 'data-id': 'minutes-summary' }, 'The charts as a table'),
    table('Minute by minute', columns, minutes.toReversed()),
  );
}
