// The feed's positions: they are lost, and made anew with what comes then, so that changes pass unseen; and the watch over
// them, in a process of its own.

import type { Bounds } from './bounds.ts';
import type { ItemsModel, ItemsStep } from './items.ts';
import type { State } from './stage.ts';
import type { Positions } from './world.ts';

/** What the feed tells the watch. */
export function positionsTold({ number, since }: Positions): unknown {
  return areThere({ number }) ? { id: nameOf(number), since } : 'no leases';
}

export const nameOf = (number: number): string => `positions ${number}`;

export const areThere = ({ number }: Pick<Positions, 'number'>): boolean => number % 2 === 0;

export function positionsAtFirst({ feed }: Bounds, now: number): Positions {
  const isNew = feed?.isNew === true;
  return { number: isNew ? 1 : 0, since: now, areMissed: isNew };
}

export function feedSteps(model: ItemsModel, state: State): readonly ItemsStep[] {
  const { feed } = model.bounds;
  if (feed === undefined) return [];
  const { world } = state;
  const { number } = world.positions;
  const steps: ItemsStep[] = [];
  if (areThere(world.positions) && number < 2 * feed.losses) {
    const positions = { ...world.positions, number: number + 1, areMissed: true };
    steps.push({ to: { ...state, world: { ...world, positions } }, label: () => 'the feed loses its positions' });
  }
  if (!areThere(world.positions)) {
    const positions = { ...world.positions, number: number + 1, since: world.now };
    const checkpoints = world.checkpoints.map(() => world.log.length);
    const to = { ...state, world: { ...world, positions, checkpoints } };
    steps.push({ to, label: () => 'the feed begins with what comes now' });
  }
  const isIdle = world.running[model.watch] === undefined;
  if (isIdle && (world.begun[model.watch] ?? 0) < feed.checks) {
    const to = model.begin(state, model.watch, { do: 'watch' }, { do: 'watch', positions: number });
    if (to !== undefined) steps.push({ to, label: () => 'the watch looks' });
  }
  return steps;
}
