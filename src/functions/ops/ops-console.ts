// GET and HEAD /ops/console: the operator's console, files of the bundle. Open to all, as they hold no data: the page asks
// for the key and sends it to /ops.

import { createHash } from 'node:crypto';
import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { type ConsoleFile, FILES, PAGE } from '../../console/files.ts';
import { etagText, evaluate, METHODS, methodNotAllowed, NOSNIFF, problem, segmentsAfter } from '../http.ts';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export function registerOpsConsole(): void {
  register('ops-console', 'ops/console', () => PAGE);
  register('ops-console-file', 'ops/console/{file}', (request) =>
    FILES.get(segmentsAfter(request, 'console')[0] ?? ''),
  );
}

function register(name: string, route: string, find: (request: HttpRequest) => ConsoleFile | undefined): void {
  app.http(name, {
    route,
    methods: [...METHODS],
    authLevel: 'anonymous',
    handler: async (request) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(['GET', 'HEAD']);
      const file = find(request);
      return file === undefined ? problem(404, 'not-found', 'there is no such file') : answer(request, file);
    },
  });
}

function answer(request: HttpRequest, { type, text }: ConsoleFile): HttpResponseInit {
  const etag = etagText(createHash('sha256').update(text).digest().subarray(0, 12));
  const headers = {
    ...NOSNIFF,
    'content-security-policy': POLICY,
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
    etag,
  };
  if (evaluate(request, etag) === 304) return { status: 304, headers };
  const described = { ...headers, 'content-type': `${type}; charset=utf-8` };
  return request.method === 'HEAD'
    ? { status: 200, headers: described }
    : { status: 200, headers: described, body: text };
}
