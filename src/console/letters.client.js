// Changes that could not be handled: look, replay, drop.

import { get, path, post } from './api.client.js';
import { button, confirmed, facts, h, number, show, table, time } from './dom.client.js';

const OUTCOMES = {
  replayed: 'is mended',
  failing: 'fails still',
  skipped: 'names nothing that could be mended: drop it',
  gone: 'is gone',
};

/** @param onExplain `(entity, key text)` */
export function letters({ letters: all, total, cursor }, { again, older, onExplain }) {
  if (total === 0) return [h('p', {}, 'There are none.')];
  const looked = h('div', { role: 'region', 'aria-label': 'A dead letter', 'aria-live': 'polite', id: 'letter' });
  const columns = [
    { title: 'When', cell: ({ at }) => time(at) },
    { title: 'Source', cell: ({ source }) => source },
    { title: 'Item', cell: ({ entity, key }) => `${entity} ${key}`.trim() || '–' },
    { title: 'Reason', cell: ({ reason }) => reason },
    { title: 'Actions', cell: (letter) => actions(letter, { again, looked, onExplain }) },
  ];
  return [
    table(`${number(all.length)} of ${number(total)}, newest first`, columns, all),
    h('p', { class: 'actions' }, forAll(total, again), cursor === null ? null : olderButton(cursor, older)),
    looked,
  ];
}

function actions({ id, entity, key }, { again, looked, onExplain }) {
  const item = `${entity} ${key}`.trim() || id;
  return h(
    'div',
    { class: 'actions' },
    button(`look/${id}`, 'Look', `Look at the dead letter of ${item}`, async () => {
      const letter = await get(`ops/dead-letters/${path(id)}`);
      show(looked, h('h3', {}, item), facts(Object.entries(letter)), explainButton(letter, onExplain));
      return undefined;
    }),
    button(`replay/${id}`, 'Replay', `Replay the dead letter of ${item}`, async () => {
      const { results } = await post('ops/dead-letters/replay', { ids: [id] });
      await again();
      const { outcome, reason } = results[0];
      return `${item} ${OUTCOMES[outcome]}${reason === null ? '' : `: ${reason}`}.`;
    }),
    button(`drop/${id}`, 'Drop', `Drop the dead letter of ${item}`, async () => {
      if (!(await confirmed(`Forget the dead letter of ${item}?`, 'Drop'))) return undefined;
      await post('ops/dead-letters/drop', { ids: [id] });
      await again();
      return `The dead letter of ${item} is dropped.`;
    }),
  );
}

function explainButton({ id, entity, key }, onExplain) {
  if (entity === '' || key === '') return '';
  return button(`explain/${id}`, 'Explain this key', `Explain ${entity} ${key}`, () => onExplain(entity, key));
}

function forAll(total, again) {
  return [
    button('replay-all', 'Replay all', `Replay all ${total} dead letters`, async () => {
      const counts = { replayed: 0, failing: 0, skipped: 0 };
      let cursor;
      do {
        const page = await post('ops/dead-letters/replay', { all: true, ...(cursor && { cursor }) });
        for (const name of Object.keys(counts)) counts[name] += page[name];
        cursor = page.cursor;
      } while (cursor !== null);
      await again();
      return `${number(counts.replayed)} mended, ${number(counts.failing)} failing still, ${number(counts.skipped)} skipped.`;
    }),
    button('drop-all', 'Drop all', `Drop all ${total} dead letters`, async () => {
      if (!(await confirmed(`Forget all ${number(total)} dead letters?`, 'Drop all'))) return undefined;
      const { dropped } = await post('ops/dead-letters/drop', { all: true });
      await again();
      return `${number(dropped)} dead letters are dropped.`;
    }),
  ];
}

function olderButton(cursor, older) {
  return button('older', 'Older', 'Show older dead letters', () => older(cursor));
}
