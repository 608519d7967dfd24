// Who asks the source: one load of a key a lease, in all processes together.

import type { Violation } from './check.ts';
import { groupedBy } from './check-reads.ts';
import type { History, StoreCall, Times } from './history.ts';

/** The clocks tell whole milliseconds. */
const CLOCK_MS = 2;

/**
 * L2: a reader loads under a lease of its own (I5: there is one at a time), or where it has waited long enough for
 * another's, or where the store does not answer. A watermark that has been unknown for long enough may cost one load more.
 */
export function checkLoads(history: History): Violation[] {
  const { loads, calls, unanswered, times } = history;
  const asked = groupedBy(calls, ({ process }) => process);
  const failed = groupedBy(unanswered, ({ process }) => process);
  return [...groupedBy(loads, ({ process }) => process)].flatMap(([process, own]): Violation[] => {
    const all = asked.get(process) ?? [];
    const licences = licencesOf(all, times);
    const seeds = all.filter((one) => maySeed(one, times)).length;
    const spare = seeds + (failed.get(process) ?? []).length;
    const excess = [...groupedBy(own, ({ key }) => key)].map(([key, of]) => of.length - (licences.get(key) ?? 0));
    const count = excess.reduce((sum, one) => sum + Math.max(0, one), 0);
    if (count <= spare) return [];
    return [
      { invariant: 'L2', text: `process ${process} loaded ${count} times without a lease, ${spare} for a reason` },
    ];
  });
}

/** By the key of the record: of how many loads the lease was granted, or asked for in vain. */
function licencesOf(calls: readonly StoreCall[], { waitMs }: Times): Map<string, number> {
  const leases = calls.filter(({ call }) => call === 'lease');
  // A process that begins asks for the generations first, which is part of the wait.
  const knownAt = Math.min(...leases.map(({ ended }) => ended));
  const licences = new Map<string, number>();
  for (const tries of groupedBy(leases, ({ token }) => token).values()) {
    const [first] = tries;
    const last = tries.at(-1);
    if (first === undefined || last === undefined) continue;
    const hasWaited = last.endedMs - first.begunMs >= waitMs - CLOCK_MS || first.begun < knownAt;
    const isInVain = last.reply === 'held' && (last.isForced || hasWaited);
    const isLicensed = isInVain || tries.some(({ reply }) => reply === 'granted' || reply === undefined);
    if (isLicensed) licences.set(first.key, (licences.get(first.key) ?? 0) + 1);
  }
  return licences;
}

function maySeed({ call, reply = '' }: StoreCall, { replicaLagMs }: Times): boolean {
  return call === 'watermark' && reply.startsWith('unknown ') && Number(reply.slice('unknown '.length)) >= replicaLagMs;
}
