// Health, and the document itself, in the OpenAPI document.

import { headOf, type Json, jsonAnswer, list, object, operation } from './openapi-parts.ts';

const STATE: Json = { enum: ['ok', 'warn', 'error'] };
const CHECK = object({ name: { type: 'string' }, state: STATE, detail: { type: 'string' } }, ['detail']);
const PROBLEM = object({ path: { type: 'string' }, message: { type: 'string' } });
const READY = object({ status: STATE, dependencies: list(CHECK), problems: list(PROBLEM) }, [
  'dependencies',
  'problems',
]);

export function healthPaths(): Json {
  const common = { tag: 'health', caller: 'anybody' } as const;
  const live = operation({
    ...common,
    id: 'live',
    summary: 'Whether the process is there',
    answers: { 200: jsonAnswer('It is', object({ status: { const: 'ok' } }), { status: 'ok' }) },
  });
  const failed = { status: 'error', dependencies: [{ name: 'redis', state: 'error', detail: 'does not answer' }] };
  const ready = operation({
    ...common,
    id: 'ready',
    summary: 'Whether it can do its work: each dependency and its state',
    answers: {
      200: jsonAnswer('It can', READY, { status: 'ok', dependencies: [{ name: 'redis', state: 'ok' }] }),
      503: jsonAnswer('It cannot', READY, failed),
    },
  });
  return {
    '/health/live': { get: live, head: headOf(live, 'headLive') },
    '/health/ready': { get: ready, head: headOf(ready, 'headReady') },
  };
}

export function documentPaths(): Json {
  const get = operation({
    tag: 'health',
    id: 'openapi',
    summary: 'This document',
    answers: { 200: jsonAnswer('An OpenAPI 3.1 document', { type: 'object' }) },
  });
  return { '/openapi.json': { get, head: headOf(get, 'headOpenapi') } };
}
