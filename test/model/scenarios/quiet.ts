// What a reader sees with nothing else going on: the invariant of liveness, and how a scenario begins.

import type { Sight, Task } from '../explorer/system.ts';
import { textOf } from '../explorer/text.ts';
import type { ItemsModel } from './items.ts';
import type { State } from './stage.ts';
import { logText, nameOf, rowsAt } from './world.ts';

const lives = new WeakMap<ItemsModel, Map<string, string>>();

/** Reads in quiet, with time enough between: the last must be a hit of what the source has. */
export function lifeless(model: ItemsModel, state: State): string | undefined {
  const { slots, world } = state;
  const known = lives.get(model) ?? new Map<string, string>();
  lives.set(model, known);
  const log = world.log.map(logText);
  const name = [slots, world.now, world.drawn, log, world.eras, world.moves, world.done]
    .map((each) => each.toString())
    .join('|');
  const found = known.get(name);
  if (found !== undefined) return found === '' ? undefined : found;
  const broken = findLife(model, state);
  if (broken !== undefined) known.set(name, broken);
  return broken === '' ? undefined : broken;
}

/** Undefined: to be learned first; empty: there is none. */
function findLife(model: ItemsModel, state: State): string | undefined {
  for (const { name, task, expected } of subjectsOf(model, state)) {
    let at: State | undefined = state;
    let sight: Sight | undefined;
    // One read may find the watermark missing, the next one seed it, and one more fill; then one hits.
    for (let turn = 0; turn < 4; turn++) {
      const read = readAlone(model, turn < 3 ? later(model, at) : at, task(turn));
      if (read === undefined) return undefined;
      [at, sight] = read;
    }
    if (sight?.how !== 'hit') return `L: in quiet ${name} is not cached, however often it is read`;
    const seen = textOf(sight.rows ?? sight.n);
    if (seen !== textOf(expected)) return `I2: in quiet ${name} is hit as ${seen}, not ${textOf(expected)}`;
  }
  return '';
}

interface Subject {
  readonly name: string;
  readonly task: (serial: number) => Task;
  /** `n` of an item, or of each in a list. */
  readonly expected: unknown;
}

function subjectsOf(model: ItemsModel, { world }: State): readonly Subject[] {
  const { keys, lists } = model.bounds;
  if (lists !== undefined) {
    return lists.map((list) => ({
      name: `list ${list}`,
      task: (serial) => ({ do: 'query', list, serial }),
      expected: rowsAt(world.log, keys, list, world.log.length),
    }));
  }
  return Array.from({ length: keys }, (_, key): Subject => {
    const { version, isGone } = model.newest(world, key);
    return {
      name: nameOf(key),
      task: (serial) => ({ do: 'read', key: [nameOf(key)], serial, isReload: false }),
      expected: isGone ? 0 : version,
    };
  });
}

/** After leases, provisional values, D and T have ended. */
function later(model: ItemsModel, state: State): State {
  const { leaseMs = 0, provisionalMs = 0, generationMs = 1000 } = model.bounds.options ?? {};
  const ms = Math.max(leaseMs, provisionalMs, generationMs, model.bounds.lagMs ?? 0, 86_400_001);
  return model.passed(state, state.world.now + ms);
}

const FAILED: Sight = { how: 'failed', n: 0, rows: undefined, guarantee: undefined };

/** A read, and what it leaves to do behind it. Undefined: to be learned first. */
function readAlone(model: ItemsModel, from: State, task: Task): [State, Sight] | undefined {
  const { stage, calm } = model;
  let state = stage.begin(from, calm, task);
  let sight = FAILED;
  while (state !== undefined) {
    const next = stage.node(state, calm).pending[0];
    if (next === undefined) return [state, sight];
    const taken = model.alone(state, next.index, next.call);
    if (taken?.done !== undefined && 'value' in taken.done) sight = taken.done.value as Sight;
    state = taken?.state;
  }
}

/** Once each list was asked for. */
export async function asked(model: ItemsModel): Promise<State> {
  let state = model.initial;
  for (const [serial, list] of (model.bounds.lists ?? []).entries()) {
    for (;;) {
      const read = readAlone(model, state, { do: 'query', list, serial });
      if (read !== undefined) {
        [state] = read;
        break;
      }
      await model.learn();
    }
  }
  return state;
}
