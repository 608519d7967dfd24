// The stage of a scenario: the system with its processes as automata and its store on a shelf, and how one call of a
// process takes effect. A state is what lies in the store, where each process stands, and the world.

import { WarmfeedError } from '../../../src/core/errors.ts';
import type { Watermark } from '../../../src/core/ports.ts';
import type { Saved } from '../../support/memory-store.ts';
import { Automaton, type Call, type Done, Lessons, type Node, type Reply } from '../explorer/process.ts';
import { type Moment, Shelf } from '../explorer/shelf.ts';
import type { Contents, Setup, Task } from '../explorer/system.ts';
import { textOf } from '../explorer/text.ts';
import type { System } from '../explorer/variant.ts';
import { type Bounds, FIELDS, isTable, OPTIONS, type Shard, SOURCE } from './bounds.ts';
import { nameOf as nameOfPositions } from './feed.ts';
import { firstCheckpoint } from './tables.ts';
import { nameOf, partitionOf, type World } from './world.ts';

export interface State {
  readonly slots: readonly number[];
  readonly nodes: readonly number[];
  readonly world: World;
}

/** What a call did to a state, and the task that ended with it. */
export interface Taken {
  readonly state: State;
  readonly reply: Reply;
  readonly done: Done | undefined;
  readonly place: number | undefined;
}

export const START_MS = 1_700_000_000_000;

export function setupOf(bounds: Bounds, name: string): Setup {
  return {
    name,
    source: {
      name: SOURCE,
      replicaLagMs: bounds.lagMs ?? 0,
      changesHold: isTable(bounds) ? 'keys' : 'documents',
    },
    entity: bounds.entity ?? {},
    isOrdered: bounds.isOrdered ?? true,
    ...(bounds.queries === undefined ? {} : { queries: bounds.queries }),
    ...(bounds.isContent === undefined ? {} : { isContent: bounds.isContent }),
    ...(bounds.isHot === undefined ? {} : { isHot: bounds.isHot }),
    options: { ...OPTIONS, ...bounds.options },
  };
}

export class Stage {
  readonly lessons = new Lessons();
  readonly names: readonly string[];
  readonly automata: readonly Automaton[];
  readonly shelf: Shelf;
  readonly system: System;
  readonly bounds: Bounds;
  /** Places of the records, by key; of the watermarks; of the generations. */
  readonly records: readonly number[];
  readonly watermarks: readonly number[];
  readonly generations: number;
  /** Places of the records of lists, and of their index. */
  readonly lists: readonly number[];
  readonly index: number;
  readonly checkpoint: number;
  readonly #store: ReturnType<System['createMemoryStore']>;
  readonly #moment: Moment = { now: START_MS, drawn: 0 };
  readonly #contents = new Map<number, Contents>();
  readonly #live = new Map<string, boolean>();
  readonly #setup: Setup;

  constructor(system: System, bounds: Bounds, names: readonly string[]) {
    this.system = system;
    this.bounds = bounds;
    this.names = names;
    this.#setup = setupOf(bounds, '');
    this.#store = system.createMemoryStore({ now: () => this.#moment.now, random: () => ++this.#moment.drawn });
    const queries = system.createMemoryQueryStore(() => ++this.#moment.drawn);
    this.shelf = new Shelf({ store: this.#store, queries }, this.#moment, this.lessons);
    this.automata = names.map((name) => {
      const setup = setupOf(bounds, name);
      return new Automaton((surroundings) => system.createActor(surroundings, setup), this.lessons);
    });
    this.records = Array.from({ length: bounds.keys }, (_, key) => this.shelf.place(this.recordKey(key)));
    this.watermarks = this.partitions().map((id) => this.shelf.place(this.watermarkKey(id)));
    this.generations = this.shelf.place(system.keys.generations);
    this.lists = (bounds.lists ?? []).map((list) => this.shelf.place(system.listKey(list)));
    this.shelf.place(system.keys.feed(SOURCE));
    this.checkpoint = this.shelf.place(system.keys.checkpoint(SOURCE));
    this.index = this.shelf.place(system.keys.queryIndex('widget'));
  }

  /** Of all that is read. */
  recordKeys(): readonly string[] {
    return (
      this.bounds.lists?.map(this.system.listKey) ??
      Array.from({ length: this.bounds.keys }, (_, key) => this.recordKey(key))
    );
  }

  recordKey = (key: number): string => {
    const name = nameOf(key);
    return this.system.keys.record('widget', this.bounds.isContent ? this.system.blobKey(name) : [name]);
  };

  watermarkKey = (partition: string): string => this.system.keys.watermark(SOURCE, partition);

  partitions(): string[] {
    const layouts = Array.from({ length: this.bounds.layouts?.length ?? 1 }, (_, at) => at);
    const keys = Array.from({ length: this.bounds.keys }, (_, key) => key);
    const eras = Array.from({ length: 1 + (this.bounds.recreations ?? 0) }, (_, era) => era);
    const ids = layouts.flatMap((at) =>
      keys.flatMap((key) => eras.map((era) => partitionOf(this.bounds, at, key, era).id)),
    );
    return [...new Set(ids)];
  }

  placesOf(shard: Shard): readonly number[] {
    return { records: this.records, watermarks: this.watermarks, generations: [this.generations] }[shard];
  }

  /** What lies in the store at first. */
  async furnish(): Promise<{ slots: readonly number[]; drawn: number }> {
    const { keys } = this.system;
    if (this.bounds.start !== 'empty') {
      const { values } = await this.#store.generations(keys.generations, FIELDS);
      for (const key of this.records.keys()) {
        const mark = this.watermarkKey(partitionOf(this.bounds, this.bounds.moved ?? 0, key).id);
        const found: Watermark = await this.#store.watermark(mark, values[0] ?? '');
        if (found.state === 'unknown') await this.#store.seed(mark, found.nonce, 0n);
      }
    }
    if (isTable(this.bounds) && this.bounds.start !== 'empty') {
      await this.#store.remember(keys.checkpoint(SOURCE), firstCheckpoint(this.system, this.bounds));
    }
    if (this.bounds.feed !== undefined && this.bounds.feed.isNew !== true) {
      await this.#store.remember(keys.feed(SOURCE), nameOfPositions(0));
    }
    const slots = this.shelf.keys().map((key) => this.shelf.take(key));
    return { slots, drawn: this.#moment.drawn };
  }

  node(state: State, actor: number): Node {
    return (this.automata[actor] as Automaton).node(state.nodes[actor] ?? 0);
  }

  /** Undefined: to be learned first. */
  begin(state: State, actor: number, task: Task): State | undefined {
    const automaton = this.automata[actor] as Automaton;
    const edge = automaton.begin(this.node(state, actor), this.lessons.tasks.idOf(task), state.world.now);
    return edge && { ...state, nodes: replaced(state.nodes, actor, edge.to.id) };
  }

  /** A call of the store takes effect and is answered. Undefined: to be learned first. */
  call(state: State, actor: number, index: number, call: Call): Taken | undefined {
    const place = this.shelf.place(String(call.args[0]));
    const before = state.slots[place] ?? this.shelf.empty;
    const { now, drawn: drawnBefore, skewMs } = state.world;
    const isSkewed = skewMs > 0 && call.args[0] === this.system.keys.generations;
    const effect = this.shelf.effect(call, before, { now: isSkewed ? now - skewMs : now, drawn: drawnBefore });
    if (effect === undefined) return undefined;
    const { slot, drawn } = effect;
    const slots = slot === before ? state.slots : replaced(state.slots, place, slot, this.shelf.empty);
    const world = drawn === drawnBefore ? state.world : { ...state.world, drawn };
    return this.answer({ ...state, slots, world }, actor, index, effect.reply, place);
  }

  /** A call is answered. Undefined: to be learned first. */
  answer(state: State, actor: number, index: number, reply: number, place?: number): Taken | undefined {
    const automaton = this.automata[actor] as Automaton;
    const edge = automaton.reply(this.node(state, actor), index, reply, state.world.now);
    if (edge === undefined) return undefined;
    const nodes = replaced(state.nodes, actor, edge.to.id);
    return { state: { ...state, nodes }, reply: this.lessons.replies.at(reply), done: edge.done[0], place };
  }

  failure(): number {
    const error = new WarmfeedError('STORE_UNAVAILABLE', 'no answer', { retryable: true });
    return this.lessons.replies.idOf({ error });
  }

  contents(slot: number): Contents {
    const known = this.#contents.get(slot);
    if (known !== undefined) return known;
    const content = this.#saved(slot).slot?.content;
    const made = this.system.contentsOf(content === 'list' ? undefined : content);
    this.#contents.set(slot, made);
    return made;
  }

  /** @param marks of a list; undefined: it is an item */
  isLive(state: State, slot: number, marks?: string): boolean {
    const generations = state.slots[this.generations] ?? this.shelf.empty;
    const { entry } = this.contents(slot);
    if (entry === undefined || entry.hardAt <= state.world.now) return false;
    const name = `${slot} ${generations} ${marks ?? ''}`;
    const known = this.#live.get(name);
    if (known !== undefined) return known;
    const { hash } = this.#saved(generations);
    const made = hash !== undefined && this.system.isLive(this.#setup, entry, hash, marks);
    this.#live.set(name, made);
    return made;
  }

  /** What a list must be stored under to be valid now. Undefined: to be learned first. */
  marks(state: State, list: string): string | undefined {
    const args = [this.system.keys.queryIndex('widget'), [`list:${list.slice(0, 1)}`]];
    const call = { port: 'queries', method: 'marks', args, id: -1, issuedAt: 0 };
    const id = this.lessons.calls.idOf(call, `queries.marks${textOf(args)}`);
    const effect = this.shelf.effect({ ...call, id }, state.slots[this.index] ?? this.shelf.empty, state.world);
    const reply = effect && this.lessons.replies.at(effect.reply);
    return reply && 'value' in reply ? String(reply.value) : undefined;
  }

  #saved(slot: number): Saved {
    return this.shelf.slots.at(slot)['store'] as Saved;
  }

  /** The text of a watermark. */
  textOf(slot: number): string {
    const content = this.#saved(slot).slot?.content;
    return content instanceof Uint8Array ? new TextDecoder().decode(content) : '';
  }

  /** Without what has expired. */
  expired(slots: readonly number[], now: number): readonly number[] {
    return slots.map((id) => {
      const { slot } = this.#saved(id);
      return slot !== undefined && slot.expiresAt <= now ? this.shelf.empty : id;
    });
  }
}

export function replaced(all: readonly number[], at: number, value: number, filler = 0): readonly number[] {
  const copy = all.slice();
  while (copy.length < at) copy.push(filler);
  copy[at] = value;
  return copy;
}
