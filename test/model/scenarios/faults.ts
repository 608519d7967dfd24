// What befalls processes and the store: deaths, evictions, losses, failovers, splits, purges, and time.

import { SHARDS } from './bounds.ts';
import type { ItemsModel, ItemsStep } from './items.ts';
import { replaced, type State } from './stage.ts';
import { type Left, latest, nameOf, withoutFloor } from './world.ts';

export function faultSteps(model: ItemsModel, state: State): readonly ItemsStep[] {
  return [
    ...deaths(model, state),
    ...losses(model, state),
    ...failovers(model, state),
    ...operations(model, state),
    ...moves(model, state),
    ...recreations(model, state),
    ...passes(model, state),
  ];
}

function spent(state: State, left: Partial<Left>): State {
  return { ...state, world: { ...state.world, left: { ...state.world.left, ...left } } };
}

function deaths({ stage }: ItemsModel, state: State): ItemsStep[] {
  const { left, running } = state.world;
  if (left.deaths === 0) return [];
  return running.flatMap((each, actor) => {
    // A refresh may go on behind a task that is done.
    if (each === undefined && stage.node(state, actor).pending.length === 0) return [];
    const after = spent(state, { deaths: left.deaths - 1 });
    const world = { ...after.world, running: running.with(actor, undefined) };
    const nodes = replaced(state.nodes, actor, stage.automata[actor]?.start.id ?? 0);
    return [{ to: { ...after, nodes, world }, label: () => `${stage.names[actor]} dies` }];
  });
}

function losses({ stage, bounds }: ItemsModel, state: State): ItemsStep[] {
  const { left, cached } = state.world;
  const { empty } = stage.shelf;
  const steps: ItemsStep[] = [];
  const lose = (places: readonly number[], left_: Partial<Left>, keys: readonly number[], label: string) => {
    if (places.every((place) => (state.slots[place] ?? empty) === empty)) return;
    const slots = state.slots.map((slot, place) => (places.includes(place) ? empty : slot));
    const after = spent(state, left_);
    const kept = cached.map((version, key) => (keys.includes(key) ? 0 : version));
    steps.push({ to: { ...after, slots, world: { ...after.world, cached: kept } }, label: () => label });
  };
  const all = Array.from({ length: bounds.keys }, (_, key) => key);
  if (left.evictions > 0) {
    for (const key of all) {
      lose([stage.records[key] ?? 0], { evictions: left.evictions - 1 }, [key], `evict ${nameOf(key)}`);
    }
  }
  if (left.evictions > 0) {
    for (const [i, list] of (bounds.lists ?? []).entries()) {
      lose([stage.lists[i] ?? 0], { evictions: left.evictions - 1 }, [], `evict list ${list}`);
    }
  }
  if (left.indexLosses > 0) lose([stage.index], { indexLosses: left.indexLosses - 1 }, [], 'lose the index of lists');
  if (left.checkpointLosses > 0) {
    lose([stage.checkpoint], { checkpointLosses: left.checkpointLosses - 1 }, [], 'lose the checkpoint');
  }
  if (left.flushes > 0) lose([...state.slots.keys()], { flushes: left.flushes - 1 }, all, 'flush all');
  if (left.watermarkLosses > 0) {
    for (const [i, id] of stage.partitions().entries()) {
      lose(
        [stage.watermarks[i] ?? 0],
        { watermarkLosses: left.watermarkLosses - 1 },
        [],
        `lose the watermark of ${id}`,
      );
    }
  }
  return steps;
}

function failovers({ stage, bounds }: ItemsModel, state: State): ItemsStep[] {
  const { left, stalled, now } = state.world;
  if (bounds.failovers === undefined) return [];
  return SHARDS.flatMap((shard, at): ItemsStep[] => {
    const count = left.failovers[at] ?? 0;
    if (count === 0) return [];
    const places = stage.placesOf(shard);
    const current = places.map((place) => state.slots[place] ?? stage.shelf.empty);
    const old = stalled[at];
    if (old === undefined) {
      const world = { ...state.world, stalled: stalled.with(at, current) };
      return [{ to: { ...state, world }, label: () => `the replica of the ${shard} stalls` }];
    }
    if (old.join() === current.join()) return [];
    const slots = [...state.slots];
    for (const [i, place] of places.entries()) slots[place] = old[i] ?? stage.shelf.empty;
    const after = spent(state, { failovers: left.failovers.with(at, count - 1) });
    const cached = state.world.cached.map(() => 0);
    const failed = Object.values(bounds.failovers ?? {}).reduce((sum, times) => sum + times, 0);
    const rolledBack = 1 + failed - left.failovers.reduce((sum, times) => sum + times, 0);
    const skewMs = shard === 'generations' ? (bounds.skewMs ?? 0) : state.world.skewMs;
    const running = state.world.running.map(withoutFloor);
    const world = { ...after.world, cached, running, stalled: stalled.with(at, undefined), rolledBack, skewMs };
    const to = { ...after, slots: stage.expired(slots, now), world };
    return [{ to, label: () => `the replica of the ${shard} takes over` }];
  });
}

/** Bumps of the source after a failover, and purges. */
function operations(model: ItemsModel, state: State): ItemsStep[] {
  const { world } = state;
  if (world.running[model.operator] !== undefined) return [];
  const steps: ItemsStep[] = [];
  if (world.rolledBack > 0) {
    const to = model.begin(state, model.operator, { do: 'bump' }, { do: 'bump', mends: world.rolledBack });
    if (to !== undefined) steps.push({ to, label: () => 'the failover is noticed' });
  }
  return [...steps, ...purges(model, state)];
}

function purges(model: ItemsModel, state: State): ItemsStep[] {
  const { bounds, stage } = model;
  const { log, left } = state.world;
  const next = bounds.purges?.[left.purged];
  if (next === undefined) return [];
  const { by, mode } = next;
  const letter = bounds.lists?.[0]?.slice(0, 1) ?? bounds.letters?.[0] ?? '';
  const names = { entity: [], key: stage.recordKeys(), tag: [`list:${letter}`] }[by];
  // A replica that lags may answer with what was before, whenever it is asked.
  const isSeen = (bounds.lagMs ?? 0) === 0;
  const least = Array.from({ length: bounds.keys }, (_, key) => (isSeen ? latest(log, key, log.length) : 0));
  const after = spent(state, { purged: left.purged + 1 });
  const to = model.begin(after, model.operator, { do: 'purge', by, names, mode }, { do: 'purge', mode, least });
  if (to === undefined) return [];
  return [{ to, label: () => `a ${mode === 'drop' ? 'hard' : 'soft'} purge by ${by} begins` }];
}

function moves({ bounds }: ItemsModel, state: State): ItemsStep[] {
  const { world } = state;
  const layouts = bounds.layouts ?? [];
  const next = layouts[world.moves.length + 1];
  if (next === undefined) return [];
  const to = { ...state, world: { ...world, moves: [...world.moves, world.log.length], isTakenOver: false } };
  return [{ to, label: () => `partitions become ${next.map((group) => group.map(nameOf).join('')).join(' | ')}` }];
}

/** All is gone, no feed tells, and it counts as a loss until it was noticed. */
function recreations({ bounds }: ItemsModel, state: State): ItemsStep[] {
  const { world } = state;
  const { left, log, now } = world;
  if (left.recreations === 0) return [];
  const keys = Array.from({ length: bounds.keys }, (_, key) => key);
  const all = [...log, ...keys.map((key) => ({ key, isGone: true, at: now, letter: '' }))];
  const after = spent(state, { recreations: left.recreations - 1 });
  const eras = [...world.eras, all.length];
  const to = {
    ...after,
    world: {
      ...after.world,
      log: all,
      eras,
      checkpoints: keys.map(() => all.length),
      cached: keys.map(() => 0),
      running: world.running.map(withoutFloor),
      rolledBack: 100 + eras.length,
    },
  };
  return [{ to, label: () => 'the container is deleted and made anew' }];
}

function passes(model: ItemsModel, state: State): ItemsStep[] {
  const { world } = state;
  const ms = model.bounds.passes?.[world.left.passed];
  if (ms === undefined) return [];
  const later = model.passed(spent(state, { passed: world.left.passed + 1 }), world.now + ms);
  return [{ to: later, label: () => `${ms} ms pass` }];
}
