// The OpenAPI document of the shipped configuration, held against the running app: whatever it says is there, is there and
// answers as it says, and whatever is there it tells of.

import { BlobServiceClient } from '@azure/storage-blob';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDatabases } from '../support/databases.ts';
import { type Answer, get, type Stack, startStack } from '../support/stack.ts';

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: object }>>;
  readonly requestBody?: { readonly content: Record<string, { readonly example: unknown }> };
  readonly security: readonly object[];
}
interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly example?: unknown;
}
interface Document {
  readonly servers: readonly [{ readonly url: string }];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const ROOT = new URL('../..', import.meta.url).pathname;
const AIRPORT = { id: 'CDG', type: 'airport', country: 'FR', name: 'Charles de Gaulle', city: null, n: 1 };
const CONFIGURATION = `${ROOT}src/cache.config.ts`;

let stack: Stack;
let databases: Awaited<ReturnType<typeof startDatabases>>;
let document: Document;
let ajv: Ajv2020;

beforeAll(async () => {
  databases = await startDatabases();
  stack = await startStack({
    configuration: CONFIGURATION,
    settings: databases.settings,
    host: { enableAuth: true, keys: { master: 'master-key', default: 'function-key' } },
    prepare: async (database) => {
      const { container } = await database.containers.create({ id: 'airports', partitionKey: '/country' });
      await container.items.create(AIRPORT);
    },
  });
  const { CONTENT = '' } = databases.settings;
  const container = BlobServiceClient.fromConnectionString(CONTENT).getContainerClient('content');
  await container.getBlockBlobClient('a.json').upload('{"a":1}', 7);
  const answer = await stack.get('openapi.json', { headers: { 'x-functions-key': 'function-key' } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json');
  document = JSON.parse(answer.text) as Document;
  ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'openapi');
});
afterAll(async () => {
  await stack?.close();
  await databases?.stop();
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );

describe('the document of the app', () => {
  it('is valid, wants a key, and answers GET and HEAD only', async () => {
    expect(await new Validator().validate(structuredClone(document) as never)).toMatchObject({ valid: true });
    expect((await stack.get('openapi.json')).status).toBe(401);
    const headers = { 'x-functions-key': 'function-key' };
    expect(await stack.get('openapi.json', { method: 'HEAD', headers })).toMatchObject({ status: 200, text: '' });
    expect((await stack.get('openapi.json', { method: 'POST', headers })).status).toBe(405);
  });

  it('has every route that is registered, and no other', () => {
    const registered = stack.host.functions.flatMap(({ route }) => (route === undefined ? [] : [route]));
    const told = Object.keys(document.paths);
    const untold = registered.filter((route) => !told.some((path) => matches(route, path)));
    expect(untold).toEqual([]);
    expect(told.filter((path) => !registered.some((route) => matches(route, path)))).toEqual([]);
    expect(registered.length).toBeGreaterThan(8);
  });

  it('says of each route who may call it', () => {
    for (const { path, method, operation } of operations()) {
      const { authLevel } = stack.host.functions.find(({ route }) => route !== undefined && matches(route, path)) ?? {};
      const keys = { anonymous: [], function: ['functionKey'], admin: ['adminKey'] }[authLevel ?? 'admin'];
      expect([method, path, operation.security.flatMap((one) => Object.keys(one))]).toEqual([method, path, keys]);
    }
  });

  it('every GET and HEAD of it is there, and answers as it says', async () => {
    const asked = operations().filter(({ method }) => method === 'GET' || method === 'HEAD');
    expect(asked.length).toBeGreaterThan(15);
    for (const { path, method, operation } of asked) {
      const answer = await ask(path, method, operation);
      const statuses = Object.keys(operation.responses);
      expect({ method, path, statuses }).toMatchObject({ statuses: expect.arrayContaining([String(answer.status)]) });
      if (method === 'GET') expectAsDescribed(`${method} ${path}`, operation, answer);
    }
  });

  it('every other operation of it is there, and takes its own example', async () => {
    const asked = operations().filter(({ method }) => method !== 'GET' && method !== 'HEAD');
    for (const { path, method, operation } of asked) {
      const answer = await ask(path, method, operation);
      const statuses = Object.keys(operation.responses);
      expect({ method, path, statuses }).toMatchObject({ statuses: expect.arrayContaining([String(answer.status)]) });
      expect({ method, path, refused: [400, 415].includes(answer.status) }).toMatchObject({ refused: false });
      expectAsDescribed(`${method} ${path}`, operation, answer);
    }
  });

  it.each(WITH_DATA)('$path answers with data as it says', async ({ path, ...asked }) => {
    const method = asked.body === undefined ? 'GET' : 'POST';
    const operation = document.paths[path]?.[method.toLowerCase()] as Operation;
    const answer = await ask(path, method, operation, asked);
    expect(answer).toMatchObject({ status: path === '/sessions' ? 201 : 200 });
    expect(answer.text).not.toContain('"rows":[]');
    expectAsDescribed(`${method} ${path}`, operation, answer);
  });

  it('and what is no such item would be noticed', () => {
    const isAirport = ajv.getSchema('openapi#/components/schemas/item.airport');
    expect([isAirport?.(AIRPORT), isAirport?.({ ...AIRPORT, id: 7 })]).toEqual([true, false]);
    const isCity = ajv.getSchema('openapi#/components/schemas/item.city');
    expect([isCity?.({ id: 1 }), isCity?.({ name: 'Paris' })]).toEqual([true, false]);
  });
});

/** Whose answers hold what the databases have. */
const WITH_DATA: readonly Asked[] = [
  { path: '/entities/airport/{country}/{id}', values: { country: 'FR', id: 'CDG' } },
  { path: '/entities/country/{code}', values: { code: 'FR' } },
  { path: '/entities/city/{id}', values: { id: 1 } },
  { path: '/batch/airport', body: { keys: [['FR', 'CDG'], ['FR', 'no'], [1]] } },
  { path: '/batch/country', body: { keys: [['FR'], ['DE'], ['XX']] } },
  { path: '/batch/city', body: { keys: [[1], [-1], ['x']] } },
  { path: '/queries/airportsByCountry', values: { country: 'FR' } },
  { path: '/queries/countriesByRegion', values: { region: 'Europe' } },
  { path: '/queries/citiesByCountry', values: { country: 'FR' } },
  { path: '/sessions', body: { userId: 'u-1', basket: [null, 1.5] } },
  { path: '/content/{path}', values: { path: 'a.json' } },
];

interface Asked {
  readonly path: string;
  readonly values?: Readonly<Record<string, string | number>>;
  /** With one it is a POST. */
  readonly body?: unknown;
}

/** With values of one's own, or else the examples of all that is required. */
function ask(
  template: string,
  method: string,
  operation: Operation,
  { values = {}, body }: Omit<Asked, 'path'> = {},
): Promise<Answer> {
  const required = (operation.parameters ?? []).flatMap((one) =>
    one.required === true ? [{ ...one, example: values[one.name] ?? one.example }] : [],
  );
  const path = template.replace(/\{([^{}]*)\}/g, (_, name) =>
    encodeURIComponent(String(required.find((one) => one.in === 'path' && one.name === name)?.example)),
  );
  const query = required.flatMap((one) => (one.in === 'query' ? [[one.name, String(one.example)] as const] : []));
  const headers = required.flatMap((one) => (one.in === 'header' ? [[one.name, String(one.example)] as const] : []));
  const [media] = Object.entries(operation.requestBody?.content ?? {});
  const search = new URLSearchParams(Object.fromEntries(query)).toString();
  return get(`${stack.host.url}${document.servers[0].url}${path}?${search}`, {
    method,
    headers: {
      'x-functions-key': 'master-key',
      ...Object.fromEntries(headers),
      ...(media && { 'content-type': media[0] }),
    },
    ...(media && { body: JSON.stringify(body ?? media[1].example) }),
  });
}

function expectAsDescribed(what: string, operation: Operation, answer: Answer): void {
  const described = operation.responses[answer.status];
  const at = described?.$ref ?? '';
  const response = at.startsWith('#/') ? lookUp(at) : described;
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? '';
  const content = (response as { content?: Record<string, { schema?: object }> } | undefined)?.content;
  if (content === undefined) return expect([what, answer.text]).toEqual([what, '']);
  if (content['*/*'] !== undefined) return;
  const schema = content[type]?.schema;
  expect([what, answer.status, type, Object.keys(content)]).toEqual([what, answer.status, type, [type]]);
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"openapi#/')) as object;
  expect([what, ajv.validate(absolute, answer.json), ajv.errorsText(), answer.text]).toEqual([
    what,
    true,
    'No errors',
    answer.text,
  ]);
}

function lookUp(ref: string): unknown {
  const steps = ref.slice(2).split('/');
  return steps.reduce<unknown>((node, step) => (node as Record<string, unknown> | undefined)?.[step], document);
}

/** Whether a route has a path of the document: `/api/entities/{entity}/{*key}` has `/entities/airport/{country}/{id}`. */
function matches(route: string, path: string): boolean {
  const pattern = route
    .replace(/[.+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{\*[^{}]*\}/g, '.+')
    .replace(/\{[^{}]*\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(`${document.servers[0].url}${path}`);
}
