/** What `write`, `delete`, `get` and `status` share: the running stack, the address of an item. */
import { entities, type LocalEntity } from '../data/entities.ts';
import { type Answer, get } from '../services/http.ts';
import { StackError } from '../services/service.ts';
import { readState, type State, stackFolder } from '../services/state.ts';
import { UsageError } from './command.ts';
import { root } from './root.ts';

const usualApi = 'http://127.0.0.1:7071/api';

export interface Item {
  name: string;
  entity: LocalEntity;
  key: readonly string[];
}

export const runningStack = (): State | undefined => readState(stackFolder(root));

/** `airport FR CDG …`: the item, and the words after it. */
export function itemOf(words: readonly string[]): { item: Item; rest: readonly string[] } {
  const [name = '', ...others] = words;
  const known = Object.keys(entities).join(', ');
  if (name === '') throw new UsageError(`An entity is missing (${known}).`);
  const entity = Object.hasOwn(entities, name) ? entities[name] : undefined;
  if (!entity) throw new UsageError(`Unknown entity '${name}'. There are: ${known}.`);
  const { length } = entity.key;
  const key = others.slice(0, length);
  if (key.length < length || key.some((segment) => segment === '')) {
    const segments = `${length} ${length === 1 ? 'segment' : 'segments'} (${entity.key.join(', ')})`;
    throw new UsageError(`The key of ${name} has ${segments}, e.g. ${name} ${entity.example.join(' ')}.`);
  }
  return { item: { name, entity, key }, rest: others.slice(length) };
}

export interface App {
  url: string;
  read: () => Promise<Answer>;
}

/** The item's address in the running app; undefined if no app answers. */
export async function openApp(item: Item, url: string | undefined): Promise<App | undefined> {
  const state = runningStack();
  const api = (url ?? state?.api ?? usualApi).replace(/\/+$/, '');
  const path = [item.name, ...item.key].map(encodeURIComponent).join('/');
  const key = state?.key ?? process.env['WARMFEED_LOCAL_KEY'];
  const app: App = {
    url: `${api}/entities/${path}`,
    read: () => get(`${api}/entities/${path}`, { headers: key === undefined ? {} : { 'x-functions-key': key } }),
  };
  const live = await get(`${api}/health/live`).catch(() => undefined);
  if (live?.status === 200) return app;
  if (url !== undefined) throw new StackError(`No app answers at ${url}/health/live.`);
  return undefined;
}
