// A store in memory whose keys can be put back: what a call makes of what lies under its key is found out once, by the
// store itself, and remembered. Every call touches one key.

import type { Call, Lessons, Reply } from './process.ts';
import { Pool } from './text.ts';

/** A store as the shelf uses it: methods whose first argument is the key. */
export interface Keyed {
  save(key: string): unknown;
  restore(key: string, saved: never): void;
}

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
  readonly slots = new Pool<unknown>();
  readonly #store: Keyed;
  readonly #moment: Moment;
  readonly #lessons: Lessons;
  readonly #effects = new Map<string, Effect>();
  readonly #keys = new Map<string, number>();
  readonly empty: number;

  /** @param moment what the store's clock and randomness are made of */
  constructor(store: Keyed, moment: Moment, lessons: Lessons) {
    this.#store = store;
    this.#moment = moment;
    this.#lessons = lessons;
    this.empty = this.slots.idOf(store.save(''));
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

  async #perform({ method, args }: Call, slot: number, now: number, drawn: number): Promise<Effect> {
    const key = String(args[0]);
    const store = this.#store as unknown as Record<string, (...all: readonly unknown[]) => Promise<unknown>>;
    Object.assign(this.#moment, { now, drawn });
    this.#store.restore(key, this.slots.at(slot) as never);
    const reply: Reply = await (store[method] as (typeof store)[string])(...args).then(
      (value) => ({ value }),
      (error: unknown) => ({ error: error as Error }),
    );
    const after = this.slots.idOf(this.#store.save(key));
    return { reply: this.#lessons.replies.idOf(reply), slot: after, drawn: this.#moment.drawn };
  }
}
