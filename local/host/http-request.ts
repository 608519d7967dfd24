/** Turns a request of the socket into the data that the worker gets for it. */
import type { IncomingMessage } from 'node:http';
import type { RpcHttpData } from './core-types.ts';
import { decodedPath, encodedPath } from './request-path.ts';
import type { Params } from './routes.ts';

/** The real host's default, `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`. */
const bodyLimit = 104_857_600;

export interface Target {
  /** Decoded, for routes. */
  path: string;
  /** As the function sees it. */
  url: URL;
}

/** Undefined if no URL can be made of the request line and the Host header. */
export function targetOf(request: IncomingMessage): Target | undefined {
  const raw = request.url ?? '/';
  // A target in absolute form names another host; only its path counts here.
  const line = raw.startsWith('/') ? raw : raw.replace(/^[a-z]+:\/\/[^/?#]*/i, '');
  const question = line.indexOf('?');
  const path = decodedPath((question < 0 ? line : line.slice(0, question)) || '/');
  if (path === undefined) return undefined;
  const query = question < 0 ? '' : line.slice(question);
  const url = URL.parse(`http://${request.headers.host ?? '127.0.0.1'}${encodedPath(path)}${query}`);
  return url ? { path, url } : undefined;
}

/** Names in lower case, duplicates joined with a comma: as the real host passes them. */
function headersOf(request: IncomingMessage): Record<string, { value: string }> {
  const headers: Record<string, { value: string }> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    const value = values?.join(name === 'cookie' ? '; ' : ',') ?? '';
    headers[name] = { value };
  }
  return headers;
}

function queryOf(url: URL): Record<string, { value: string }> {
  const query: Record<string, { value: string }> = {};
  for (const [name, value] of url.searchParams) {
    const before = query[name];
    query[name] = { value: before ? `${before.value},${value}` : value };
  }
  return query;
}

/**
 * The body as the worker gets it: nothing without a Content-Length (a chunked upload arrives empty, as on the real host).
 * Undefined if it is too large.
 */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > bodyLimit) return undefined;
  if (!(length > 0)) {
    request.resume();
    return Buffer.alloc(0);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

export function httpData(request: IncomingMessage, url: URL, params: Params, body: Buffer): RpcHttpData {
  return {
    url: url.href,
    method: request.method ?? 'GET',
    nullableHeaders: headersOf(request),
    nullableQuery: queryOf(url),
    nullableParams: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, { value }])),
    ...(body.length > 0 && { body: { bytes: body } }),
  };
}
