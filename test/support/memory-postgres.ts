// PostgreSQL as protocol C sees it, in memory: transactions with ids that commit in any order, snapshots, and the outbox
// as infra/sql/postgres.sql and src/sources/postgres-log.ts have it. Every call takes effect when it is made.

import { WarmfeedError } from '../../src/core/errors.ts';
import { type Key, keyText } from '../../src/core/key.ts';
import type { Change, ChangeLog, Document, LogPage, Position, Source, SourceRead } from '../../src/core/ports.ts';

interface OutboxRow {
  readonly id: string;
  readonly xid: bigint;
  /** Undefined: TRUNCATE. */
  readonly key: string | undefined;
  readonly version: number;
  readonly document: Document | undefined;
}

export interface Transaction {
  readonly xid: bigint;
  /** False: another transaction holds the row. `n` of what is written tells its place in the order of commits. */
  write(key: string, document?: Document | null): boolean;
  truncate(): boolean;
  commit(): void;
  rollback(): void;
}

export function createMemoryPostgres() {
  let nextXid = 100n;
  let nextId = 1;
  let commits = 0;
  const open = new Set<bigint>();
  const locks = new Map<string, bigint>();
  const rows = new Map<string, Document>();
  /** Of the last commit that touched a key, deletes too. */
  const versions = new Map<string, number>();
  let outbox: OutboxRow[] = [];

  const world = {
    partition: { id: 'system/1', ancestors: [] as string[] },
    lineage: 'system/1/trigger' as string | undefined,
    pruned: 0n,
    prunes: 0,
    failure: undefined as WarmfeedError | undefined,
    /** Breaks a rule: what a poll takes for settled. */
    horizonOf: (xmin: bigint) => xmin,
  };

  const xmin = (): bigint => [...open].reduce((least, xid) => (xid < least ? xid : least), nextXid);

  function begin(): Transaction {
    const xid = nextXid++;
    open.add(xid);
    const written: { id: string; key: string | undefined; document: Document | null }[] = [];
    const end = () => {
      open.delete(xid);
      for (const [key, holder] of locks) if (holder === xid) locks.delete(key);
    };
    return {
      xid,
      write(key, document = {}) {
        const holder = locks.get(key) ?? locks.get('*');
        if (holder !== undefined && holder !== xid) return false;
        locks.set(key, xid);
        written.push({ id: String(nextId++), key, document });
        return true;
      },
      truncate() {
        if ([...locks.values()].some((holder) => holder !== xid)) return false;
        locks.set('*', xid);
        written.push({ id: String(nextId++), key: undefined, document: null });
        return true;
      },
      commit() {
        const version = ++commits;
        for (const { id, key, document } of written) {
          const now = document === null ? undefined : { ...document, n: version };
          if (key === undefined) for (const each of versions.keys()) put(each, undefined, version);
          else put(key, now, version);
          outbox.push({ id, xid, key, version, document: now });
        }
        end();
      },
      rollback: end,
    };
  }

  function put(key: string, document: Document | undefined, version: number): void {
    versions.set(key, version);
    if (document === undefined) rows.delete(key);
    else rows.set(key, document);
  }

  function answer(key: Key): SourceRead {
    return { document: rows.get(keyText(key)), asOf: xmin(), version: xmin(), partition: world.partition };
  }

  async function answered<T>(take: () => T): Promise<T> {
    if (world.failure) throw world.failure;
    return take();
  }

  const source: Source = {
    name: 'postgres/TEST/widgets',
    replicaLagMs: 0,
    changesHold: 'keys',
    read: (key) => answered(() => answer(key)),
    readMany: (keys) => answered(() => keys.map(answer)),
    scan: async () => ({ keys: [...rows.keys()].map((key) => [key]), continuation: undefined, units: 1 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change(item) {
      if (typeof item !== 'object' || item === null) throw new WarmfeedError('ROW_INVALID', 'no change');
      return item as Change;
    },
  };

  function page(from: Position | undefined, limit: number, seen: readonly string[]): LogPage {
    const horizon = world.horizonOf(xmin());
    const { lineage, partition } = world;
    const all = outbox
      .filter(({ xid }) => from !== undefined && xid >= from && (xid < horizon || !seen.includes(String(xid))))
      .toSorted((a, b) => (a.xid === b.xid ? Number(a.id) - Number(b.id) : a.xid < b.xid ? -1 : 1));
    const last = all[limit - 1]?.xid;
    const told = last === undefined ? all : all.filter(({ xid }) => xid <= last);
    const settled = told.filter(({ xid }) => xid < horizon);
    const hasMore = told.length >= limit && settled.length > 0;
    const end = settled.at(-1)?.xid;
    return {
      lineage,
      partition,
      horizon,
      isLost: (from !== undefined && world.pruned >= from) || told.some(({ key }) => key === undefined),
      items: settled.flatMap(itemsOf),
      end: hasMore && end !== undefined ? end + 1n : (from ?? 0n) > horizon ? (from ?? 0n) : horizon,
      hasMore,
      early: told
        .filter(({ xid }) => xid >= horizon)
        .map((row) => ({ transaction: String(row.xid), item: itemsOf(row)[0] })),
    };
  }

  const log: ChangeLog = {
    poll: (from, limit, seen) => answered(() => page(from, limit, seen)),
    remedy: 'track it',
    prune: () =>
      answered(() => {
        world.prunes++;
      }),
  };

  return Object.assign(world, {
    source,
    log,
    begin,
    xmin,
    /** A transaction of one write. @param document null deletes */
    write(key: string, document?: Document | null): bigint {
      const transaction = begin();
      transaction.write(key, document);
      transaction.commit();
      return transaction.xid;
    },
    /** Forgets the whole outbox before the horizon. */
    forget() {
      const gone = outbox.filter(({ xid }) => xid < xmin());
      world.pruned = gone.reduce((newest, { xid }) => (xid > newest ? xid : newest), world.pruned);
      outbox = outbox.filter((row) => !gone.includes(row));
    },
    /** `n` of the row, 0 where there is none. */
    now: (key: string) => Number(rows.get(key)?.['n'] ?? 0),
    /** The commit that last touched a key. */
    versionOf: (key: string) => versions.get(key) ?? 0,
  });
}

export type MemoryPostgres = ReturnType<typeof createMemoryPostgres>;

/** The change of a row; with what the row became, for a source that is wrongly taken to bring documents in order. */
function itemsOf({ key, xid, document }: OutboxRow): Change[] {
  return key === undefined ? [] : [{ key: [key], version: xid + 1n, document }];
}
