// Jobs that cache an entity from end to end.

import { path, post } from './api.client.js';
import { act, button, find, h, mark, number, table, time } from './dom.client.js';

const KINDS = { queued: 'warn', running: 'ok', paused: 'paused', cancelled: 'warn', done: 'ok', failed: 'error' };

/** @param known see catalogue.client.js */
export function offerWarm(known) {
  const names = known.filter(({ kind }) => kind === 'entity').map(({ name }) => name);
  find('#warm-entity').replaceChildren(...names.map((name) => h('option', { value: name }, name)));
}

/** @param again asks anew, after something was changed */
export function listenToWarm(again) {
  find('#warm-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void act(event.submitter, async () => {
      const [entity, rate] = [find('#warm-entity').value, find('#warm-rate').value];
      const { id } = await post('ops/warm', { entity, ...(rate !== '' && { unitsPerSecond: Number(rate) }) });
      await again();
      return `Warming ${entity}: job ${id}.`;
    });
  });
}

export function jobs({ jobs: all }, again) {
  if (all.length === 0) return [h('p', {}, 'No job was started of late.')];
  const columns = [
    {
      title: 'Job',
      cell: ({ entity, what, createdAt }) => [`${entity}, ${what}`, h('div', { class: 'hint' }, time(createdAt))],
    },
    { title: 'State', cell: ({ state, error }) => [mark(KINDS[state] ?? 'warn', state), error && h('div', {}, error)] },
    { title: 'Read', number: true, cell: progressOf },
    { title: 'Cached', number: true, cell: ({ filled }) => number(filled) },
    { title: 'Were cached', number: true, cell: ({ skipped }) => number(skipped) },
    { title: 'Units', number: true, cell: ({ units }) => number(Math.round(units)) },
    { title: 'Actions', cell: (job) => actions(job, again) },
  ];
  return [table('Jobs, newest first', columns, all)];
}

function progressOf({ id, scanned, total }) {
  if (total === null) return number(scanned);
  const label = `Progress of ${id}`;
  return [
    `${number(scanned)} of ${number(total)} `,
    h('progress', { value: scanned, max: total, 'aria-label': label }),
  ];
}

function actions({ id, entity, state }, again) {
  const possible =
    { queued: ['pause', 'cancel'], running: ['pause', 'cancel'], paused: ['resume', 'cancel'] }[state] ?? [];
  if (possible.length === 0) return '–';
  const buttons = possible.map((action) => {
    const title = action[0].toUpperCase() + action.slice(1);
    return button(`${action}/${id}`, title, `${title} the job of ${entity}, ${id}`, async () => {
      const job = await post(`ops/warm/${path(id)}/${action}`);
      await again();
      return `The job of ${entity} is ${job.state}.`;
    });
  });
  return h('div', { class: 'actions' }, buttons);
}
