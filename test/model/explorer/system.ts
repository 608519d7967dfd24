// What is explored: the shipped core with its ports parked, and the stores in memory. This file is bundled anew for
// every knock-out (variant.ts), so it holds all that a knock-out can change.

import { createHash } from 'node:crypto';
import { hash64 } from '../../../src/core/bytes.ts';
import type { Entity } from '../../../src/core/entity.ts';
import { createGenerations } from '../../../src/core/generations.ts';
import { type Key, type RedisKeys, redisKeys } from '../../../src/core/key.ts';
import { NO_DIRECTIVES } from '../../../src/core/policy.ts';
import type { Change, Clock, Document, Partition, Source, Store } from '../../../src/core/ports.ts';
import { createReader, type ReadAnswer } from '../../../src/core/read.ts';
import { decodeControl, decodeEntry, type Entry, hasStamp, versionOf } from '../../../src/core/record.ts';
import { createSync } from '../../../src/core/sync.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import type { Actor, Input, Surroundings } from './process.ts';

export interface Setup {
  /** Distinct for each process: names its tokens. */
  readonly name: string;
  readonly source: Pick<Source, 'name' | 'replicaLagMs' | 'changesHold'>;
  readonly entity: Partial<Entity>;
  /** Whether calls made in one tick take effect in their order (one Redis), or in any (a cluster). */
  readonly isOrdered: boolean;
  readonly options: {
    readonly leaseMs: number;
    readonly fenceMs: number;
    readonly waitMs: number;
    readonly provisionalMs: number;
    /** T. */
    readonly generationMs: number;
  };
}

export type Task =
  | { readonly do: 'read'; readonly key: Key; readonly serial: number; readonly isReload: boolean }
  | {
      readonly do: 'page';
      readonly items: readonly Change[];
      readonly partition: Partition | undefined;
      readonly serial: number;
    }
  /** Makes everything cached of the source old. */
  | { readonly do: 'bump' }
  /** The same for the entity. */
  | { readonly do: 'purge' }
  /** Only asks for the generations. */
  | { readonly do: 'look' };

/** What a reader's client sees. `n` of what it is given; 0: nothing is there. */
export interface Sight {
  readonly how: string;
  readonly n: number;
  readonly guarantee: string | undefined;
}

export const ENTITY = 'widget';
export const keys: RedisKeys = redisKeys('x');
const NEVER: AbortSignal = new AbortController().signal;

function entityOf(source: Source, over: Partial<Entity>): Entity {
  return {
    name: ENTITY,
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 1023 }],
    fingerprint: hash64('fingerprint'),
    ttlMs: () => 1e9,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1e9,
    onChange: 'refresh',
    match: () => true,
    deletedWhen: (document) => document['deleted'] === true,
    select: (document) => document,
    tags: () => [],
    maxBytes: 1000,
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
    ...over,
  };
}

function parked<T extends object>({ park }: Surroundings, port: string, own: Partial<T>): T {
  return new Proxy(own, {
    get: (target, member) =>
      Reflect.get(target, member) ?? ((...args: readonly unknown[]) => park(port, String(member), args)),
  }) as T;
}

/** A process of its own: cached generations, flights, sync. */
export function createActor(surroundings: Surroundings, setup: Setup): Actor {
  const { options } = setup;
  const clock: Clock = {
    now: surroundings.now,
    sleep: async (ms) => void (await surroundings.park('clock', 'sleep', [ms])),
    deadline: () => NEVER,
  };
  const store = parked<Store>(surroundings, 'store', { ordered: setup.isOrdered });
  const source = parked<Source>(surroundings, 'source', { ...setup.source, change: (item) => item as Change });
  const entity = entityOf(source, setup.entity);
  const entities = [entity];
  const generations = createGenerations({
    store,
    key: keys.generations,
    clock,
    entities,
    ttlMs: options.generationMs,
  });
  let tokenOf = 0;
  let serial = 0;
  const deps = {
    store,
    keys,
    generations,
    clock,
    source,
    observe: () => undefined,
    entropy: {
      random: () => 0,
      token: () => hash64(`${setup.name} ${serial} ${tokenOf++}`),
      digest: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()).subarray(0, 12),
    },
    options: { ...options, jitter: 0 },
  };
  const reader = createReader({ ...deps, reloads: (work) => work(NEVER) });
  const sync = createSync({ ...deps, entities });

  async function begin(task: Task): Promise<unknown> {
    tokenOf = 0;
    switch (task.do) {
      case 'read': {
        serial = task.serial;
        const directives = { ...NO_DIRECTIVES, noCache: task.isReload };
        return sightOf(await reader.read({ entity, key: task.key, directives }));
      }
      case 'page': {
        serial = task.serial;
        return sync.apply(task.items, task.partition === undefined ? {} : { partition: task.partition });
      }
      case 'bump':
        return generations.bump(source.name);
      case 'purge':
        return generations.bumpEntities([ENTITY]);
      case 'look':
        return void (await generations.refresh());
    }
  }

  /** A process in which nothing runs knows nothing but the generations. */
  function remains(): readonly Input[] {
    const last = generations.last();
    if (last === undefined || surroundings.now() - last.sentAt >= options.generationMs) return [];
    const reply = { value: { values: [...last.values.values()], timeMs: last.storeTimeMs } };
    return [
      { kind: 'begin', task: { do: 'look' }, now: last.sentAt },
      { kind: 'reply', index: 0, reply, now: last.sentAt },
    ];
  }

  return { begin: (task) => begin(task as Task), remains };
}

function sightOf(answer: ReadAnswer): Sight {
  if (answer.kind === 'not-cached') return { how: answer.kind, n: 0, guarantee: undefined };
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const guarantee = answer.kind === 'cached' ? answer.entry.guarantee : answer.guarantee;
  return { how: answer.how, n: nOf(value), guarantee };
}

function nOf(value: { readonly state: 'value' | 'absent'; readonly body?: Uint8Array }): number {
  if (value.state === 'absent') return 0;
  return Number((JSON.parse(new TextDecoder().decode(value.body)) as Document)['n']);
}

/** What lies in a record, for the invariants. */
export interface Contents {
  readonly entry: Entry | undefined;
  readonly n: number;
  readonly version: number;
  readonly token: string;
  readonly deadline: number;
}

export function contentsOf(record: Uint8Array | undefined): Contents {
  const entry = record && decodeEntry(record);
  const control = record && decodeControl(record);
  return {
    entry,
    n: entry === undefined ? 0 : nOf(entry),
    version: entry === undefined ? 0 : Number(versionOf(entry)),
    token: control === undefined ? '' : control.leaseToken.toString(),
    deadline: control?.leaseDeadline ?? 0,
  };
}

/** Whether a record is live under these generations of source and entity. */
export function isLive(setup: Setup, entry: Entry, values: ReadonlyMap<string, string>): boolean {
  const source = setup.source as Source;
  const entity = entityOf(source, setup.entity);
  const { stamp } = createGenerations({
    store: undefined as unknown as Store,
    key: '',
    clock: undefined as unknown as Clock,
    entities: [entity],
    ttlMs: 0,
  });
  return hasStamp(entry, stamp(entity, { sentAt: 0, storeTimeMs: 0, values, purges: undefined }));
}

export { createMemoryStore };
