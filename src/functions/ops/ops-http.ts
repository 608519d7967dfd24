// What the routes under /ops share: the admin key, strict parameters, answers in JSON, and who asked.

import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { isStoreError, isWarmfeedError, WarmfeedError } from '../../core/errors.ts';
import { answerError, METHODS, methodNotAllowed, NOSNIFF, problem } from '../http.ts';

export type OpsHandler = (request: HttpRequest, context: InvocationContext) => Promise<HttpResponseInit>;
type Handlers = Partial<Record<(typeof METHODS)[number], OpsHandler>>;

export function registerOps(name: string, route: string, handlers: Handlers): void {
  app.http(`ops-${name}`, {
    route: `ops/${route}`,
    methods: [...METHODS],
    authLevel: 'admin',
    handler: async (request, context) => {
      const handler = handlers[request.method as keyof Handlers];
      if (handler === undefined) return methodNotAllowed(Object.keys(handlers));
      try {
        return await handler(request, context);
      } catch (error) {
        // Without its cause, which may hold a driver's request and so a credential.
        if (!isWarmfeedError(error)) context.error(error instanceof Error ? (error.stack ?? error.message) : error);
        return answerOpsError(error);
      }
    },
  });
}

function answerOpsError(error: unknown): HttpResponseInit {
  if (!isStoreError(error)) return answerError(error);
  return problem(503, 'store-unavailable', 'Redis cannot answer now; nothing is known of what it did', {
    'retry-after': '1',
  });
}

export function answerJson(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponseInit {
  return {
    status,
    headers: { ...headers, ...NOSNIFF, 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  };
}

/**
 * Who asks, for the log: the principal that App Service authentication names, else the key. Without that authentication
 * the header is the caller's own word.
 */
export function whoAsks(request: HttpRequest): string {
  const name = request.headers.get('x-ms-client-principal-name') ?? principalOf(request);
  const shown = (name ?? '').replace(/[^\x21-\x7e]/g, '').slice(0, 100);
  return shown === '' ? 'key' : shown;
}

function principalOf(request: HttpRequest): string | undefined {
  try {
    const text = Buffer.from(request.headers.get('x-ms-client-principal') ?? '', 'base64').toString();
    const { userDetails, userId } = JSON.parse(text) as Record<string, unknown>;
    return [userDetails, userId].find((each) => typeof each === 'string');
  } catch {
    return undefined;
  }
}

/** @throws WarmfeedError BAD_REQUEST */
export function flagOf(parameters: ReadonlyMap<string, string>, name: string): boolean {
  const text = parameters.get(name) ?? 'false';
  if (text !== 'true' && text !== 'false') throw new WarmfeedError('BAD_REQUEST', `${name} must be true or false`);
  return text === 'true';
}

/** @throws WarmfeedError BAD_REQUEST */
export function numberOf(
  parameters: ReadonlyMap<string, string>,
  name: string,
  { least, most, usual }: { least: number; most: number; usual: number },
): number {
  const text = parameters.get(name) ?? String(usual);
  const number = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  if (number >= least && number <= most) return number;
  throw new WarmfeedError('BAD_REQUEST', `${name} must be a whole number from ${least} to ${most}`);
}
