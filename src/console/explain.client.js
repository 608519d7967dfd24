// Why a key is cached, stale or missing; and what purges it.

import { get, path, post } from './api.client.js';
import { titleOf } from './catalogue.client.js';
import { act, button, duration, facts, find, h, mark, show, time } from './dom.client.js';

const GOOD = ['live'];
const BAD = ['foreign'];

let catalogue = [];

/** @param known see catalogue.client.js */
export function offerExplain(known) {
  catalogue = known;
  find('#explain-what').replaceChildren(...known.map((one, i) => h('option', { value: i }, titleOf(one))));
  if (known.length > 0) showParts(known[0]);
}

find('#explain-what').addEventListener('change', ({ target }) => showParts(catalogue[target.value]));
find('#explain-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void act(event.submitter, () => explain(catalogue[find('#explain-what').value]));
});

function showParts({ parts, optional, kind }) {
  const fields = parts.map((name) =>
    h(
      'p',
      { class: 'field' },
      h('label', { for: `part-${name}` }, name === optional ? `${name} (where a page ended)` : name),
      h('input', { id: `part-${name}`, name, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' }),
    ),
  );
  show(find('#explain-parts'), fields);
  find('#explain-source').disabled = kind !== 'entity';
}

/** Fills the form in, as if somebody had. */
export async function explainItem(name, segments) {
  const at = catalogue.findIndex((one) => one.kind === 'entity' && one.name === name);
  if (at < 0) throw new Error(`There is no entity ${name}.`);
  find('#explain-what').value = String(at);
  showParts(catalogue[at]);
  find('#explain-parts')
    .querySelectorAll('input')
    .forEach((input, i) => {
      input.value = segments[i] ?? '';
    });
  await explain(catalogue[at]);
  find('#explain').scrollIntoView();
  find('#explain-what').focus();
}

async function explain(target) {
  const values = [...find('#explain-parts').querySelectorAll('input')].map(({ name, value }) => [name, value]);
  const withSource = target.kind === 'entity' && find('#explain-source').checked;
  const found = await get(addressOf(target, values, withSource));
  show(find('#explanation'), explanation(found, target, values));
  return `${found.entity} ${found.key}: ${found.verdict}`;
}

function addressOf({ kind, name, optional }, values, withSource) {
  if (kind === 'query') {
    const given = values.filter(([param, value]) => param !== optional || value !== '');
    return `ops/explain-query/${path(name)}?${new URLSearchParams(given)}`;
  }
  const segments = kind === 'content' ? values[0][1].split('/') : values.map(([, value]) => value);
  return `ops/explain/${path(name, ...segments)}${withSource ? '?source=true' : ''}`;
}

function explanation(found, target, values) {
  const kind = GOOD.includes(found.verdict) ? 'ok' : BAD.includes(found.verdict) ? 'error' : 'warn';
  return [
    h('h3', {}, `${found.entity} ${found.key}`),
    h('p', { id: 'verdict' }, mark(kind, found.verdict)),
    h(
      'ul',
      {},
      found.reasons.map((reason) => h('li', {}, reason)),
    ),
    ...purgeButtons(target, values),
    facts(surroundings(found)),
    ...(found.record === null ? [] : [details('The record', found.record)]),
    ...(found.source?.read ? [details('What the source says now', found.source.read)] : []),
  ];
}

function compared({ record, now, same }) {
  if (record === null) return now;
  return same ? `${record}, as now` : `${record}; now ${now}`;
}

function surroundings({ generation, fingerprint, partition, watermark, lease, lastRefusal, purges, source }) {
  return [
    ['source', source?.name ?? '–'],
    ['paused', source?.paused ? `since ${time(source.paused.at)}` : 'no'],
    ['generation', compared(generation)],
    ['fingerprint', compared(fingerprint)],
    ['partition', partition ?? 'not seen yet'],
    ['watermark', watermark === null ? '–' : [watermark.state, watermark.position].filter(Boolean).join(', ')],
    ['lease', lease === null ? 'none' : `held for ${duration(lease.ageMs)}, ${duration(lease.leftMs)} left`],
    ['last refused fill', lastRefusal === null ? 'none' : `${lastRefusal.meaning} (${time(lastRefusal.at)})`],
    [
      'purges that name it',
      purges.map(({ by, name, mode, at }) => `${by} ${name}, ${mode}, ${time(at)}`).join('; ') || 'none',
    ],
  ];
}

function shown(name, value) {
  if (value === null || value === undefined) return '–';
  if (Array.isArray(value)) return value.join(', ') || 'none';
  return name.endsWith('At') ? time(value) : String(value);
}

function details(title, values) {
  const pairs = Object.entries(values).map(([name, value]) => [name, shown(name, value)]);
  return h(
    'details',
    { 'data-id': title, open: title === 'The record' ? null : '' },
    h('summary', { 'data-id': `${title}-summary` }, title),
    facts(pairs),
  );
}

/** An item is purged by its key; a result of a query has no key of its own. */
function purgeButtons(target, values) {
  if (target.kind === 'query') return [];
  const segments = target.kind === 'content' ? values[0][1].split('/') : values.map(([, value]) => jsonOf(value));
  const of = (mode, title) =>
    button(`purge/${mode}`, title, `${title} this key`, async () => {
      await post('ops/purge', { keys: [[target.name, segments]], mode });
      await explain(target);
      return `Purged: ${target.name} ${segments.map(String).join('/')}.`;
    });
  return [h('p', { class: 'actions' }, of('stale', 'Make stale'), of('drop', 'Drop'))];
}

/** A segment as it is written in an address, `=1` for a number, as a JSON value. */
function jsonOf(segment) {
  if (!segment.startsWith('=')) return segment;
  if (segment === '=undefined') return {};
  try {
    return JSON.parse(segment.slice(1));
  } catch {
    return segment;
  }
}
