/**
 * The HTTP side of the host: finds the function for a request, checks the key, invokes it and sends the answer. A route or
 * method that nobody declared is 404; a function that throws is an empty 500.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AdminSource, admin, homepage } from './admin.ts';
import type { Auth, AuthLevel } from './auth.ts';
import type { InvocationResponse, RpcHttpData } from './core-types.ts';
import { type EventGridSource, eventGrid, eventGridPath } from './event-grid.ts';
import { httpData, readBody, targetOf } from './http-request.ts';
import { sendEmpty, sendResult } from './http-response.ts';
import { compareTemplates, matchTemplate, type Params, type Template } from './routes.ts';
import { setting } from './settings.ts';

export interface Route {
  template: Template;
  /** None at all: every method. */
  methods: Set<string>;
  authLevel: AuthLevel;
  invoke(data: RpcHttpData, traceParent: string | undefined): Promise<InvocationResponse>;
}

export interface HttpOptions {
  port: number;
  address: string;
  auth: Auth;
  admin: AdminSource;
  eventGrid: EventGridSource;
  /** Called for what goes wrong in the server itself; a function's failure is logged where it is invoked. */
  onError: (error: unknown) => void;
}

export interface HttpSide {
  port: number;
  setRoutes(routes: Route[]): void;
  /** Refuses new connections and resolves when the running requests have been answered. */
  close(): Promise<void>;
  closeNow(): void;
}

export async function startHttp(options: HttpOptions): Promise<HttpSide> {
  let routes: Route[] = [];

  const find = (path: string, method: string): { route: Route; params: Params } | undefined => {
    for (const route of routes) {
      if (route.methods.size > 0 && !route.methods.has(method)) continue;
      const params = matchTemplate(route.template, path);
      if (params) return { route, params };
    }
    return undefined;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = request.method ?? 'GET';
    const target = targetOf(request);
    if (!target) return sendEmpty(response, 400);
    const { path, url } = target;
    if (path === '/' && setting('AzureWebJobsDisableHomepage')?.toLowerCase() !== 'true') return homepage(response);
    if (/^\/admin(\/|$)/i.test(path)) {
      if (!options.auth.allows('admin', request, url.searchParams)) return sendEmpty(response, 401);
      return admin(path, request, response, options.admin);
    }
    if (eventGridPath.test(path)) {
      if (!options.auth.allows('admin', request, url.searchParams)) return sendEmpty(response, 401);
      return eventGrid(request, response, url.searchParams, options.eventGrid);
    }
    const found = find(path.slice(1), method);
    if (!found) return sendEmpty(response, 404);
    if (!options.auth.allows(found.route.authLevel, request, url.searchParams)) return sendEmpty(response, 401);
    const body = await readBody(request);
    if (!body) return sendEmpty(response, 413);
    const traceParent = request.headers['traceparent'];
    try {
      const data = httpData(request, url, found.params, body);
      const result = await found.route.invoke(data, typeof traceParent === 'string' ? traceParent : undefined);
      sendResult(response, method, result);
    } catch {
      sendEmpty(response, 500);
    }
  };

  const server = createServer({ maxHeaderSize: 32_768, keepAliveTimeout: 130_000 }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      options.onError(error);
      if (!response.writableEnded) sendEmpty(response, 500);
    });
  });
  await listen(server, options.port, options.address);
  server.on('error', options.onError);
  return {
    port: (server.address() as AddressInfo).port,
    setRoutes(next) {
      routes = next.toSorted((a, b) => compareTemplates(a.template, b.template));
    },
    close: () =>
      new Promise((resolve) => {
        // Connections that are answering now become idle later, and would stay open until their timeout.
        const sweep = setInterval(() => server.closeIdleConnections(), 20);
        server.close(() => {
          clearInterval(sweep);
          resolve();
        });
      }),
    closeNow: () => server.closeAllConnections(),
  };
}

function listen(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
