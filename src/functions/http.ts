// The only place that knows statuses and headers: answers and errors of the core become HTTP (RFC 9110, 9111,
// 9211, 9457).

import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import type { EntityHttp } from '../core/entity.ts';
import { type ErrorCode, isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import type { Representation } from '../core/ports.ts';
import { type Directives, NO_DIRECTIVES } from '../core/read/policy.ts';
import type { ReadAnswer } from '../core/read/read.ts';
import type { ManyAnswer } from '../core/read/read-many.ts';
import { type Entry, etagOf, tagsOf } from '../core/record.ts';
import { lists } from './conditions.ts';

export const CACHE_NAME = 'Warmfeed';

/** The host answers a method that is not registered with its own 404; a client deserves 405 and Allow. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/**
 * Raw, still encoded segments of the request's path after `/{first}/`: the host decodes its route parameters. It finds
 * routes in any case, so that `first` may be written otherwise.
 */
export function segmentsAfter(request: HttpRequest, first: string): string[] {
  const segments = pathOf(request).split('/');
  const at = segments.findIndex((segment) => segment.toLowerCase() === first);
  return at < 0 ? [] : segments.slice(at + 1);
}

/** Still encoded, without the query. */
export function pathOf(request: HttpRequest): string {
  return request.url.replace(/^[^:]+:\/\/[^/]*/, '').replace(/[?#].*$/s, '');
}

/**
 * The request's `Cache-Control` (RFC 9111 section 5.2.1); unknown directives are ignored.
 * @throws WarmfeedError BAD_REQUEST for a known directive with a bad argument
 */
export function directivesOf(request: HttpRequest): Directives {
  const field = request.headers.get('cache-control');
  if (field === null)
    return request.headers.get('pragma')?.trim().toLowerCase() === 'no-cache' ? RELOAD : NO_DIRECTIVES;
  const found: { -readonly [K in keyof Directives]: Directives[K] } = { ...NO_DIRECTIVES };
  for (const [part] of field.matchAll(MEMBERS)) {
    const [name = '', argument] = part.trim().toLowerCase().split('=', 2);
    if (name === 'no-cache' || name === 'no-store') found.noCache = true;
    else if (name === 'only-if-cached') found.onlyIfCached = true;
    else if (name === 'max-age') found.maxAgeS = seconds(name, argument);
    else if (name === 'min-fresh') found.minFreshS = seconds(name, argument);
    else if (name === 'max-stale') found.maxStaleS = argument === undefined ? MAX_SECONDS : seconds(name, argument);
  }
  return found;
}

/** Of a list; a comma within quotes separates nothing. */
const MEMBERS = /(?:"(?:[^"\\]|\\.)*"|[^,])+/g;
const RELOAD: Directives = { noCache: true, onlyIfCached: false };
const MAX_SECONDS = 2 ** 31;

function seconds(name: string, argument: string | undefined): number {
  const digits = /^"?(\d+)"?$/.exec(argument ?? '')?.[1];
  if (digits === undefined) {
    throw new WarmfeedError('BAD_REQUEST', `the Cache-Control directive ${name} needs a whole number of seconds`);
  }
  return Math.min(Number(digits), MAX_SECONDS);
}

/** The answer to a read, conditional requests included. */
export function answerRead(
  request: HttpRequest,
  entity: { readonly http: EntityHttp },
  answer: ReadAnswer,
): HttpResponseInit {
  if (answer.kind === 'not-cached') return notCached();
  const found = viewOf(answer);
  const headers = cachedHeaders(answer);
  if (found === undefined) {
    return problem(404, 'not-found', 'there is no such item', { ...headers, 'cache-control': NO_CACHE });
  }
  headers['etag'] = found.etag;
  headers['cache-control'] = fromNow(cacheControl(entity.http), answer);
  if (entity.http.public && found.tags.length > 0) headers['cache-tag'] = found.tags.map(tagText).join(',');
  const precondition = evaluate(request, found.etag);
  if (precondition === 304) return { status: 304, headers };
  if (precondition === 412) {
    const refusal = { ...headers, 'cache-control': 'no-store' };
    return problem(412, 'precondition-failed', 'If-Match names another version', refusal);
  }
  headers['content-type'] = 'application/json; charset=utf-8';
  headers['content-length'] = String(found.body.length);
  return request.method === 'HEAD' ? { status: 200, headers } : { status: 200, headers, body: found.body };
}

export function notCached(headers: Readonly<Record<string, string>> = {}): HttpResponseInit {
  const status = { 'cache-status': `${CACHE_NAME}; fwd=miss` };
  return problem(504, 'not-cached', 'only-if-cached was asked for, and it is not cached', { ...headers, ...status });
}

/** What every answer says about the cache. */
export function cachedHeaders(answer: Exclude<ReadAnswer, { kind: 'not-cached' }>): Record<string, string> {
  const age = answer.kind === 'cached' ? { age: String(ageOf(answer)) } : {};
  return { 'cache-status': cacheStatus(answer), ...NOSNIFF, ...age };
}

/** The answers of a batch, in order: `{"answers":[{"status":200,"body":…},{"status":404},…]}`. */
export function answerBatch(answers: readonly ManyAnswer[]): HttpResponseInit {
  const parts: Uint8Array[] = [];
  const hows = new Map<string, number>();
  answers.forEach((answer, i) => {
    parts.push(Buffer.from(i === 0 ? '{"answers":[' : ','), ...itemOf(answer));
    const how = answer.kind === 'failed' ? 'failed' : answer.how;
    hows.set(how, (hows.get(how) ?? 0) + 1);
  });
  parts.push(Buffer.from(answers.length === 0 ? '{"answers":[]}' : ']}'));
  const counts = Array.from(hows, ([how, count]) => `${count} ${how}`).join(', ');
  const status = hows.size === 1 && hows.has('hit') ? 'hit' : 'fwd=partial';
  const body = Buffer.concat(parts);
  return {
    status: 200,
    headers: {
      ...NOSNIFF,
      'cache-control': 'no-store',
      'cache-status': `${CACHE_NAME}; ${status}; detail="${counts}"`,
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(body.length),
    },
    body,
  };
}

/** Bodies go through as the bytes that they are cached as. */
function itemOf(answer: ManyAnswer): Uint8Array[] {
  if (answer.kind === 'failed') {
    const { status, body } = answerError(answer.error);
    return [Buffer.from(`{"status":${status},"problem":${body as string}}`)];
  }
  const body = answer.kind === 'cached' ? bodyOfEntry(answer.entry) : bodyOfValue(answer.represented.value);
  return body === undefined
    ? [Buffer.from('{"status":404}')]
    : [Buffer.from('{"status":200,"body":'), body, Buffer.from('}')];
}

function bodyOfEntry(entry: Entry): Uint8Array | undefined {
  return entry.state === 'absent' ? undefined : entry.body;
}

function bodyOfValue(value: Representation): Uint8Array | undefined {
  return value.state === 'absent' ? undefined : value.body;
}

const NO_CACHE = 'private, no-cache';
export const NOSNIFF = { 'x-content-type-options': 'nosniff' };

interface View {
  readonly body: Uint8Array;
  readonly etag: string;
  readonly tags: readonly string[];
}

/** The value of an answer; undefined: there is none. */
export function viewOf(answer: Exclude<ReadAnswer, { kind: 'not-cached' }>): View | undefined {
  if (answer.kind === 'cached') {
    const { entry } = answer;
    if (entry.state === 'absent') return undefined;
    return { body: entry.body, etag: etagText(etagOf(entry)), tags: tagsOf(entry) };
  }
  const { value } = answer.represented;
  return value.state === 'absent' ? undefined : { body: value.body, etag: etagText(value.etag), tags: value.tags };
}

export function etagText(etag: Uint8Array): string {
  return `"${Buffer.from(etag.buffer, etag.byteOffset, etag.length).toString('base64url')}"`;
}

/** A tag as a header can carry it: what is not visible ASCII, and the separator, percent-encoded. */
function tagText(tag: string): string {
  return tag.replace(/[^!-~]|[%,]/gu, encodeURIComponent);
}

function ageOf({ entry, nowMs }: Extract<ReadAnswer, { kind: 'cached' }>): number {
  return Math.max(0, Math.floor((nowMs - entry.filledAt) / 1000));
}

/** RFC 9211. `detail` is the guarantee that the value was filled under. */
function cacheStatus(answer: Exclude<ReadAnswer, { kind: 'not-cached' }>): string {
  const collapsed = answer.collapsed ? '; collapsed' : '';
  if (answer.kind === 'cached') {
    const ttl = Math.floor((answer.entry.softAt - answer.nowMs) / 1000);
    const detail = `ttl=${ttl}; detail=${answer.entry.guarantee}`;
    if (answer.how === 'stale-if-error') return `${CACHE_NAME}; fwd=stale; fwd-status=503; ${detail}`;
    // A value that another's load brought was a miss of ours, joined to theirs.
    return answer.collapsed ? `${CACHE_NAME}; fwd=miss; ${detail}${collapsed}` : `${CACHE_NAME}; hit; ${detail}`;
  }
  const forward = { miss: 'miss', reload: 'request', bypass: 'bypass' }[answer.how];
  const status = answer.represented.value.state === 'absent' ? 404 : 200;
  const stored =
    answer.guarantee === undefined
      ? ''
      : `; stored; ttl=${Math.floor(answer.softMs / 1000)}; detail=${answer.guarantee}`;
  return `${CACHE_NAME}; fwd=${forward}; fwd-status=${status}${stored}${collapsed}`;
}

/**
 * A Cache-Control whose `max-age` counts from this answer on: other caches take the Age that it has here off theirs, and
 * would never keep what is older here than that. What is stale here is for nobody to keep longer.
 */
export function fromNow(field: string, answer: Exclude<ReadAnswer, { kind: 'not-cached' }>): string {
  if (answer.kind !== 'cached' || answer.how !== 'hit') return field;
  const age = ageOf(answer);
  return field.replace(/\b(s-maxage|max-age)=(\d+)/gi, (_, name: string, least: string) => {
    return `${name}=${Math.min(Number(least) + age, MAX_SECONDS)}`;
  });
}

function cacheControl(http: EntityHttp): string {
  if (http.maxAgeS === undefined && !http.public) return NO_CACHE;
  const parts = [http.public ? 'public' : 'private', `max-age=${http.maxAgeS ?? 0}`];
  if (http.staleWhileRevalidateS !== undefined) parts.push(`stale-while-revalidate=${http.staleWhileRevalidateS}`);
  if (http.staleIfErrorS !== undefined) parts.push(`stale-if-error=${http.staleIfErrorS}`);
  return parts.join(', ');
}

/**
 * Preconditions in the order of RFC 9110 section 13.2.2; an item has no Last-Modified, so dates are ignored.
 * To a method that changes something 304 means 412.
 */
export function evaluate(request: HttpRequest, etag: string): 200 | 304 | 412 {
  const ifMatch = request.headers.get('if-match');
  if (ifMatch !== null && !lists(ifMatch, etag, 'strong')) return 412;
  const ifNoneMatch = request.headers.get('if-none-match');
  return ifNoneMatch !== null && lists(ifNoneMatch, etag, 'weak') ? 304 : 200;
}

/** RFC 9457. @param code becomes the problem's type `urn:warmfeed:problem:<code>` */
export function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponseInit {
  return {
    status,
    headers: {
      'cache-control': 'no-store',
      ...headers,
      ...NOSNIFF,
      'content-type': 'application/problem+json; charset=utf-8',
    },
    body: JSON.stringify({ type: `urn:warmfeed:problem:${code}`, title: TITLES[status] ?? 'Error', status, detail }),
  };
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

export function methodNotAllowed(allowed: readonly string[]): HttpResponseInit {
  const allow = allowed.join(', ');
  return problem(405, 'method-not-allowed', `this resource answers ${allow}`, { allow });
}

/** What a client learns of a failure: what it can do about it, and nothing of what is inside. */
export function answerError(error: unknown): HttpResponseInit {
  if (!isWarmfeedError(error)) return problem(500, 'internal', 'something failed here; it was logged');
  const known = KNOWN[error.code];
  if (known !== undefined) return problem(known.status, known.code, known.detail ?? error.message);
  return problem(503, 'unavailable', 'the database cannot answer now, and nothing usable is cached', {
    'retry-after': String(Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000))),
  });
}

/** Errors that waiting does not mend. Only messages about the request itself are shown. */
const KNOWN: Partial<Record<ErrorCode, { status: number; code: string; detail?: string }>> = {
  BAD_KEY: { status: 400, code: 'bad-key' },
  BAD_REQUEST: { status: 400, code: 'bad-request' },
  UNKNOWN_ENTITY: { status: 404, code: 'unknown-entity' },
  ROW_INVALID: {
    status: 502,
    code: 'row-invalid',
    detail: 'the item exists, but could not be represented; it was logged',
  },
  QUERY_TOO_LARGE: { status: 502, code: 'query-too-large', detail: 'the query gave more rows than it may have' },
  SOURCE_REJECTED: { status: 502, code: 'source-rejected', detail: 'the database refused the read; it was logged' },
};
