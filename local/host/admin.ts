/** What belongs to the host itself: the homepage and `/admin/*`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostVersion } from './core-module.ts';
import { readBody } from './http-request.ts';
import { sendEmpty, sendJson } from './http-response.ts';

export interface AdminFunction {
  name: string;
  kind: string;
}

export interface AdminSource {
  functions(): AdminFunction[];
  /** Starts the function; its outcome is logged. */
  start(name: string, input: string): void;
}

export function homepage(response: ServerResponse): void {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end('<!doctype html><title>Functions</title><h1>Your Functions 4.0 app is up and running</h1>');
}

export async function admin(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  source: AdminSource,
): Promise<void> {
  const { method } = request;
  if (method === 'GET' && path === '/admin/host/status') {
    sendJson(response, 200, {
      id: 'local',
      state: 'Running',
      version: hostVersion,
      versionDetails: hostVersion,
      processUptime: Math.round(process.uptime() * 1000),
    });
    return;
  }
  if (path === '/admin/host/ping') {
    sendEmpty(response, 200);
    return;
  }
  if (method === 'GET' && path === '/admin/functions') {
    sendJson(response, 200, source.functions());
    return;
  }
  const name = /^\/admin\/functions\/([^/]+)$/.exec(path)?.[1];
  const found = source.functions().find((fn) => fn.name.toLowerCase() === name?.toLowerCase());
  if (!found) {
    sendEmpty(response, 404);
    return;
  }
  if (method === 'GET') {
    sendJson(response, 200, found);
    return;
  }
  if (method !== 'POST' || found.kind === 'httpTrigger') {
    sendEmpty(response, method === 'POST' ? 400 : 405);
    return;
  }
  const input = inputOf(await readBody(request));
  if (input === undefined) {
    sendEmpty(response, 400);
    return;
  }
  source.start(found.name, input);
  sendEmpty(response, 202);
}

function inputOf(body: Buffer | undefined): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body?.toString('utf8') ?? '');
    const input = typeof parsed === 'object' && parsed !== null && 'input' in parsed ? parsed.input : undefined;
    if (input === undefined || input === null) return '';
    return typeof input === 'string' ? input : JSON.stringify(input);
  } catch {
    return undefined;
  }
}
