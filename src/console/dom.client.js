// Elements, and what is said to people. Whatever comes from the app is set as text, never as markup.

export const find = (selector) => document.querySelector(selector);

const SVG = 'http://www.w3.org/2000/svg';

/** Children are elements or texts. `on…` are listeners, `class` and the others attributes; null and false leave one out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces what is in an element; what had the focus, has it again, and what was open stays open. */
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  const open = new Set([...element.querySelectorAll('details[open][data-id]')].map((each) => each.dataset.id));
  element.replaceChildren(...children.flat());
  const byId = (id) => [...element.querySelectorAll('[data-id]')].find((each) => each.dataset.id === id);
  for (const id of open) byId(id)?.setAttribute('open', '');
  if (focused !== undefined) byId(focused)?.focus();
}

/** Told to screen readers, too. */
export function say(text, isFailure = false) {
  const status = find('#status');
  status.textContent = text;
  status.classList.toggle('failed', isFailure);
}

/** @returns whether they said yes */
export function confirmed(text, yes) {
  const dialog = find('#confirm');
  find('#confirm-text').textContent = text;
  dialog.querySelector('.danger').textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Runs an action of a button or form: one at a time, and what it comes to is said. */
export async function act(control, work) {
  // Not disabled: that would take the focus away.
  if (control.ariaBusy === 'true') return;
  const section = control.closest('section');
  control.ariaBusy = 'true';
  try {
    const text = await work();
    if (text !== undefined) say(text);
  } catch (error) {
    say(error.message, true);
  } finally {
    control.ariaBusy = 'false';
    if (document.activeElement === document.body) focusTitle(section);
  }
}

/** Where to go on after a row is gone together with its button. */
function focusTitle(section) {
  const title = section?.querySelector('h2');
  title?.setAttribute('tabindex', '-1');
  title?.focus();
}

/** @param id the same for the same button after a refresh */
export function button(id, text, label, work) {
  const element = h('button', { type: 'button', 'data-id': id, 'aria-label': label }, text);
  element.addEventListener('click', () => void act(element, work));
  return element;
}

/** Columns: `{ title, number?, cell(row) }`; the first is the row's header. */
export function table(caption, columns, rows) {
  const head = columns.map(({ title, number }) => h('th', { scope: 'col', class: number ? 'number' : null }, title));
  const body = rows.map((row) =>
    h(
      'tr',
      {},
      columns.map(({ title, number, cell }, i) => {
        const attributes = { class: number ? 'number' : null, 'data-label': title };
        return h(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : attributes, h('div', {}, cell(row)));
      }),
    ),
  );
  const parts = [h('caption', {}, caption), h('thead', {}, h('tr', {}, head)), h('tbody', {}, body)];
  // Wide ones are scrolled, with the keyboard as well.
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': caption },
    h('table', { class: 'stacks' }, parts),
  );
}

export function facts(pairs) {
  return h(
    'dl',
    { class: 'facts' },
    pairs.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );
}

const MARKS = { ok: '●', warn: '▲', error: '✕', paused: '❚❚' };

/** A state by its word, its shape and its colour. */
export function mark(kind, text) {
  return h('span', { class: `mark ${kind}` }, h('span', { 'aria-hidden': 'true' }, `${MARKS[kind]} `), text);
}

export const number = (value) => value.toLocaleString('en-US');
export const percent = (share) => `${(share * 100).toFixed(1)} %`;
export const time = (iso) => (iso === null ? '–' : new Date(iso).toLocaleString('en-GB', { hour12: false }));

export function duration(ms) {
  if (ms === null) return '–';
  if (ms < 1000) return `${ms} ms`;
  return ms < 120_000 ? `${Number((ms / 1000).toFixed(1))} s` : `${Math.round(ms / 60_000)} min`;
}
