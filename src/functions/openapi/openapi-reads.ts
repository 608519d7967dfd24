// What is read through the cache, in the OpenAPI document: items, many items, results of queries, static content.

import type { Entity } from '../../core/entity.ts';
import type { Query } from '../../core/query/query.ts';
import { isPaged } from '../queries.ts';
import {
  documentExample,
  documentSchema,
  keyExample,
  keySchema,
  queryParameters,
  segmentNames,
  segmentParameters,
} from './openapi-keys.ts';
import {
  headerRefs,
  headOf,
  type Json,
  jsonAnswer,
  jsonBody,
  list,
  NOT_MODIFIED,
  object,
  operation,
  type Problem,
} from './openapi-parts.ts';

export type ReadEntity = Pick<Entity, 'name' | 'columns'> & {
  readonly source: Pick<Entity['source'], 'changesHold'>;
  /** Of what is served, as the configuration declares it. */
  readonly schema: Json | undefined;
  readonly hasSelect: boolean;
};
export type ReadQuery = Pick<Query, 'title' | 'params' | 'partition' | 'isOfItems'> & {
  readonly of: readonly { readonly name: string }[];
  readonly source: Pick<Query['source'], 'changesHold'>;
  /** Of a row as it is served. */
  readonly schema: Json | undefined;
  readonly select: unknown;
};

const CONDITIONS: readonly Json[] = [
  { name: 'If-None-Match', in: 'header', schema: { type: 'string' }, description: '304 if the value has this ETag' },
  { name: 'If-Match', in: 'header', schema: { type: 'string' }, description: '412 if it has another' },
];
const DIRECTIVES: Json = {
  name: 'Cache-Control',
  in: 'header',
  schema: { type: 'string' },
  description: 'no-cache reloads, only-if-cached never does; max-age, min-fresh, max-stale (RFC 9111)',
};
const SESSION_TOKEN: Json = {
  name: 'x-ms-session-token',
  in: 'header',
  schema: { type: 'string' },
  description: 'What Cosmos DB answered to a write of yours: you are never given an older item',
};
const READ_HEADERS = headerRefs('ETag', 'Age', 'Cache-Status', 'Cache-Control');
const BYTES: Json = { type: 'string', format: 'binary', description: 'Bytes of the type that the storage says' };
const MAX_KEYS = 500;

interface Reading {
  /** Whether clients may say what the cache does. */
  readonly directives: boolean;
}

/** The parameters of every read, and its refusals. */
function reading({ directives }: Reading, more: readonly Problem[]) {
  return {
    parameters: directives ? [...CONDITIONS, DIRECTIVES] : CONDITIONS,
    problems: [412, ...more, 502, 503, ...(directives ? ([504] as const) : [])] as readonly Problem[],
  };
}

export function itemSchemas(entities: readonly ReadEntity[]): Json {
  return Object.fromEntries(entities.map((entity) => [`item.${entity.name}`, itemSchema(entity)]));
}

/** What `select` makes of a document only its author knows; without it the item has the columns of its key. */
function itemSchema({ name, columns, schema, hasSelect }: ReadEntity): Json {
  if (schema !== undefined) return { description: `An item of ${name}`, ...schema };
  if (hasSelect) return { description: `An item of ${name}: what its \`select\` gives` };
  return { description: `An item of ${name}, as it is stored`, ...documentSchema(columns) };
}

function itemExample({ columns, schema, hasSelect }: ReadEntity): unknown {
  if (schema !== undefined) return exampleOf(schema);
  return hasSelect ? undefined : documentExample(columns);
}

function exampleOf(schema: Json): unknown {
  const examples = schema['examples'];
  return Array.isArray(examples) ? examples[0] : undefined;
}

export function entityPaths(entities: readonly ReadEntity[], how: Reading): Json {
  const paths = entities.flatMap((entity) => [
    [itemPath(entity), itemOperations(entity, how)],
    [`/batch/${entity.name}`, { post: batchOperation(entity) }],
  ]);
  return Object.fromEntries(paths) as Json;
}

function itemPath({ name, columns }: ReadEntity): string {
  return ['/entities', name, ...segmentNames(columns).map((segment) => `{${segment}}`)].join('/');
}

function itemOperations(entity: ReadEntity, how: Reading): Json {
  const { name, columns, source } = entity;
  const { parameters, problems } = reading(how, [400, 404]);
  const tokens = source.changesHold === 'documents' ? [SESSION_TOKEN] : [];
  const get = operation({
    tag: 'items',
    id: `read_${name}`,
    summary: `One item of ${name}`,
    parameters: [...segmentParameters(columns), ...parameters, ...tokens],
    answers: { 200: jsonAnswer('The item', itemRef(name), itemExample(entity), READ_HEADERS), 304: NOT_MODIFIED },
    problems,
  });
  return { get, head: headOf(get, `head_${name}`) };
}

const itemRef = (name: string): Json => ({ $ref: `#/components/schemas/item.${name}` });

function batchOperation(entity: ReadEntity): Json {
  const { name, columns } = entity;
  const key = keyExample(columns);
  const body = itemExample(entity);
  const keys = { ...list(keySchema(columns)), maxItems: MAX_KEYS };
  const answer = object(
    { status: { type: 'integer' }, body: itemRef(name), problem: { $ref: '#/components/schemas/Problem' } },
    ['body', 'problem'],
  );
  return operation({
    tag: 'items',
    id: `batch_${name}`,
    summary: `Many items of ${name}: answers in the order of the keys, each with its own status`,
    body: jsonBody(object({ keys }), { keys: [key] }),
    answers: {
      200: jsonAnswer(
        'The answers',
        object({ answers: list(answer) }),
        { answers: [body === undefined ? { status: 404 } : { status: 200, body }] },
        headerRefs('Cache-Status'),
      ),
    },
    problems: [400, 404, 411, 413, 415, 502, 503],
  });
}

/** @param entities those that the queries are of */
export function queryPaths(queries: readonly ReadQuery[], entities: readonly ReadEntity[], how: Reading): Json {
  const paths = queries.map((query) => [`/queries/${query.title}`, queryOperations(query, entities, how)]);
  return Object.fromEntries(paths) as Json;
}

function queryOperations(query: ReadQuery, entities: readonly ReadEntity[], how: Reading): Json {
  const { title, params } = query;
  const { parameters, problems } = reading(how, [400]);
  const items = itemsOf(query, entities);
  const rows = list(rowSchema(query, items));
  const row = query.schema === undefined ? items && itemExample(items) : exampleOf(query.schema);
  const example = { rows: row === undefined ? [] : [row] };
  const continuation = { type: 'string', description: 'Where to go on; not there: that was all' };
  const pages = isPaged(query);
  const schema = pages ? object({ rows, continuation }, ['continuation']) : object({ rows });
  const from = { name: 'continuation', in: 'query', schema: { type: 'string' }, description: 'From an earlier answer' };
  const get = operation({
    tag: 'queries',
    id: `query_${title}`,
    summary: `Rows of ${title}`,
    parameters: [...queryParameters(params), ...(pages ? [from] : []), ...parameters],
    answers: { 200: jsonAnswer('The rows', schema, example, READ_HEADERS), 304: NOT_MODIFIED },
    problems,
  });
  return { get, head: headOf(get, `headQuery_${title}`) };
}

/** The entity that rows are served as items of. */
function itemsOf({ select, isOfItems, of: [first] }: ReadQuery, entities: readonly ReadEntity[]) {
  return select === undefined && isOfItems ? entities.find(({ name }) => name === first?.name) : undefined;
}

/** Rows of tables are objects by their columns; Cosmos DB gives any value. */
function rowSchema({ schema, select, source }: ReadQuery, items: ReadEntity | undefined): Json {
  if (schema !== undefined) return schema;
  if (items !== undefined) return itemRef(items.name);
  if (select !== undefined) return { description: 'What its `select` gives' };
  return source.changesHold === 'keys' ? { type: 'object' } : {};
}

export function contentPaths(content: { readonly authLevel: 'function' | 'anonymous' }, how: Reading): Json {
  const { parameters, problems } = reading(how, [400, 404, 406]);
  const answerHeaders = { ...READ_HEADERS, ...headerRefs('Last-Modified') };
  const bytes = (description: string) => ({
    description,
    headers: answerHeaders,
    content: { '*/*': { schema: BYTES } },
  });
  const path = { name: 'path', in: 'path', required: true, schema: { type: 'string' }, example: 'index.html' };
  const range = { name: 'Range', in: 'header', schema: { type: 'string' }, example: 'bytes=0-99' };
  const get = operation({
    tag: 'content',
    id: 'content',
    summary: 'Static content',
    description: 'The path may have slashes.',
    parameters: [path, range, ...parameters],
    answers: { 200: bytes('The content'), 206: bytes('The part asked for'), 304: NOT_MODIFIED },
    problems: [...problems, 413, 416],
    caller: content.authLevel === 'anonymous' ? 'anybody' : 'function',
  });
  return { '/content/{path}': { get, head: headOf(get, 'headContent') } };
}
