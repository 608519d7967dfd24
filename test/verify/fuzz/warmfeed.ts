// The subject itself: the core and the store as they are shipped, in several processes that share nothing but Redis.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { lookForFailovers } from '../../../src/compose/failover-looks.ts';
import { every } from '../../../src/compose/runtime.ts';
import { hash64 } from '../../../src/core/bytes.ts';
import type { Entity } from '../../../src/core/entity.ts';
import { WarmfeedError } from '../../../src/core/errors.ts';
import { redisKeys } from '../../../src/core/key.ts';
import type { CacheEvent, Clock, Source, Store } from '../../../src/core/ports.ts';
import { createGenerations, type Generations } from '../../../src/core/protocol/generations.ts';
import { NO_DIRECTIVES } from '../../../src/core/read/policy.ts';
import { createReader, type ReadAnswer } from '../../../src/core/read/read.ts';
import { asOfOf } from '../../../src/core/record.ts';
import { createFailoverWatch } from '../../../src/core/sync/failover-watch.ts';
import { createSync } from '../../../src/core/sync/sync.ts';
import { createRedisConnection, type RedisConnection } from '../../../src/redis/connection.ts';
import { createShards } from '../../../src/redis/shards.ts';
import { createRedisStore } from '../../../src/redis/store.ts';
import type { Recorder } from './history.ts';
import type { Random } from './random.ts';
import { recorded } from './recorded-store.ts';
import type { Schedule } from './schedule.ts';
import type { FuzzSource } from './source.ts';
import type { Place, Served, Subject } from './subject.ts';

export const ENTITY = 'item';
/** When nothing was connected to, as WARMFEED_FAILOVER_WATCH. */
const WATCH_MS = 300;
const DEAD = new WarmfeedError('STORE_UNAVAILABLE', 'this process is dead', { retryable: true });

export interface WarmfeedOptions {
  readonly schedule: Schedule;
  readonly database: FuzzSource;
  readonly place: Place;
  readonly recorder: Recorder;
  readonly random: Random;
  /** Breaks a rule. */
  readonly knockOut?: (store: Store) => Store;
}

type Process = ReturnType<typeof createProcess>;

export function createWarmfeed(options: WarmfeedOptions): Subject {
  const { schedule, database } = options;
  let started = 0;
  const processes = Array.from({ length: schedule.processes }, (_, index) => createProcess(options, index, started++));
  const ended: Promise<void>[] = [];
  const at = (process: number) => processes[process % processes.length] as Process;

  return {
    isNaive: false,
    async read(process, key, { floor, reload = false }) {
      const { reader, entity } = at(process);
      const partition = database.rangeOf(key).partition.id;
      const answer = await reader.read({
        entity,
        key: [key],
        directives: reload ? { ...NO_DIRECTIVES, noCache: true } : NO_DIRECTIVES,
        ...(floor === undefined ? {} : { floor: { positions: new Map([[partition, BigInt(floor)]]) } }),
      });
      return servedOf(answer) as Served;
    },
    async cached(process, key) {
      const { reader, entity } = at(process);
      const directives = { ...NO_DIRECTIVES, onlyIfCached: true };
      return servedOf(await reader.read({ entity, key: [key], directives }));
    },
    async apply(process, { items }) {
      await at(process).sync.apply(items);
    },
    async die(process) {
      const index = process % processes.length;
      ended.push(at(process).kill());
      processes[index] = createProcess(options, index, started++);
    },
    async bump(what) {
      const { generations, entity } = at(0);
      await (what === 'source' ? generations.bump(entity.source.name) : generations.bumpEntities([entity.name]));
    },
    async close() {
      await Promise.all([...ended, ...processes.map((process) => process.close())]);
    },
  };
}

function createProcess(options: WarmfeedOptions, index: number, nth: number) {
  const { schedule, database, place, recorder, knockOut = (store) => store } = options;
  const random = options.random.stream(`process ${nth}`);
  const connection = createRedisConnection({
    ...place,
    socketTimeoutMs: 250,
    connectTimeoutMs: 500,
    onError: () => undefined,
  });
  const life = { isOver: false };
  const real = createRedisStore(connection);
  const store = recorded(
    mortal(knockOut(index % 2 === 1 && schedule.slowCalls > 0 ? slow(real, random, schedule) : real), life),
    recorder,
    { generationMs: schedule.generationMs, process: nth },
  );
  const keys = redisKeys(place.app);
  const source = loading(database.source, (key, { floor } = {}) => {
    if (floor === undefined)
      recorder.history.loads.push({ key: keys.record(ENTITY, key), process: nth, begunMs: performance.now() });
  });
  const entity = createEntity(schedule, source);
  const generations = createGenerations({
    store,
    key: keys.generations,
    clock: CLOCK,
    entities: [entity],
    ttlMs: schedule.generationMs,
  });
  const watched = watch(options, connection, generations);
  const { leaseMs, fenceMs, waitMs, provisionalMs } = schedule;
  let tokens = 0;
  const deps = {
    store,
    keys,
    generations,
    clock: CLOCK,
    observe: () => undefined,
    entropy: {
      random: () => random.next(),
      token: () => hash64(`${place.app}/${nth}/${++tokens}`),
      digest: (bytes: Uint8Array) => createHash('sha256').update(bytes).digest().subarray(0, 12),
    },
    options: { leaseMs, fenceMs, waitMs, provisionalMs, jitter: 0.1 },
  };
  const reader = createReader({ ...deps, reloads: (work) => work(AbortSignal.timeout(10_000)) });
  const sync = createSync({ ...deps, observe: watched.observe, source: database.source, entities: [entity] });
  return {
    entity,
    generations,
    reader,
    sync,
    /** What it has sent may still be done. */
    async kill() {
      life.isOver = true;
      watched.end();
      connection.client.disconnect();
      await connection.close();
    },
    async close() {
      await reader.drain();
      watched.end();
      await connection.close();
    },
  };
}

/** As `compose/failovers.ts` has it; the timer is not the host's. */
function watch({ place, recorder }: WarmfeedOptions, connection: RedisConnection, generations: Generations) {
  const shards = createShards(connection, { name: redisKeys(place.app).shard, isProxied: false });
  const observe = (event: CacheEvent) => {
    if (event.kind === 'failover') recorder.noticed.push({ tick: recorder.tick(), shards: event.shards });
  };
  const failovers = createFailoverWatch({ shards, generations, observe });
  const stopping = new AbortController();
  const applied = lookForFailovers(failovers, connection, stopping.signal);
  const endTimer = every(WATCH_MS, () => failovers.check().catch(() => undefined));
  return {
    observe: applied,
    end() {
      stopping.abort();
      endTimer();
    },
  };
}

const CLOCK: Clock = {
  now: () => performance.now(),
  sleep: async (ms) => {
    await sleep(ms);
  },
  deadline: (ms) => AbortSignal.timeout(Math.max(1, Math.round(ms))),
};

/** A source for readers; what change workers read is none of theirs. */
function loading(
  source: Source,
  note: Source['read'] extends (...args: infer A) => unknown ? (...args: A) => void : never,
): Source {
  return {
    ...source,
    read(key, options) {
      note(key, options);
      return source.read(key, options);
    },
  };
}

function createEntity({ ttlMs, staleForMs, onChange }: Schedule, source: Source): Entity {
  return {
    name: ENTITY,
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 100 }],
    fingerprint: hash64('fuzz'),
    ttlMs: () => ttlMs,
    staleForMs,
    staleIfErrorMs: staleForMs,
    notFoundTtlMs: ttlMs,
    onChange,
    match: () => true,
    deletedWhen: () => false,
    select: (document) => document,
    tags: () => [],
    maxBytes: 10_000,
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
  };
}

type Call = (...args: readonly unknown[]) => Promise<unknown>;

function eachCall(store: Store, wrap: (call: Call) => Call): Store {
  const calls = Object.entries(store).filter(([, member]) => typeof member === 'function');
  return { ...store, ...Object.fromEntries(calls.map(([name, member]) => [name, wrap(member as Call)])) };
}

/** Calls that a process makes after its end are never sent. */
function mortal(store: Store, life: { readonly isOver: boolean }): Store {
  return eachCall(
    store,
    (call) =>
      (...args) =>
        life.isOver ? Promise.reject(DEAD) : call(...args),
  );
}

/** Some calls are held up, so that nothing is certain about their order. */
function slow(store: Store, random: Random, { slowCalls, leaseMs }: Schedule): Store {
  const held = eachCall(store, (call) => async (...args) => {
    if (random.chance(slowCalls)) await sleep(random.below(leaseMs));
    return call(...args);
  });
  return { ...held, get: (key) => store.get(key), ordered: false };
}

function servedOf(answer: ReadAnswer): Served | undefined {
  if (answer.kind === 'not-cached') return undefined;
  if (answer.kind === 'cached') {
    const { entry } = answer;
    return {
      from: 'cache',
      isProvisional: entry.guarantee === 'provisional',
      position: entry.state === 'absent' ? undefined : positionOf(entry.body),
      asOf: Number(asOfOf(entry)),
      hardAt: entry.hardAt,
    };
  }
  const { value } = answer.represented;
  return {
    from: answer.collapsed ? 'joined' : 'source',
    isProvisional: answer.guarantee === 'provisional',
    position: value.state === 'absent' ? undefined : positionOf(value.body),
  };
}

/** The digits of `{"n":123,…`: parsing millions of bodies would be most of the work. */
export function positionOf(body: Uint8Array): number {
  let position = 0;
  for (let at = 5; at < body.length; at++) {
    const digit = (body[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) break;
    position = position * 10 + digit;
  }
  return position;
}
