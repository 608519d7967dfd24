// Who asks the source: one load of a key a lease, in all processes together.

import type { Violation } from './check.ts';
import { grouped, groupedBy } from './check-reads.ts';
import type { GenerationsAsked, History, Load, StoreCall, Times } from './history.ts';

/** What else is done between the beginning of a load and its first call. */
const BUSY_MS = 5;
/** No call that is answered takes longer. */
const SLOW_MS = 300;

/**
 * L2: a reader loads under a lease of its own (I5: there is one at a time), or where it has waited long enough for
 * another's, or where the store does not answer. A watermark that has been unknown for long enough may cost one load more.
 */
export function checkLoads(history: History): Violation[] {
  const { loads, calls, generations, times } = history;
  const asked = groupedBy(calls, ({ process }) => process);
  const known = groupedBy(generations, ({ process }) => process);
  return [...groupedBy(loads, ({ process }) => process)].flatMap(([process, own]): Violation[] => {
    const all = asked.get(process) ?? [];
    const snapshots = known.get(process) ?? [];
    const licences = licencesOf(all, own, begunBy(snapshots), times);
    const seeds = all.filter((one) => maySeed(one, times)).length;
    const spare = seeds + snapshots.filter(({ isAnswered }) => !isAnswered).length;
    const excess = [...groupedBy(own, ({ key }) => key)].map(([key, of]) => of.length - (licences.get(key) ?? 0));
    const count = excess.reduce((sum, one) => sum + Math.max(0, one), 0);
    if (count <= spare) return [];
    return [
      { invariant: 'L2', text: `process ${process} loaded ${count} times without a lease, ${spare} for a reason` },
    ];
  });
}

/** Until when the first loads of a process had to wait for generations before they asked for leases. */
function begunBy(generations: readonly GenerationsAsked[]): number {
  const first = Math.min(...generations.filter(({ isAnswered }) => isAnswered).map(({ endedMs }) => endedMs));
  const early = generations.filter(({ begunMs }) => begunMs <= first).map(({ endedMs }) => endedMs);
  return Math.max(...early) + BUSY_MS;
}

/** By the key of the record: of how many loads the lease was granted, or asked for in vain. */
function licencesOf(
  calls: readonly StoreCall[],
  loads: readonly Load[],
  begunMs: number,
  { waitMs }: Times,
): Map<string, number> {
  const leases = calls.filter(({ call }) => call === 'lease');
  const byKey = grouped(loads);
  const licences = new Map<string, number>();
  for (const tries of groupedBy(leases, ({ token }) => token).values()) {
    const first = tries[0] as StoreCall;
    const last = tries.at(-1) as StoreCall;
    // Generations are asked for beside each try, and may take longer.
    const [from, to] = [Math.max(last.endedMs, first.begunMs + waitMs - BUSY_MS), last.endedMs + SLOW_MS];
    const hasWaited = byKey.get(first.key)?.some((load) => from <= load.begunMs && load.begunMs <= to);
    const isInVain = last.reply === 'held' && (last.isForced || hasWaited || first.begunMs <= begunMs);
    const isLicensed = isInVain || tries.some(({ reply }) => reply === 'granted' || reply === undefined);
    if (isLicensed) licences.set(first.key, (licences.get(first.key) ?? 0) + 1);
  }
  return licences;
}

function maySeed({ call, reply = '' }: StoreCall, { replicaLagMs }: Times): boolean {
  return call === 'watermark' && reply.startsWith('unknown ') && Number(reply.slice('unknown '.length)) >= replicaLagMs;
}
