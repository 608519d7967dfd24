/** The body of a query request: text and parameters. */
import { badRequest } from './errors.ts';
import { isObject } from './json.ts';
import type { QuerySpec } from './query/compile.ts';
import { type CosmosRequest, jsonBody } from './request.ts';

export const parseSpec = (request: CosmosRequest): QuerySpec => {
  const body = jsonBody(request);
  const query = isObject(body) ? body['query'] : undefined;
  const list = isObject(body) ? (body['parameters'] ?? []) : [];
  if (typeof query !== 'string' || !Array.isArray(list))
    throw badRequest('A query is {"query": "…", "parameters": [{"name": "@x", "value": …}]}.');
  const parameters = list.map((one) => {
    if (!isObject(one) || typeof one['name'] !== 'string')
      throw badRequest('A query parameter has a name and a value.');
    return { name: one['name'], value: one['value'] };
  });
  return { query, parameters };
};
