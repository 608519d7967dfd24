import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, lifetime, NO_DIRECTIVES, refreshesEarly, servesOnError } from '../../src/core/read/policy.ts';
import type { Entry } from '../../src/core/record.ts';

const entry = (over: Partial<Entry> = {}): Entry => ({
  state: 'value',
  guarantee: 'watermarked',
  filledAt: 1000,
  softAt: 11_000,
  hardAt: 100_000,
  isSoft: false,
  record: new Uint8Array(),
  body: new Uint8Array(),
  ...over,
});

describe('judge', () => {
  it.each([
    [5000, {}, 'hit'],
    [10_999, {}, 'hit'],
    [11_000, {}, 'stale'],
    [15_999, {}, 'stale'],
    [16_000, {}, 'miss'],
    [5000, { noCache: true }, 'reload'],
    [5000, { maxAgeS: 4 }, 'hit'],
    [5001, { maxAgeS: 4 }, 'reload'],
    [5000, { minFreshS: 6 }, 'hit'],
    [5000, { minFreshS: 7 }, 'reload'],
    [12_000, { minFreshS: 0 }, 'reload'],
    [12_000, { maxAgeS: 60 }, 'miss'],
    [12_000, { maxStaleS: 1 }, 'miss'],
    [12_000, { maxStaleS: 2 }, 'stale'],
    [90_000, { maxStaleS: 2 ** 31 }, 'stale'],
    [100_000, { maxStaleS: 2 ** 31 }, 'miss'],
  ])('at %i with %j: %s', (now, directives, verdict) => {
    expect(judge(entry(), now, { ...NO_DIRECTIVES, ...directives }, 5000)).toBe(verdict);
  });

  it('is monotone in time: once stale or missed, never a hit again', () => {
    const rank = { hit: 0, stale: 1, miss: 2, reload: 3 };
    fc.assert(
      fc.property(fc.nat(200_000), fc.nat(200_000), fc.nat(50_000), (a, b, staleFor) => {
        const [early, late] = a < b ? [a, b] : [b, a];
        const at = (now: number) => rank[judge(entry(), now, NO_DIRECTIVES, staleFor)];
        expect(at(late)).toBeGreaterThanOrEqual(at(early));
      }),
    );
  });
});

describe('lifetimes', () => {
  const entity = { staleForMs: 600, staleIfErrorMs: 5000 } as never;
  const value = { value: { state: 'value' }, cacheable: true, ttlMs: 1000 } as never;
  const absent = { value: { state: 'absent' }, cacheable: true, ttlMs: 1000 } as never;

  it('are shortened by jitter, never lengthened', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
        const { softMs, hardMs } = lifetime(entity, value, { jitter: 0.1, random });
        expect(softMs).toBeGreaterThanOrEqual(900);
        expect(softMs).toBeLessThanOrEqual(1000);
        expect(hardMs).toBe(softMs + 5000);
      }),
    );
  });

  it('never outlive the item itself, and "not found" is never served stale', () => {
    expect(lifetime(entity, value, { jitter: 0, random: 0, leftMs: 400.7 })).toEqual({ softMs: 400, hardMs: 400 });
    expect(lifetime(entity, value, { jitter: 0, random: 0, leftMs: -5 })).toEqual({ softMs: 1, hardMs: 1 });
    expect(lifetime(entity, absent, { jitter: 0, random: 0 })).toEqual({ softMs: 1000, hardMs: 1000 });
  });

  it('end early for some, the likelier the nearer the end', () => {
    expect(refreshesEarly(entry(), 9999, () => 1)).toBe(false);
    expect(refreshesEarly(entry(), 10_500, () => 0.4)).toBe(false);
    expect(refreshesEarly(entry(), 10_500, () => 0.6)).toBe(true);
    expect(refreshesEarly(entry({ guarantee: 'provisional' }), 10_999, () => 1)).toBe(false);
  });

  it('cover a failing source only within staleIfError, and only for values', () => {
    expect(servesOnError(entry(), 15_999, 5000)).toBe(true);
    expect(servesOnError(entry(), 16_000, 5000)).toBe(false);
    expect(servesOnError(entry({ state: 'absent' }), 12_000, 5000)).toBe(false);
    expect(servesOnError(entry({ hardAt: 12_000 }), 12_000, 5000)).toBe(false);
  });
});
