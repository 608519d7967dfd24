// GET and HEAD /openapi.json: what this configuration serves, made when it is first asked for.

import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { METHODS, methodNotAllowed, NOSNIFF } from '../http.ts';
import { openapiDocument, type Served } from './openapi-document.ts';

export function registerOpenapi(served: Served): void {
  const documents = new Map<string, string>();
  app.http('openapi', {
    route: 'openapi.json',
    methods: [...METHODS],
    authLevel: 'function',
    handler: async (request) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed(['GET', 'HEAD']);
      const server = new URL(request.url).pathname.replace(/\/openapi\.json\/?$/i, '');
      const body = documents.get(server) ?? JSON.stringify(openapiDocument(served, server));
      documents.set(server, body);
      return answer(request, body);
    },
  });
}

function answer(request: HttpRequest, body: string): HttpResponseInit {
  const headers = { ...NOSNIFF, 'cache-control': 'private, no-cache', 'content-type': 'application/json' };
  return request.method === 'HEAD' ? { status: 200, headers } : { status: 200, headers, body };
}
