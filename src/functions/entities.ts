// GET and HEAD /entities/{entity}/{key…}: one item, out of the cache where it can be.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import type { Entity } from '../core/entity.ts';
import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { parseKey } from '../core/key.ts';
import { NO_DIRECTIVES } from '../core/read/policy.ts';
import type { Reader } from '../core/read/read.ts';
import { type OnRead, outcomeOf } from '../core/read/read-outcome.ts';
import { answerError, answerRead, directivesOf, METHODS, methodNotAllowed, segmentsAfter } from './http.ts';

export interface EntityRoutes {
  readonly entities: readonly Entity[];
  readonly reader: Reader;
  readonly clientDirectives: 'honour' | 'ignore';
  readonly onRead: OnRead;
}

const ALLOWED = ['GET', 'HEAD'] as const;

export function registerEntities(routes: EntityRoutes): void {
  const entities = new Map(routes.entities.map((entity) => [entity.name, entity]));
  app.http('entities', {
    route: 'entities/{entity}/{*key}',
    methods: [...METHODS],
    authLevel: 'function',
    handler: (request, context) => handle(request, context, entities, routes),
  });
}

async function handle(
  request: HttpRequest,
  context: InvocationContext,
  entities: ReadonlyMap<string, Entity>,
  { reader, clientDirectives, onRead }: EntityRoutes,
): Promise<HttpResponseInit> {
  let asked: string | undefined;
  const began = performance.now();
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(ALLOWED);
    const [name = '', ...segments] = segmentsAfter(request, 'entities');
    const entity = entities.get(name);
    if (entity === undefined) {
      throw new WarmfeedError('UNKNOWN_ENTITY', `there are ${[...entities.keys()].join(', ')}`);
    }
    const key = parseKey(entity.columns, segments);
    asked = entity.name;
    const directives = clientDirectives === 'ignore' ? NO_DIRECTIVES : directivesOf(request);
    const token = request.headers.get('x-ms-session-token');
    const answer =
      token === null
        ? await reader.read({ entity, key, directives })
        : await reader.read({ entity, key, directives, floor: await entity.source.floor(token) });
    onRead(asked, outcomeOf(answer), performance.now() - began);
    asked = undefined;
    return answerRead(request, entity, answer);
  } catch (error) {
    if (asked !== undefined) onRead(asked, 'error', performance.now() - began);
    if (!isWarmfeedError(error) || error.code.startsWith('ROW_') || error.code === 'SOURCE_REJECTED') {
      // Without its cause, which may hold a driver's request and so a credential.
      context.error(error instanceof Error ? (error.stack ?? error.message) : error);
    }
    return answerError(error);
  }
}
