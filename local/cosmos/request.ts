/** A request as the handlers see it, and which operation it asks for. */
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from './errors.ts';

export type Operation =
  | 'account'
  | 'list-databases'
  | 'create-database'
  | 'read-database'
  | 'delete-database'
  | 'list-containers'
  | 'create-container'
  | 'read-container'
  | 'replace-container'
  | 'delete-container'
  | 'pkranges'
  | 'offers'
  | 'create'
  | 'upsert'
  | 'read'
  | 'replace'
  | 'patch'
  | 'delete'
  | 'batch'
  | 'bulk'
  | 'query-plan'
  | 'query'
  | 'read-feed'
  | 'change-feed'
  | 'unknown';

export interface CosmosRequest {
  method: string;
  /** Undecoded. */
  path: string;
  /** Decoded. */
  segments: string[];
  operation: Operation;
  headers: IncomingHttpHeaders;
  body: string;
}

export const headerOf = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : value;
};

export const header = (request: CosmosRequest, name: string): string | undefined => headerOf(request.headers, name);

export const flag = (headers: IncomingHttpHeaders, name: string): boolean =>
  headerOf(headers, name)?.toLowerCase() === 'true';

/** The writer wants no body back. */
export const minimal = (request: CosmosRequest): boolean =>
  (header(request, 'prefer') ?? '').includes('return=minimal');

export const jsonBody = (request: CosmosRequest): unknown => {
  try {
    return JSON.parse(request.body) as unknown;
  } catch {
    throw badRequest('The request payload is invalid: it is not JSON.');
  }
};

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`The path segment ${part} is not properly encoded.`);
  }
};

export const segmentsOf = (path: string): string[] =>
  path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);

const isQuery = (headers: IncomingHttpHeaders): boolean =>
  flag(headers, 'x-ms-documentdb-isquery') ||
  (headerOf(headers, 'content-type') ?? '').startsWith('application/query+json');

const onDocuments = (method: string, headers: IncomingHttpHeaders): Operation => {
  if (method === 'GET') return headerOf(headers, 'a-im') === undefined ? 'read-feed' : 'change-feed';
  if (method !== 'POST') return 'unknown';
  if (flag(headers, 'x-ms-cosmos-is-query-plan-request')) return 'query-plan';
  if (flag(headers, 'x-ms-cosmos-is-batch-request'))
    return flag(headers, 'x-ms-cosmos-batch-atomic') ? 'batch' : 'bulk';
  if (isQuery(headers)) return 'query';
  return flag(headers, 'x-ms-documentdb-is-upsert') ? 'upsert' : 'create';
};

/** By shape of the path: what each method does there. */
const table: Record<string, Record<string, Operation>> = {
  '': { GET: 'account' },
  dbs: { GET: 'list-databases', POST: 'create-database' },
  'dbs/*': { GET: 'read-database', DELETE: 'delete-database' },
  'dbs/*/colls': { GET: 'list-containers', POST: 'create-container' },
  'dbs/*/colls/*': { GET: 'read-container', PUT: 'replace-container', DELETE: 'delete-container' },
  'dbs/*/colls/*/pkranges': { GET: 'pkranges' },
  'dbs/*/colls/*/docs/*': { GET: 'read', PUT: 'replace', PATCH: 'patch', DELETE: 'delete' },
  offers: { GET: 'offers', POST: 'offers' },
};

export const operationOf = (method: string, segments: string[], headers: IncomingHttpHeaders): Operation => {
  const shape = segments.map((part, index) => (index % 2 === 0 ? part : '*')).join('/');
  if (shape === 'dbs/*/colls/*/docs') return onDocuments(method, headers);
  const operation = table[shape]?.[method] ?? 'unknown';
  if (isQuery(headers) && operation === 'create-database') return 'list-databases';
  if (isQuery(headers) && operation === 'create-container') return 'list-containers';
  return operation;
};
