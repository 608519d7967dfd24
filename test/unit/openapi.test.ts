// The OpenAPI document of configurations of all kinds: valid by a validator that is not ours, its examples by its schemas.

import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { KEY_TYPES } from '../../src/core/key-type.ts';
import { openapiDocument, type Served } from '../../src/functions/openapi/openapi-document.ts';
import type { ReadEntity, ReadQuery } from '../../src/functions/openapi/openapi-reads.ts';

type Tree = Record<string, unknown>;

const columns = (['text', 'scalar', ...Object.keys(KEY_TYPES)] as ReadEntity['columns'][number]['type'][]).map(
  (type) => ({ name: `${type} of {it}`, type, maxBytes: 100 }),
);
const asStored = { schema: undefined, hasSelect: false };
const item: ReadEntity = { name: 'thing', columns, source: { changesHold: 'documents' }, ...asStored };
const selected: ReadEntity = { ...item, name: 'selected', hasSelect: true };
const declared: ReadEntity = {
  ...selected,
  name: 'declared',
  schema: { type: 'object', required: ['n'], examples: [{ n: 1 }] },
};
const twice: ReadEntity = {
  name: 'twice-named',
  columns: [
    { name: 'a/b', type: 'int', maxBytes: 4 },
    { name: 'a.b', type: 'int', maxBytes: 4 },
    { name: 'a b', type: 'int', maxBytes: 4 },
  ],
  source: { changesHold: 'keys' },
  ...asStored,
};
const query: ReadQuery = {
  title: 'all',
  params: columns.map(({ type, maxBytes }) => ({ name: `p_${type}`, type, maxBytes })),
  partition: () => ['x'],
  isOfItems: true,
  of: [{ name: 'thing' }],
  source: { changesHold: 'documents' },
  schema: undefined,
  select: undefined,
};
const everything: Served = {
  entities: [item, twice, selected, declared],
  queries: [
    query,
    { ...query, title: 'count', partition: undefined, isOfItems: false, params: [] },
    { ...query, title: 'declared', schema: { type: 'integer', examples: [7] } },
  ],
  sessions: { hasSubjects: true },
  content: { authLevel: 'anonymous' },
  clientDirectives: 'honour',
};
const least: Served = {
  entities: [item],
  queries: [],
  sessions: undefined,
  content: undefined,
  clientDirectives: 'ignore',
};

const documents: readonly [string, Served][] = [
  ['everything', everything],
  ['as little as there can be', least],
  [
    'sessions of nobody, content with a key',
    { ...least, sessions: { hasSubjects: false }, content: { authLevel: 'function' } },
  ],
];

describe.each(documents)('the document of %s', (_, served) => {
  const document = openapiDocument(served, '/api') as Tree;

  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result).toMatchObject({ valid: true });
  });

  it('and with a fault it is not', async () => {
    const { info: _info, ...faulty } = structuredClone(document);
    expect(await new Validator().validate(faulty)).toMatchObject({ valid: false });
  });

  it('refers to nothing that is not there', () => {
    const refs = nodesOf(document).flatMap((node) => (typeof node['$ref'] === 'string' ? [node['$ref']] : []));
    expect(refs.filter((ref) => resolve(document, ref) === undefined)).toEqual([]);
    expect(refs.length).toBeGreaterThan(10);
  });

  it('has examples that its schemas allow', () => {
    const ajv = new Ajv2020({ strict: false, formats: { int32: true, uuid: true, date: true, 'date-time': true } });
    ajv.addSchema(document, 'openapi');
    const checked = nodesOf(document).filter((node) => node['example'] !== undefined && node['schema'] !== undefined);
    expect(checked.length).toBeGreaterThan(10);
    for (const { schema, example } of checked) {
      expect(ajv.validate(absolute(schema), example), `${JSON.stringify(example)}: ${ajv.errorsText()}`).toBe(true);
    }
  });

  it('declares each parameter of a path, and each operation under its own name', () => {
    const operations = operationsOf(document);
    for (const { path, operation } of operations) {
      const ofPath = ((operation['parameters'] ?? []) as Tree[]).filter((one) => one['in'] === 'path');
      const named = [...path.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1]);
      expect(ofPath.map(({ name }) => name)).toEqual(named);
    }
    const ids = operations.map(({ operation }) => operation['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the body of an item', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(openapiDocument(everything, '/api'), 'openapi');
  const isItem = (name: string, body: unknown) =>
    ajv.validate({ $ref: `openapi#/components/schemas/item.${name}` }, body);

  it('has the columns of its key, and whatever else there is', () => {
    const named = { 'a/b': 1, 'a.b': '9007199254740993', 'a b': -1 };
    expect(isItem('twice-named', { ...named, more: [null] })).toBe(true);
    expect(isItem('twice-named', { ...named, 'a b': undefined })).toBe(false);
    expect(isItem('twice-named', { ...named, 'a b': 1.5 })).toBe(false);
    expect(isItem('twice-named', { ...named, 'a b': 'x' })).toBe(false);
    expect(isItem('twice-named', [])).toBe(false);
  });

  it('is anything that `select` may give, or what the configuration declares', () => {
    expect(isItem('selected', 7)).toBe(true);
    expect([isItem('declared', { n: 'x' }), isItem('declared', {})]).toEqual([true, false]);
  });

  it('stands in answers to reads, batches and queries alike', () => {
    const { paths } = openapiDocument(everything, '/api') as { paths: Record<string, Record<string, Tree>> };
    const mediaOf = (path: string, method = 'get') => {
      const responses = paths[path]?.[method]?.['responses'] as Record<string, { content: Record<string, Tree> }>;
      return responses['200']?.content['application/json'];
    };
    const $ref = '#/components/schemas/item.declared';
    const [read = ''] = Object.keys(paths).filter((path) => path.startsWith('/entities/declared/'));
    expect(mediaOf(read)).toEqual({ schema: { $ref }, example: { n: 1 } });
    expect(mediaOf('/batch/declared', 'post')).toMatchObject({
      schema: { properties: { answers: { items: { properties: { body: { $ref } } } } } },
      example: { answers: [{ status: 200, body: { n: 1 } }] },
    });
    expect(mediaOf('/queries/all')).toMatchObject({
      schema: { properties: { rows: { items: { $ref: '#/components/schemas/item.thing' } } } },
      example: { rows: [{ 'int of {it}': 1 }] },
    });
    expect(mediaOf('/queries/count')).toMatchObject({ schema: { properties: { rows: { items: {} } } } });
    expect(mediaOf('/queries/declared')).toMatchObject({
      schema: { properties: { rows: { items: { type: 'integer' } } } },
      example: { rows: [7] },
    });
  });
});

describe('what the configuration says', () => {
  const text = (served: Served) => JSON.stringify(openapiDocument(served, '/api'));

  it('decides which routes there are', () => {
    const paths = Object.keys(openapiDocument(least, '/api')['paths'] as Tree);
    expect(paths.filter((path) => !path.startsWith('/ops/'))).toEqual([
      expect.stringMatching(/^\/entities\/thing\/\{/),
      '/batch/thing',
      '/health/live',
      '/health/ready',
      '/openapi.json',
    ]);
    expect(paths.filter((path) => path.startsWith('/ops/explain'))).toEqual([
      expect.stringMatching(/^\/ops\/explain\/thing\/\{/),
    ]);
    expect(text(everything)).toContain('/ops/explain-query/count');
    expect(text(everything)).toContain('/sessions/current/touch');
    expect(text(everything)).toContain('listSessions');
    expect(text({ ...everything, sessions: { hasSubjects: false } })).not.toContain('listSessions');
  });

  it('tells of directives only where they are honoured, of tokens only where there are some', () => {
    expect(text(everything)).toContain('only-if-cached');
    const operations = operationsOf(openapiDocument(least, ''));
    const headers = operations.flatMap(({ operation }) => (operation['parameters'] ?? []) as Tree[]);
    expect(headers.map(({ name }) => name)).not.toContain('Cache-Control');
    expect(operations.some(({ operation }) => '504' in (operation['responses'] as Tree))).toBe(false);
    expect(text(least)).toContain('x-ms-session-token');
    expect(text({ ...least, entities: [twice] })).not.toContain('x-ms-session-token');
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(openapiDocument(least, '/api')['info']).toMatchObject({ version });
  });
});

function nodesOf(value: unknown): Tree[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(nodesOf);
  return Array.isArray(value) ? inner : [value as Tree, ...inner];
}

function operationsOf(document: Tree) {
  return Object.entries(document['paths'] as Record<string, Record<string, Tree>>).flatMap(([path, item_]) =>
    Object.entries(item_).map(([method, operation]) => ({ path, method, operation })),
  );
}

function resolve(document: Tree, ref: string): unknown {
  const steps = ref.slice(2).split('/');
  return steps.reduce<unknown>((node, step) => (node as Tree | undefined)?.[step], document);
}

/** References of a document that is known by a name. */
function absolute(schema: unknown): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"openapi#/')) as object;
}
