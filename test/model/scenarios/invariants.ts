// The invariants (docs/consistency.md): I1 nothing older than a completed invalidation can be hit; I2 once all is quiet,
// what is cached is what the source has; I4 what is cached of a key never goes back until it is dropped; I5 one holder of a
// lease, and only it fills, once; I7 a watermark never falls but to unknown; L once all is quiet, two reads end in a hit.

import { asOfOf } from '../../../src/core/record.ts';
import type { Call } from '../explorer/process.ts';
import type { Rows } from '../explorer/system.ts';
import { isTable } from './bounds.ts';
import type { ItemsModel } from './items.ts';
import { lifeless } from './quiet.ts';
import type { State, Taken } from './stage.ts';
import { nameOf, raised, rowsAt, type World } from './world.ts';

const NONE = new Uint8Array(8).toString();

/** The version that is cached and may be hit; undefined: none. */
function cachedVersion({ stage }: ItemsModel, state: State, key: number, isProvisional = false): number | undefined {
  const slot = state.slots[stage.records[key] ?? 0] ?? stage.shelf.empty;
  const { entry, n } = stage.contents(slot);
  if (entry === undefined || (entry.guarantee === 'provisional') !== isProvisional) return undefined;
  if (!stage.isLive(state, slot)) return undefined;
  if (entry.state === 'value') return n;
  // That an item is not there is as new as the last delete that the record can know of.
  const { log, eras } = state.world;
  const asOf = Number(asOfOf(entry)) + (eras.at(-1) ?? 0);
  return log.findLastIndex((write, i) => i < asOf && write.key === key && write.isGone) + 1;
}

export function faultOf(model: ItemsModel, state: State): string | undefined {
  const { world } = state;
  if (world.rolledBack > 0) return undefined;
  const isQuiet =
    !world.positions.areMissed &&
    world.running.every((each) => each === undefined) &&
    state.nodes.every((_, actor) => model.stage.node(state, actor).pending.length === 0);
  for (let key = 0; key < model.bounds.keys; key++) {
    const version = cachedVersion(model, state, key);
    const least = Math.max(world.completed[key] ?? 0, world.softened[key] ?? 0);
    if (version !== undefined && version < least) {
      return `I1: ${nameOf(key)} is cached as ${version} although ${least} was completed`;
    }
    const provisional = isNeverLost(model) ? cachedVersion(model, state, key, true) : undefined;
    if (provisional !== undefined && provisional < least) {
      return `P: ${nameOf(key)} is cached provisionally as ${provisional} although ${least} was completed since the start`;
    }
    const { version: now } = model.newest(world, key);
    if (!isQuiet || !isKnown(model, world, key, now)) continue;
    if (version !== undefined && version !== now)
      return `I2: in quiet ${nameOf(key)} is cached as ${version}, not ${now}`;
    if (
      model.bounds.endsCached &&
      model.bounds.lists === undefined &&
      now > 0 &&
      version === undefined &&
      world.left.writes === 0
    ) {
      return `L: without a fault ${nameOf(key)} ended uncached`;
    }
  }
  const isOver = isQuiet && model.isDelivered(world);
  return listFault(model, state, isOver) ?? (isOver ? lifeless(model, state) : undefined);
}

/** What is wrong with a cached list that is valid now. */
function listFault(model: ItemsModel, state: State, isOver: boolean): string | undefined {
  const { stage, bounds } = model;
  for (const [i, list] of (bounds.lists ?? []).entries()) {
    const slot = state.slots[stage.lists[i] ?? 0] ?? stage.shelf.empty;
    const { entry, rows } = stage.contents(slot);
    const marks = entry && stage.marks(state, list);
    if (rows === undefined || marks === undefined || !stage.isLive(state, slot, marks)) {
      const isMissed = isOver && bounds.endsCached === true && state.world.left.writes === 0;
      if (isMissed && !stage.lessons.isDue()) return `L: without a fault list ${list} ended uncached`;
      continue;
    }
    if (entry?.guarantee === 'provisional') continue;
    const { world } = state;
    const least = isOver ? world.completed.map(() => world.log.length) : raised(world.completed, world.softened);
    const stale = staleRow(model, world, list, rows, least);
    if (stale !== undefined) return `${isOver ? 'I2: in quiet' : 'I1:'} list ${list} is cached with ${stale}`;
  }
}

/** An item that a list shows as it was only before a version of it. */
export function staleRow(
  { bounds }: ItemsModel,
  { log }: World,
  list: string,
  rows: Rows,
  least: readonly number[],
): string | undefined {
  for (let key = 0; key < bounds.keys; key++) {
    const name = nameOf(key);
    const from = least[key] ?? 0;
    const states = Array.from(
      { length: log.length - from + 1 },
      (_, i) => rowsAt(log, bounds.keys, list, from + i)[name],
    );
    if (!states.includes(rows[name])) return `${name}${rows[name] === undefined ? ' not in it' : `@${rows[name]}`}`;
  }
}

/** Then a provisional value is no older than what was completed either. */
function isNeverLost({ bounds: { watermarkLosses = 0, flushes = 0, failovers } }: ItemsModel): boolean {
  return watermarkLosses + flushes === 0 && failovers === undefined;
}

/** Notes the highest version cached of each key. A bump begins anew, and so does a lease that drops a value. */
export function noteCached(model: ItemsModel, state: State, { method }: Call): State {
  const { world } = state;
  if (method !== 'fill' && method !== 'bump' && method !== 'lease') return state;
  const cached = world.cached.map((highest, key) => {
    const version = method === 'bump' ? 0 : cachedVersion(model, state, key);
    return method === 'fill' ? Math.max(highest, version ?? 0) : version === undefined ? 0 : Math.min(highest, version);
  });
  return cached.every((version, key) => version === world.cached[key])
    ? state
    : { ...state, world: { ...world, cached } };
}

/** Whether the change that led to the newest version was delivered. */
function isKnown(model: ItemsModel, world: World, key: number, newest: number): boolean {
  return isTable(model.bounds) ? model.isDelivered(world) : (world.checkpoints[key] ?? 0) >= newest;
}

/** Whether a fill brought an older version than was cached since the key was last lost. */
function fallen(model: ItemsModel, { world }: State, after: State): boolean {
  if (world.rolledBack > 0) return false;
  return world.cached.some((highest, key) => (cachedVersion(model, after, key) ?? highest) < highest);
}

/** What a call of the store breaks in itself. */
export function brokenBy(model: ItemsModel, before: State, taken: Taken, call: Call): string | undefined {
  const { stage } = model;
  const { place, reply } = taken;
  if (place === undefined || !('value' in reply)) return undefined;
  const old = before.slots[place] ?? stage.shelf.empty;
  const { value } = reply;
  if (call.method === 'lease' || call.method === 'fill') {
    const { token } = call.args[1] as { token: Uint8Array };
    const held = stage.contents(old);
    const isHeld = held.token !== '' && held.token !== NONE && held.token !== token.toString();
    const isGranted = call.method === 'lease' && (value as { kind: string }).kind === 'granted';
    if (isGranted && isHeld && held.deadline > before.world.now) return 'I5: a lease is granted while another holds it';
    if (value === 'stored' && held.token !== token.toString()) return 'I5: a fill is stored without its lease';
    if (value === 'stored' && fallen(model, before, taken.state)) return 'I4: what is cached goes back';
    const isFull = held.entry !== undefined && held.entry.guarantee !== 'provisional' && stage.isLive(before, old);
    const { guarantee } = call.args[1] as { guarantee?: string };
    if (value === 'stored' && isFull && guarantee === 'provisional') return 'P: a provisional fill replaces a full one';
  }
  const now = taken.state.slots[place] ?? stage.shelf.empty;
  if (call.method === 'release' && now !== old && stage.contents(old).token !== String(call.args[1])) {
    return 'I5: a lease is given back by another than its holder';
  }
  const left = stage.contents(now).entry;
  const isServed = left?.guarantee === 'provisional' && left.hardAt > before.world.now;
  if (call.method === 'invalidate' && isServed) {
    return 'P: a provisional value survives an invalidation';
  }
  const [from, to] = [old, now].map((slot) => /^K\|[^|]*\|(\w+)$/.exec(stage.textOf(slot))?.[1]);
  if (from !== undefined && to !== undefined && to < from) return `I7: a watermark falls from ${from} to ${to}`;
}
