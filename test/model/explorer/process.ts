// A process of the shipped core as an automaton. Between two answers of its ports the core is deterministic, so what
// it does next follows from what it was asked and answered so far. Each such history is run once, from the start and in
// real, and remembered: from then on a step of it costs a look into a table.

import { Pool, textOf } from './text.ts';

/** A call of a port that waits for its answer. */
export interface Call {
  readonly port: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Equal for equal calls. */
  readonly id: number;
  readonly issuedAt: number;
}

export type Reply = { readonly value: unknown } | { readonly error: Error };

export type Input =
  | { readonly kind: 'begin'; readonly task: unknown; readonly now: number }
  | { readonly kind: 'reply'; readonly index: number; readonly reply: Reply; readonly now: number };

/** What came of a task. */
export type Done = { readonly task: unknown } & Reply;

/** What a process is made of: all that it knows of the world comes through `park`. */
export interface Surroundings {
  readonly now: () => number;
  readonly park: (port: string, method: string, args: readonly unknown[]) => Promise<unknown>;
}

export interface Actor {
  begin(task: unknown): Promise<unknown>;
  /** Once nothing runs in it: inputs that bring a new one to where it is. */
  remains(): readonly Input[];
}

export interface Node {
  readonly id: number;
  readonly history: readonly Input[];
  /** Calls that wait, by their place in the order of calls. */
  readonly pending: readonly { readonly index: number; readonly call: Call }[];
  readonly edges: Map<string, Edge>;
}

export interface Edge {
  readonly to: Node;
  readonly done: readonly Done[];
}

/** What all automata of a model share. */
export class Lessons {
  readonly calls = new Pool<Call>();
  readonly replies = new Pool<Reply>();
  readonly tasks = new Pool<unknown>();
  #due: (() => Promise<void>)[] = [];

  isDue(): boolean {
    return this.#due.length > 0;
  }

  add(lesson: () => Promise<void>): void {
    this.#due.push(lesson);
  }

  async take(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    for (const lesson of due) await lesson();
  }
}

export class Automaton {
  readonly #make: (surroundings: Surroundings) => Actor;
  readonly #lessons: Lessons;
  readonly #nodes: Node[] = [];
  readonly #idle = new Map<string, Node>();
  readonly start: Node;

  constructor(make: (surroundings: Surroundings) => Actor, lessons: Lessons) {
    this.#make = make;
    this.#lessons = lessons;
    this.start = this.#add([], []);
    this.#idle.set(textOf([]), this.start);
  }

  node(id: number): Node {
    return this.#nodes[id] as Node;
  }

  get size(): number {
    return this.#nodes.length;
  }

  /** Undefined: to be learned first. */
  begin(from: Node, task: number, now: number): Edge | undefined {
    return this.#edge(from, `begin ${task} ${now}`, () => ({ kind: 'begin', task: this.#lessons.tasks.at(task), now }));
  }

  reply(from: Node, index: number, reply: number, now: number): Edge | undefined {
    return this.#edge(from, `${index} ${reply} ${now}`, () => {
      return { kind: 'reply', index, reply: this.#lessons.replies.at(reply), now };
    });
  }

  #edge(from: Node, name: string, input: () => Input): Edge | undefined {
    const known = from.edges.get(name);
    if (known === undefined) this.#lessons.add(async () => void from.edges.set(name, await this.#run(from, input())));
    return known;
  }

  #add(history: readonly Input[], pending: Node['pending']): Node {
    const node: Node = { id: this.#nodes.length, history, pending, edges: new Map() };
    this.#nodes.push(node);
    return node;
  }

  async #run(from: Node, input: Input): Promise<Edge> {
    const history = [...from.history, input];
    let now = 0;
    const calls: Call[] = [];
    const waiting = new Map<number, (reply: Reply) => void>();
    const actor = this.#make({
      now: () => now,
      park: (port, method, args) =>
        new Promise((resolve, reject) => {
          const id = this.#lessons.calls.idOf(
            { port, method, args, id: -1, issuedAt: now },
            `${port}.${method}${textOf(args)}`,
          );
          waiting.set(calls.length, (reply) => ('value' in reply ? resolve(reply.value) : reject(reply.error)));
          calls.push({ port, method, args, id, issuedAt: now });
        }),
    });
    const done: Done[] = [];
    let running = 0;
    for (const [i, each] of history.entries()) {
      now = each.now;
      if (each.kind === 'reply') {
        waiting.get(each.index)?.(each.reply);
        waiting.delete(each.index);
      } else {
        const { task } = each;
        const end = (reply: Done) => {
          running--;
          done.push(reply);
        };
        running++;
        void actor.begin(task).then(
          (value) => end({ task, value }),
          (error: unknown) => end({ task, error: error as Error }),
        );
      }
      if (i === history.length - 1) done.length = 0;
      await new Promise(setImmediate);
    }
    if (running === 0 && waiting.size === 0) return { to: this.#idleNode(actor.remains()), done };
    const pending = [...waiting.keys()].map((index) => ({ index, call: calls[index] as Call }));
    return { to: this.#add(history, pending), done };
  }

  #idleNode(history: readonly Input[]): Node {
    const text = textOf(history);
    const node = this.#idle.get(text) ?? this.#add(history, []);
    this.#idle.set(text, node);
    return node;
  }
}
