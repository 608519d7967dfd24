// History in, violations out. What the letters mean is in docs/consistency.md.

import { checkCalls, checkHandled } from './check-calls.ts';
import { checkLoads } from './check-loads.ts';
import { checkReads, type ReadFigures } from './check-reads.ts';
import type { History } from './history.ts';

export type Invariant =
  | 'I1'
  | 'I2'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'I9'
  | 'I10'
  | 'I11'
  | 'fence'
  | 'truth'
  | 'failover'
  | 'L1'
  | 'L2'
  | 'L3';

export interface Violation {
  readonly invariant: Invariant;
  readonly text: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly figures: ReadFigures;
}

export function check(history: History): Verdict {
  const { violations, figures } = checkReads(history);
  return {
    violations: [
      ...violations,
      ...checkQuiet(history),
      ...checkKept(history),
      ...checkNoticed(history),
      ...checkCalls(history),
      ...checkHandled(history),
      ...checkLoads(history),
    ],
    figures,
  };
}

/** Nothing is written any more and all is told: what is cached is what there is, and what is asked for gets cached. */
function checkQuiet({ quiet, writes }: History): Violation[] {
  return quiet.flatMap(({ key, how, position }): Violation[] => {
    if (how === 'never cached')
      return [{ invariant: 'L1', text: `${key} is asked for again and again, and not cached` }];
    const last = writes.findLast((write) => write.key === key);
    const truth = last === undefined || last.absent ? undefined : last.position;
    if (how === 'absent' || position === truth) return [];
    return [{ invariant: 'I2', text: `all is quiet, ${key} is cached as of ${position}, and is as of ${truth}` }];
  });
}

/** Only what must not be lost has no TTL. */
function checkKept({ kept }: History): Violation[] {
  return kept.flatMap(({ key, ttlMs }): Violation[] => {
    const lives = /^wf:[^:]*:(hw:|gen$|ck:|dead$|shard:)/.test(key);
    return lives || ttlMs >= 0 || ttlMs === -2 ? [] : [{ invariant: 'I10', text: `${key} has no TTL` }];
  });
}

/** What was put back serves until somebody notices. */
function checkNoticed({ unnoticed }: History): Violation[] {
  return unnoticed.map(({ what, tick }) => ({ invariant: 'failover', text: `${what} at ${tick}, and nobody noticed` }));
}
