// The product's core on a real Redis, with a source that costs nothing, so that what is measured is the cache.

import { clock, entropy } from '../src/compose/runtime.ts';
import { hash64 } from '../src/core/bytes.ts';
import type { Entity } from '../src/core/entity.ts';
import { redisKeys } from '../src/core/key.ts';
import { createWarm } from '../src/core/ops/warm.ts';
import type { Change, Document, Source } from '../src/core/ports.ts';
import { createGenerations } from '../src/core/protocol/generations.ts';
import { createReader, type ReadAnswer } from '../src/core/read/read.ts';
import { createManyReader } from '../src/core/read/read-many.ts';
import { createSync } from '../src/core/sync/sync.ts';
import { createRedisConnection } from '../src/redis/connection.ts';
import { createRedisStore } from '../src/redis/store.ts';

export type BenchApp = ReturnType<typeof createBenchApp>;

/** A document whose JSON has about `bytes` bytes. */
export function documentOf(bytes: number): Document {
  return { id: 'w', filler: 'x'.repeat(Math.max(0, bytes - 24)) };
}

export function createBenchApp(url: string, source: Source = sourceOf(documentOf(1000)), app = 'bench') {
  const connection = createRedisConnection({ url, onError: (error) => process.stderr.write(`${error.message}\n`) });
  const store = createRedisStore(connection);
  const keys = redisKeys(app);
  const entity: Entity = {
    name: 'widget',
    source,
    columns: [{ name: 'id', type: 'text', maxBytes: 1023 }],
    fingerprint: hash64('bench'),
    onChange: 'refresh',
    ttlMs: () => 3_600_000,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1000,
    maxBytes: 1_000_000,
    match: () => true,
    deletedWhen: () => false,
    select: (document) => document,
    tags: () => [],
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
  };
  const generations = createGenerations({ store, key: keys.generations, clock, entities: [entity], ttlMs: 1000 });
  const options = { leaseMs: 10_000, fenceMs: 60_000, waitMs: 1000, provisionalMs: 1000, jitter: 0.1 };
  const deps = { store, keys, generations, clock, entropy, observe: () => undefined, options };
  const reader = createReader({ ...deps, reloads: (work) => work(AbortSignal.timeout(1000)) });
  return {
    connection,
    deps,
    client: connection.client,
    keys,
    entity,
    reader,
    manyReader: createManyReader({ ...deps, reader }),
    sync: createSync({ ...deps, source, entities: [entity] }),
    warm: createWarm(deps),
    settled: () => connection.settled(),
    close: () => connection.close(),
  };
}

export type BenchSource = Source & { head: bigint };

/** Every key is this document; `head` is what its reads are as of. */
export function sourceOf(document: Document, load: () => Promise<void> = async () => undefined): BenchSource {
  const partition = { id: 'bench/0', ancestors: [] };
  const answer = () => ({ document, asOf: source.head, version: source.head, partition });
  const source: BenchSource = {
    head: 1n,
    name: 'bench',
    replicaLagMs: 0,
    changesHold: 'documents',
    read: async () => {
      await load();
      return answer();
    },
    readMany: async (all) => all.map(answer),
    scan: async () => ({ keys: [], continuation: undefined, units: 0 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change: (item) => item as Change,
  };
  return source;
}

/** @throws where what is to be measured is none */
export function expectHit(answer: ReadAnswer): void {
  if (answer.kind !== 'cached' || answer.how !== 'hit') throw new Error(`a ${answer.kind} is measured, not a hit`);
}
