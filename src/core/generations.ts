// Generations: one value per source and per entity that can be bumped to make all records old. Cached in the
// process for at most T, so that a hit never asks the store for it (docs/consistency.md, protocol E).

import { concat, hash64 } from './bytes.ts';
import type { Kept } from './entity.ts';
import type { Clock, PurgeMode, Stamp, Store } from './ports.ts';
import { LONGEST_LIFE_MS, type Purges, parsePurges } from './purges.ts';

/** The generations as read at one moment, and the store's clock with them. */
export interface Snapshot {
  readonly sentAt: number;
  readonly storeTimeMs: number;
  readonly values: ReadonlyMap<string, string>;
  /** Undefined: there are none that concern anything cached. */
  readonly purges: Purges | undefined;
}

export function createGenerations(options: {
  store: Store;
  key: string;
  clock: Clock;
  entities: readonly Kept[];
  /** T: how long a process may judge hits by what it read, ms. */
  ttlMs: number;
  /** For so long a record may live, ms. */
  longestLifeMs?: number;
}) {
  const { store, clock } = options;
  const fields = [
    ...new Set(options.entities.map((entity) => sourceField(entity.source.name))),
    ...options.entities.map((entity) => entityField(entity.name)),
  ];
  const stamps = new Map<string, { snapshot: Snapshot; of: string; stamp: Stamp }>();
  let last: Snapshot | undefined;
  let listed = { version: '', purges: undefined as Purges | undefined };
  let asking: { readonly sentAt: number; readonly snapshot: Promise<Snapshot> } | undefined;

  /** Asks the store. Its answer is no older than the call. */
  function refresh(): Promise<Snapshot> {
    const sentAt = clock.now();
    const asked = { sentAt, snapshot: ask(sentAt) };
    asking = asked;
    const over = () => {
      if (asking === asked) asking = undefined;
    };
    asked.snapshot.then(over, over);
    return asked.snapshot;
  }

  /** As good as `current`: its answer, or one that is under way, is no older than T. */
  function renew(): Promise<Snapshot> {
    return asking !== undefined && clock.now() - asking.sentAt < options.ttlMs ? asking.snapshot : refresh();
  }

  async function ask(sentAt: number): Promise<Snapshot> {
    const reply = await store.generations(options.key, fields, listed.version);
    const { values, timeMs, purgesVersion, purges } = reply;
    if (purges !== undefined) listed = { version: purgesVersion, purges: parsePurges(purges) };
    const snapshot = {
      sentAt,
      storeTimeMs: timeMs,
      values: new Map(fields.map((field, i) => [field, values[i] ?? ''])),
      purges: listed.purges !== undefined && timeMs < listed.purges.until ? listed.purges : undefined,
    };
    if (last === undefined || sentAt >= last.sentAt) last = snapshot;
    return snapshot;
  }

  /** The cached snapshot, unless it was asked for more than T ago. */
  function current(): Snapshot | undefined {
    return last !== undefined && clock.now() - last.sentAt < options.ttlMs ? last : undefined;
  }

  /** @param marks what else records are valid under */
  function stamp(entity: Kept, snapshot: Snapshot, marks?: string): Stamp {
    if (marks !== undefined) return concat(hash64(`${generationOf(entity, snapshot)}|${marks}`), entity.fingerprint);
    const known = stamps.get(entity.name);
    if (known?.snapshot === snapshot) return known.stamp;
    const of = generationOf(entity, snapshot);
    // The very same bytes while the values are the same: callers compare stamps by identity.
    const made = known?.of === of ? known.stamp : concat(hash64(of), entity.fingerprint);
    stamps.set(entity.name, { snapshot, of, stamp: made });
    return made;
  }

  function generationOf(entity: Kept, snapshot: Snapshot): string {
    const own = `${ofSource(entity.source.name, snapshot)}|${snapshot.values.get(entityField(entity.name)) ?? ''}`;
    return [own, ...(entity.madeOf ?? []).map((part) => generationOf(part, snapshot))].join('|');
  }

  function ofSource(source: string, snapshot: Snapshot): string {
    return snapshot.values.get(sourceField(source)) ?? '';
  }

  /** Repairs a source's generation that is older than one somebody saw: its shard was rolled back. */
  async function heal(source: string, seen: string): Promise<boolean> {
    const snapshot = await refresh();
    // 16 digits of time, then 8 hex digits: text order is their order.
    if (ofSource(source, snapshot) >= seen) return false;
    await store.bump(options.key, sourceField(source), seen);
    await refresh();
    return true;
  }

  /** When a source's generation was made, ms of the store's time: nothing cached under it is older. */
  function since(source: string, snapshot: Snapshot): number {
    return Number(ofSource(source, snapshot).slice(0, 16)) / 1000;
  }

  /** Makes everything cached of a source old; complete, in every process, when it resolves. */
  const bump = (source: string): Promise<void> => bumpFields([sourceField(source)]);

  /** The same for entities, whose watermarks stay known. */
  const bumpEntities = (names: readonly string[]): Promise<void> => bumpFields(names.map(entityField));

  /**
   * Lists a purge of what was filled until now; complete, in every process, when it resolves.
   * @param names see PurgeRequest
   * @param also what belongs to it, once it is listed
   * @returns false: the list is full
   */
  async function purge(names: readonly string[], mode: PurgeMode, also?: () => Promise<void>): Promise<boolean> {
    const seen = storeTime(last ?? (await refresh()));
    const at = await store.purge(options.key, { names, mode, seen, keepMs: options.longestLifeMs ?? LONGEST_LIFE_MS });
    if (at === undefined) return false;
    await Promise.all([refresh(), also?.()]);
    await clock.sleep(options.ttlMs);
    return true;
  }

  const storeTime = (snapshot: Snapshot): number => snapshot.storeTimeMs + (clock.now() - snapshot.sentAt);

  async function bumpFields(bumped: readonly string[]): Promise<void> {
    await write(bumped);
    await clock.sleep(options.ttlMs);
  }

  async function write(bumped: readonly string[]): Promise<void> {
    await Promise.all(bumped.map((field) => store.bump(options.key, field, '')));
    await refresh();
  }

  return {
    refresh,
    renew,
    bump,
    bumpEntities,
    /** Makes everything cached old: here when it resolves, in every other process T later at most. */
    bumpSources: (): Promise<void> => write(fields.filter((field) => field.startsWith(sourceField('')))),
    purge,
    since,
    current,
    stamp,
    ofSource,
    heal,
    /** The last snapshot, however old. */
    last: () => last,
    /** The store's time now; never early, so nothing is served past its time. */
    storeTime,
  };
}

export type Generations = ReturnType<typeof createGenerations>;

function sourceField(source: string): string {
  return `s:${source}`;
}

function entityField(entity: string): string {
  return `e:${entity}`;
}
