/**
 * Where a query over ranges goes on: the intervals of keys begun but not worked off, each with the ordinal of the last item
 * that was looked at. Intervals and ordinals outlive splits and merges, ids of ranges do not.
 */
import { badRequest } from './errors.ts';
import type { Partition, PartitionRange } from './range.ts';
import type { Target } from './target.ts';

interface Part {
  min: string;
  max: string;
  after: number;
}

export interface Step {
  range: PartitionRange;
  /** What of the range this page is about. */
  own: Part;
  /** Left over from where an interval now lies in several ranges. */
  rest: Part[];
}

const invalid = (token: string) => badRequest(`The continuation token ${JSON.stringify(token)} is invalid.`);

const parse = (token: string): Part[] =>
  token.split(';').map((text) => {
    const [, min, max, after] = /^([0-9A-F]*)-([0-9A-F]+)@(\d+)$/.exec(text) ?? [];
    if (min === undefined || max === undefined) throw invalid(token);
    return { min, max, after: Number(after) };
  });

export const stepOf = (token: string, { ranges, addressed }: Target): Step => {
  const [first] = ranges;
  if (!first) throw badRequest('No partition range is addressed.');
  const [part = { min: first.min, max: first.max, after: 0 }, ...rest] = token === '' ? [] : parse(token);
  // The child of a split goes on where its parent was; of a merged range the client names its part by epk headers.
  if (addressed) return { range: first, own: { min: first.min, max: first.max, after: part.after }, rest: [] };
  const range = ranges.find(({ min, max }) => min < part.max && part.min < max);
  if (!range) throw invalid(token);
  const min = part.min > range.min ? part.min : range.min;
  const max = part.max < range.max ? part.max : range.max;
  const left = max < part.max ? [{ ...part, min: max }] : [];
  return { range, own: { min, max, after: part.after }, rest: [...left, ...rest] };
};

export const holdsEpk =
  ({ min, max }: Part) =>
  ({ epk }: Partition): boolean =>
    min <= epk && epk < max;

/** `next`: the last item looked at, if there are more in this step. */
export const continuationOf = (
  { own, rest }: Step,
  next: number | undefined,
  { ranges, addressed }: Target,
): string | undefined => {
  const parts = next === undefined ? rest : [{ ...own, after: next }, ...rest];
  if (parts.length === 0 && !addressed) {
    const following = ranges.find(({ max }) => max > own.max);
    if (following) parts.push({ min: own.max > following.min ? own.max : following.min, max: following.max, after: 0 });
  }
  return parts.length === 0 ? undefined : parts.map(({ min, max, after }) => `${min}-${max}@${after}`).join(';');
};

/** Ordered results are paged by offset, which means nothing in another range. */
export const offsetOf = (token: string, { id }: PartitionRange): number => {
  if (token === '') return 0;
  const [, of, offset] = /^(\d+)#(\d+)$/.exec(token) ?? [];
  if (offset === undefined) throw invalid(token);
  if (of !== id) throw badRequest('This emulator does not go on with an ordered result after a split or merge.');
  return Number(offset);
};

export const offsetToken = ({ id }: PartitionRange, offset: number): string => `${id}#${offset}`;
