// Sessions in HTTP: which requests are well formed, and what each outcome is called (RFC 9110, 5789, 7396). With
// http.ts the only place that knows statuses and headers.

import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { isSourceError, isStoreError, WarmfeedError } from '../core/errors.ts';
import type { SessionSummary } from '../core/session/session.ts';
import type { SessionContent } from '../core/session/session-record.ts';
import { answerError, etagText, evaluate, NOSNIFF, pathOf, problem } from './http.ts';

export const SESSION_ID = 'x-session-id';
export const PATCH_TYPE = 'application/merge-patch+json';

const HEADERS = { ...NOSNIFF, 'cache-control': 'no-store' };
/** 22 characters of base64url have room for 128 bits. */
const ID = /^[\w-]{22,256}$/;

/**
 * The id of a request; undefined for one that no session can have.
 * @throws WarmfeedError BAD_REQUEST where there is none
 */
export function sessionIdOf(request: HttpRequest): string | undefined {
  const id = request.headers.get(SESSION_ID);
  if (!id) throw new WarmfeedError('BAD_REQUEST', `the header ${SESSION_ID} is missing`);
  return ID.test(id) ? id : undefined;
}

/** What the request's preconditions say about a session: undefined where they hold. */
export function refusal(request: HttpRequest, session: SessionContent): 304 | 412 | undefined {
  const outcome = evaluate(request, etagOf(session));
  if (outcome === 200) return undefined;
  return request.method === 'GET' || request.method === 'HEAD' ? outcome : 412;
}

/** Whether the request asks for a session that is not there yet. */
export function wantsNew(request: HttpRequest): boolean {
  return request.headers.get('if-none-match')?.trim() === '*' && !request.headers.has('if-match');
}

export function answerSession(request: HttpRequest, session: SessionContent): HttpResponseInit {
  const headers = headersOf(session);
  return request.method === 'HEAD' ? { status: 200, headers } : { status: 200, headers, body: session.body };
}

export function answerCreated(request: HttpRequest, id: string, session: SessionContent): HttpResponseInit {
  const headers = { ...headersOf(session), [SESSION_ID]: id, location: locationOf(request) };
  return { status: 201, headers, body: session.body };
}

function headersOf(session: SessionContent): Record<string, string> {
  return {
    ...HEADERS,
    etag: etagOf(session),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(session.body.length),
  };
}

/** Without the id: that is never in a URL. */
function locationOf(request: HttpRequest): string {
  return pathOf(request).replace(/\/sessions(\/current)?\/?$/i, '/sessions/current');
}

export function answerEmpty(session?: SessionContent): HttpResponseInit {
  return { status: 204, headers: session === undefined ? HEADERS : { ...HEADERS, etag: etagOf(session) } };
}

export function answerRefused(session: SessionContent, status: 304 | 412 = 412): HttpResponseInit {
  const headers = { ...HEADERS, etag: etagOf(session) };
  if (status === 304) return { status, headers };
  return problem(412, 'precondition-failed', 'the session is another than the one the request asks for', headers);
}

/** Unknown, ended, expired and forged: nobody learns which. */
export const NO_SESSION = problem(404, 'no-session', 'there is no such session');
export const EXISTS = problem(412, 'precondition-failed', 'there is such a session');
export const ENDED = problem(
  409,
  'session-ended',
  'the session with this id has ended, and its id is never used again',
);
export const BUSY = problem(503, 'busy', 'too many others change this session', { 'retry-after': '1' });

/** JSON that is about sessions. */
export function answerJson(value: unknown): HttpResponseInit {
  return {
    status: 200,
    headers: { ...HEADERS, 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  };
}

export function summaryOf({ handle, created, seen }: SessionSummary): Record<string, string> {
  return { handle, created: new Date(created).toISOString(), lastSeen: new Date(seen).toISOString() };
}

export function answerSessionError(error: unknown): HttpResponseInit {
  if (!isStoreError(error) && !isSourceError(error)) return answerError(error);
  const seconds = Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000));
  return problem(503, 'unavailable', 'sessions cannot be reached now', { 'retry-after': String(seconds) });
}

function etagOf({ token }: SessionContent): string {
  return etagText(token);
}
