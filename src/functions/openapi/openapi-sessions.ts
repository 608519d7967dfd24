// Session state in the OpenAPI document.

import { PATCH_TYPE, SESSION_ID } from '../session-http.ts';
import {
  headerRefs,
  headOf,
  type Json,
  jsonAnswer,
  jsonBody,
  list,
  NOT_MODIFIED,
  object,
  operation,
  type Problem,
} from './openapi-parts.ts';

const STATE: Json = { type: 'object', description: 'The state of the session: what was put there' };
const EXAMPLE = { userId: 'u-1', basket: ['a1'] };
const ID: Json = {
  name: SESSION_ID,
  in: 'header',
  required: true,
  schema: { type: 'string' },
  description: 'The id of the session',
  example: 'Zm9yIHRoZSBleGFtcGxlIQ',
};
const condition = (name: string): Json => ({ name, in: 'header', schema: { type: 'string' } });
const CONDITIONS = [condition('If-Match'), condition('If-None-Match')];
const SUBJECT: Json = { name: 'subject', in: 'query', required: true, schema: { type: 'string' }, example: 'u-1' };
const BODY_PROBLEMS: readonly Problem[] = [400, 404, 411, 412, 413, 415, 503];
const NONE: Json = { description: 'Done' };

const session = (description: string): Json => jsonAnswer(description, STATE, EXAMPLE, headerRefs('ETag'));
const made: Json = jsonAnswer('Made', STATE, EXAMPLE, headerRefs('ETag', SESSION_ID));

export function sessionPaths({ hasSubjects }: { readonly hasSubjects: boolean }): Json {
  const post = operation({
    tag: 'sessions',
    id: 'createSession',
    summary: 'A new session of the JSON object in the body, or {} without one',
    body: { ...jsonBody(STATE, EXAMPLE), required: false },
    answers: { 201: made },
    problems: [400, 411, 413, 415, 503],
  });
  return {
    '/sessions': { post, ...(hasSubjects && ofSubject()) },
    '/sessions/current': { ...reads(), ...writes() },
    '/sessions/current/touch': {
      post: operation({
        tag: 'sessions',
        id: 'touchSession',
        summary: 'Uses the session, so that it lives on',
        parameters: [ID],
        answers: { 204: NONE },
        problems: [400, 404, 503],
      }),
    },
  };
}

function ofSubject(): Json {
  const time = { type: 'string', format: 'date-time' };
  const sessions = list(object({ handle: { type: 'string' }, created: time, lastSeen: time }));
  const [created, lastSeen] = ['2026-11-25T08:00:00.000Z', '2026-11-25T08:05:00.000Z'];
  const common = { tag: 'sessions', parameters: [SUBJECT], problems: [400, 503] as const };
  return {
    get: operation({
      ...common,
      id: 'listSessions',
      summary: 'The sessions of a subject',
      answers: {
        200: jsonAnswer('The sessions', object({ count: { type: 'integer' }, sessions }), {
          count: 1,
          sessions: [{ handle: 'kq0D2vPo', created, lastSeen }],
        }),
      },
    }),
    delete: operation({
      ...common,
      id: 'endSessions',
      summary: 'Ends every session that a subject has now',
      answers: { 200: jsonAnswer('How many', object({ ended: { type: 'integer' } }), { ended: 1 }) },
    }),
  };
}

function reads(): Json {
  const get = operation({
    tag: 'sessions',
    id: 'readSession',
    summary: 'The state of a session',
    parameters: [ID, ...CONDITIONS],
    answers: { 200: session('The state'), 304: NOT_MODIFIED },
    problems: [400, 404, 412, 503],
  });
  return { get, head: headOf(get, 'headSession') };
}

function writes(): Json {
  const common = { tag: 'sessions', parameters: [ID, ...CONDITIONS] };
  return {
    put: operation({
      ...common,
      id: 'replaceSession',
      summary: 'Replaces the state; with If-None-Match: * makes a session under an id of yours',
      body: jsonBody(STATE, EXAMPLE),
      answers: { 200: session('The new state'), 201: made },
      problems: [...BODY_PROBLEMS, 409],
    }),
    patch: operation({
      ...common,
      id: 'patchSession',
      summary: 'Changes members of the state (RFC 7396)',
      body: jsonBody({ type: 'object' }, { basket: null }, PATCH_TYPE),
      answers: { 200: session('The new state') },
      problems: BODY_PROBLEMS,
    }),
    delete: operation({
      ...common,
      id: 'endSession',
      summary: 'Ends the session',
      answers: { 204: NONE },
      problems: [400, 404, 412, 503],
    }),
  };
}
