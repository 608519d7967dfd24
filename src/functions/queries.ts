// GET and HEAD /queries/{name}: the rows of a declared query.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, parseKey } from '../core/key.ts';
import type { Source } from '../core/ports.ts';
import type { Query } from '../core/query/query.ts';
import type { QueryReader } from '../core/query/query-read.ts';
import { NO_DIRECTIVES } from '../core/read/policy.ts';
import type { OnRead } from '../core/read/read-outcome.ts';
import { counted } from './counted.ts';
import { answerError, answerRead, directivesOf, METHODS, methodNotAllowed, segmentsAfter } from './http.ts';
import { parametersOf } from './parameters.ts';

export interface QueryRoutes {
  readonly queries: readonly Query[];
  readonly reader: QueryReader;
  readonly clientDirectives: 'honour' | 'ignore';
  readonly onRead: OnRead;
}

const CONTINUATION = 'continuation';
const MAX_CONTINUATION = 16_384;

export function registerQueries({ queries, ...routes }: QueryRoutes): void {
  const byTitle = new Map(queries.map((query) => [query.title, query]));
  app.http('queries', {
    route: 'queries/{name}',
    methods: [...METHODS],
    authLevel: 'function',
    handler: async (request, context) => {
      try {
        if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(['GET', 'HEAD']);
        return await handle(request, byTitle, routes);
      } catch (error) {
        logUnexpected(context, error);
        return answerError(error);
      }
    },
  });
}

async function handle(
  request: HttpRequest,
  queries: ReadonlyMap<string, Query>,
  { reader, clientDirectives, onRead }: Omit<QueryRoutes, 'queries'>,
): Promise<HttpResponseInit> {
  const [name = ''] = segmentsAfter(request, 'queries');
  const query = queries.get(name);
  if (query === undefined) throw new WarmfeedError('UNKNOWN_ENTITY', `there are ${[...queries.keys()].join(', ')}`);
  const key = queryKeyOf(query, request);
  const directives = clientDirectives === 'ignore' ? NO_DIRECTIVES : directivesOf(request);
  const answer = await counted(onRead, query.name, () => reader.read({ entity: query, key, directives }));
  return answerRead(request, query, answer);
}

/** Only a query in one partition of Cosmos DB goes on after a page. */
export function isPaged(query: Pick<Query, 'partition'> & { readonly source: Pick<Source, 'changesHold'> }): boolean {
  return query.partition !== undefined && query.source.changesHold === 'documents';
}

/** @throws WarmfeedError BAD_REQUEST or BAD_KEY that names the parameter */
export function queryKeyOf(query: Query, request: HttpRequest): Key {
  const { params } = query;
  const names = [...params.map((param) => param.name), ...(isPaged(query) ? [CONTINUATION] : [])];
  const given = parametersOf(request, names);
  const values = params.map((param): Key[number] => {
    const text = given.get(param.name);
    if (text === undefined) throw new WarmfeedError('BAD_REQUEST', `the parameter ${param.name} is missing`);
    // Literal forms such as `=1` are for keys in paths.
    const segment = param.type === 'text' ? `=${JSON.stringify(text)}` : text;
    return parseKey([param], [encodeURIComponent(segment)])[0];
  });
  const continuation = given.get(CONTINUATION) ?? '';
  if (continuation.length > MAX_CONTINUATION) {
    throw new WarmfeedError('BAD_REQUEST', `the parameter ${CONTINUATION} is too long`);
  }
  return [...values, continuation];
}

/** Without its cause, which may hold a driver's request and so a credential. */
function logUnexpected(context: InvocationContext, error: unknown): void {
  if (isWarmfeedError(error) && !error.code.startsWith('ROW_') && error.code !== 'SOURCE_REJECTED') return;
  context.error(error instanceof Error ? (error.stack ?? error.message) : error);
}
