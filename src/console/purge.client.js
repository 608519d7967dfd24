// Purges by tags, or of all of an entity or a query.

import { post } from './api.client.js';
import { titleOf } from './catalogue.client.js';
import { act, confirmed, find, h, time } from './dom.client.js';

const BY_TAGS = { kind: 'tags', name: 'tags' };
let kinds = [BY_TAGS];

/** @param known see catalogue.client.js */
export function offerPurge(known) {
  kinds = [BY_TAGS, ...known];
  const titles = kinds.map((one) => (one === BY_TAGS ? 'by tags' : `all of ${titleOf(one)}`));
  find('#purge-what').replaceChildren(...titles.map((title, i) => h('option', { value: i }, title)));
  showFields();
}

const chosen = () => kinds[find('#purge-what').value];

function showFields() {
  find('#purge-tags-field').hidden = chosen() !== BY_TAGS;
}

find('#purge-what').addEventListener('change', showFields);
find('#purge-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void act(event.submitter, () => purge(chosen()));
});

async function purge(one) {
  const mode = find('#purge-form').elements['purge-mode'].value;
  const how = mode === 'drop' ? 'Drop' : 'Make stale';
  const { what, named } = one === BY_TAGS ? ofTags() : ofAll(one);
  if (!(await confirmed(`${how}: ${named}?`, how))) return undefined;
  const { completeAt } = await post('ops/purge', { ...what, mode });
  return `Purged ${named}; it holds on every instance since ${time(completeAt)}.`;
}

function ofTags() {
  const lines = find('#purge-tags')
    .value.split('\n')
    .map((line) => line.trim());
  const tags = lines.filter((line) => line !== '');
  if (tags.length === 0) throw new Error('No tag is given: one a line.');
  return { what: { tags }, named: `whatever has the tag ${tags.join(' or ')}` };
}

function ofAll({ kind, name }) {
  const what = kind === 'query' ? { query: name } : { entity: name };
  return { what, named: `all of ${titleOf({ kind, name })}` };
}
