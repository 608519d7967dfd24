/** Which leases this host should take next: the equal-share strategy of the .NET change feed processor. Pure. */
import type { Lease } from './cosmos-leases.ts';

function isExpired({ Owner: owner, timestamp, _ts: seconds }: Lease, expirationMs: number, now: number): boolean {
  return !owner || (timestamp ? Date.parse(timestamp) : seconds * 1000) + expirationMs < now;
}

export function selectLeases(leases: Lease[], me: string, expirationMs: number, now: number): Lease[] {
  const counts = new Map<string, number>();
  const free: Lease[] = [];
  for (const lease of leases) {
    if (lease.Owner && !isExpired(lease, expirationMs, now))
      counts.set(lease.Owner, (counts.get(lease.Owner) ?? 0) + 1);
    else free.push(lease);
  }
  const mine = counts.get(me) ?? 0;
  counts.set(me, mine);
  const target = leases.length > counts.size ? Math.ceil(leases.length / counts.size) : 1;
  const needed = target - mine;
  if (needed <= 0) return [];
  if (free.length > 0) return free.slice(0, needed);
  // One at a time, and only from a host that would still have its share.
  const [victim, held] = [...counts].reduce((most, next) => (next[1] >= most[1] ? next : most));
  if (held <= target - (needed > 1 ? 1 : 0)) return [];
  return leases.filter((lease) => lease.Owner === victim).slice(0, 1);
}
