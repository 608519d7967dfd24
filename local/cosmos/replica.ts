/** Which state of a range answers reads: the newest, or that of a replica which lags behind or stands still. */
import { badRequest, notFound } from './errors.ts';
import { expiresAt } from './expiry.ts';
import { entryAt, type Item, lsnAt, type PartitionRange, type StoredDocument } from './range.ts';
import { type Container, type Store } from './store.ts';

export type ReplicaMode = 'none' | 'frozen' | { lagMs: number };

export interface Replica {
  mode: () => ReplicaMode;
  set: (mode: ReplicaMode) => void;
  /** The LSN up to which reads of a range see changes. */
  lsn: (range: PartitionRange, now: number) => number;
}

export const createReplica = (store: Store, initial: ReplicaMode): Replica => {
  let mode = initial;
  let frozen = new Map<PartitionRange, number>();
  const frozenLsn = (range: PartitionRange): number => {
    const [parent, other] = range.origin.parents;
    return frozen.get(range) ?? (parent && !other ? frozenLsn(parent) : range.origin.lsn);
  };
  const freeze = () => {
    frozen = new Map();
    if (mode !== 'frozen') return;
    for (const database of store.databases.values())
      for (const container of database.containers.values())
        for (const range of container.ranges) frozen.set(range, range.lsn);
  };
  return {
    mode: () => mode,
    set: (next) => {
      mode = next;
      freeze();
    },
    lsn: (range, now) => {
      if (mode === 'none') return range.lsn;
      if (mode === 'frozen') return frozenLsn(range);
      return lsnAt(range, now - mode.lagMs);
    },
  };
};

export interface Seen {
  document: StoredDocument;
  lsn: number;
}

/** The item as of an LSN; what is past its time to live is gone on every replica. */
export const seen = (container: Container, item: Item, lsn: number, now: number): Seen | undefined => {
  const entry = entryAt(item, lsn);
  if (!entry?.document || expiresAt(container, entry.document) <= now) return undefined;
  return { document: entry.document, lsn: entry.lsn };
};

/**
 * A session token lists ranges; the position is the segment after the first `#`, or all there is. Positions go on in a
 * child, so what a session saw of an ancestor counts too.
 */
const wanted = (token: string, range: PartitionRange): number => {
  let highest = 0;
  for (const part of token.split(',')) {
    const [id, value] = part.trim().split(':', 2);
    if (value === undefined) throw badRequest(`The session token ${JSON.stringify(token)} is invalid.`);
    if (id !== range.id && !range.parents.includes(id ?? '')) continue;
    const lsn = Number(value.split('#')[1] ?? value);
    if (!Number.isFinite(lsn)) throw badRequest(`The session token ${JSON.stringify(token)} is invalid.`);
    highest = Math.max(highest, lsn);
  }
  return highest;
};

/** 1002: this replica is not yet where the session already was. It says nothing about the document. */
export const checkSession = (token: string | undefined, range: PartitionRange, lsn: number): void => {
  if (token !== undefined && token !== '' && wanted(token, range) > lsn)
    throw notFound('The read session is not available for the input session token.', 1002);
};
