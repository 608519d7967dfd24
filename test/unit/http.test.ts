import { HttpRequest } from '@azure/functions';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import type { ReadAnswer } from '../../src/core/read/read.ts';
import {
  answerBatch,
  answerError,
  answerRead,
  directivesOf,
  fromNow,
  segmentsAfter,
} from '../../src/functions/http.ts';
import { cacheStatusOf } from '../support/cache-status.ts';
import { tailOf } from '../support/record.ts';

const request = (headers: Record<string, string> = {}, method = 'GET', url = 'http://h/api/entities/widget/eu/w1') =>
  new HttpRequest({ method, url, headers });

const entity = (http: object = {}) =>
  ({
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false, ...http },
  }) as never;

const body = new TextEncoder().encode('{"id":"w1"}');
const etag = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
const ETAG = '"AQIDBAUGBwgJCgsM"';

const cached = (over: object = {}, entryOver: object = {}): ReadAnswer => {
  const value = { state: 'value', body, etag, tags: ['region:eu', 'kind:ä,%'] } as const;
  const tail = tailOf({ guarantee: 'watermarked', stamp: new Uint8Array(16), version: 7n, asOf: 7n, value });
  const record = new Uint8Array([...new Uint8Array(60), ...tail]);
  const entry = {
    state: 'value',
    guarantee: 'watermarked',
    filledAt: 1000,
    softAt: 61_000,
    hardAt: 99_000,
    record,
    body: record.subarray(record.length - body.length),
    ...entryOver,
  };
  return { kind: 'cached', how: 'hit', entry, nowMs: 4999, collapsed: false, ...over } as ReadAnswer;
};

const loaded = (over: object = {}, state: 'value' | 'absent' = 'value'): ReadAnswer => ({
  kind: 'loaded',
  how: 'miss',
  represented: { value: state === 'value' ? { state, body, etag, tags: [] } : { state }, cacheable: true, ttlMs: 1 },
  guarantee: 'watermarked',
  softMs: 60_000,
  collapsed: false,
  ...over,
});

const header = (answer: { headers?: unknown }, name: string) => (answer.headers as Record<string, string>)[name];

describe('conditional requests', () => {
  it.each([`W/${ETAG}`, ETAG, `"zzz", W/${ETAG}`, '*', `"a,b",${ETAG}`])('C01: If-None-Match %s is 304', (field) => {
    for (const answer of [cached(), loaded()]) {
      const got = answerRead(request({ 'if-none-match': field }), entity(), answer);
      expect(got.status).toBe(304);
      expect(got.body).toBeUndefined();
      expect(header(got, 'etag')).toBe(ETAG);
      expect(header(got, 'cache-control')).toBe('private, no-cache');
    }
  });

  it('C03: dates are ignored, above all next to If-None-Match', () => {
    const past = 'Thu, 01 Jan 1970 00:00:00 GMT';
    const future = 'Fri, 31 Dec 2099 23:59:59 GMT';
    const status = (headers: Record<string, string>) => answerRead(request(headers), entity(), cached()).status;
    expect(status({ 'if-none-match': ETAG, 'if-modified-since': past })).toBe(304);
    expect(status({ 'if-none-match': '"nope"', 'if-modified-since': future })).toBe(200);
    expect(status({ 'if-modified-since': 'not-a-date' })).toBe(200);
  });

  it('C08: If-Match comes first, and compares strongly', () => {
    const status = (headers: Record<string, string>) => answerRead(request(headers), entity(), cached()).status;
    expect(status({ 'if-match': '"nope"', 'if-none-match': ETAG })).toBe(412);
    expect(status({ 'if-match': ETAG, 'if-none-match': ETAG })).toBe(304);
    expect(status({ 'if-match': `W/${ETAG}` })).toBe(412);
    expect(status({ 'if-match': '*' })).toBe(200);
  });

  it('C06: HEAD has the headers of GET and no body', () => {
    const get = answerRead(request(), entity(), cached());
    const head = answerRead(request({}, 'HEAD'), entity(), cached());
    expect(head.headers).toEqual(get.headers);
    expect(header(head, 'content-length')).toBe(String(body.length));
    expect(head.body).toBeUndefined();
  });
});

describe('cache headers', () => {
  it('C23: Age is a whole number on what is cached, and absent on a miss', () => {
    expect(header(answerRead(request(), entity(), cached()), 'age')).toBe('3');
    expect(header(answerRead(request(), entity(), cached({ nowMs: 900 })), 'age')).toBe('0');
    expect(header(answerRead(request(), entity(), loaded()), 'age')).toBeUndefined();
  });

  it('C27: Cache-Status is a structured field; hit and fwd exclude each other; ttl is negative when stale', () => {
    const of = (answer: ReadAnswer) =>
      cacheStatusOf(header(answerRead(request(), entity(), answer), 'cache-status') ?? '');
    expect(of(cached())).toEqual({ hit: true, ttl: 56, detail: 'watermarked' });
    expect(of(cached({ how: 'stale', nowMs: 63_500 }))).toEqual({ hit: true, ttl: -3, detail: 'watermarked' });
    expect(of(cached({ how: 'stale-if-error', nowMs: 63_500 }))).toEqual({
      fwd: 'stale',
      'fwd-status': 503,
      ttl: -3,
      detail: 'watermarked',
    });
    expect(of(cached({ collapsed: true }))).toMatchObject({ fwd: 'miss', collapsed: true });
    expect(of(loaded())).toEqual({ fwd: 'miss', 'fwd-status': 200, stored: true, ttl: 60, detail: 'watermarked' });
    expect(of(loaded({ guarantee: undefined, how: 'bypass' }))).toEqual({ fwd: 'bypass', 'fwd-status': 200 });
    expect(of(loaded({ how: 'reload', collapsed: true }))).toMatchObject({ fwd: 'request', collapsed: true });
    expect(of(loaded({}, 'absent'))).toMatchObject({ fwd: 'miss', 'fwd-status': 404 });
    expect(of({ kind: 'not-cached' })).toEqual({ fwd: 'miss' });
  });

  it('C27: Cache-Status is one whatever the answer is', () => {
    const flag = fc.boolean();
    const ms = fc.integer({ min: 0, max: 2 ** 41 });
    const guarantee = fc.constantFrom('watermarked', 'provisional', 'fenced', 'leased');
    const answers = fc.oneof(
      fc
        .record({
          how: fc.constantFrom('hit', 'stale', 'stale-if-error'),
          collapsed: flag,
          nowMs: ms,
          softAt: ms,
          guarantee,
        })
        .map(({ softAt, guarantee: under, ...over }) => cached(over, { softAt, guarantee: under })),
      fc
        .record({
          how: fc.constantFrom('miss', 'reload', 'bypass'),
          collapsed: flag,
          softMs: fc.double({ min: 0, max: 2 ** 41, noNaN: true }),
          guarantee: fc.option(guarantee, { nil: undefined }),
        })
        .chain((over) => fc.constantFrom('value' as const, 'absent' as const).map((state) => loaded(over, state))),
    );
    fc.assert(
      fc.property(fc.array(answers, { minLength: 1, maxLength: 5 }), (all) => {
        for (const answer of all) cacheStatusOf(header(answerRead(request(), entity(), answer), 'cache-status') ?? '');
        const many = answerBatch(all as Parameters<typeof answerBatch>[0]);
        cacheStatusOf(header(many, 'cache-status') ?? '');
      }),
    );
  });

  it('C23: other caches may keep what is old here as long as what is new, and what is stale here no longer', () => {
    const of = (answer: ReadAnswer) =>
      header(answerRead(request(), entity({ maxAgeS: 60, public: true }), answer), 'cache-control');
    expect(of(loaded())).toBe('public, max-age=60');
    // Age: 3, so that they count 60 seconds from now.
    expect(of(cached())).toBe('public, max-age=63');
    expect(of(cached({ how: 'stale', nowMs: 63_500 }))).toBe('public, max-age=60');
    expect(fromNow('public, S-MaxAge=1, max-age=2, immutable', cached() as never)).toBe(
      'public, S-MaxAge=4, max-age=5, immutable',
    );
    expect(fromNow('private, no-cache', cached() as never)).toBe('private, no-cache');
  });

  it('give other caches nothing unless the entity says so; tags go out with what is public', () => {
    const of = (http: object) => answerRead(request(), entity(http), cached());
    expect(header(of({}), 'cache-control')).toBe('private, no-cache');
    expect(header(answerRead(request(), entity({ maxAgeS: 5 }), loaded()), 'cache-control')).toBe('private, max-age=5');
    const all = { public: true, maxAgeS: 60, staleWhileRevalidateS: 5, staleIfErrorS: 600 };
    expect(header(answerRead(request(), entity(all), loaded()), 'cache-control')).toBe(
      'public, max-age=60, stale-while-revalidate=5, stale-if-error=600',
    );
    expect(header(of(all), 'cache-tag')).toBe('region:eu,kind:%C3%A4%2C%25');
    expect(header(of({ maxAgeS: 5 }), 'cache-tag')).toBeUndefined();
  });
});

describe('request directives', () => {
  it.each([
    ['no-cache', { noCache: true }],
    ['Max-Age=0', { maxAgeS: 0 }],
    ['max-age="60", only-if-cached', { maxAgeS: 60, onlyIfCached: true }],
    ['max-stale', { maxStaleS: 2 ** 31 }],
    ['max-stale=99999999999999999999', { maxStaleS: 2 ** 31 }],
    ['min-fresh=5', { minFreshS: 5 }],
    ['community="x", , foo=1', {}],
    ['community="a, no-cache, max-age=x", foo="\\", no-cache"', {}],
    ['foo=", no-cache', { noCache: true }],
  ])('%s', (field, expected) => {
    expect(directivesOf(request({ 'cache-control': field }))).toEqual({
      noCache: false,
      onlyIfCached: false,
      ...expected,
    });
  });

  it('Pragma: no-cache counts where there is no Cache-Control', () => {
    expect(directivesOf(request({ pragma: 'No-Cache' })).noCache).toBe(true);
    expect(directivesOf(request({ pragma: 'no-cache', 'cache-control': 'max-age=5' })).noCache).toBe(false);
  });

  it.each([
    'max-age=abc',
    'max-age',
    'max-age=-1',
    'min-fresh',
    'max-stale=x',
    'max-age=1.5',
  ])('%s is refused', (field) => {
    expect(() => directivesOf(request({ 'cache-control': field }))).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });
});

describe('problems', () => {
  const text = (answer: { body?: unknown }) => JSON.parse(String(answer.body)) as Record<string, unknown>;

  it('are problem documents that leak nothing', () => {
    const secret = new WarmfeedError('SOURCE_UNAVAILABLE', 'connect ECONNREFUSED db.internal:443', {
      retryAfterMs: 2500,
    });
    const answer = answerError(secret);
    expect(answer.status).toBe(503);
    expect(header(answer, 'retry-after')).toBe('3');
    expect(header(answer, 'content-type')).toContain('application/problem+json');
    expect(JSON.stringify(answer)).not.toContain('internal:443');
    expect(JSON.stringify(answerError(new Error('at /srv/x.ts')))).not.toContain('/srv');
    expect(answerError(new WarmfeedError('SOURCE_REJECTED', 'x')).status).toBe(502);
    expect(text(answerError(new WarmfeedError('BAD_KEY', 'segment {id} is empty')))).toEqual({
      type: 'urn:warmfeed:problem:bad-key',
      title: 'Bad Request',
      status: 400,
      detail: 'segment {id} is empty',
    });
  });

  it('C26: only-if-cached on what is not cached is 504', () => {
    expect(answerRead(request(), entity(), { kind: 'not-cached' }).status).toBe(504);
  });

  it('a missing item is 404, cached or not', () => {
    expect(answerRead(request(), entity(), loaded({}, 'absent')).status).toBe(404);
    const hit = answerRead(request(), entity(), cached({}, { state: 'absent' }));
    expect(hit.status).toBe(404);
    expect(header(hit, 'age')).toBe('3');
  });
});

describe('key segments', () => {
  it('C29: are taken from the raw path, encoded slashes and all', () => {
    const of = (url: string) => segmentsAfter(request({}, 'GET', url), 'entities');
    expect(of('http://h/api/entities/widget/eu/a%2Fb?x=/entities/y')).toEqual(['widget', 'eu', 'a%2Fb']);
    expect(of('http://h/api/entities/widget')).toEqual(['widget']);
    expect(of('http://h/entities/entities/entities/1')).toEqual(['entities', 'entities', '1']);
    // The host finds the route in any case.
    expect(of('http://h/API/Entities/widget/eu/entities/1')).toEqual(['widget', 'eu', 'entities', '1']);
  });
});
