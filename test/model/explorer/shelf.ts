// A store in memory whose keys can be put back: what a call makes of what lies under its key is found out once, by the
// store itself, and remembered. Every call touches one key.

import type { Call, Lessons, Reply } from './process.ts';
import { Pool } from './text.ts';

/** A store as the shelf uses it: methods whose first argument is the key. */
export interface Keyed {
  save(key: string): unknown;
  restore(key: string, saved: never): void;
}

/** By the name of the port. */
export type Stores = Readonly<Record<string, Keyed>>;

/** What lies under a key, in each of the stores. */
export type Content = Readonly<Record<string, unknown>>;

/** What time it is, and how many random numbers were drawn, while a call is made. */
export interface Moment {
  now: number;
  drawn: number;
}

export interface Effect {
  readonly reply: number;
  readonly slot: number;
  readonly drawn: number;
}

export class Shelf {
  readonly slots = new Pool<Content>();
  readonly #stores: Stores;
  readonly #moment: Moment;
  readonly #lessons: Lessons;
  readonly #effects = new Map<string, Effect>();
  readonly #keys = new Map<string, number>();
  readonly empty: number;

  /** @param moment what the stores' clock and randomness are made of */
  constructor(stores: Stores, moment: Moment, lessons: Lessons) {
    this.#stores = stores;
    this.#moment = moment;
    this.#lessons = lessons;
    this.empty = this.take('');
  }

  /** The place of a key in the list of slots. */
  place(key: string): number {
    const place = this.#keys.get(key) ?? this.#keys.size;
    this.#keys.set(key, place);
    return place;
  }

  keys(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Undefined: to be learned first. */
  effect(call: Call, slot: number, { now, drawn }: Readonly<Moment>): Effect | undefined {
    const name = `${call.id} ${slot} ${now} ${drawn}`;
    const known = this.#effects.get(name);
    if (known === undefined) {
      this.#lessons.add(async () => void this.#effects.set(name, await this.#perform(call, slot, now, drawn)));
    }
    return known;
  }

  /** What lies under a key of the stores now. */
  take(key: string): number {
    return this.slots.idOf(
      Object.fromEntries(Object.entries(this.#stores).map(([port, store]) => [port, store.save(key)])),
    );
  }

  async #perform({ port, method, args }: Call, slot: number, now: number, drawn: number): Promise<Effect> {
    const key = String(args[0]);
    Object.assign(this.#moment, { now, drawn });
    for (const [name, each] of Object.entries(this.#stores)) each.restore(key, this.slots.at(slot)[name] as never);
    const store = this.#stores[port] as unknown as Record<string, (...all: readonly unknown[]) => Promise<unknown>>;
    const reply: Reply = await (store[method] as (typeof store)[string])(...args).then(
      (value) => ({ value }),
      (error: unknown) => ({ error: error as Error }),
    );
    return { reply: this.#lessons.replies.idOf(reply), slot: this.take(key), drawn: this.#moment.drawn };
  }
}
