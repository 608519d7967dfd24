/**
 * A raw client of the Cosmos DB REST protocol: signs with the master key, waits out 429, keeps the session token. It has no
 * knowledge of leases or feeds, and never throws for a status: callers decide what 404 or 412 means to them.
 */
import { createHmac } from 'node:crypto';
import type { CosmosAccount } from './cosmos-account.ts';
import { sleep } from './sleep.ts';

export interface CosmosRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  resourceType: '' | 'dbs' | 'colls' | 'docs' | 'pkranges';
  /** What is signed: the resource's path by name, or its rid in lower case. */
  resourceLink: string;
  headers?: Record<string, string>;
  body?: unknown;
  signal?: AbortSignal;
}

export interface CosmosReply {
  status: number;
  subStatus: string;
  etag: string | undefined;
  headers: Headers;
  body: unknown;
}

export type CosmosHttp = (request: CosmosRequest) => Promise<CosmosReply>;

const requestTimeoutMs = 65_000;
const throttleRetries = 9;

function authorization(account: CosmosAccount, request: CosmosRequest, date: string): string {
  const text = `${request.method.toLowerCase()}\n${request.resourceType}\n${request.resourceLink}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(account.key, 'base64')).update(text).digest('base64');
  return encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
}

export function createCosmosHttp(account: CosmosAccount): CosmosHttp {
  const send = async (request: CosmosRequest): Promise<CosmosReply> => {
    const date = new Date().toUTCString();
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    const response = await fetch(account.endpoint + request.path, {
      method: request.method,
      headers: {
        'x-ms-version': '2020-07-15',
        'x-ms-date': date,
        'user-agent': 'warmfeed-local-host',
        accept: 'application/json',
        authorization: authorization(account, request, date),
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
    });
    const text = await response.text();
    return {
      status: response.status,
      subStatus: response.headers.get('x-ms-substatus') ?? '',
      etag: response.headers.get('etag') ?? undefined,
      headers: response.headers,
      body: text === '' ? undefined : parse(text),
    };
  };

  return async (request) => {
    for (let attempt = 0; ; attempt += 1) {
      const reply = await send(request);
      if (reply.status !== 429 || attempt >= throttleRetries) return reply;
      const wait = Number(reply.headers.get('x-ms-retry-after-ms') ?? 100);
      if (!(await sleep(wait, request.signal ?? new AbortController().signal))) return reply;
    }
  };
}

/** A proxy in between may answer with something else than JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export class CosmosError extends Error {
  readonly status: number;
  constructor(what: string, reply: CosmosReply) {
    const detail = (reply.body as { message?: unknown } | undefined)?.message;
    super(
      `${what}: ${reply.status}/${reply.subStatus || '0'}${typeof detail === 'string' ? ` ${detail.slice(0, 300)}` : ''}`,
    );
    this.status = reply.status;
  }
}
