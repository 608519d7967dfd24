// A table of PostgreSQL in place of a container: transactions that are open for a while, end in any order, and may
// abort; or one of Azure SQL, whose tracking ends and begins anew, and whose database is restored. What a call of it
// answers follows from what was done to it, so it is made anew from that, once for each call.

import type { Change, LogPage } from '../../../src/core/ports.ts';
import type { Call, Reply } from '../explorer/process.ts';
import type { System } from '../explorer/variant.ts';
import type { Bounds } from './bounds.ts';
import type { ItemsModel, ItemsStep } from './items.ts';
import type { State } from './stage.ts';
import { indexOf, nameOf, type World, withoutFloor } from './world.ts';

/**
 * `begin a`: a transaction gets its id, and will write an item; `write 0`: the first one does; `commit 0`, `abort 0`: it
 * ends; `forget`: retention. Of Azure SQL: `put a` writes and commits; `untrack`, `track`; `restore`.
 */
export type Operation = string;

/** What is asked of either. */
interface Database {
  readonly source: object;
  readonly log: object;
  lineage(): string | undefined;
  /** `n` of a row. */
  now(key: string): number;
}

const FIRST = { id: 'rid/0.0', ancestors: [] };

/** Where a poll begins that has told of nothing yet. */
export function firstCheckpoint(system: System, { tracked }: Bounds): string {
  const { lineage, xmin } = system.createMemoryPostgres();
  return tracked === undefined ? `${lineage}|${xmin()}` : `${FIRST.id}|0`;
}

export class Tables {
  readonly #system: System;
  readonly #isTracked: boolean;
  readonly #made = new Map<string, Database>();
  readonly #answers = new Map<string, number>();

  constructor(system: System, { tracked }: Bounds) {
    this.#system = system;
    this.#isTracked = tracked !== undefined;
  }

  of(done: readonly Operation[]): Database {
    const name = done.join();
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const database = this.#isTracked ? this.#mssql(done) : this.#postgres(done);
    this.#made.set(name, database);
    return database;
  }

  #postgres(done: readonly Operation[]): Database {
    const database = this.#system.createMemoryPostgres();
    database.partition = FIRST;
    const transactions: { readonly it: ReturnType<typeof database.begin>; readonly item: string }[] = [];
    for (const [what, of = ''] of done.map((each) => each.split(' '))) {
      const { it, item } = transactions[Number(of)] ?? {};
      if (what === 'begin') transactions.push({ it: database.begin(), item: of });
      else if (what === 'write') it?.write(item ?? '');
      else if (what === 'commit') it?.commit();
      else if (what === 'abort') it?.rollback();
      else database.forget();
    }
    const { source, log, lineage, now } = database;
    return { source, log, now, lineage: () => lineage };
  }

  #mssql(done: readonly Operation[]): Database {
    const database = this.#system.createMemoryMssql();
    database.partition = FIRST;
    let eras = 0;
    for (const [what, of = ''] of done.map((each) => each.split(' '))) {
      if (what === 'put') database.write(of);
      else if (what === 'forget') database.forget();
      else if (what === 'restore') database.restore();
      else if (what === 'untrack') database.track(false);
      else database.track(true, { id: `rid/0.0.${++eras}`, ancestors: [] });
    }
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
  const { tables, tracked } = bounds;
  const next = [...transactionSteps(bounds.keys, tables, world), ...trackedSteps(bounds.keys, tracked, world)];
  return next.map((each) => {
    const after = { ...(each === 'restore' ? unwritten(world) : world), done: [...world.done, each] };
    return { to: { ...state, world: after }, label: () => each };
  });
}

/** What was there is gone, and no poll told of that. */
function unwritten(world: World): World {
  const none = world.completed.map(() => 0);
  const running = world.running.map((each) => (each?.do === 'poll' ? { ...each, told: [] } : withoutFloor(each)));
  return { ...world, completed: none, cached: none, running };
}

function trackedSteps(keys: number, tracked: Bounds['tracked'], { done, polled }: World): readonly Operation[] {
  if (tracked === undefined) return [];
  const { commits, forgets = 0, restores = 0, pauses = 0 } = tracked;
  const count = (what: string) => done.filter((each) => each.startsWith(what)).length;
  const next: Operation[] = [];
  // A restore shows while the version is below the checkpoint only.
  const isSeen = polled > done.lastIndexOf('restore');
  if (isSeen && count('put') < commits) for (let key = 0; key < keys; key++) next.push(`put ${nameOf(key)}`);
  if (count('forget') < forgets && count('put') > 0) next.push('forget');
  if (count('restore') < restores && count('put') > 0 && polled === done.length) next.push('restore');
  if (count('untrack') < pauses && count('untrack') === count('track')) next.push('untrack');
  if (count('track') < count('untrack')) next.push('track');
  return next;
}

function transactionSteps(keys: number, tables: Bounds['tables'], { done }: World): readonly Operation[] {
  if (tables === undefined) return [];
  const { transactions, aborts = 0, forgets = 0 } = tables;
  const all = transactionsOf(done);
  const count = (what: string) => done.filter((each) => each.startsWith(what)).length;
  const next: Operation[] = [];
  if (all.length < transactions) {
    for (let key = 0; key < keys; key++) next.push(`begin ${nameOf(key)}`);
  }
  for (const { number, item, state: at } of all) {
    // Otherwise another transaction holds the row.
    const isFree = !all.some((other) => other.state === 'written' && other.item === item);
    if (at === 'begun' && isFree) next.push(`write ${number}`);
    if (at === 'written') next.push(`commit ${number}`);
    if (at === 'written' && count('abort') < aborts) next.push(`abort ${number}`);
  }
  if (count('forget') < forgets && count('commit') > 0) next.push('forget');
  return next;
}

/** Whether nothing will be done to the table any more. */
export function isTableAtRest({ bounds: { tables, tracked } }: ItemsModel, { done }: World): boolean {
  const count = (what: string) => done.filter((each) => each.startsWith(what)).length;
  if (tracked !== undefined) {
    const { commits, forgets = 0, restores = 0, pauses = 0 } = tracked;
    const isTracked = count('track') === count('untrack') && count('untrack') >= pauses;
    return isTracked && count('put') >= commits && count('forget') >= forgets && count('restore') >= restores;
  }
  if (tables === undefined) return true;
  const all = transactionsOf(done);
  const areOver = all.length >= tables.transactions && all.every(({ state }) => state === 'over');
  return areOver && count('forget') >= (tables.forgets ?? 0);
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
