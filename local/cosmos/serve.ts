/** One HTTP exchange: read, authorize, delay or spoil if a fault says so, dispatch, write. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, authorize } from './authorize.ts';
import { type Panel, serveControl } from './control.ts';
import { dispatch } from './dispatch.ts';
import { codeOf } from './errors.ts';
import type { Fault } from './faults.ts';
import { commonHeaders, type Reply, refusal, reply } from './reply.ts';
import { type CosmosRequest, operationOf, segmentsOf } from './request.ts';
import type { Site } from './site.ts';

export interface Exchange {
  site: Site;
  panel: Panel;
  access: Access;
  log: (line: string) => void;
  /** Aborted when the emulator closes. */
  signal: AbortSignal;
}

const readBody = async (message: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

const send = (response: ServerResponse, { status, headers, body }: Reply): void => {
  const bytes = Buffer.from(body);
  const type: Record<string, string> = bytes.length > 0 ? { 'content-type': 'application/json' } : {};
  const length: Record<string, string> =
    status === 204 || status === 304 ? {} : { 'content-length': String(bytes.length) };
  response.writeHead(status, { ...commonHeaders(), ...type, ...length, ...headers });
  response.end(bytes);
};

const faultReply = ({
  status,
  substatus = 0,
  retryAfterMs,
  message = 'Injected by the test.',
}: Fault): Reply | undefined =>
  status === undefined
    ? undefined
    : reply(
        status,
        { code: codeOf(status), message },
        {
          ...(substatus === 0 ? {} : { 'x-ms-substatus': String(substatus) }),
          ...(retryAfterMs === undefined ? {} : { 'x-ms-retry-after-ms': String(retryAfterMs) }),
        },
      );

const answer = ({ site, access }: Exchange, request: CosmosRequest): Reply => {
  try {
    authorize(request, access);
    return dispatch(site, request);
  } catch (error) {
    return refusal(error);
  }
};

/** Undefined: no answer is to be sent. */
const respond = (exchange: Exchange, request: CosmosRequest, fault: Fault | undefined): Reply | undefined => {
  if (!fault) return answer(exchange, request);
  const spoiled = faultReply(fault);
  const silent = fault.action !== undefined;
  const real = fault.after === true || (!silent && !spoiled) ? answer(exchange, request) : undefined;
  return silent ? undefined : (spoiled ?? real);
};

const serveData = async (exchange: Exchange, message: IncomingMessage, response: ServerResponse, path: string) => {
  const startedAt = Date.now();
  const { panel, log, signal } = exchange;
  const method = message.method ?? 'GET';
  let segments: string[];
  try {
    segments = segmentsOf(path);
  } catch (error) {
    return send(response, refusal(error));
  }
  const operation = operationOf(method, segments, message.headers);
  const body = await readBody(message);
  const request: CosmosRequest = { method, path, segments, operation, headers: message.headers, body };
  const fault = panel.faults.take(request);
  const delay = panel.latencyMs() + (fault?.delayMs ?? 0);
  if (delay > 0) await sleep(delay, undefined, { signal });
  const result = respond(exchange, request, fault);
  const status = result?.status ?? 0;
  const substatus = Number(result?.headers['x-ms-substatus'] ?? 0);
  panel.log.add(request, { status, substatus, startedAt });
  if (status >= 500) log(`${method} ${path}: ${status} ${result?.body ?? ''}`);
  if (result) return send(response, result);
  if (fault?.action === 'reset') message.socket.resetAndDestroy();
};

const isLoopback = (address: string | undefined): boolean => /^(::ffff:)?127\.|^::1$/.test(address ?? '');

const serveControlRequest = async (panel: Panel, message: IncomingMessage, response: ServerResponse, path: string) => {
  if (!isLoopback(message.socket.remoteAddress))
    return send(response, reply(403, { code: codeOf(403), message: 'Loopback only.' }));
  const text = await readBody(message);
  let body: unknown;
  try {
    body = text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return send(response, reply(400, { code: codeOf(400), message: 'The body is not JSON.' }));
  }
  return send(response, serveControl(panel, message.method ?? 'GET', path, body));
};

export const serve = async (exchange: Exchange, message: IncomingMessage, response: ServerResponse): Promise<void> => {
  const [path = '/'] = (message.url ?? '/').split('?', 1);
  try {
    if (path === '/_control' || path.startsWith('/_control/'))
      await serveControlRequest(exchange.panel, message, response, path);
    else await serveData(exchange, message, response, path);
  } catch (error) {
    // The client went away, or the emulator closes: nobody is there to be told.
    if (!exchange.signal.aborted && !message.destroyed) exchange.log(`${message.method} ${path}: ${String(error)}`);
    response.destroy();
  }
};
