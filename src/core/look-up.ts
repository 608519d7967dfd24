// What the cache has of a key that may be served: live under the generations of now, judged by the store's clock. A
// cache that cannot be asked has nothing.

import type { Kept } from './entity.ts';
import { isStoreError } from './errors.ts';
import type { Generations, Snapshot } from './generations.ts';
import type { Observe, Store } from './ports.ts';
import { purgedHow } from './purges.ts';
import { decodeEntry, type Entry, hasStamp } from './record.ts';

export interface LookUpDeps {
  readonly store: Store;
  readonly generations: Generations;
  readonly observe: Observe;
}

export interface Cached {
  readonly entry: Entry;
  /** The store's time that it is to be judged at. */
  readonly nowMs: number;
  /** Softly purged: stale whatever its times say. */
  readonly isPurged: boolean;
}

export function createLookUp({ store, generations, observe }: LookUpDeps) {
  /** @param marks what else the record is to be valid under, asked for at the same time */
  async function one(entity: Kept, recordKey: string, marks?: Promise<string>): Promise<Cached | undefined> {
    try {
      const known = generations.current();
      if (marks !== undefined) return await underMarks(entity, recordKey, known, marks);
      if (known === undefined) {
        const [bytes, snapshot] = await Promise.all([store.get(recordKey), generations.renew()]);
        return live(entity, entryOf(bytes), snapshot);
      }
      const entry = entryOf(await store.get(recordKey));
      return live(entity, entry, known) ?? (entry && live(entity, entry, await generations.refresh()));
    } catch (error) {
      return failed(error);
    }
  }

  async function underMarks(
    entity: Kept,
    recordKey: string,
    known: Snapshot | undefined,
    asked: Promise<string>,
  ): Promise<Cached | undefined> {
    const [bytes, snapshot, marks] = await Promise.all([store.get(recordKey), known ?? generations.renew(), asked]);
    const entry = entryOf(bytes);
    const found = live(entity, entry, snapshot, marks);
    return found ?? (known && entry && live(entity, entry, await generations.refresh(), marks));
  }

  /** In one round trip, answers in the order of the keys. */
  async function many(entity: Kept, recordKeys: readonly string[]): Promise<readonly (Cached | undefined)[]> {
    const known = generations.current();
    const asked = known ?? generations.renew();
    let newest = known === undefined ? asked : undefined;
    const lookUp = async (recordKey: string): Promise<Cached | undefined> => {
      try {
        const [bytes, snapshot] = await Promise.all([store.get(recordKey), asked]);
        const entry = entryOf(bytes);
        newest ??= entry && live(entity, entry, snapshot) === undefined ? generations.refresh() : undefined;
        return live(entity, entry, snapshot) ?? (entry && newest && live(entity, entry, await newest));
      } catch (error) {
        return failed(error);
      }
    };
    return Promise.all(recordKeys.map(lookUp));
  }

  function live(entity: Kept, entry: Entry | undefined, snapshot: Snapshot, marks?: string): Cached | undefined {
    if (entry === undefined || !hasStamp(entry, generations.stamp(entity, snapshot, marks))) return undefined;
    const isTouched = snapshot.purges !== undefined || entry.isSoft;
    const purged = isTouched ? purgedHow(entity, entry, snapshot.purges) : undefined;
    if (purged === 'drop') return undefined;
    return { entry, nowMs: generations.storeTime(snapshot), isPurged: purged !== undefined };
  }

  function failed(error: unknown): undefined {
    if (!isStoreError(error)) throw error;
    observe({ kind: 'store-failed', during: 'look-up', error });
  }

  return { one, many };
}

function entryOf(bytes: Uint8Array | undefined): Entry | undefined {
  return bytes && decodeEntry(bytes);
}
