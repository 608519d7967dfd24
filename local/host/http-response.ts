/** Writes the worker's answer to the socket: status, headers, cookies, body bytes. */
import type { ServerResponse } from 'node:http';
import type { InvocationResponse, RpcHttpCookie, RpcHttpData, TypedData } from './core-types.ts';

const sameSite: Record<string, string> = { lax: 'Lax', strict: 'Strict', explicitNone: 'None' };

function cookieText(cookie: RpcHttpCookie): string {
  const parts = [`${cookie.name ?? ''}=${encodeURIComponent(cookie.value ?? '')}`];
  const expires = cookie.expires?.value?.seconds;
  if (expires !== undefined) parts.push(`expires=${new Date(expires * 1000).toUTCString()}`);
  const maxAge = cookie.maxAge?.value;
  if (maxAge !== undefined && maxAge !== null) parts.push(`max-age=${maxAge}`);
  if (cookie.domain?.value) parts.push(`domain=${cookie.domain.value}`);
  parts.push(`path=${cookie.path?.value ?? '/'}`);
  if (cookie.secure?.value) parts.push('secure');
  const site = sameSite[cookie.sameSite ?? ''];
  if (site) parts.push(`samesite=${site}`);
  if (cookie.httpOnly?.value) parts.push('httponly');
  return parts.join('; ');
}

function bytesOf(body: TypedData | null | undefined): Uint8Array {
  if (body?.bytes) return body.bytes;
  return Buffer.from(body?.string ?? body?.json ?? '');
}

const httpOf = (response: InvocationResponse): RpcHttpData | undefined =>
  response.returnValue?.http ?? response.outputData?.find((output) => output.data.http)?.data.http ?? undefined;

export function sendResult(target: ServerResponse, method: string, response: InvocationResponse): void {
  const http = httpOf(response);
  if (!http) {
    sendEmpty(target, 204);
    return;
  }
  const status = Number(http.statusCode ?? 200);
  const body = bytesOf(http.body);
  const bodyless = method === 'HEAD' || status === 204 || status === 205 || status === 304;
  target.statusCode = status;
  for (const [name, value] of Object.entries(http.headers ?? {})) {
    // The connection is the server's own affair; a wrong length would break the next response on it.
    if (/^(connection|transfer-encoding|keep-alive)$/i.test(name)) continue;
    if (/^content-length$/i.test(name) && (!bodyless || status === 204)) continue;
    target.setHeader(name, value);
  }
  for (const cookie of http.cookies ?? []) target.appendHeader('set-cookie', cookieText(cookie));
  if (status !== 204 && status !== 304 && !target.hasHeader('content-length')) {
    target.setHeader('content-length', status === 205 ? 0 : body.length);
  }
  target.end(bodyless ? undefined : body);
}

export function sendEmpty(target: ServerResponse, status: number): void {
  if (target.headersSent) {
    target.destroy();
    return;
  }
  for (const name of target.getHeaderNames()) target.removeHeader(name);
  target.statusCode = status;
  if (status !== 204) target.setHeader('content-length', 0);
  target.end();
}

export function sendJson(target: ServerResponse, status: number, body: unknown): void {
  target.statusCode = status;
  target.setHeader('content-type', 'application/json; charset=utf-8');
  target.end(JSON.stringify(body));
}
