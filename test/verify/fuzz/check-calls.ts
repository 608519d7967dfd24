// What the core asked of the store and was told: leases, fences and watermarks hold what they promise.

import type { Violation } from './check.ts';
import { grouped, itemOf, lastingTo, takesRecord } from './check-reads.ts';
import type { History, Loss, StoreCall } from './history.ts';

/** The clock of Redis tells whole milliseconds. */
const CLOCK_MS = 2;

type IsLost = (from: StoreCall, to: StoreCall) => boolean;

export function checkCalls({ calls, losses }: History): Violation[] {
  return [...grouped(calls)].flatMap(([key, all]) => {
    const inOrder = all.toSorted((a, b) => a.begun - b.begun);
    const isRecord = inOrder[0]?.call !== 'watermark';
    const gone = losses.filter((loss) => (isRecord ? takesRecord(loss, itemOf(key)) : takesWatermark(loss)));
    const isLost: IsLost = (from, to) => gone.some(({ begun, ended }) => begun < to.ended && ended > from.begun);
    if (!isRecord) return checkWatermark(key, inOrder, isLost);
    return [...checkFences(key, inOrder, isLost), ...checkLeases(key, inOrder, isLost)];
  });
}

function takesWatermark({ taken }: Loss): boolean {
  return typeof taken === 'string';
}

/**
 * A change that was handled leaves a fence: nothing older than it is stored while that stands. Positions of another
 * partition (before a split, or after it) mean nothing to it, and take its place.
 */
function checkFences(key: string, calls: readonly StoreCall[], isLost: IsLost): Violation[] {
  const stored = calls.filter(({ call, reply }) => call === 'fill' && reply === 'stored');
  const fences = calls.filter(({ call, reply }) => call === 'invalidate' && reply === 'leased');
  const isReplaced: IsLost = (from, to) =>
    calls.some(
      (one) => identifies(one) && one.identity !== from.identity && one.begun < to.ended && lastingTo(one) > from.begun,
    );
  return stored.flatMap((fill): Violation[] => {
    const broken = fences.find(
      (fence) =>
        (fill.version ?? 0) < (fence.version ?? 0) &&
        fence.ended < fill.begun &&
        fill.endedMs < fence.begunMs + fence.ms - CLOCK_MS &&
        !isLost(fence, fill) &&
        !isReplaced(fence, fill),
    );
    if (broken === undefined) return [];
    return [{ invariant: 'fence', text: `${key} stored at ${fill.version} behind a fence at ${broken.version}` }];
  });
}

/** Whether the record is of its partition afterwards. A fill that is being checked was stored. */
function identifies({ call, reply }: StoreCall): boolean {
  return (call === 'invalidate' && reply !== 'ignored') || (call === 'fill' && (reply ?? 'stored') === 'stored');
}

/** I5: a lease has one holder, who fills once. */
function checkLeases(key: string, calls: readonly StoreCall[], isLost: IsLost): Violation[] {
  const violations: Violation[] = [];
  const filled = new Set<string>();
  for (const { token } of calls.filter(({ call, reply }) => call === 'fill' && reply === 'stored')) {
    if (filled.has(token)) violations.push({ invariant: 'I5', text: `${key} filled twice under one lease` });
    filled.add(token);
  }
  const ends = calls.filter(
    ({ call, reply }) =>
      call === 'release' || call === 'fill' || call === 'drop' || (call === 'invalidate' && reply !== 'ignored'),
  );
  const granted = calls.filter(({ call, reply }) => call === 'lease' && reply === 'granted');
  granted.forEach((second, i) => {
    const first = granted[i - 1];
    if (first === undefined || first.token === second.token || first.ended >= second.begun) return;
    const isOver = second.endedMs >= first.begunMs + first.ms - CLOCK_MS;
    const isEnded = ends.some((end) => end.begun < second.ended && lastingTo(end) > first.begun);
    if (isOver || isEnded || isLost(first, second)) return;
    violations.push({ invariant: 'I5', text: `${key} leased twice at a time (${first.begun}, ${second.begun})` });
  });
  return violations;
}

/** I7: a watermark goes up, or is unknown in between. */
function checkWatermark(key: string, calls: readonly StoreCall[], isLost: IsLost): Violation[] {
  const violations: Violation[] = [];
  const asked = calls.filter(({ call }) => call === 'watermark').toSorted((a, b) => a.ended - b.ended);
  const doubts = asked.filter(({ reply }) => !reply?.startsWith('known'));
  let highest: StoreCall | undefined;
  for (const one of asked) {
    if (!one.reply?.startsWith('known')) continue;
    if (highest === undefined || positionOf(one) >= positionOf(highest)) highest = one;
    else if (one.begun > highest.ended) {
      const top = highest;
      const isDoubted = doubts.some((doubt) => doubt.begun < one.ended && doubt.ended > top.begun);
      if (!isDoubted && !isLost(top, one)) {
        violations.push({ invariant: 'I7', text: `${key} was ${top.reply}, then ${one.reply}` });
      }
      highest = one;
    }
  }
  return violations;
}

function positionOf({ reply }: StoreCall): number {
  return Number(reply?.slice('known '.length));
}
