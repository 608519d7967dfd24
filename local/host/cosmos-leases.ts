/**
 * The lease container: one document a range, guarded by etags, in the layout of the .NET change feed processor, so that this
 * host and the real one can take over from each other.
 */
import type { CosmosContainer, PartitionKeyRange } from './cosmos-container.ts';
import { CosmosError } from './cosmos-http.ts';

export interface Lease {
  id: string;
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

/** Another host took the lease, or the document is gone; whoever sees this stops working on the range. */
export class LeaseLostError extends Error {}

export interface LeaseStore {
  isInitialised(): Promise<boolean>;
  /** Undefined if another host holds the lock. */
  lock(): Promise<string | undefined>;
  unlock(etag: string): Promise<void>;
  markInitialised(): Promise<void>;
  list(signal: AbortSignal): Promise<Lease[]>;
  create(range: PartitionKeyRange, continuation: string | null): Promise<void>;
  remove(lease: Lease): Promise<void>;
  acquire(lease: Lease): Promise<Lease>;
  renew(lease: Lease): Promise<Lease>;
  checkpoint(lease: Lease, continuation: string): Promise<Lease>;
  release(lease: Lease): Promise<void>;
}

export interface LeaseStoreOptions {
  container: CosmosContainer;
  containerRanges: PartitionKeyRange[];
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

export function createLeaseStore({ container, containerRanges, prefix, owner, mode }: LeaseStoreOptions): LeaseStore {
  const infoId = `${prefix}.info`;
  const lockId = `${prefix}.lock`;

  const read = async (id: string): Promise<Lease> => {
    const reply = await container.item('GET', id);
    if (reply.status === 404) throw new LeaseLostError(`Lease ${id} no longer exists.`);
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
      if (reply.status === 404 || reply.status === 409) throw new LeaseLostError(`Lease ${lease.LeaseToken} is lost.`);
      if (reply.status !== 412) throw new CosmosError(`Writing lease ${lease.LeaseToken}`, reply);
      lease = await read(lease.id);
    }
    throw new LeaseLostError(`Lease ${cached.LeaseToken} changes too often.`);
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
      return container.query<Lease>(`SELECT * FROM c WHERE STARTSWITH(c.id, '${text}')`, containerRanges, signal);
    },
    async create(range, continuation) {
      const lease = {
        id: `${prefix}..${range.id}`,
        version: 0,
        LeaseToken: range.id,
        FeedRange: { Range: { min: range.minInclusive, max: range.maxExclusive } },
        Owner: null,
        ContinuationToken: continuation,
        properties: {},
        timestamp: null,
        Mode: mode,
      };
      const reply = await container.createItem(lease);
      if (reply.status !== 201 && reply.status !== 409) throw new CosmosError(`Creating lease ${range.id}`, reply);
    },
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
