// Random interleavings of transactions, readers, pollers, losses and deaths over the shipped core and a PostgreSQL in
// memory, each call of a port a step of its own (protocol C). I1: nothing older than what a completed poll told of is
// served. I2: once all is quiet, what is served is what the table has. L: what is read twice is cached, whatever
// transaction is open. The knock-outs show that the check can fail.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import type { Change, Store } from '../../src/core/ports.ts';
import type { MemoryPostgres, Transaction } from '../support/memory-postgres.ts';
import { createPostgresWorld, type PostgresWorld } from '../support/postgres-world.ts';
import { seen } from '../support/world.ts';

const KEYS = ['a', 'b'] as const;
type Lost = (typeof KEYS)[number] | 'watermark' | 'checkpoint' | 'all';
type Step =
  | { readonly do: 'write'; readonly slot: number; readonly key: string }
  | { readonly do: 'end'; readonly slot: number; readonly how: 'commit' | 'rollback' | 'truncate' }
  | { readonly do: 'read'; readonly key: string; readonly process: number }
  | { readonly do: 'poll'; readonly process: number }
  | { readonly do: 'lose'; readonly what: Lost }
  | { readonly do: 'forget' }
  | { readonly do: 'die'; readonly process: number };

const slot = fc.nat(2);
const anyKey = fc.constantFrom(...KEYS);
const process = fc.nat(1);
const steps: readonly fc.WeightedArbitrary<Step>[] = [
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), slot, key: anyKey }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      slot,
      how: fc.constantFrom('commit' as const, 'commit' as const, 'commit' as const, 'rollback' as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), key: anyKey, process }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('poll' as const), process }) },
];
const faults: readonly fc.WeightedArbitrary<Step>[] = [
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      what: fc.constantFrom<Lost>('a', 'b', 'watermark', 'checkpoint', 'checkpoint', 'all'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), slot, how: fc.constant('truncate' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), process }) },
];

interface Variant {
  /** Breaks one rule, to see that the check notices. */
  readonly sabotage?: (all: PostgresWorld) => void;
  readonly sabotageProcess?: (app: App, life: Life) => void;
  readonly runs: number;
  /** Steps of which only the interleaving is open; default any. */
  readonly plan?: readonly Step[];
  /** Which invariants count; default all. */
  readonly looksFor?: RegExp;
  readonly faults: boolean;
}

type App = ReturnType<PostgresWorld['process']>;

interface Life {
  isAlive: boolean;
  /** Runs once a checkpoint is saved. */
  remembered?: () => Promise<void>;
}

const DEAD = new WarmfeedError('STORE_UNAVAILABLE', 'this process is dead', { retryable: true });

interface Plan {
  /** Followed from the start, and everything is cached. */
  readonly isWarm: boolean;
  readonly steps: readonly Step[];
}

async function run(
  scheduler: fc.Scheduler,
  { isWarm, steps: plan }: Plan,
  { sabotage, sabotageProcess, looksFor = /./ }: Variant,
) {
  const all = createPostgresWorld({ pageSize: 2, entity: { ttlMs: () => 1e9, notFoundTtlMs: 1e9 } });
  const { database, world } = all;
  const told = noteTold(database);
  sabotage?.(all);
  hop(world.memory, scheduler, 'store');
  hop(database.source, scheduler, 'source');
  hop(database.log, scheduler, 'log');

  const slots = new Map<number, Transaction>();
  const at = (n: number): Transaction => {
    const transaction = slots.get(n) ?? database.begin();
    slots.set(n, transaction);
    return transaction;
  };
  /** What a completed poll told of each key. */
  const completed = new Map<string, number>();
  const failures: string[] = [];
  const lives: Life[] = [];
  const start = (n: number): App => {
    const life: Life = { isAlive: true };
    const app = all.process((store) => mortal(store, life));
    sabotageProcess?.(app, life);
    lives[n] = life;
    return app;
  };
  const processes = [start(0), start(1)];
  const polling = new Set<App>();

  async function read(name: string, app: App): Promise<void> {
    const least = completed.get(name) ?? 0;
    const answer = await app.read(name);
    if (answer.kind !== 'cached') return;
    const { value } = seen(answer);
    // A deleted row shows no version.
    if (value === null) return;
    const { n } = value as { n: number };
    if (n < least) failures.push(`I1: ${name} served at ${n} although ${least} was completed`);
  }

  async function poll(app: App): Promise<void> {
    // A host runs one invocation of a timer after the other.
    if (polling.has(app)) return;
    polling.add(app);
    const mark = told.begin();
    try {
      await app.poll();
      for (const [name, version] of told.end(mark)) completed.set(name, Math.max(completed.get(name) ?? 0, version));
    } catch (error) {
      if (error !== DEAD) throw error;
    } finally {
      polling.delete(app);
    }
  }

  const running: Promise<void>[] = [];
  function perform(step: Step): void {
    switch (step.do) {
      case 'write':
        at(step.slot).write(step.key);
        break;
      case 'end': {
        const transaction = at(step.slot);
        if (step.how === 'truncate') transaction.truncate();
        transaction[step.how === 'truncate' ? 'commit' : step.how]();
        slots.delete(step.slot);
        break;
      }
      case 'read':
        running.push(read(step.key, processes[step.process] as App));
        break;
      case 'poll':
        running.push(poll(processes[step.process] as App));
        break;
      case 'lose':
        if (step.what === 'all') world.memory.lose();
        else if (step.what === 'watermark') world.memory.lose(all.markKey);
        else if (step.what === 'checkpoint') world.memory.lose(all.checkpointKey);
        else world.memory.lose(world.recordKey(step.what));
        break;
      case 'forget':
        database.forget();
        break;
      case 'die': {
        const life = lives[step.process];
        if (life !== undefined) life.isAlive = false;
        processes[step.process] = start(step.process);
      }
    }
  }
  if (isWarm) {
    await scheduler.waitFor(poll(processes[0] as App));
    for (const name of KEYS) await scheduler.waitFor(read(name, processes[1] as App));
  }
  const sequence = scheduler.scheduleSequence(
    plan.map((step, i) => ({ label: `${i} ${JSON.stringify(step)}`, builder: async () => perform(step) })),
  );
  await scheduler.waitFor(sequence.task);
  await scheduler.waitFor(Promise.all(running));

  // L, with whatever is open still open; leases of the dead have run out.
  world.advance(10_001);
  const calm = processes[0] as App;
  await scheduler.waitFor(poll(calm));
  await scheduler.waitFor(poll(calm));
  await scheduler.waitFor(poll(calm));
  for (const name of KEYS) {
    await scheduler.waitFor(calm.read(name));
    const again = calm.read(name);
    await scheduler.waitFor(again);
    if (seen(await again).how !== 'hit') failures.push(`L: ${name} was read twice in quiet, and still no hit`);
  }

  // I2: all ends, the rest of the outbox arrives, and generations that a process remembers have had their time.
  for (const [n, transaction] of slots) transaction[n === 0 ? 'rollback' : 'commit']();
  for (let i = 0; i < plan.length + 4; i++) await scheduler.waitFor(poll(calm));
  world.advance(2000);
  for (const name of KEYS) {
    for (const app of processes) {
      const answer = app.read(name);
      await scheduler.waitFor(answer);
      const { how, value } = seen(await answer);
      const n = value === null ? 0 : (value as { n: number }).n;
      if (n !== database.now(name))
        failures.push(`I2: in quiet ${name} is a ${how} at ${n}; the table has ${database.now(name)}`);
    }
  }
  const counted = failures.filter((failure) => looksFor.test(failure));
  if (counted.length > 0) throw new Error(counted.join('\n'));
}

/** Which versions of keys the polls have told since a moment. */
function noteTold(database: MemoryPostgres) {
  const told: [string, number][] = [];
  const poll = database.log.poll.bind(database.log);
  database.log.poll = async (...args) => {
    const page = await poll(...args);
    for (const item of [...page.items, ...page.early.map((each) => each.item)]) {
      // A TRUNCATE names no key.
      const { key = [], document } = (item ?? {}) as Partial<Change>;
      if (document !== undefined) told.push([String(key[0]), Number(document['n'])]);
    }
    return page;
  };
  return { begin: () => told.length, end: (mark: number) => told.slice(mark) };
}

/** The store of a process that may die: calls under way take effect or not, and none is answered any more. */
function mortal(store: Store, life: Life): Store {
  return new Proxy(store, {
    get(target, property: keyof Store) {
      const member = target[property];
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        if (!life.isAlive) throw DEAD;
        const reply = await (member as (...all: unknown[]) => Promise<unknown>)(...args);
        if (!life.isAlive) throw DEAD;
        if (property === 'remember') await life.remembered?.();
        return reply;
      };
    },
  });
}

/** Every call of a port takes effect some time after it was made, and its reply arrives some time after that. */
function hop(port: object, scheduler: fc.Scheduler, name: string): void {
  const members = port as Record<string, unknown>;
  for (const [member, original] of Object.entries(members)) {
    if (typeof original !== 'function') continue;
    if (['peek', 'poke', 'ttl', 'lose', 'change', 'floor', 'check', 'scan', 'prune'].includes(member)) continue;
    const call = original.bind(port) as (...args: unknown[]) => Promise<unknown>;
    members[member] = async (...args: unknown[]) => {
      await scheduler.schedule(Promise.resolve(), `${name}.${member} sent`);
      const reply = await call(...args);
      await scheduler.schedule(Promise.resolve(), `${name}.${member} replied`);
      return reply;
    };
  }
  if ('ordered' in port) members['ordered'] = false;
}

const anyPlan = (withFaults: boolean): fc.Arbitrary<Plan> =>
  fc.record({
    isWarm: fc.boolean(),
    steps: fc.array(fc.oneof(...steps, ...(withFaults ? faults : [])), { minLength: 4, maxLength: 16 }),
  });

const explore = (variant: Variant) =>
  fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      variant.plan === undefined ? anyPlan(variant.faults) : fc.constant({ isWarm: true, steps: variant.plan }),
      (scheduler, plan) => run(scheduler, plan, variant),
    ),
    { numRuns: variant.runs },
  );

describe('tables of PostgreSQL under random interleavings', () => {
  it('never break an invariant', () => explore({ runs: 1500, faults: false }));
  it('nor when keys, watermark, checkpoint, changes or processes are lost', () =>
    explore({ runs: 2000, faults: true }));
});

describe('the check notices', () => {
  const LOSE: Step = { do: 'lose', what: 'checkpoint' };
  const POLL: Step = { do: 'poll', process: 0 };
  const READ: Step = { do: 'read', key: 'a', process: 1 };
  const WRITE: Step = { do: 'write', slot: 1, key: 'a' };
  /** Steps of no consequence, so that the poll gets somewhere meanwhile. */
  const LATER = Array.from({ length: 12 }, (): Step => ({ do: 'lose', what: 'b' }));
  const DIE: Step = { do: 'die', process: 0 };
  const FORGET: Step = { do: 'forget' };
  const COMMIT: Step = { do: 'end', slot: 1, how: 'commit' };

  it.each([
    ['makes all old before it knows the horizon', [LOSE, POLL, READ, WRITE, COMMIT]],
    ['saves the checkpoint first', [WRITE, COMMIT, LOSE, POLL, ...LATER, DIE]],
    ['passes over what was forgotten', [WRITE, COMMIT, FORGET, POLL]],
  ])('nothing in the shipped restart, on the steps that show one that %s', async (_, plan) => {
    await explore({ runs: 1000, faults: true, plan });
  });

  const broken = async (invariant: RegExp, variant: Omit<Variant, 'runs'>) => {
    const error = await explore({ runs: 30_000, looksFor: invariant, ...variant }).catch((caught: unknown) => caught);
    expect(((error as Error | undefined)?.cause as Error | undefined)?.message).toMatch(invariant);
  };

  it('payloads in the order of transaction ids, not read again', () =>
    broken(/^I/, {
      faults: false,
      sabotage: ({ database }) => Object.assign(database.source, { changesHold: 'documents' }),
    }));

  it('a poll that ignores the horizon', () =>
    broken(/^I/, {
      faults: false,
      sabotage: ({ database }) => {
        database.horizonOf = () => 1n << 60n;
        const poll = database.log.poll.bind(database.log);
        database.log.poll = async (...args) => {
          const page = await poll(...args);
          const highest = page.items.reduce((most: bigint, item) => {
            const { version } = item as Change;
            return version > most ? version : most;
          }, args[0] ?? 0n);
          return { ...page, horizon: database.xmin(), end: highest };
        };
      },
    }));

  it('fences and watermark that are raised early: nothing is cached while a transaction is open', () =>
    broken(/^L/, {
      faults: false,
      sabotageProcess: ({ sync }) => {
        const { apply } = sync;
        sync.apply = (items, origin) => apply(items, { ...origin, isSettled: true });
      },
    }));

  it('a restart that makes all old before it knows the horizon', () =>
    broken(/^I/, {
      faults: true,
      plan: [LOSE, POLL, READ, WRITE, COMMIT],
      sabotageProcess: ({ log, generations }, life) => {
        let isOld = false;
        const poll = log.poll.bind(log);
        const { bumpEntities } = generations;
        generations.bumpEntities = async () => undefined;
        log.poll = async (from, ...rest) => {
          if (from === undefined && !isOld) {
            isOld = true;
            await bumpEntities(['widget']);
          }
          return poll(from, ...rest);
        };
        life.remembered = async () => {
          isOld = false;
        };
      },
    }));

  it('a restart that saves the checkpoint before it makes all old', () =>
    broken(/^I/, {
      faults: true,
      plan: [WRITE, COMMIT, LOSE, POLL, ...LATER, DIE],
      sabotageProcess: ({ generations }, life) => {
        const { bumpEntities } = generations;
        let isDue = false;
        generations.bumpEntities = async () => {
          isDue = true;
        };
        life.remembered = async () => {
          if (isDue) await bumpEntities(['widget']);
          isDue = false;
        };
      },
    }));

  it('a restart that makes nothing old', () =>
    broken(/^I/, {
      faults: true,
      sabotageProcess: ({ generations }) => {
        generations.bumpEntities = async () => undefined;
      },
    }));

  it('changes that were forgotten unread', () =>
    broken(/^I/, {
      faults: true,
      plan: [WRITE, COMMIT, FORGET, POLL],
      sabotage: ({ database }) => {
        const poll = database.log.poll.bind(database.log);
        database.log.poll = async (...args) => ({ ...(await poll(...args)), isLost: false });
      },
    }));
});
