// POST /batch/{entity}: many items of one entity in one request, each with its own status.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import type { Entity } from '../core/entity.ts';
import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, keyOfJson } from '../core/key.ts';
import type { ManyAnswer, ManyReader } from '../core/read/read-many.ts';
import { type OnRead, outcomeOfMany } from '../core/read/read-outcome.ts';
import { bodyOf, JSON_TYPE } from './body.ts';
import { answerBatch, answerError, METHODS, methodNotAllowed, segmentsAfter } from './http.ts';

export interface BatchRoutes {
  readonly entities: readonly Entity[];
  readonly reader: ManyReader;
  readonly onRead: OnRead;
}

const MAX_KEYS = 500;
const MAX_BYTES = 1024 * 1024;

export function registerBatch({ entities, ...routes }: BatchRoutes): void {
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  app.http('batch', {
    route: 'batch/{entity}',
    methods: [...METHODS],
    authLevel: 'function',
    handler: async (request, context) => {
      try {
        if (request.method !== 'POST') return methodNotAllowed(['POST']);
        return await handle(request, context, byName, routes);
      } catch (error) {
        logUnexpected(context, error);
        return answerError(error);
      }
    },
  });
}

async function handle(
  request: HttpRequest,
  context: InvocationContext,
  entities: ReadonlyMap<string, Entity>,
  { reader, onRead }: Omit<BatchRoutes, 'entities'>,
): Promise<HttpResponseInit> {
  const [name = ''] = segmentsAfter(request, 'batch');
  const entity = entities.get(name);
  if (entity === undefined) {
    throw new WarmfeedError('UNKNOWN_ENTITY', `there are ${[...entities.keys()].join(', ')}`);
  }
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes: MAX_BYTES, what: 'a batch' });
  if ('answer' in body) return body.answer;
  const { keys } = body.value;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) {
    throw new WarmfeedError('BAD_REQUEST', `the body must be {"keys": […]} with ${MAX_KEYS} keys at most`);
  }
  const parsed = keys.map((key: unknown) => parse(entity, key));
  const good = parsed.filter((key): key is Key => !(key instanceof Error));
  const began = performance.now();
  const answers = await reader.readMany(entity, good);
  const ms = performance.now() - began;
  for (const answer of answers) onRead(entity.name, outcomeOfMany(answer), ms);
  let at = 0;
  const items = parsed.map((key): ManyAnswer => {
    const answer: ManyAnswer = key instanceof Error ? { kind: 'failed', error: key } : (answers[at++] as ManyAnswer);
    if (answer.kind === 'failed') logUnexpected(context, answer.error);
    return answer;
  });
  return answerBatch(items);
}

/** A key that cannot be one is that key's own failure. */
function parse(entity: Entity, key: unknown): Key | WarmfeedError {
  try {
    return keyOfJson(entity.columns, Array.isArray(key) ? key : [key]);
  } catch (error) {
    if (!isWarmfeedError(error)) throw error;
    return error;
  }
}

/** Without its cause, which may hold a driver's request and so a credential. */
function logUnexpected(context: InvocationContext, error: unknown): void {
  if (isWarmfeedError(error) && !error.code.startsWith('ROW_') && error.code !== 'SOURCE_REJECTED') return;
  context.error(error instanceof Error ? (error.stack ?? error.message) : error);
}
