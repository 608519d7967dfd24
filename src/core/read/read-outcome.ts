// How a read ended, as it is counted.

import type { ReadAnswer } from './read.ts';

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

/** Told of every read of an item or a query; undefined: it failed. @param ms how long it took */
export type OnRead = (entity: string, answer: ReadAnswer | undefined, ms: number) => void;

/** @returns the place in READ_OUTCOMES @param answer undefined: the read failed */
export function outcomeIndex(answer: ReadAnswer | undefined): number {
  return INDEX[outcomeOf(answer)];
}

const INDEX = Object.fromEntries(READ_OUTCOMES.map((outcome, i) => [outcome, i])) as Record<ReadOutcome, number>;

function outcomeOf(answer: ReadAnswer | undefined): ReadOutcome {
  if (answer === undefined) return 'error';
  if (answer.kind === 'not-cached') return 'not-cached';
  return answer.collapsed ? 'joined' : answer.how;
}
