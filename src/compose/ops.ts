// The routes under /ops, and what the process notes for them.

import type { Content } from '../core/content.ts';
import type { Entity } from '../core/entity.ts';
import { createExplain } from '../core/explain.ts';
import type { Generations } from '../core/generations.ts';
import type { RedisKeys } from '../core/key.ts';
import type { OpsStore } from '../core/ops-ports.ts';
import { createPartitionNotes } from '../core/partition-notes.ts';
import type { Entropy, Observe, Store } from '../core/ports.ts';
import { createPurge } from '../core/purge.ts';
import type { Query } from '../core/query.ts';
import { marksOfQuery } from '../core/query-read.ts';
import { createRefusals } from '../core/refusals.ts';
import { etagText } from '../functions/http.ts';
import { registerOpsExplain } from '../functions/ops-explain.ts';
import { registerOpsPurge } from '../functions/ops-purge.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createOpsStore } from '../redis/ops-store.ts';
import { createQueryStore } from '../redis/query-store.ts';
import { every } from './runtime.ts';

export interface OpsNotes {
  readonly ops: OpsStore;
  readonly observe: Observe;
  readonly refusals: ReturnType<typeof createRefusals>;
  readonly partitions: ReturnType<typeof createPartitionNotes>;
  drain(): Promise<void>;
}

/** Begins to note. It is there before anything that is observed. */
export function startNotes(connection: RedisConnection, keys: RedisKeys, onError: (error: unknown) => void): OpsNotes {
  const ops = createOpsStore(connection);
  const deps = { ops, keys, nowMs: () => Date.now() };
  const refusals = createRefusals(deps);
  const partitions = createPartitionNotes(deps);
  const flush = async (): Promise<void> => {
    await Promise.all([refusals.flush(), partitions.flush()]).catch(onError);
  };
  const stop = every(FLUSH_MS, flush);
  return {
    ops,
    refusals,
    partitions,
    observe: (event) => {
      refusals.observe(event);
      partitions.observe(event);
    },
    async drain() {
      stop();
      await flush();
    },
  };
}

const FLUSH_MS = 1000;

export interface OpsDeps {
  readonly notes: OpsNotes;
  readonly store: Store;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly entropy: Entropy;
  readonly connection: RedisConnection;
  readonly options: { readonly leaseMs: number };
  readonly entities: readonly Entity[];
  readonly queries: readonly Query[];
  readonly content: Content | undefined;
}

export function startOps(deps: OpsDeps): void {
  const { notes, entities, queries, content, keys, options } = deps;
  const { ops, refusals, partitions } = notes;
  const explain = createExplain({ ...deps, ops, refusals, partitions, etagText, leaseMs: options.leaseMs });
  const queryStore = createQueryStore(deps.connection);
  const marksOf = marksOfQuery({ keys, queries: queryStore });
  registerOpsExplain({ explain, entities, queries, content, marksOf });
  const indexed = [...new Set(queries.flatMap((query) => query.of.map(({ name }) => name)))];
  const purge = createPurge({ ...deps, queries: queryStore, indexed });
  registerOpsPurge({ purge, keys, entities, queries, content });
}
