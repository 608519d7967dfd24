import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { httpDate, lists, preconditions, rangeApplies } from '../../src/functions/conditions.ts';

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5);
const file = { etag: '"e"', modifiedMs: MODIFIED };
const at = (ms: number) => new Date(MODIFIED + ms).toUTCString();
const check = (headers: Record<string, string>) => preconditions(new Headers(headers), file);

describe('preconditions', () => {
  it.each([
    [{}, 200],
    [{ 'if-match': '"e"' }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"x", "e"' }, 200],
    [{ 'if-match': 'W/"e"' }, 412],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-unmodified-since': at(0) }, 200],
    [{ 'if-unmodified-since': at(-1000) }, 412],
    [{ 'if-unmodified-since': 'not-a-date' }, 200],
    [{ 'if-match': '"e"', 'if-unmodified-since': at(-1000) }, 200],
    [{ 'if-none-match': 'W/"e"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': at(0) }, 304],
    [{ 'if-modified-since': at(-1000) }, 200],
    [{ 'if-modified-since': 'not-a-date' }, 200],
  ])('%j is %d', (headers, expected) => {
    expect(check(headers as Record<string, string>)).toBe(expected);
  });

  it.each([
    [{ 'if-none-match': '"e"', 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 304],
    [{ 'if-none-match': '"nope"', 'if-modified-since': 'Fri, 31 Dec 2099 23:59:59 GMT' }, 200],
  ])('C03: a date does not count beside If-None-Match: %j is %d', (headers, expected) => {
    expect(check(headers)).toBe(expected);
  });

  it.each([
    [{ 'if-match': '"nope"', 'if-none-match': '"e"' }, 412],
    [{ 'if-match': '"e"', 'if-none-match': '"e"' }, 304],
    [{ 'if-unmodified-since': at(-1000), 'if-none-match': '"e"' }, 412],
  ])('C08: in the order of the RFC: %j is %d', (headers, expected) => {
    expect(check(headers as Record<string, string>)).toBe(expected);
  });
});

describe('a list of entity tags', () => {
  it.each(['"e"', ' "e" ', '"x","e"', '"a,b", W/"x" ,"e"', 'nonsense, "e"', ',, "e",'])('%s names it', (field) => {
    expect([lists(field, '"e"', 'strong'), lists(field, '"e"', 'weak')]).toEqual([true, true]);
  });

  it('C01: a weak tag names it in a weak comparison only', () => {
    expect([lists('"x", W/"e"', '"e"', 'strong'), lists('"x", W/"e"', '"e"', 'weak')]).toEqual([false, true]);
  });

  it.each(['e', '"e', 'e"', 'w/"e"', 'W/ "e"', 'x"e"', '"e"x', '"x"e"', '"x", *', ''])('%s does not', (field) => {
    expect([lists(field, '"e"', 'strong'), lists(field, '"e"', 'weak')]).toEqual([false, false]);
  });
});

describe('If-Range', () => {
  const applies = (value: string, nowMs = MODIFIED + 60_000) =>
    rangeApplies(new Headers({ 'if-range': value }), file, nowMs);

  it('compares strongly', () => {
    expect(rangeApplies(new Headers(), file, 0)).toBe(true);
    expect(applies('"e"')).toBe(true);
    expect([applies('W/"e"'), applies('"x"'), applies('*'), applies('nonsense')]).toEqual([false, false, false, false]);
  });

  it('takes the very date, once its second is over', () => {
    expect(applies(at(0))).toBe(true);
    expect([applies(at(1000)), applies(at(-1000))]).toEqual([false, false]);
    expect(applies(at(0), MODIFIED + 999)).toBe(false);
  });
});

describe('an HTTP-date', () => {
  it('has three forms', () => {
    const expected = Date.UTC(1994, 10, 6, 8, 49, 37);
    expect(httpDate('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(expected);
    expect(httpDate('Sunday, 06-Nov-94 08:49:37 GMT')).toBe(expected);
    expect(httpDate('Sun Nov  6 08:49:37 1994')).toBe(expected);
  });

  it.each([
    '0',
    '1994-11-06',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 25:49:37 GMT',
    'Tue, 31 Feb 2026 08:49:37 GMT',
    'Mon, 00 Mar 2026 08:49:37 GMT',
    '',
    'now',
  ])('%j is none', (text) => expect(httpDate(text)).toBeUndefined());

  it('is read as it is written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        expect(httpDate(new Date(seconds * 1000).toUTCString())).toBe(seconds * 1000);
      }),
    );
  });
});
