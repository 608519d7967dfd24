// Items of one container: readers, change workers, an operator who makes everything old, and what befalls them.

import type { Partition } from '../../../src/core/ports.ts';
import type { Call, Done, Reply } from '../explorer/process.ts';
import type { Model, Step } from '../explorer/search.ts';
import type { Task } from '../explorer/system.ts';
import { textOf } from '../explorer/text.ts';
import type { System } from '../explorer/variant.ts';
import { type Bounds, isTable } from './bounds.ts';
import { faultSteps } from './faults.ts';
import { areThere, feedSteps, positionsAtFirst, positionsTold } from './feed.ts';
import { brokenBy, faultOf, noteCached } from './invariants.ts';
import { asked } from './quiet.ts';
import { readSteps, shown } from './reads.ts';
import { START_MS, Stage, type State, type Taken } from './stage.ts';
import { describe } from './story.ts';
import { isTableAtRest, Tables, tableSteps, toldBy } from './tables.ts';
import {
  answersTo,
  blobNow,
  changeAt,
  feedsOf,
  keyOf,
  latest,
  nameOf,
  pagesOf,
  partitionOf,
  type Running,
  raised,
  rowsTo,
  type World,
} from './world.ts';

export type ItemsStep = Step<State>;

/** What the source may answer. */
interface Answer {
  readonly label: string;
  readonly reply: number;
}

export class ItemsModel implements Model<State> {
  readonly stage: Stage;
  readonly bounds: Bounds;
  readonly tables: Tables;
  readonly initial: State;
  readonly operator: number;
  readonly watch: number;
  /** Reads when all is quiet, for the invariant of liveness. */
  readonly calm: number;
  readonly #nothing: number;
  readonly #worldIds = new WeakMap<World, number>();
  readonly #worldsByText = new Map<string, number>();
  readonly #answers = new Map<string, readonly Answer[]>();

  private constructor(stage: Stage, initial: State) {
    this.stage = stage;
    this.bounds = stage.bounds;
    this.tables = new Tables(stage.system, stage.bounds);
    this.initial = initial;
    this.operator = stage.names.indexOf('operator');
    this.watch = stage.names.indexOf('watch');
    this.calm = stage.names.indexOf('calm');
    this.#nothing = stage.lessons.replies.idOf({ value: undefined });
  }

  static async of(system: System, bounds: Bounds): Promise<ItemsModel> {
    const readers = Array.from({ length: bounds.readers ?? 0 }, (_, i) => `R${i}`);
    const workers = Array.from({ length: bounds.workers ?? 0 }, (_, i) => `W${i}`);
    const grouped = Array.from({ length: bounds.groupedReaders ?? 0 }, (_, i) => `G${i}`);
    const warming = Array.from({ length: bounds.warmers ?? 0 }, (_, i) => `P${i}`);
    const stage = new Stage(system, bounds, [
      ...readers,
      ...grouped,
      ...warming,
      ...workers,
      'operator',
      'watch',
      'calm',
    ]);
    const { slots, drawn } = await stage.furnish();
    const nodes = stage.automata.map(({ start }) => start.id);
    const model = new ItemsModel(stage, { slots, nodes, world: worldOf(bounds, stage, drawn) });
    return bounds.isAsked ? new ItemsModel(stage, await asked(model)) : model;
  }

  key({ slots, nodes, world }: State): string {
    return `${slots.join()}|${nodes.join()}|${this.#worldId(world)}`;
  }

  /** Most steps leave the world as it is. */
  #worldId(world: World): number {
    const known = this.#worldIds.get(world);
    if (known !== undefined) return known;
    const text = keyOf(world);
    const id = this.#worldsByText.get(text) ?? this.#worldsByText.size;
    this.#worldsByText.set(text, id);
    this.#worldIds.set(world, id);
    return id;
  }

  isLearning(): boolean {
    return this.stage.lessons.isDue();
  }

  learn(): Promise<void> {
    return this.stage.lessons.take();
  }

  fault(state: State): string | undefined {
    return faultOf(this, state);
  }

  next(state: State): readonly ItemsStep[] {
    const alone = this.#independent(state);
    if (alone !== undefined) return alone;
    const steps: ItemsStep[] = [];
    this.#write(state, steps);
    for (const [actor, name] of this.stage.names.entries()) {
      // A refresh may go on behind a read that is answered.
      this.#go(state, actor, steps);
      if (state.world.running[actor] !== undefined) continue;
      if (/^[RGP]/.test(name)) steps.push(...readSteps(this, state, actor));
      else if (name.startsWith('W') && isTable(this.bounds)) this.#poll(state, actor, steps);
      else if (name.startsWith('W')) this.#deliver(state, actor, steps);
    }
    steps.push(...tableSteps(this, state), ...feedSteps(this, state), ...faultSteps(this, state));
    return steps;
  }

  #write(state: State, steps: ItemsStep[]): void {
    const { world } = state;
    const { left } = world;
    if (left.writes === 0) return;
    // Keys of one partition differ by their names only, so the first to be written may have the first name.
    const isAnyOther = world.log.length === 0 && this.bounds.layouts === undefined;
    for (let key = 0; key < (isAnyOther ? 1 : this.bounds.keys); key++) {
      for (const [isGone, letter] of this.#kindsOfWrites(left.deletes > 0)) {
        const log = [...world.log, { key, isGone, at: world.now, letter }];
        const after = { ...left, writes: left.writes - 1, deletes: left.deletes - (isGone ? 1 : 0) };
        const label = () => `${isGone ? 'delete' : 'write'} ${nameOf(key)}@${log.length} ${letter}`.trim();
        steps.push({ to: { ...state, world: { ...world, log, left: after } }, label });
      }
    }
  }

  #kindsOfWrites(mayDelete: boolean): readonly (readonly [isGone: boolean, letter: string])[] {
    const kept = (this.bounds.letters ?? ['']).map((letter) => [false, letter] as const);
    return mayDelete ? [...kept, [true, '']] : kept;
  }

  #poll(state: State, actor: number, steps: ItemsStep[]): void {
    const { begun, done } = state.world;
    const serial = begun[actor] ?? 0;
    if (serial >= (this.bounds.polls ?? 1)) return;
    const to = this.begin(state, actor, { do: 'poll', serial }, { do: 'poll', told: [], from: done.length });
    if (to !== undefined) steps.push({ to, label: () => `${this.stage.names[actor]} polls` });
  }

  #deliver(state: State, actor: number, steps: ItemsStep[]): void {
    const { world } = state;
    if (!areThere(world.positions)) return;
    for (const keys of feedsOf(this.bounds, world)) {
      const from = Math.min(...keys.map((key) => world.checkpoints[key] ?? 0));
      const isTaken = world.running.some((each) => each?.do === 'page' && each.versions.some(([, v]) => v > from));
      if (isTaken && world.left.redeliveries === 0) continue;
      for (const page of pagesOf(world.log, keys, from, this.bounds.allVersions ?? false)) {
        const left = { ...world.left, redeliveries: world.left.redeliveries - (isTaken ? 1 : 0) };
        const items = page.map((position) => changeAt(world, position));
        const versions = page.map((position) => [world.log[position - 1]?.key ?? 0, position] as const);
        const task: Task = {
          do: 'page',
          items,
          partition: this.#told(world, keys[0] ?? 0),
          serial: world.begun[actor] ?? 0,
        };
        const running: Running = {
          do: 'page',
          versions,
          feed: keys,
          layout: world.moves.length,
          positions: world.positions.number,
        };
        const to = this.begin({ ...state, world: { ...world, left, isTakenOver: true } }, actor, task, running);
        const label = () =>
          `${this.stage.names[actor]} gets page ${versions.map(([k, v]) => `${nameOf(k)}@${v}`).join()}`;
        if (to !== undefined) steps.push({ to, label });
      }
    }
  }

  /** Where partitions never split the worker need not ask for it, which halves the states. */
  #told({ moves }: World, key: number): Partition | undefined {
    return this.bounds.layouts === undefined && this.bounds.recreations === undefined
      ? partitionOf(this.bounds, moves.length, key)
      : undefined;
  }

  begin(state: State, actor: number, task: Task, running: Running): State | undefined {
    const { world } = state;
    const begun = world.begun.with(actor, (world.begun[actor] ?? 0) + 1);
    const all = world.running.with(actor, running);
    return this.stage.begin({ ...state, world: { ...world, begun, running: all } }, actor, task);
  }

  /** Calls whose effect and answer depend on nothing that may still happen, and on which nothing else depends. */
  #independent(state: State): readonly ItemsStep[] | undefined {
    const { world } = state;
    const { left } = world;
    const isTimeless = left.passed === (this.bounds.passes?.length ?? 0) && !this.#mayBecomeOld(state);
    for (const actor of this.stage.names.keys()) {
      for (const { index, call } of this.#open(state, actor)) {
        const isFree =
          (isTimeless && call.method === 'generations') ||
          (isOfSource(call) && left.writes === 0 && isTableAtRest(this, world) && this.#areMovesOver(world));
        const isSafe = left.errors === 0 || isOfSource(call);
        if (!isFree || !isSafe || left.deaths > 0) continue;
        const steps: ItemsStep[] = [];
        this.#take(state, actor, index, call, steps);
        return steps;
      }
    }
  }

  #areMovesOver({ moves, left }: World): boolean {
    return left.recreations === 0 && moves.length + 1 >= (this.bounds.layouts?.length ?? 1);
  }

  #mayBecomeOld({ world: { left, running } }: State): boolean {
    if (running[this.operator] !== undefined || (this.bounds.options?.waitMs ?? 0) > 0) return true;
    const { checkpointLosses = 0, recreations = 0, tables, tracked } = this.bounds;
    if (checkpointLosses + recreations + (tables?.forgets ?? 0) > 0 || tracked !== undefined) return true;
    if (left.purged < (this.bounds.purges?.length ?? 0)) return true;
    return (
      left.flushes > 0 ||
      this.bounds.feed !== undefined ||
      this.bounds.failovers !== undefined ||
      this.bounds.start === 'empty'
    );
  }

  #open(state: State, actor: number) {
    const { pending } = this.stage.node(state, actor);
    if (this.bounds.isOrdered === false) return pending;
    const first = pending.find(({ call }) => isOfStore(call));
    return pending.filter((each) => each === first || !isOfStore(each.call));
  }

  #go(state: State, actor: number, steps: ItemsStep[]): void {
    for (const { index, call } of this.#open(state, actor)) this.#take(state, actor, index, call, steps);
  }

  #take(state: State, actor: number, index: number, call: Call, steps: ItemsStep[]): void {
    if (isOfStore(call)) this.#onStore(state, actor, index, call, steps);
    else if (call.port === 'clock') this.#wake(state, actor, index, call, steps);
    else {
      for (const { label, reply } of this.#sourceAnswers(state, actor, call)) {
        const taken = this.stage.answer(state, actor, index, reply);
        if (taken !== undefined) steps.push(...this.#settled(taken, actor, call, label));
      }
    }
  }

  #sourceAnswers({ world }: State, actor: number, call: Call): readonly Answer[] {
    if (call.port === 'feed') {
      const value = positionsTold(world.positions);
      return [{ label: textOf(value), reply: this.stage.lessons.replies.idOf({ value }) }];
    }
    if (isTable(this.bounds)) {
      const reply = this.tables.answer(this, world, call);
      return reply === undefined ? [] : [{ label: textOf(this.stage.lessons.replies.at(reply)), reply }];
    }
    const isLocating = world.running[actor]?.do === 'page' && call.method === 'read';
    const name = `${call.id} ${call.issuedAt} ${isLocating} ${this.#worldId(world)}`;
    const known = this.#answers.get(name);
    if (known !== undefined) return known;
    const answers = this.bounds.isContent
      ? [blobNow(world, call)]
      : call.method === 'query'
        ? rowsTo(this.bounds, world, call).map(({ label, answer }) => ({ label, value: answer }))
        : answersTo(this.bounds, world, call, isLocating).map((each) => {
            return { label: each.label, value: call.method === 'read' ? each.answers[0] : each.answers };
          });
    const made = answers.map(({ label, value }) => ({ label, reply: this.stage.lessons.replies.idOf({ value }) }));
    this.#answers.set(name, made);
    return made;
  }

  #onStore(state: State, actor: number, index: number, call: Call, steps: ItemsStep[]): void {
    const taken = this.stage.call(state, actor, index, call);
    if (taken === undefined) return;
    const broken = brokenBy(this, state, taken, call);
    const noted = { ...taken, state: noteCached(this, taken.state, call) };
    for (const step of this.#settled(noted, actor, call)) steps.push({ ...step, broken: broken ?? step.broken });
    const { left } = state.world;
    if (left.errors === 0) return;
    for (const [how, from] of [
      ['is lost', state],
      ['has effect, its answer is lost', { ...taken.state, nodes: state.nodes }],
    ] as const) {
      if (how !== 'is lost' && taken.state.slots === state.slots) continue;
      const world = { ...from.world, left: { ...left, errors: left.errors - 1 } };
      const failed = this.stage.answer({ ...from, world }, actor, index, this.stage.failure());
      if (failed !== undefined) steps.push(...this.#settled(failed, actor, call, how));
    }
  }

  /** The newest version of a key, and whether that is a delete. */
  newest({ log, done }: World, key: number): { readonly version: number; readonly isGone: boolean } {
    if (isTable(this.bounds)) return { version: this.tables.of(done).now(nameOf(key)), isGone: false };
    const version = latest(log, key, log.length);
    return { version, isGone: version === 0 || log[version - 1]?.isGone === true };
  }

  /** Whether the feed, or the log, has told all there is. */
  isDelivered(world: World): boolean {
    const { done, polled: upTo, checkpoints } = world;
    if (isTable(this.bounds)) return upTo === done.length && this.tables.of(done).lineage() !== undefined;
    return checkpoints.every((checkpoint, key) => checkpoint >= this.newest(world, key).version);
  }

  /** One call of the calm reader, with nothing else going on; the source answers with what it has. */
  alone(state: State, index: number, call: Call): Taken | undefined {
    if (isOfStore(call)) return this.stage.call(state, this.calm, index, call);
    const reply = call.port === 'clock' ? this.#nothing : this.#sourceAnswers(state, this.calm, call)[0]?.reply;
    return reply === undefined ? undefined : this.stage.answer(state, this.calm, index, reply);
  }

  /** Sleeps end when their time has passed; the clock runs for the first of them. */
  #wake(state: State, actor: number, index: number, call: Call, steps: ItemsStep[]): void {
    const due = Math.max(state.world.now, call.issuedAt + Number(call.args[0]));
    const later = this.passed(state, due);
    const taken = this.stage.answer(later, actor, index, this.#nothing);
    if (taken !== undefined) steps.push(...this.#settled(taken, actor, call, `${due - state.world.now} ms later`));
  }

  /** The state at a later time, without what has expired. */
  passed(state: State, now: number): State {
    if (now === state.world.now) return state;
    const slots = this.stage.expired(state.slots, now);
    return { ...state, slots, world: { ...state.world, now } };
  }

  /** What follows from a task that ended. */
  #settled(taken: Taken, actor: number, call: Call, how?: string): ItemsStep[] {
    const said = () => `${this.stage.names[actor]} ${describe(call, taken.reply, how)}`;
    const { done } = taken;
    const state = noteTold(taken.state, actor, call, taken.reply);
    if (done === undefined) return [{ to: state, label: said }];
    const running = state.world.running[actor];
    const world = { ...state.world, running: state.world.running.with(actor, undefined) };
    const ended = { ...state, world };
    if (running?.do === 'read' || running?.do === 'query') return [shown(this, ended, running, done, said)];
    if (running?.do === 'poll') return [polled(ended, running, done, said)];
    if (running?.do === 'page') return this.#delivered(ended, running, done, said);
    if (running?.do === 'watch') return [watched(ended, running, done, said)];
    if (running?.do === 'purge') return [purged(ended, running, done, said)];
    const isMended = running?.do === 'bump' && running.mends === world.rolledBack;
    const to = { ...ended, world: isMended ? { ...world, rolledBack: 0 } : world };
    return [{ to, label: () => `${said()}; all is old` }];
  }

  #delivered(
    state: State,
    { versions, feed, layout, positions }: Extract<Running, { do: 'page' }>,
    done: Done,
    said: () => string,
  ): ItemsStep[] {
    const { world } = state;
    if ('error' in done) return [{ to: state, label: () => `${said()}; the page fails` }];
    const completed = [...world.completed];
    const checkpoints = [...world.checkpoints];
    for (const [key, version] of versions) completed[key] = Math.max(completed[key] ?? 0, version);
    const highest = Math.max(...versions.map(([, version]) => version));
    const isOfNow = layout === world.moves.length || (layout === world.moves.length - 1 && !world.isTakenOver);
    const isOwner = isOfNow && positions === world.positions.number;
    for (const key of isOwner ? feed : []) checkpoints[key] = Math.max(checkpoints[key] ?? 0, highest);
    const to = { ...state, world: { ...world, completed, checkpoints } };
    const steps: ItemsStep[] = [{ to, label: () => `${said()}; page done${isOwner ? '' : ', checkpoint lost'}` }];
    const { left } = world;
    if (left.redeliveries > 0) {
      const after = { ...left, redeliveries: left.redeliveries - 1 };
      const again = { ...state, world: { ...world, completed, left: after } };
      steps.push({ to: again, label: () => `${said()}; page done, checkpoint not saved` });
    }
    return steps;
  }
}

const isOfSource = ({ port }: Call): boolean => port === 'source' || port === 'log';
const isOfStore = ({ port }: Call): boolean => port === 'store' || port === 'queries';

/** Notes what the log tells a poll of. */
function noteTold(state: State, actor: number, call: Call, reply: Reply): State {
  const running = state.world.running[actor];
  const told = toldBy(call, reply);
  if (running?.do !== 'poll' || told.length === 0) return state;
  const all = state.world.running.with(actor, { ...running, told: [...running.told, ...told] });
  return { ...state, world: { ...state.world, running: all } };
}

/** Watched from before the check on, so what may have missed a change is old. */
function watched(
  state: State,
  { positions }: Extract<Running, { do: 'watch' }>,
  reply: Done,
  said: () => string,
): ItemsStep {
  const { world } = state;
  if ('error' in reply) return { to: state, label: () => `${said()}; the check fails` };
  const isWatched = reply.value === 'watched' && positions === world.positions.number;
  const after = isWatched ? { ...world.positions, areMissed: false } : world.positions;
  return { to: { ...state, world: { ...world, positions: after } }, label: () => `${said()}; ${String(reply.value)}` };
}

function purged(
  state: State,
  { mode, least }: Extract<Running, { do: 'purge' }>,
  reply: Done,
  said: () => string,
): ItemsStep {
  if ('error' in reply) return { to: state, label: () => `${said()}; the purge fails` };
  const { completed, softened } = state.world;
  const after = mode === 'drop' ? { completed: raised(completed, least) } : { softened: raised(softened, least) };
  return { to: { ...state, world: { ...state.world, ...after } }, label: () => `${said()}; purged` };
}

function polled(
  state: State,
  { told, from }: Extract<Running, { do: 'poll' }>,
  reply: Done,
  said: () => string,
): ItemsStep {
  if ('error' in reply) return { to: state, label: () => `${said()}; the poll fails` };
  const completed = [...state.world.completed];
  for (const [key, version] of told) completed[key] = Math.max(completed[key] ?? 0, version);
  const world = { ...state.world, completed, polled: Math.max(state.world.polled, from) };
  return { to: { ...state, world }, label: () => `${said()}; polled` };
}

function worldOf(bounds: Bounds, stage: Stage, drawn: number): World {
  const zeros = Array.from({ length: bounds.keys }, () => 0);
  return {
    // Later than the generations were made.
    now: START_MS + 1000,
    drawn,
    log: Array.from({ length: bounds.written ?? 0 }, () => ({
      key: 0,
      isGone: false,
      at: START_MS + 1000,
      letter: bounds.letters?.[0] ?? '',
    })),
    done: [],
    polled: 0,
    positions: positionsAtFirst(bounds, START_MS + 1000),
    eras: [],
    moves: Array.from({ length: bounds.moved ?? 0 }, () => 0),
    isTakenOver: true,
    checkpoints: zeros,
    completed: zeros,
    softened: zeros,
    cached: zeros,
    running: stage.names.map(() => undefined),
    begun: stage.names.map(() => 0),
    left: {
      writes: bounds.writes,
      deletes: bounds.deletes ?? 0,
      redeliveries: bounds.redeliveries ?? 0,
      deaths: bounds.deaths ?? 0,
      evictions: bounds.evictions ?? 0,
      flushes: bounds.flushes ?? 0,
      watermarkLosses: bounds.watermarkLosses ?? 0,
      errors: bounds.errors ?? 0,
      purged: 0,
      indexLosses: bounds.indexLosses ?? 0,
      recreations: bounds.recreations ?? 0,
      checkpointLosses: bounds.checkpointLosses ?? 0,
      failovers: [
        bounds.failovers?.records ?? 0,
        bounds.failovers?.watermarks ?? 0,
        bounds.failovers?.generations ?? 0,
      ],
      passed: 0,
    },
    stalled: [undefined, undefined, undefined],
    rolledBack: 0,
    skewMs: 0,
  };
}
