// What is known of each source's partitions: their names, and the last page of changes of each. Noted as it happens and
// written now and then.

import type { RedisKeys } from '../key.ts';
import type { CacheEvent } from '../ports.ts';
import type { OpsStore } from './ops-ports.ts';

export interface PartitionNote {
  /** When its last page was applied, milliseconds since the epoch; undefined: none yet. */
  readonly pageAt?: number;
  /** How old the newest change of that page was then, ms. */
  readonly lagMs?: number;
}

/** Partitions that split stay a while; one with changes now and then is never forgotten. */
const KEEP_MS = 30 * 86_400_000;

/** @param nowMs milliseconds since the epoch */
export function createPartitionNotes(deps: { ops: OpsStore; keys: RedisKeys; nowMs: () => number }) {
  const { ops, keys, nowMs } = deps;
  let fresh = new Map<string, Map<string, PartitionNote>>();

  function observe(event: CacheEvent): void {
    if (event.kind === 'seeded') add(event.source, event.partition, {});
    if (event.kind !== 'batch' || event.partition === undefined) return;
    const pageAt = nowMs();
    const newest = event.committedAt.reduce((max, at) => Math.max(max, at), 0);
    add(event.source, event.partition, newest === 0 ? { pageAt } : { pageAt, lagMs: Math.max(0, pageAt - newest) });
  }

  function add(source: string, partition: string, added: PartitionNote): void {
    let partitions = fresh.get(source);
    if (partitions === undefined) fresh.set(source, (partitions = new Map()));
    partitions.set(partition, { ...partitions.get(partition), ...added });
  }

  /** Writes what was noted since. @throws WarmfeedError STORE_* */
  async function flush(): Promise<void> {
    const noted = fresh;
    fresh = new Map();
    await Promise.all(Array.from(noted, ([source, partitions]) => write(keys.partitions(source), partitions)));
  }

  async function write(key: string, partitions: ReadonlyMap<string, PartitionNote>): Promise<void> {
    const texts = Array.from(partitions, ([id, note]) => [id, JSON.stringify(note)] as const);
    // A watermark that became known says less than a page before it.
    const bare = texts.filter(([, text]) => text === '{}').length > 0 ? await ops.fields(key) : undefined;
    const told = texts.filter(([id, text]) => text !== '{}' || bare?.has(id) !== true);
    await ops.setFields(key, new Map(told), KEEP_MS);
  }

  /** By the partition's id. @throws WarmfeedError STORE_* */
  async function of(source: string): Promise<ReadonlyMap<string, PartitionNote>> {
    await flush();
    const texts = await ops.fields(keys.partitions(source));
    return new Map(Array.from(texts, ([id, text]) => [id, JSON.parse(text) as PartitionNote]));
  }

  return { observe, flush, of };
}

export type PartitionNotes = ReturnType<typeof createPartitionNotes>;
