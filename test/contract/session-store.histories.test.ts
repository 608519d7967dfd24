// Random histories of sessions, on the specification in memory and on real Redis: same replies. Time passes in both at
// once, by amounts that never come near the end of a life, so no comparison depends on speed.

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hash64, hex, utf8 } from '../../src/core/bytes.ts';
import type { SessionStore } from '../../src/core/session/session-ports.ts';
import type { SessionContent } from '../../src/core/session/session-record.ts';
import { createMemorySessionStore } from '../support/memory-session-store.ts';
import type { SessionStoreUnderTest } from './session-store.contract.ts';
import { sessionsOnServer } from './session-store.on-redis.ts';

const S = 1000;
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
/** Sums of these stay seconds away from those that lives are made of. */
const PASSING = [37 * S, 211 * S];

interface Tested {
  readonly store: SessionStore;
  readonly now: () => number;
  pass(ms: number): Promise<void>;
}

interface Step {
  readonly name: string;
  readonly run: (on: Tested) => Promise<unknown>;
}

const token = fc.constantFrom('1', '2', '3').map((name) => hash64(`token ${name}`));
const life = fc.record({
  ttlMs: fc.constantFrom(60 * S, 600 * S),
  absoluteMs: fc.constantFrom(300 * S, 1010 * S),
});
const content = fc.record<SessionContent>({
  version: fc.constantFrom(1, 2 ** 32, 2 ** 53 - 1),
  token,
  subject: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined }),
  body: fc.constantFrom('{}', '{"é":"\\u0000"}').map(utf8),
});
/** How long ago a session that comes back was made, and used. */
const past = fc.option(
  fc.constantFrom({ created: 0, seen: 0 }, { created: 250 * S, seen: 20 * S }, { created: 900 * S, seen: 400 * S }),
  { nil: undefined },
);
const key = fc.constantFrom('wf:h:s:{a}', 'wf:h:s:{b}');
const list = fc.constantFrom('wf:h:su:{x}', 'wf:h:su:{y}');
const named = <T>(name: string, run: (on: Tested, of: T) => Promise<unknown>) => {
  return (of: T): Step => ({ name: `${name} ${show(of)}`, run: (on) => run(on, of) });
};
const show = (of: unknown) =>
  JSON.stringify(of, (_, value: unknown) => (value instanceof Uint8Array ? hex(value) : value));

const create = fc.record({ key, content, life, past }).map(
  named('create', ({ store, now }, of) => {
    const { created = 0, seen = 0 } = of.past ?? {};
    const times = of.past && { created: now() - created, seen: now() - seen };
    return store.create(of.key, of.content, of.life, times);
  }),
);
const read = fc.record({ key, life }).map(named('read', ({ store }, of) => store.read(of.key, of.life)));
const peek = key.map(named('peek', ({ store }, of) => store.peek(of)));
const swap = fc
  .record({ key, token, content, life })
  .map(named('swap', ({ store }, of) => store.swap(of.key, of.token, of.content, of.life)));
const end = fc
  .record({
    key,
    token: fc.option(token, { nil: undefined }),
    mark: fc.record({ token, keepMs: fc.constantFrom(60 * S, 600 * S), always: fc.boolean() }),
  })
  .map(named('end', ({ store }, of) => store.end(of.key, of.token, of.mark)));
const enlist = fc
  .record({ list, name: fc.constantFrom('1', '2', '3'), life })
  .map(named('list', ({ store }, of) => store.list(of.list, of.name, of.life.absoluteMs)));
const unlist = fc
  .record({ list, name: fc.constantFrom('1', '2', '3'), graceMs: fc.constantFrom(0, 60 * S) })
  .map(named('unlist', ({ store }, of) => store.unlist(of.list, of.name, of.graceMs)));
const listed = list.map(named('listed', async ({ store }, of) => (await store.listed(of)).toSorted()));
const passing = fc.constantFrom(...PASSING).map(named('pass', (on, ms) => on.pass(ms)));

const step = fc.oneof(
  { weight: 4, arbitrary: create },
  { weight: 3, arbitrary: read },
  { weight: 2, arbitrary: peek },
  { weight: 4, arbitrary: swap },
  { weight: 2, arbitrary: end },
  { weight: 2, arbitrary: enlist },
  { weight: 1, arbitrary: unlist },
  { weight: 2, arbitrary: listed },
  { weight: 2, arbitrary: passing },
);

let redis: SessionStoreUnderTest;
let run = 0;
beforeAll(async () => {
  redis = await sessionsOnServer();
});
afterAll(() => redis?.end());

function inMemory(): Tested {
  let passed = 0;
  const now = () => Date.now() + passed;
  return {
    store: createMemorySessionStore({ now }),
    now,
    pass: async (ms) => {
      passed += ms;
    },
  };
}

/** Every history has keys of its own. */
function onRedis(): Tested {
  const suffix = `-${++run}`;
  const calls = Object.entries(redis.store).map(([name, call]) => {
    return [name, (of: string, ...rest: unknown[]) => (call as (...all: unknown[]) => unknown)(of + suffix, ...rest)];
  });
  return { store: Object.fromEntries(calls) as SessionStore, now: () => Date.now(), pass: (ms) => redis.advance(ms) };
}

/** Bytes as text; times as what has passed since. */
function normal(reply: unknown, now: number): unknown {
  if (reply instanceof Uint8Array) return hex(reply);
  if (typeof reply !== 'object' || reply === null || Array.isArray(reply)) return reply;
  const entries = Object.entries(reply).map(([name, value]): [string, unknown] => {
    if (name === 'leftMs') return [name, near(Number(value))];
    const isTime = name === 'created' || name === 'seen' || name === 'nowMs';
    return [name, isTime ? near(Number(value) - now) : normal(value, now)];
  });
  return Object.fromEntries(entries);
}

/** The two are called one after the other. */
function near(ms: number): number {
  return Math.round((ms + S / 2) / (10 * S));
}

test(`sessions in memory and on Redis do the same (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (history) => {
      const [memory, real] = [inMemory(), onRedis()];
      for (const { name, run: take } of history) {
        const expected = normal(await take(memory), memory.now());
        expect(normal(await take(real), real.now()), name).toEqual(expected);
        // What happens in one millisecond has no order in a list.
        if (name.startsWith('list ')) await sleep(2);
      }
    }),
    { seed, numRuns: 150, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false },
  );
}, 60_000);
