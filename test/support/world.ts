// A whole Warmfeed in memory with everything injected: clock, randomness, store, and a source with one log whose
// replica can be made to lag. For tests of the core's algorithms; nothing here sleeps.

import { createHash } from 'node:crypto';
import { hash64 } from '../../src/core/bytes.ts';
import type { Entity } from '../../src/core/entity.ts';
import { WarmfeedError } from '../../src/core/errors.ts';
import { type Key, keyText, redisKeys } from '../../src/core/key.ts';
import type {
  CacheEvent,
  Change,
  Document,
  Position,
  ReadOptions,
  Source,
  SourceRead,
  Store,
} from '../../src/core/ports.ts';
import { createGenerations } from '../../src/core/protocol/generations.ts';
import { NO_DIRECTIVES } from '../../src/core/read/policy.ts';
import { createReader, type Limit, type ReadAnswer } from '../../src/core/read/read.ts';
import { createSync } from '../../src/core/sync/sync.ts';
import { createMemoryStore } from './memory-store.ts';

export const RANGE = 'rid/0';

export interface WorldOptions {
  readonly entity?: Partial<Entity>;
  readonly more?: readonly Partial<Entity>[];
  readonly replicaLagMs?: number;
  readonly provisionalMs?: number;
  readonly waitMs?: number;
  /** In place of the one with a log of its own. */
  readonly source?: Source;
}

interface Write {
  readonly key: string;
  readonly document: Document | undefined;
}

export function createWorld(options: WorldOptions = {}) {
  let now = 1_700_000_000_000;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
      await new Promise(setImmediate);
    },
    deadline: (_ms: number): AbortSignal => new AbortController().signal,
  };
  const advance = (ms: number) => {
    now += ms;
  };
  const memory = createMemoryStore({ now: () => now });
  const log: Write[] = [];
  const events: CacheEvent[] = [];
  const keys = redisKeys('test');
  const world = {
    /** What a read without a floor sees; undefined: everything. */
    replicaAt: undefined as Position | undefined,
    range: RANGE,
    ancestors: [] as string[],
    sourceReads: 0,
    /** Runs within every read, before its answer is taken. */
    duringRead: undefined as ((key: string) => Promise<void> | void) | undefined,
    sourceError: undefined as WarmfeedError | undefined,
    storeError: undefined as WarmfeedError | undefined,
    /** 0: nothing is drawn early. */
    random: 0,
  };

  function readAt(key: Key, at: Position): SourceRead {
    const visible = log.slice(0, Number(at));
    const write = visible.findLast((each) => each.key === keyText(key));
    const partition = { id: world.range, ancestors: world.ancestors };
    return { document: write?.document, asOf: at, version: at, partition };
  }

  const ownSource: Source = {
    name: 'cosmos/TEST/db/widgets',
    replicaLagMs: options.replicaLagMs ?? 0,
    changesHold: 'documents',
    async read(key: Key, { floor }: ReadOptions = {}) {
      world.sourceReads++;
      // A read is taken from the replica when it is issued; it may arrive much later.
      const head = BigInt(log.length);
      const least = floor?.positions.get(world.range) ?? 0n;
      const lagging = world.replicaAt ?? head;
      const answer = readAt(key, lagging > least ? lagging : least);
      await world.duringRead?.(keyText(key));
      if (world.sourceError) throw world.sourceError;
      return answer;
    },
    async readMany(all, readOptions) {
      return Promise.all(all.map((key) => ownSource.read(key, readOptions)));
    },
    scan: async ({ continuation = '0', limit }) => {
      const at = Number(continuation);
      const keysAfter = [...new Set(log.map((write) => write.key))].slice(at, at + limit);
      const next = at + keysAfter.length;
      const isLast = keysAfter.length < limit;
      return { keys: keysAfter.map((key) => [key]), continuation: isLast ? undefined : String(next), units: 1 };
    },
    check: async () => undefined,
    floor: async (token) => ({ positions: new Map([[world.range, BigInt(token)]]), token }),
    change(item) {
      if (typeof item !== 'object' || item === null) throw new WarmfeedError('ROW_INVALID', 'no change');
      return item as Change;
    },
  };

  const source = options.source ?? ownSource;

  // A store whose every call can be made to fail, as when Redis is gone.
  const store = new Proxy<Store>(memory, {
    get: (target, property: keyof Store) => {
      const member = target[property];
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) =>
        world.storeError ? Promise.reject(world.storeError) : (member as (...a: unknown[]) => unknown)(...args);
    },
  });

  const entityOf = (over: Partial<Entity>): Entity => ({
    name: 'widget',
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 1023 }],
    fingerprint: hash64('fingerprint'),
    ttlMs: () => 60_000,
    staleForMs: 10_000,
    staleIfErrorMs: 100_000,
    notFoundTtlMs: 5000,
    onChange: 'refresh',
    match: () => true,
    deletedWhen: (document) => document['deleted'] === true,
    select: (document) => document,
    tags: () => [],
    maxBytes: 1000,
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
    ...over,
  });
  const entity = entityOf(options.entity ?? {});
  const entities = [entity, ...(options.more ?? []).map(entityOf)];
  let tokens = 0;

  /** A process: its own cached generations, flights and sync. */
  function createProcess(over: Partial<Entity> = {}, reached: (store: Store) => Store = (all) => all) {
    const own = reached(store);
    const all = entities.map((each) => ({ ...each, ...over }));
    const generations = createGenerations({ store: own, key: keys.generations, clock, entities: all, ttlMs: 1000 });
    const deps = {
      store: own,
      keys,
      generations,
      clock,
      source,
      observe: (event: CacheEvent) => events.push(event),
      entropy: {
        random: () => world.random,
        token: () => hash64(`token ${++tokens}`),
        digest: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()).subarray(0, 12),
      },
      options: {
        leaseMs: 10_000,
        fenceMs: 60_000,
        jitter: 0,
        waitMs: options.waitMs ?? 1000,
        provisionalMs: options.provisionalMs ?? 1000,
      },
    };
    const reloads: Limit = (work) => work(AbortSignal.timeout(60_000));
    const reader = createReader({ ...deps, reloads });
    const sync = createSync({ ...deps, entities: all });
    return {
      deps,
      generations,
      reader,
      sync,
      read: (id: string, directives = {}, floor?: Position) =>
        reader.read({
          entity: all[0] ?? entity,
          key: [id],
          directives: { ...NO_DIRECTIVES, ...directives },
          ...(floor === undefined ? {} : { floor: { positions: new Map([[world.range, floor]]) } }),
        }),
    };
  }

  return Object.assign(world, {
    memory,
    events,
    keys,
    entity,
    source,
    log,
    clock,
    process: createProcess,
    advance,
    /** Writes to the source; gives the change as the feed will deliver it. */
    write(id: string, document: Document | undefined): Change {
      log.push({ key: keyText([id]), document });
      return { key: [id], version: BigInt(log.length), document };
    },
    recordKey: (id: string) => keys.record('widget', [id]),
    watermarkKey: () => keys.watermark(source.name, world.range),
    /** Makes the watermark known, as a quiet system has it. */
    async settle() {
      const calm = createProcess();
      advance(source.replicaLagMs);
      await calm.read('settling');
      advance(source.replicaLagMs);
      await calm.read('settled');
    },
    outcomes: () => events.flatMap((event) => (event.kind === 'fill' ? [event.outcome] : [])),
  });
}

export type World = ReturnType<typeof createWorld>;

/** What a client would see: how it was answered and the document. */
export function seen(answer: ReadAnswer): { how: string; value: unknown } {
  if (answer.kind === 'not-cached') return { how: answer.kind, value: undefined };
  const value = answer.kind === 'cached' ? answer.entry : answer.represented.value;
  const body = answer.kind === 'cached' ? answer.entry.body : 'body' in value ? value.body : new Uint8Array();
  return { how: answer.how, value: value.state === 'absent' ? null : JSON.parse(new TextDecoder().decode(body)) };
}
