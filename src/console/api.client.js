// Talks to the app that served the page. The key is in this module's memory, and nowhere else.

let key = '';
let onRefused = () => {};

const API = new URL('../../', import.meta.url).pathname;

export function setKey(value) {
  key = value;
}

/** Told when the host does not take the key. */
export function whenRefused(listener) {
  onRefused = listener;
}

/** A path of segments, each of which may have anything in it. */
export const path = (...segments) => segments.map(encodeURIComponent).join('/');

export const get = (where) => ask('GET', where);

export const post = (where, body) => ask('POST', where, body);

/** @throws Error with what the problem document says */
async function ask(method, where, body) {
  const headers = { 'x-functions-key': key };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init = { method, headers, cache: 'no-store', redirect: 'error' };
  const answer = await fetch(
    `${API}${where}`,
    body === undefined ? init : { ...init, body: JSON.stringify(body) },
  ).catch(() => {
    throw new Error('The app does not answer.');
  });
  if (answer.status === 401) {
    onRefused();
    throw new Error('The host does not take this key: it must be the admin (master) key.');
  }
  const value = await answer.json().catch(() => undefined);
  if (answer.ok && value !== undefined) return value;
  throw new Error(value?.detail ?? `The app answered ${answer.status}.`);
}
