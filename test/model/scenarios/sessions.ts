// One session: clients that read, write and end it, and its subject's list, each in a process of its own. Invariants:
// S1 no write is lost, S2 what has ended never comes back, S3 a subject's list has it, S4 all of a subject's sessions end.

import type { SessionRecord } from '../../../src/core/session/session-record.ts';
import { Automaton, type Call, type Done, Lessons, type Node } from '../explorer/process.ts';
import type { Model, Step } from '../explorer/search.ts';
import type { Outcome, SessionDeed, SessionTask } from '../explorer/sessions-system.ts';
import { type Moment, Shelf } from '../explorer/shelf.ts';
import { textOf } from '../explorer/text.ts';
import type { SessionsSystem } from '../explorer/variant.ts';
import { replaced, START_MS } from './stage.ts';

export interface SessionBounds {
  /** What each client does, one after the other. */
  readonly clients: readonly (readonly SessionDeed[])[];
  /** How many of the first client's deeds are over when the scenario begins. */
  readonly before?: number;
  readonly isDurable?: boolean;
  readonly deaths?: number;
  /** How often Redis loses everything. */
  readonly flushes?: number;
  /** Time that passes, once each, in this order. Milliseconds. */
  readonly passes?: readonly number[];
}

interface World {
  readonly now: number;
  /** Of each client: what it has done, and what it was told before it began what it does now. */
  readonly done: readonly number[];
  readonly running: readonly (Told | undefined)[];
  readonly told: Told;
  readonly flushes: number;
  readonly passed: number;
  readonly deaths: number;
}

/** What clients were told so far. */
interface Told {
  readonly isCreated: boolean;
  readonly isEnded: boolean;
  readonly added: number;
}

interface State {
  readonly slots: readonly number[];
  readonly nodes: readonly number[];
  readonly world: World;
}

/** The longest of a host. */
export const LONGEST_REQUEST_MS = 230_000;

const NOTHING: Told = { isCreated: false, isEnded: false, added: 0 };

/** What lies under a key of Redis: a session, or the list of a subject. */
interface Saved {
  readonly entry?: { readonly until: number; readonly session?: SessionRecord };
  readonly list?: { readonly listed: ReadonlyMap<string, number> };
}

interface Taken {
  readonly state: State;
  readonly done: Done | undefined;
  readonly label: () => string;
}

export class SessionsModel implements Model<State> {
  initial: State;
  readonly #system: SessionsSystem;
  readonly #bounds: SessionBounds;
  readonly #lessons = new Lessons();
  readonly #shelf: Shelf;
  readonly #clients: readonly Automaton[];
  /** How many slots are of Redis: the first ones. */
  readonly #ofStore: number;

  private constructor(system: SessionsSystem, bounds: SessionBounds) {
    this.#system = system;
    this.#bounds = bounds;
    const moment: Moment = { now: START_MS, drawn: 0 };
    const store = system.createMemorySessionStore({ now: () => moment.now });
    this.#shelf = new Shelf({ store, copy: system.createMemorySessionCopy() }, moment, this.#lessons);
    this.#clients = bounds.clients.map((_, i) => {
      const setup = { name: `C${i}`, isDurable: bounds.isDurable ?? false };
      return new Automaton((surroundings) => system.createActor(surroundings, setup), this.#lessons);
    });
    this.#ofStore = system.STORE_KEYS.map((key) => this.#shelf.place(key)).length;
    const world: World = {
      now: START_MS,
      done: this.#clients.map(() => 0),
      running: this.#clients.map(() => undefined),
      told: NOTHING,
      flushes: bounds.flushes ?? 0,
      passed: 0,
      deaths: bounds.deaths ?? 0,
    };
    const slots = system.STORE_KEYS.map(() => this.#shelf.empty);
    this.initial = { slots, nodes: this.#clients.map(({ start }) => start.id), world };
  }

  static async of(system: SessionsSystem, bounds: SessionBounds): Promise<SessionsModel> {
    const model = new SessionsModel(system, bounds);
    // The first client's first deeds, and what they leave to do behind them, with nothing else going on.
    for (;;) {
      const { initial } = model;
      const isOver = (initial.world.done[0] ?? 0) >= (bounds.before ?? 0) && initial.world.running[0] === undefined;
      if (isOver && model.#node(initial, 0).pending.length === 0) return model;
      const [step] = model.#stepsOf(initial, 0);
      if (model.isLearning()) await model.learn();
      else if (step !== undefined) model.initial = step.to;
    }
  }

  key({ slots, nodes, world }: State): string {
    return `${slots.join()}|${nodes.join()}|${JSON.stringify(world)}`;
  }

  isLearning(): boolean {
    return this.#lessons.isDue();
  }

  learn(): Promise<void> {
    return this.#lessons.take();
  }

  next(state: State): readonly Step<State>[] {
    return [...this.#clients.keys()].flatMap((client) => this.#stepsOf(state, client)).concat(this.#faults(state));
  }

  fault({ slots, world }: State): string | undefined {
    const { entry } = this.#saved(slots[0]);
    if (entry?.session === undefined || entry.until <= world.now) return undefined;
    const of = String(this.#system.dataOf(entry.session)['of']);
    const { list } = this.#saved(slots[this.#system.SUBJECTS.findIndex((each) => each === of) + 1]);
    return list?.listed.size === 1 ? undefined : `S3: the session is not in the list of ${of}`;
  }

  #saved(slot = this.#shelf.empty): Saved {
    return this.#shelf.slots.at(slot)['store'] as Saved;
  }

  #stepsOf(state: State, client: number): readonly Step<State>[] {
    const { pending } = this.#node(state, client);
    const first = pending.find(({ call }) => call.port === 'store');
    const open = pending.filter((each) => each === first || each.call.port !== 'store');
    const steps = open.flatMap(({ index, call }) => {
      const taken = this.#take(state, client, index, call);
      return taken === undefined ? [] : [this.#settled(taken, client)];
    });
    return state.world.running[client] === undefined ? [...steps, ...this.#begin(state, client)] : steps;
  }

  #begin(state: State, client: number): readonly Step<State>[] {
    const { world } = state;
    const serial = world.done[client] ?? 0;
    const deed = this.#bounds.clients[client]?.[serial];
    if (deed === undefined) return [];
    const task: SessionTask = { do: deed, serial };
    const automaton = this.#clients[client] as Automaton;
    const edge = automaton.begin(this.#node(state, client), this.#lessons.tasks.idOf(task), world.now);
    if (edge === undefined) return [];
    const running = world.running.with(client, world.told);
    const to = { ...state, nodes: state.nodes.with(client, edge.to.id), world: { ...world, running } };
    return [{ to, label: () => `C${client}: ${deed}` }];
  }

  #node(state: State, client: number): Node {
    return (this.#clients[client] as Automaton).node(state.nodes[client] ?? 0);
  }

  /** A call takes effect and is answered. Undefined: to be learned first. */
  #take(state: State, client: number, index: number, call: Call): Taken | undefined {
    const { world } = state;
    const effect = call.port === 'clock' ? undefined : this.#perform(state, call);
    if (call.port !== 'clock' && effect === undefined) return undefined;
    const reply = effect?.reply ?? this.#lessons.replies.idOf({ value: undefined });
    const edge = (this.#clients[client] as Automaton).reply(this.#node(state, client), index, reply, world.now);
    if (edge === undefined) return undefined;
    const slots = effect?.slots ?? state.slots;
    const label = () => `C${client} ${call.method} → ${textOf(this.#lessons.replies.at(reply))}`;
    return { state: { slots, nodes: state.nodes.with(client, edge.to.id), world }, done: edge.done[0], label };
  }

  #perform({ slots, world }: State, call: Call) {
    const place = this.#shelf.place(String(call.args[0]));
    const effect = this.#shelf.effect(call, slots[place] ?? this.#shelf.empty, { now: world.now, drawn: 0 });
    return effect && { reply: effect.reply, slots: replaced(slots, place, effect.slot, this.#shelf.empty) };
  }

  #settled({ state, done, label }: Taken, client: number): Step<State> {
    if (done === undefined) return { to: state, label };
    const { world } = state;
    const before = world.running[client] ?? NOTHING;
    const { do: deed } = done.task as SessionTask;
    const ended = {
      ...world,
      running: world.running.with(client, undefined),
      done: world.done.with(client, (world.done[client] ?? 0) + 1),
    };
    if ('error' in done) return { to: { ...state, world: ended }, label: () => `${label()}; ${done.error.message}` };
    const outcome = done.value as Outcome;
    const told = this.#learned(deed, outcome, before, world.told);
    const broken = this.#wrong(outcome, before);
    const said = () => `${label()}; ${deed}: ${outcome.kind} ${outcome.n}`;
    return { to: { ...state, world: { ...ended, told } }, label: said, broken };
  }

  #faults(state: State): readonly Step<State>[] {
    const { world, slots } = state;
    const steps: Step<State>[] = [];
    if (world.flushes > 0) {
      const kept = slots.map((slot, place) => (place < this.#ofStore ? this.#shelf.empty : slot));
      const to = { ...state, slots: kept, world: { ...world, flushes: world.flushes - 1 } };
      if (kept.join() !== slots.join()) steps.push({ to, label: () => 'Redis loses everything' });
    }
    for (const client of world.deaths === 0 ? [] : this.#clients.keys()) {
      if (this.#node(state, client).pending.length === 0) continue;
      const nodes = state.nodes.with(client, this.#clients[client]?.start.id ?? 0);
      const running = world.running.with(client, undefined);
      const done = world.done.with(client, Number.POSITIVE_INFINITY);
      const to = { ...state, nodes, world: { ...world, running, done, deaths: world.deaths - 1 } };
      steps.push({ to, label: () => `C${client} dies` });
    }
    const ms = this.#bounds.passes?.[world.passed];
    // No request lasts longer than that.
    const isQuiet = world.running.every((each) => each === undefined);
    if (ms !== undefined && (isQuiet || ms <= LONGEST_REQUEST_MS)) {
      const to = { ...state, world: { ...world, now: world.now + ms, passed: world.passed + 1 } };
      steps.push({ to, label: () => `${ms} ms pass` });
    }
    return steps;
  }

  #learned(deed: SessionDeed, { kind, n }: Outcome, before: Told, told: Told): Told {
    if (kind === 'created') return { ...told, isCreated: true };
    if (deed === 'add' && kind === 'updated') return { ...told, added: told.added + 1 };
    const mayMove = this.#bounds.clients.some((deeds) => deeds.includes('move'));
    const isAllEnded = deed === 'end all' && before.isCreated && (n > 0 || !mayMove);
    return kind === 'ended' || isAllEnded ? { ...told, isEnded: true } : told;
  }

  /** What an outcome breaks of what was told before its deed began. */
  #wrong({ kind, n }: Outcome, before: Told): string | undefined {
    const isAlive = kind === 'live' || kind === 'updated' || kind === 'created';
    if (isAlive && before.isEnded) return `S2: a session that has ended is ${kind}`;
    // What Redis lost may have been copied, or not.
    if (this.#bounds.flushes !== undefined) return undefined;
    if (kind === 'created' && before.isCreated) return 'S1: a session is created twice';
    if ((kind === 'live' || kind === 'updated') && n < before.added) {
      return `S1: the session has ${n} of ${before.added} additions`;
    }
  }
}
