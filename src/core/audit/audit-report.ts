// What the counts of audits say, and how much they can say.

import type { AuditVerdict } from '../ports.ts';

const VERDICTS = ['match', 'superseded', 'stale', 'provisional'] as const satisfies readonly AuditVerdict[];

/** After how many seconds a change is looked at. */
export const DELAYS_S = [1, 5, 60] as const;

export type AuditCounts = Readonly<Record<AuditVerdict, number>> & { readonly samples: number };

export interface AuditReport extends AuditCounts {
  /** Of full records, those that were not stale; undefined: none was audited. */
  readonly share: number | undefined;
  /** With 95 % confidence no greater share is stale: 3 / n where none was found. */
  readonly bound95: number | undefined;
  /** By seconds. */
  readonly byDelay: Readonly<Record<string, AuditCounts>>;
}

export function auditField(delayS: number, verdict: AuditVerdict): string {
  return `${delayS}:${verdict}`;
}

/** @param counts by field */
export function auditReport(counts: ReadonlyMap<string, number>): AuditReport {
  const byDelay = Object.fromEntries(
    DELAYS_S.map((delayS) => [delayS, countsOf((verdict) => counts.get(auditField(delayS, verdict)) ?? 0)]),
  );
  const all = countsOf((verdict) => Object.values(byDelay).reduce((sum, each) => sum + each[verdict], 0));
  const full = all.samples - all.provisional;
  return {
    ...all,
    share: full === 0 ? undefined : (full - all.stale) / full,
    bound95: full === 0 ? undefined : Math.min(1, mostOf(all.stale) / full),
    byDelay,
  };
}

function countsOf(count: (verdict: AuditVerdict) => number): AuditCounts {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, count(verdict)])) as Record<
    AuditVerdict,
    number
  >;
  return { samples: VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0), ...counts };
}

/** How many are expected at most, 95 % of the time, where so many were found: Byar's limit; the rule of three for 0. */
function mostOf(found: number): number {
  const n = found + 1;
  return Math.max(3, n * (1 - 1 / (9 * n) + 1.645 / (3 * Math.sqrt(n))) ** 3);
}
