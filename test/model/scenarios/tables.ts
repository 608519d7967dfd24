// A table of PostgreSQL in place of a container: transactions that are open for a while, end in any order, and may
// abort. What a call of it answers follows from what was done to it, so it is made anew from that, once for each call.

import type { Change, LogPage } from '../../../src/core/ports.ts';
import type { Call, Reply } from '../explorer/process.ts';
import type { System } from '../explorer/variant.ts';
import type { ItemsModel, ItemsStep } from './items.ts';
import type { State } from './stage.ts';
import { indexOf, nameOf, type World } from './world.ts';

/**
 * `begin a`: a transaction gets its id, and will write an item; `write 0`: the first one does; `commit 0`, `abort 0`: it
 * ends; `forget`: retention.
 */
export type Operation = string;

type Database = ReturnType<System['createMemoryPostgres']>;

export class Tables {
  readonly #system: System;
  readonly #made = new Map<string, Database>();
  readonly #answers = new Map<string, number>();

  constructor(system: System) {
    this.#system = system;
  }

  of(done: readonly Operation[]): Database {
    const name = done.join();
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const database = this.#system.createMemoryPostgres();
    database.partition = { id: 'rid/0.0', ancestors: [] };
    const transactions: { readonly it: ReturnType<Database['begin']>; readonly item: string }[] = [];
    for (const [what, of = ''] of done.map((each) => each.split(' '))) {
      const { it, item } = transactions[Number(of)] ?? {};
      if (what === 'begin') transactions.push({ it: database.begin(), item: of });
      else if (what === 'write') it?.write(item ?? '');
      else if (what === 'commit') it?.commit();
      else if (what === 'abort') it?.rollback();
      else database.forget();
    }
    this.#made.set(name, database);
    return database;
  }

  /** What a call is answered now. Undefined: to be learned first. */
  answer({ stage: { lessons } }: ItemsModel, { done }: World, { id, port, method, args }: Call): number | undefined {
    const name = `${id} ${done.join()}`;
    const known = this.#answers.get(name);
    if (known !== undefined) return known;
    const database = this.of(done);
    const members = (port === 'log' ? database.log : database.source) as unknown as Record<string, Answering>;
    lessons.add(async () => {
      const value = await members[method]?.(...args);
      this.#answers.set(name, lessons.replies.idOf({ value }));
    });
  }
}

type Answering = (...args: readonly unknown[]) => Promise<unknown>;

interface Transaction {
  readonly number: number;
  readonly item: string;
  readonly state: 'begun' | 'written' | 'over';
}

function transactionsOf(done: readonly Operation[]): readonly Transaction[] {
  const items = done.flatMap((each) => (each.startsWith('begin ') ? [each.slice(6)] : []));
  return items.map((item, number) => {
    const isOver = done.includes(`commit ${number}`) || done.includes(`abort ${number}`);
    return { number, item, state: isOver ? 'over' : done.includes(`write ${number}`) ? 'written' : 'begun' };
  });
}

/** What may be done to the table next. */
export function tableSteps({ bounds }: ItemsModel, state: State): ItemsStep[] {
  const { world } = state;
  const { done } = world;
  if (bounds.tables === undefined) return [];
  const { transactions, aborts = 0, forgets = 0 } = bounds.tables;
  const all = transactionsOf(done);
  const count = (what: string) => done.filter((each) => each.startsWith(what)).length;
  const next: Operation[] = [];
  if (all.length < transactions) {
    for (let key = 0; key < bounds.keys; key++) next.push(`begin ${nameOf(key)}`);
  }
  for (const { number, item, state: at } of all) {
    // Otherwise another transaction holds the row.
    const isFree = !all.some((other) => other.state === 'written' && other.item === item);
    if (at === 'begun' && isFree) next.push(`write ${number}`);
    if (at === 'written') next.push(`commit ${number}`);
    if (at === 'written' && count('abort') < aborts) next.push(`abort ${number}`);
  }
  if (count('forget') < forgets && count('commit') > 0) next.push('forget');
  return next.map((each) => ({ to: { ...state, world: { ...world, done: [...done, each] } }, label: () => each }));
}

/** Whether nothing will be done to the table any more. */
export function isTableAtRest({ bounds: { tables } }: ItemsModel, { done }: World): boolean {
  if (tables === undefined) return true;
  const all = transactionsOf(done);
  const forgets = done.filter((each) => each === 'forget').length;
  return (
    all.length >= tables.transactions && all.every(({ state }) => state === 'over') && forgets >= (tables.forgets ?? 0)
  );
}

/** The versions that an answer of the log tells of. */
export function toldBy(call: Call, reply: Reply): readonly (readonly [key: number, version: number])[] {
  if (call.port !== 'log' || !('value' in reply)) return [];
  const { items, early } = reply.value as LogPage;
  return [...items, ...early.map(({ item }) => item)].flatMap((item) => {
    const { key = [], document } = (item ?? {}) as Partial<Change>;
    return document === undefined ? [] : [[indexOf(String(key[0])), Number(document['n'])] as const];
  });
}
