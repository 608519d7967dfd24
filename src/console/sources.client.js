// How each source stands, with pause and resume; and what the auditor found.

import { path, post } from './api.client.js';
import { button, confirmed, duration, facts, h, mark, number, percent, table, time } from './dom.client.js';

/** @param again asks anew, after something was changed */
export function sources({ sources: all, unattributedDeadLetters }, again) {
  if (all.length === 0) return [h('p', {}, 'There are none.')];
  const columns = [
    { title: 'Source', cell: ({ name, entities }) => [name, h('div', { class: 'hint' }, entities.join(', '))] },
    { title: 'State', cell: stateOf },
    { title: 'Visible after', number: true, cell: visibleAfter },
    { title: 'Dead letters', cell: ({ deadLetters }) => lettersOf(deadLetters) },
    { title: 'Last error', cell: errorOf },
    { title: 'Changes', cell: (source) => turn(source, again) },
  ];
  const lost = unattributedDeadLetters.count;
  return [
    table('Sources and their state', columns, all),
    ...all.map(partitions),
    ...(lost > 0 ? [h('p', {}, `${number(lost)} dead letters are of no source that there is now.`)] : []),
  ];
}

function stateOf({ state, remark, remedy, paused }) {
  return [
    mark(state, state),
    remark === null ? null : h('div', {}, remark),
    remedy === null ? null : h('div', { class: 'hint' }, `To mend it: ${remedy}`),
    paused === null ? null : h('div', { class: 'hint' }, `since ${time(paused.at)}, by ${paused.by}`),
  ];
}

function visibleAfter({ commitToVisibleMs: { p50, p99, samples } }) {
  if (samples === 0) return '–';
  return [`p50 ${duration(p50)}, p99 ${duration(p99)}`, h('div', { class: 'hint' }, `of ${number(samples)} changes`)];
}

function lettersOf({ count, oldestAt }) {
  return count === 0 ? '0' : [number(count), h('div', { class: 'hint' }, `oldest ${time(oldestAt)}`)];
}

function errorOf({ lastError }) {
  if (lastError === null) return '–';
  const { message, at, remedy } = lastError;
  return [
    h('div', {}, message),
    remedy === null ? null : h('div', { class: 'hint' }, `To mend it: ${remedy}`),
    h('div', { class: 'hint' }, time(at)),
  ];
}

function turn({ name, paused }, again) {
  const action = paused === null ? 'pause' : 'resume';
  const title = paused === null ? 'Pause' : 'Resume';
  return button(`turn/${name}`, title, `${title} the changes of ${name}`, async () => {
    const text = `Pause the changes of ${name}? What is cached is served meanwhile, and falls behind the database.`;
    if (action === 'pause' && !(await confirmed(text, 'Pause'))) return undefined;
    await post(`ops/sources/${path(name)}/${action}`);
    await again();
    return `The changes of ${name} are ${action === 'pause' ? 'paused' : 'going on'}.`;
  });
}

function partitions({ name, partitions: all }) {
  const columns = [
    { title: 'Partition', cell: ({ id }) => id },
    {
      title: 'Watermark',
      cell: ({ watermark, position }) => (position === null ? watermark : `${watermark}, ${position}`),
    },
    { title: 'Last page', cell: ({ lastPageAt }) => time(lastPageAt) },
    { title: 'Its age then', number: true, cell: ({ lagMs }) => duration(lagMs) },
  ];
  return h(
    'details',
    { 'data-id': `partitions/${name}` },
    h('summary', { 'data-id': `partitions-summary/${name}` }, `Partitions of ${name} (${all.length})`),
    all.length === 0 ? h('p', {}, 'None was seen yet.') : table(`Partitions of ${name}`, columns, all),
  );
}

export function consistency({ samples, match, superseded, stale, provisional, share, bound95, byDelay }) {
  if (samples === 0) return [h('p', {}, 'Nothing was audited yet: no sample says how right the cache is.')];
  const counted = match + superseded + stale;
  const rows = Object.entries(byDelay).toSorted(([a], [b]) => Number(a) - Number(b));
  const columns = [
    { title: 'After', cell: ([delay]) => `${delay} s` },
    { title: 'Samples', number: true, cell: ([, counts]) => number(counts.samples) },
    { title: 'Right', number: true, cell: ([, counts]) => number(counts.match + counts.superseded) },
    { title: 'Stale', number: true, cell: ([, counts]) => number(counts.stale) },
    { title: 'Provisional', number: true, cell: ([, counts]) => number(counts.provisional) },
  ];
  const right = share === null ? 'unknown' : `${percent(share)} right`;
  return [
    h('p', { class: 'figure', id: 'share' }, right),
    h('p', { id: 'samples' }, `of ${number(counted)} audited records; ${number(stale)} were stale.`),
    bound95 === null
      ? null
      : h('p', { class: 'hint' }, `With 95 % confidence at most ${percent(bound95)} of all are stale.`),
    facts([
      ['samples', number(samples)],
      ['provisional', number(provisional)],
    ]),
    table('By the time after the change', columns, rows),
  ].filter((part) => part !== null);
}
