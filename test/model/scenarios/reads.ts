// Reads: which may begin, what they show, and what they have to show.

import type { Done } from '../explorer/process.ts';
import type { Sight, Task } from '../explorer/system.ts';
import { staleRow } from './invariants.ts';
import type { ItemsModel, ItemsStep } from './items.ts';
import type { State } from './stage.ts';
import { nameOf, type Running, raised, type World } from './world.ts';

/** `R` reads an item or a list, `G` all items in one request, `P` warms them. */
export function readSteps(model: ItemsModel, state: State, actor: number): readonly ItemsStep[] {
  const { bounds, stage } = model;
  const serial = state.world.begun[actor] ?? 0;
  if (serial >= (bounds.reads ?? 1)) return [];
  const name = stage.names[actor] ?? '';
  const owing = owed(state.world);
  const all = Array.from({ length: bounds.keys }, (_, key) => key);
  const begin = (task: Task, running: Running, label: string): ItemsStep[] => {
    const to = model.begin(state, actor, task, running);
    return to === undefined ? [] : [{ to, label: () => `${name} ${label}` }];
  };
  if (!name.startsWith('R')) {
    const task: Task = { do: name.startsWith('G') ? 'many' : 'warm', keys: all.map((key) => [nameOf(key)]), serial };
    return begin(task, { do: 'read', keys: all, ...owing }, task.do === 'many' ? 'reads all' : 'warms all');
  }
  if (bounds.lists !== undefined) {
    return bounds.lists.flatMap((list) =>
      begin({ do: 'query', list, serial }, { do: 'query', list, ...owing }, `asks for list ${list}`),
    );
  }
  return all.flatMap((key) =>
    (bounds.isReloading ? [false, true] : [false]).flatMap((isReload) => {
      const task: Task = { do: 'read', key: [nameOf(key)], serial, isReload };
      return begin(task, { do: 'read', keys: [key], ...owing }, `${isReload ? 'reloads' : 'reads'} ${nameOf(key)}`);
    }),
  );
}

/** What a read that begins now shows at least, by key; `stalest`: as stale. */
function owed({ rolledBack, completed, softened }: World) {
  if (rolledBack > 0) return { least: completed.map(() => 0), stalest: completed.map(() => 0) };
  return { least: raised(completed, softened), stalest: completed };
}

/** A read has ended. */
export function shown(
  model: ItemsModel,
  state: State,
  running: Extract<Running, { do: 'read' | 'query' }>,
  done: Done,
  said: () => string,
): ItemsStep {
  if (!('value' in done)) return { to: state, label: () => `${said()}; failed: ${done.error.message}` };
  // One of an item or a list, those of a group, or none of a warming.
  const { value = [] } = done;
  const sights = (Array.isArray(value) ? value : [value]) as readonly Sight[];
  const seen = sights.map((sight, i) => {
    const { how, n, rows } = sight;
    if (running.do === 'read') return `${how} of ${nameOf(running.keys[i] ?? -1)}@${n}`;
    return `${how} of ${Object.entries(rows ?? {}).join(' ') || 'no rows'}`;
  });
  const label = () => `${said()}; ${seen.join(', ') || 'warmed'}`;
  const broken = sights.map((sight, i) => {
    if (!isBound(sight)) return undefined;
    return running.do === 'read'
      ? staleItem(state.world, running, running.keys[i] ?? -1, sight)
      : staleList(model, state.world, running, sight);
  });
  return { to: state, label, broken: broken.find((each) => each !== undefined) };
}

/** Whether the cache answered, or another's load that was stored. */
const isBound = ({ how, guarantee }: Sight): boolean =>
  ['hit', 'stale', 'joined'].includes(how) && guarantee !== undefined && guarantee !== 'provisional';

function staleItem(
  { log }: World,
  running: Extract<Running, { do: 'read' }>,
  key: number,
  { how, n }: Sight,
): string | undefined {
  // A hit on nothing shows some delete, and which one is not told.
  const version = n > 0 ? n : log.findLastIndex((write) => write.key === key && write.isGone) + 1;
  const least = (how === 'stale' ? running.stalest : running.least)[key] ?? 0;
  return version < least ? `I1: a ${how} answer shows ${nameOf(key)}@${n} although ${least} was completed` : undefined;
}

function staleList(
  model: ItemsModel,
  world: World,
  { list, least, stalest }: Extract<Running, { do: 'query' }>,
  { how, rows = {} }: Sight,
): string | undefined {
  const stale = staleRow(model, world, list, rows, how === 'stale' ? stalest : least);
  return stale && `I1: a ${how} answer of list ${list} has ${stale}`;
}
