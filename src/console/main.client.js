// The operator's console: asks for the key, then shows each part of /ops, again every few seconds while somebody looks.

import { get, setKey, whenRefused } from './api.client.js';
import { catalogueOf } from './catalogue.client.js';
import { act, find, h, say, show } from './dom.client.js';
import { explainItem, offerExplain } from './explain.client.js';
import { letters } from './letters.client.js';
import { overview } from './overview.client.js';
import { offerPurge } from './purge.client.js';
import { consistency, sources } from './sources.client.js';
import { jobs, listenToWarm, offerWarm } from './warm.client.js';

const EVERY_MS = 5000;
const MINUTES = 15;

let isConnected = false;
let timer;
/** Where the list of dead letters begins; undefined: with the newest. */
let lettersFrom;

const SECTIONS = {
  overview: async () => overview(await get(`ops/stats?minutes=${MINUTES}`)),
  sources: async () => sources(await get('ops/sources'), () => refresh('sources')),
  consistency: async () => consistency(await get('ops/consistency')),
  warm: async () => jobs(await get('ops/warm'), () => refresh('warm')),
  letters: async () => {
    const from = lettersFrom === undefined ? '' : `?cursor=${encodeURIComponent(lettersFrom)}`;
    return letters(await get(`ops/dead-letters${from}`), {
      again: () => Promise.all([refresh('letters'), refresh('sources')]),
      older: async (cursor) => {
        lettersFrom = cursor;
        await refresh('letters');
      },
      onExplain: (entity, key) => explainItem(entity, segmentsOf(key)),
    });
  },
};

/** A key's text has its segments escaped as addresses have them, but for `%u….` */
function segmentsOf(key) {
  return key.split('/').map((part) =>
    part.replace(/%u([\da-f]{4})|%([\dA-F]{2})/g, (_, long, short) => {
      return String.fromCharCode(Number.parseInt(long ?? short, 16));
    }),
  );
}

/** A section that fails says so in its place; the others are shown. */
async function refresh(name) {
  const body = find(`#${name} .body`);
  try {
    const parts = await SECTIONS[name]();
    if (isConnected) show(body, parts);
  } catch (error) {
    if (isConnected) show(body, h('p', { class: 'failed' }, error.message));
  }
}

async function refreshAll() {
  clearTimeout(timer);
  // A letter that somebody looks at stays.
  const names = Object.keys(SECTIONS).filter((name) => name !== 'letters' || !isLooking());
  await Promise.all(names.map(refresh));
  if (!isConnected) return;
  find('#updated').textContent = `Updated ${new Date().toLocaleTimeString('en-GB')}`;
  timer = setTimeout(refreshInTime, EVERY_MS);
}

/** Not while nobody looks. */
function refreshInTime() {
  if (!isConnected) return;
  if (find('#refresh').checked && !document.hidden) void refreshAll();
  else timer = setTimeout(refreshInTime, EVERY_MS);
}

function isLooking() {
  return (find('#letter')?.childElementCount ?? 0) > 0 || lettersFrom !== undefined;
}

async function connect(key) {
  setKey(key);
  const catalogue = catalogueOf(await get('openapi.json'));
  await get('ops/sources');
  isConnected = true;
  find('#key').value = '';
  for (const offer of [offerExplain, offerPurge, offerWarm]) offer(catalogue);
  shownAs(true);
  await refreshAll();
  find('#main').focus({ preventScroll: true });
}

function disconnect() {
  isConnected = false;
  setKey('');
  clearTimeout(timer);
  lettersFrom = undefined;
  for (const name of Object.keys(SECTIONS)) show(find(`#${name} .body`), []);
  show(find('#explanation'), []);
  shownAs(false);
  find('#key').focus();
}

function shownAs(connected) {
  find('#sections').hidden = !connected;
  find('#connected').hidden = !connected;
  find('#key-form').hidden = connected;
  find('#welcome').hidden = connected;
}

find('#key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void act(event.submitter, async () => {
    await connect(find('#key').value);
    return 'Connected.';
  });
});
find('#forget').addEventListener('click', () => {
  disconnect();
  say('The key is forgotten.');
});
listenToWarm(() => refresh('warm'));
whenRefused(disconnect);
