// /sessions: session state. The id comes and goes in the header x-session-id only.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { isSourceError, isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type JsonText, mergePatch, textOf } from '../core/json.ts';
import type { Sessions } from '../core/session/session.ts';
import type { OnSession, SessionCall, SessionOutcome } from '../core/session/session-outcome.ts';
import { dataOf } from '../core/session/session-record.ts';
import { answerTooLarge, bodyOf, JSON_TYPE } from './body.ts';
import { METHODS, methodNotAllowed } from './http.ts';
import { parametersOf } from './parameters.ts';
import {
  answerCreated,
  answerEmpty,
  answerJson,
  answerRefused,
  answerSession,
  answerSessionError,
  BUSY,
  ENDED,
  EXISTS,
  NO_SESSION,
  PATCH_TYPE,
  refusal,
  sessionIdOf,
  summaryOf,
  wantsNew,
} from './session-http.ts';

export interface SessionRoutes {
  readonly sessions: Sessions;
  readonly maxBytes: number;
  /** Whether sessions have subjects, so that those of one can be listed and ended. */
  readonly hasSubjects: boolean;
  readonly onSession: OnSession;
}

type Handle = (request: HttpRequest, routes: SessionRoutes) => Promise<HttpResponseInit>;
type Handler = readonly [SessionCall, Handle];
type Method = (typeof METHODS)[number];
type Handlers = Partial<Record<Method, Handler>>;

// The host answers a method that is not registered with its own 404; a client deserves 405 and Allow.
const WHAT = 'a session';
const EMPTY = textOf({});

const OF_SUBJECT: Handlers = { GET: ['list', list], DELETE: ['end-all', endAll] };
const CURRENT: Handlers = {
  GET: ['read', read],
  HEAD: ['read', read],
  PUT: ['write', put],
  PATCH: ['write', patch],
  DELETE: ['end', end],
};

export function registerSessions(routes: SessionRoutes): void {
  const ofSubject = routes.hasSubjects ? OF_SUBJECT : {};
  register('sessions', 'sessions', { POST: ['create', create], ...ofSubject }, routes);
  register('session', 'sessions/current', CURRENT, routes);
  register('session-touch', 'sessions/current/touch', { POST: ['touch', touch] }, routes);
}

function register(name: string, route: string, handlers: Handlers, routes: SessionRoutes): void {
  app.http(name, {
    route,
    methods: [...METHODS],
    authLevel: 'function',
    handler: async (request, context) => {
      const [call, handle] = handlers[request.method as Method] ?? [];
      if (call === undefined || handle === undefined) return methodNotAllowed(Object.keys(handlers));
      const answer = await handle(request, routes).catch((error: unknown) => {
        report(error, context);
        return answerSessionError(error);
      });
      routes.onSession(call, outcomeOf(answer));
      return answer;
    },
  });
}

function outcomeOf({ status = 200 }: HttpResponseInit): SessionOutcome {
  if (status >= 500) return 'failed';
  if (status === 404) return 'none';
  return status >= 400 ? 'refused' : 'ok';
}

function report(error: unknown, context: InvocationContext): void {
  if (!isWarmfeedError(error)) context.error(error instanceof Error ? (error.stack ?? error.message) : error);
  else if (error.code === 'STORE_REFUSED' || isSourceError(error)) context.warn(`sessions: ${error.message}`);
}

async function create(request: HttpRequest, { sessions, maxBytes }: SessionRoutes): Promise<HttpResponseInit> {
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes, what: WHAT, absent: EMPTY });
  if ('answer' in body) return body.answer;
  const made = await sessions.create(body);
  if (made.kind !== 'created') throw new Error(`a new session was refused: ${made.kind}`);
  return answerCreated(request, made.id, made.session);
}

async function read(request: HttpRequest, { sessions }: SessionRoutes): Promise<HttpResponseInit> {
  const id = sessionIdOf(request);
  const session = id === undefined ? undefined : await sessions.read(id);
  if (session === undefined) return NO_SESSION;
  const refused = refusal(request, session);
  return refused === undefined ? answerSession(request, session) : answerRefused(session, refused);
}

async function put(request: HttpRequest, routes: SessionRoutes): Promise<HttpResponseInit> {
  const { sessions, maxBytes } = routes;
  const id = sessionIdOf(request);
  if (!wantsNew(request)) return change(request, routes, { id, type: JSON_TYPE, apply: (body) => body });
  if (id === undefined) {
    throw new WarmfeedError('BAD_REQUEST', 'a session id must be 22 to 256 letters, digits, "-" and "_", at random');
  }
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes, what: WHAT });
  if ('answer' in body) return body.answer;
  const made = await sessions.createAs(id, body);
  if (made.kind === 'created') return answerCreated(request, made.id, made.session);
  if (made.kind === 'too-large') return answerTooLarge(WHAT, maxBytes);
  return made.kind === 'ended' ? ENDED : EXISTS;
}

async function patch(request: HttpRequest, routes: SessionRoutes): Promise<HttpResponseInit> {
  const id = sessionIdOf(request);
  return change(request, routes, {
    id,
    type: PATCH_TYPE,
    apply: (body, before) => textOf(mergePatch(before(), body.value) as JsonText['value']),
  });
}

interface ChangeRequest {
  readonly id: string | undefined;
  readonly type: string;
  readonly apply: (body: JsonText, before: () => JsonText['value']) => JsonText;
}

async function change(
  request: HttpRequest,
  { sessions, maxBytes }: SessionRoutes,
  { id, type, apply }: ChangeRequest,
): Promise<HttpResponseInit> {
  const body = await bodyOf(request, { type, maxBytes, what: WHAT });
  if ('answer' in body) return body.answer;
  if (id === undefined) return NO_SESSION;
  const outcome = await sessions.update(id, (session) =>
    refusal(request, session) === undefined ? apply(body, () => dataOf(session)) : undefined,
  );
  switch (outcome.kind) {
    case 'updated':
      return answerSession(request, outcome.session);
    case 'refused':
      return answerRefused(outcome.session);
    case 'none':
      return NO_SESSION;
    case 'too-large':
      return answerTooLarge(WHAT, maxBytes);
    case 'busy':
      return BUSY;
  }
}

async function end(request: HttpRequest, { sessions }: SessionRoutes): Promise<HttpResponseInit> {
  const id = sessionIdOf(request);
  if (id === undefined) return NO_SESSION;
  const isConditional = request.headers.has('if-match') || request.headers.has('if-none-match');
  const outcome = isConditional
    ? await sessions.end(id, (session) => refusal(request, session) === undefined)
    : await sessions.end(id);
  switch (outcome.kind) {
    case 'ended':
      return answerEmpty();
    case 'refused':
      return answerRefused(outcome.session);
    case 'none':
      return NO_SESSION;
    case 'busy':
      return BUSY;
  }
}

async function touch(request: HttpRequest, { sessions }: SessionRoutes): Promise<HttpResponseInit> {
  const id = sessionIdOf(request);
  const session = id === undefined ? undefined : await sessions.read(id);
  return session === undefined ? NO_SESSION : answerEmpty(session);
}

async function list(request: HttpRequest, { sessions }: SessionRoutes): Promise<HttpResponseInit> {
  const found = await sessions.list(subjectOf(request));
  return answerJson({ count: found.length, sessions: found.map(summaryOf) });
}

async function endAll(request: HttpRequest, { sessions }: SessionRoutes): Promise<HttpResponseInit> {
  return answerJson({ ended: await sessions.endAll(subjectOf(request)) });
}

function subjectOf(request: HttpRequest): string {
  const subject = parametersOf(request, ['subject']).get('subject');
  if (!subject) throw new WarmfeedError('BAD_REQUEST', 'the parameter subject is missing');
  return subject;
}
