// What the core asked of the store and was told: leases, fences and watermarks hold what they promise.

import type { Violation } from './check.ts';
import { grouped, groupedBy, itemOf, lastingTo, takesRecord } from './check-reads.ts';
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
    return [...checkFences(key, inOrder, isLost), ...checkIgnored(key, inOrder), ...checkLeases(key, inOrder, isLost)];
  });
}

function takesWatermark({ taken }: Loss): boolean {
  return typeof taken === 'string';
}

/**
 * A change that was handled leaves a fence: while that stands nothing older than it is stored, nor does an older change
 * do anything (I6). Positions of another partition (before a split, or after it) mean nothing to it, and take its place.
 */
function checkFences(key: string, calls: readonly StoreCall[], isLost: IsLost): Violation[] {
  const late = calls.filter(
    ({ call, reply, version }) =>
      (call === 'fill' && reply === 'stored') ||
      (call === 'invalidate' && version !== undefined && (reply === 'leased' || reply === 'dropped')),
  );
  const fences = calls.filter(({ call, reply }) => call === 'invalidate' && reply === 'leased');
  const isReplaced: IsLost = (from, to) =>
    calls.some(
      (one) => identifies(one) && one.identity !== from.identity && one.begun < to.ended && lastingTo(one) > from.begun,
    );
  return late.flatMap((one): Violation[] => {
    const broken = fences.find(
      (fence) =>
        (one.version ?? 0) < (fence.version ?? 0) &&
        fence.ended < one.begun &&
        one.endedMs < fence.begunMs + fence.ms - CLOCK_MS &&
        !isLost(fence, one) &&
        !isReplaced(fence, one),
    );
    if (broken === undefined) return [];
    const behind = `at ${one.version} behind a fence at ${broken.version}`;
    if (one.call === 'fill') return [{ invariant: 'fence', text: `${key} stored ${behind}` }];
    return [{ invariant: 'I6', text: `${key}: a change ${behind} was not ignored` }];
  });
}

/** I6: a change is ignored only where it, or a newer one, has been before: their order does not matter. */
function checkIgnored(key: string, calls: readonly StoreCall[]): Violation[] {
  const ignored = calls.filter(({ call, reply }) => call === 'invalidate' && reply === 'ignored');
  return ignored.flatMap((one): Violation[] => {
    const isKnown = calls.some(
      (other) =>
        other !== one &&
        (other.call === 'invalidate' || other.call === 'fill') &&
        other.identity === one.identity &&
        (other.version ?? 0) >= (one.version ?? 0) &&
        other.begun < one.ended,
    );
    return isKnown
      ? []
      : [{ invariant: 'I6', text: `${key}: a change at ${one.version} was ignored, and is the newest` }];
  });
}

/** I11: what a worker says it has handled the store has been told, and has answered, meanwhile. */
export function checkHandled({ applied, calls }: History): Violation[] {
  const answered = calls.filter(({ call, reply }) => call === 'invalidate' && reply !== undefined);
  const told = groupedBy(answered, ({ key }) => itemOf(key));
  return applied.flatMap(({ key, position, begun, tick }): Violation[] => {
    if (begun === undefined) return [];
    const isTold = (told.get(key) ?? []).some(
      (call) => (call.version ?? position) >= position && call.begun > begun && call.ended < tick,
    );
    return isTold
      ? []
      : [{ invariant: 'I11', text: `${key}: the feed is past ${position}, of which the store was not told` }];
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
