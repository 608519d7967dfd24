/**
 * Leases follow the ranges of the container: those that are missing on the first start are created, and the lease of a range
 * that is gone is replaced. The rules are those of the .NET change feed processor.
 */
import { intervalOf, isIntervalLease, type Lease, type LeaseStore } from './cosmos-leases.ts';
import type { PartitionKeyRange, Routing } from './cosmos-routing.ts';
import { sleep } from './sleep.ts';

/** An interval lease at either end of a range means that others cover the rest of it. */
const covers = (lease: Lease, range: PartitionKeyRange): boolean => {
  if (!isIntervalLease(lease)) return lease.LeaseToken === range.id;
  const { min, max } = intervalOf(lease);
  return min === range.minInclusive || max === range.maxExclusive;
};

export interface Initialisation {
  leases: LeaseStore;
  routing: Routing;
  signal: AbortSignal;
}

/** Under a lock document, so that of several new hosts one creates the leases and the others wait. */
export async function initialiseLeases({ leases, routing, signal }: Initialisation, waitMs: number): Promise<void> {
  while (!(await leases.isInitialised())) {
    const lock = await leases.lock();
    if (lock === undefined) {
      if (!(await sleep(waitMs, signal))) return;
      continue;
    }
    try {
      const ranges = await routing.all();
      const known = await leases.list(signal);
      for (const range of ranges)
        if (!known.some((lease) => covers(lease, range))) await leases.createForRange(range, null);
      await leases.markInitialised();
    } finally {
      await leases.unlock(lock);
    }
    return;
  }
}

export interface Succession {
  /** Those that were created here; another host may have been faster. */
  created: Lease[];
  /** Whether the lease has served its purpose. */
  replaced: boolean;
}

const present = (leases: (Lease | undefined)[]): Lease[] => leases.filter((lease) => lease !== undefined);

/**
 * After a 410: who goes on from `continuation`? A split range is followed by leases of its children. The lease of a merged
 * range becomes one of the same interval, since its position means nothing to the other half; such a lease is itself cut in
 * two by a split, and stays as it is when its interval lies in one range again.
 */
export async function succeed(
  { leases, routing }: Pick<Initialisation, 'leases' | 'routing'>,
  lease: Lease,
  continuation: string | null,
): Promise<Succession> {
  const { min, max } = intervalOf(lease);
  routing.refresh();
  const ranges = await routing.overlapping(min, max);
  if (ranges.length === 0) throw new Error(`No range follows lease ${lease.LeaseToken}.`);
  const created: (Lease | undefined)[] = [];
  if (ranges.length === 1) {
    if (isIntervalLease(lease)) return { created: [], replaced: false };
    created.push(await leases.createForInterval(min, max, continuation));
  } else if (isIntervalLease(lease)) {
    let from = min;
    for (const [index, range] of ranges.entries()) {
      const to = index === ranges.length - 1 ? max : range.maxExclusive;
      created.push(await leases.createForInterval(from, to, continuation));
      from = to;
    }
  } else {
    for (const range of ranges) created.push(await leases.createForRange(range, continuation));
  }
  await leases.remove(lease);
  return { created: present(created), replaced: true };
}
