// How a read ended, as it is counted.

import type { ReadAnswer } from './read.ts';
import type { ManyAnswer } from './read-many.ts';

export const READ_OUTCOMES = [
  'hit',
  'stale',
  'stale-if-error',
  'miss',
  'joined',
  'reload',
  'bypass',
  'not-cached',
  'error',
] as const;

export type ReadOutcome = (typeof READ_OUTCOMES)[number];

/**
 * Told of every read of an item, a query or content; each item of a batch is one, which took as long as the batch.
 * @param ms how long it took
 */
export type OnRead = (entity: string, outcome: ReadOutcome, ms: number) => void;

/** Its place in READ_OUTCOMES. */
export function outcomeIndex(outcome: ReadOutcome): number {
  return INDEX[outcome];
}

const INDEX = Object.fromEntries(READ_OUTCOMES.map((outcome, i) => [outcome, i])) as Record<ReadOutcome, number>;

export function outcomeOf(answer: ReadAnswer): ReadOutcome {
  if (answer.kind === 'not-cached') return 'not-cached';
  return answer.collapsed ? 'joined' : answer.how;
}

export function outcomeOfMany(answer: ManyAnswer): ReadOutcome {
  return answer.kind === 'failed' ? 'error' : answer.how;
}
