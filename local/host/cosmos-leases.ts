/**
 * The lease container: one document a range, guarded by etags, in the layout of the .NET change feed processor, so that this
 * host and the real one can take over from each other.
 */
import type { CosmosContainer } from './cosmos-container.ts';
import { CosmosError } from './cosmos-http.ts';
import type { PartitionKeyRange, Routing } from './cosmos-routing.ts';

export interface Lease {
  id: string;
  /** 0: of a partition key range, whose id is the token. 1: of an interval of effective partition keys, `min-max`. */
  version?: number;
  LeaseToken: string;
  FeedRange?: { Range: { min: string; max: string } };
  Owner: string | null;
  ContinuationToken: string | null;
  timestamp?: string | null;
  Mode?: string;
  _etag: string;
  _ts: number;
  [other: string]: unknown;
}

export const isIntervalLease = ({ version }: Lease): boolean => version === 1;

export const intervalOf = ({ LeaseToken: token, FeedRange: feedRange }: Lease): { min: string; max: string } => {
  if (feedRange) return feedRange.Range;
  throw new Error(`Lease ${token} does not tell its interval.`);
};

/** Another host took the lease, or the document is gone; whoever sees this stops working on the range. */
export class LeaseLostError extends Error {
  readonly gone: boolean;
  constructor(message: string, gone = false) {
    super(message);
    this.gone = gone;
  }
}

export interface LeaseStore {
  isInitialised(): Promise<boolean>;
  /** Undefined if another host holds the lock. */
  lock(): Promise<string | undefined>;
  unlock(etag: string): Promise<void>;
  markInitialised(): Promise<void>;
  list(signal: AbortSignal): Promise<Lease[]>;
  /** Undefined if another host was faster. */
  createForRange(range: PartitionKeyRange, continuation: string | null): Promise<Lease | undefined>;
  createForInterval(min: string, max: string, continuation: string | null): Promise<Lease | undefined>;
  remove(lease: Lease): Promise<void>;
  acquire(lease: Lease): Promise<Lease>;
  renew(lease: Lease): Promise<Lease>;
  checkpoint(lease: Lease, continuation: string): Promise<Lease>;
  release(lease: Lease): Promise<void>;
}

export interface LeaseStoreOptions {
  container: CosmosContainer;
  routing: Routing;
  prefix: string;
  owner: string;
  mode: string;
}

const conflictRetries = 5;
const lockSeconds = 30;

/** A change that is only made while the lease still has the expected owner. */
const ownedBy =
  (expected: string | null, change: (server: Lease) => Lease) =>
  (server: Lease): Lease => {
    if ((server.Owner ?? null) !== expected) {
      throw new LeaseLostError(`Lease ${server.LeaseToken} was taken over by owner '${server.Owner ?? ''}'.`);
    }
    return change(server);
  };

export function createLeaseStore({ container, routing, prefix, owner, mode }: LeaseStoreOptions): LeaseStore {
  const infoId = `${prefix}.info`;
  const lockId = `${prefix}.lock`;

  const read = async (id: string): Promise<Lease> => {
    const reply = await container.item('GET', id);
    if (reply.status === 404) throw new LeaseLostError(`Lease ${id} no longer exists.`, true);
    if (reply.status !== 200) throw new CosmosError(`Reading lease ${id}`, reply);
    return reply.body as Lease;
  };

  /** Writes what `change` makes of the lease; on a conflict it asks again with what the server has by then. */
  const update = async (cached: Lease, change: (server: Lease) => Lease): Promise<Lease> => {
    let lease = cached;
    for (let attempt = 0; attempt <= conflictRetries; attempt += 1) {
      const { _etag: etag } = lease;
      const next = { ...change(lease), timestamp: new Date().toISOString() };
      const reply = await container.item('PUT', lease.id, { body: next, etag });
      if (reply.status === 200) return { ...next, _etag: reply.etag ?? '' };
      if (reply.status === 404) throw new LeaseLostError(`Lease ${lease.LeaseToken} no longer exists.`, true);
      if (reply.status === 409) throw new LeaseLostError(`Lease ${lease.LeaseToken} is lost.`);
      if (reply.status !== 412) throw new CosmosError(`Writing lease ${lease.LeaseToken}`, reply);
      lease = await read(lease.id);
    }
    throw new LeaseLostError(`Lease ${cached.LeaseToken} changes too often.`);
  };

  const create = async (
    version: 0 | 1,
    token: string,
    interval: { min: string; max: string },
    continuation: string | null,
  ): Promise<Lease | undefined> => {
    const lease = {
      id: `${prefix}..${token}`,
      version,
      LeaseToken: token,
      FeedRange: { Range: interval },
      Owner: null,
      ContinuationToken: continuation,
      properties: {},
      timestamp: null,
      Mode: mode,
    };
    const reply = await container.createItem(lease);
    if (reply.status === 409) return undefined;
    if (reply.status !== 201) throw new CosmosError(`Creating lease ${token}`, reply);
    return { ...lease, _etag: reply.etag ?? '', _ts: 0 };
  };

  return {
    async isInitialised() {
      const reply = await container.item('GET', infoId);
      if (reply.status === 200) return true;
      if (reply.status === 404) return false;
      throw new CosmosError('Reading the lease marker', reply);
    },
    async lock() {
      const reply = await container.createItem({ id: lockId, ttl: lockSeconds } as { id: string });
      if (reply.status === 409) return undefined;
      if (reply.status !== 201) throw new CosmosError('Locking the leases', reply);
      return reply.etag ?? '';
    },
    async unlock(etag) {
      await container.item('DELETE', lockId, { etag });
    },
    async markInitialised() {
      const reply = await container.createItem({ id: infoId });
      if (reply.status !== 201 && reply.status !== 409) throw new CosmosError('Writing the lease marker', reply);
    },
    list: (signal) => {
      const text = `${prefix}..`.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
      return container.query<Lease>(`SELECT * FROM c WHERE STARTSWITH(c.id, '${text}')`, routing, signal);
    },
    createForRange: ({ id, minInclusive, maxExclusive }, continuation) =>
      create(0, id, { min: minInclusive, max: maxExclusive }, continuation),
    createForInterval: (min, max, continuation) => create(1, `${min}-${max}`, { min, max }, continuation),
    async remove(lease) {
      await container.item('DELETE', lease.id);
    },
    acquire: (lease) =>
      update(
        lease,
        ownedBy(lease.Owner ?? null, (server) => ({ ...server, Owner: owner })),
      ),
    renew: async (lease) =>
      update(
        await read(lease.id),
        ownedBy(owner, (server) => server),
      ),
    checkpoint: (lease, continuation) =>
      update(
        lease,
        ownedBy(owner, (server) => ({ ...server, ContinuationToken: continuation })),
      ),
    async release(lease) {
      await update(
        await read(lease.id),
        ownedBy(owner, (server) => ({ ...server, Owner: null })),
      );
    },
  };
}
