/**
 * Keeps the leases in step with the container's ranges: creates what is missing on the first start, and replaces the lease of a
 * range that was split by leases of its children, which inherit the parent's position.
 */
import type { PartitionKeyRange } from './cosmos-container.ts';
import type { Lease, LeaseStore } from './cosmos-leases.ts';
import { sleep } from './sleep.ts';

export interface RangeOptions {
  leases: LeaseStore;
  readRanges: () => Promise<PartitionKeyRange[]>;
  signal: AbortSignal;
}

/** Under a lock document, so that of several new hosts one creates the leases and the others wait. */
export async function initialiseLeases({ leases, readRanges, signal }: RangeOptions, waitMs: number): Promise<void> {
  while (!(await leases.isInitialised())) {
    const lock = await leases.lock();
    if (lock === undefined) {
      if (!(await sleep(waitMs, signal))) return;
      continue;
    }
    try {
      const ranges = await readRanges();
      const known = new Set((await leases.list(signal)).map((lease) => lease.LeaseToken));
      for (const range of ranges) if (!known.has(range.id)) await leases.create(range, null);
      await leases.markInitialised();
    } finally {
      await leases.unlock(lock);
    }
    return;
  }
}

const overlaps = (range: PartitionKeyRange, min: string, max: string): boolean =>
  range.minInclusive < max && min < range.maxExclusive;

/** After a 410. Resolves to the ids of the ranges that follow; a merge has none here, see docs/local-host.md. */
export async function replaceGoneRange({ leases, readRanges }: RangeOptions, lease: Lease): Promise<string[]> {
  const { min = '', max = 'FF' } = lease.FeedRange?.Range ?? {};
  const children = (await readRanges()).filter((range) => overlaps(range, min, max));
  if (children.length < 2) return [];
  for (const child of children) await leases.create(child, lease.ContinuationToken);
  await leases.remove(lease);
  return children.map((child) => child.id);
}
