// GET and HEAD /content/{path…}: static content, out of the cache where it can be.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { blobName, type Content, contentKey } from '../core/content/content.ts';
import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Directives, NO_DIRECTIVES } from '../core/read/policy.ts';
import type { Reader } from '../core/read/read.ts';
import type { OnRead } from '../core/read/read-outcome.ts';
import { counted } from './counted.ts';
import { answerError, directivesOf, methodNotAllowed, problem, segmentsAfter } from './http.ts';
import { answerContent, type ContentHttp, preferredCodings } from './http-content.ts';

export interface ContentRoute extends ContentHttp {
  readonly content: Content;
  readonly reader: Reader<Content>;
  readonly clientDirectives: 'honour' | 'ignore';
  readonly authLevel: 'function' | 'anonymous';
  readonly index: string | undefined;
  readonly onRead: OnRead;
}

const ALLOWED = ['GET', 'HEAD'] as const;
const METHODS = [...ALLOWED, 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const RELOAD: Directives = { noCache: true, onlyIfCached: false };

export function registerContent(route: ContentRoute): void {
  app.http('content', {
    route: 'content/{*path}',
    methods: [...METHODS],
    authLevel: route.authLevel,
    handler: (request, context) => handle(request, context, route),
  });
}

async function handle(
  request: HttpRequest,
  context: InvocationContext,
  route: ContentRoute,
): Promise<HttpResponseInit> {
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(ALLOWED);
    const segments = segmentsAfter(request, 'content');
    if (segments.at(-1) === '' || segments.length === 0) {
      if (route.index === undefined) return problem(404, 'not-found', 'there is no such content');
      segments.splice(-1, 1, encodeURIComponent(route.index));
    }
    return await answer(request, blobName(segments), route);
  } catch (error) {
    if (!isWarmfeedError(error) || error.code === 'SOURCE_REJECTED') {
      context.error(error instanceof Error ? (error.stack ?? error.message) : error);
    }
    return answerError(error);
  }
}

async function answer(request: HttpRequest, path: string, route: ContentRoute): Promise<HttpResponseInit> {
  const { content, reader, clientDirectives, onRead } = route;
  const key = contentKey(path, preferredCodings(request, route.precompressed));
  const options = {
    ...route,
    slice: ({ blob, etag }: { blob: string; etag: string }, { first, last }: { first: number; last: number }) =>
      content.source.slice(blob, { etag, offset: first, length: last - first + 1 }),
  };
  let directives = clientDirectives === 'ignore' ? NO_DIRECTIVES : directivesOf(request);
  for (let attempt = 0; attempt < 2; attempt++) {
    const read = await counted(onRead, content.name, () => reader.read({ entity: content, key, directives }));
    const answered = await answerContent(request, path, read, options);
    if (answered !== 'changed') return answered;
    // The description in the cache is of an older version than the blob.
    directives = RELOAD;
  }
  throw new WarmfeedError('SOURCE_BUSY', 'the blob changes faster than it can be read', { retryable: true });
}
