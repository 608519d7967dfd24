// The OpenAPI 3.1 document of what the configuration serves.

import { documentPaths, healthPaths } from './openapi-health.ts';
import { queryParameters, segmentNames, segmentParameters } from './openapi-keys.ts';
import { type Explained, opsPaths } from './openapi-ops.ts';
import { OPS_SCHEMAS } from './openapi-ops-schemas.ts';
import { commonComponents, type Json } from './openapi-parts.ts';
import {
  contentPaths,
  entityPaths,
  itemSchemas,
  queryPaths,
  type ReadEntity,
  type ReadQuery,
} from './openapi-reads.ts';
import { sessionPaths } from './openapi-sessions.ts';

export interface Served {
  readonly entities: readonly ReadEntity[];
  readonly queries: readonly ReadQuery[];
  /** Undefined: there are none. */
  readonly sessions: { readonly hasSubjects: boolean } | undefined;
  readonly content: { readonly authLevel: 'function' | 'anonymous' } | undefined;
  readonly clientDirectives: 'honour' | 'ignore';
}

/** That of package.json. */
const VERSION = '0.1.0';

/** @param server the path that all routes begin with, such as `/api` */
export function openapiDocument(served: Served, server: string): Json {
  const { entities, queries, sessions, content } = served;
  const how = { directives: served.clientDirectives === 'honour' };
  const common = commonComponents();
  return {
    openapi: '3.1.0',
    info: {
      title: 'Warmfeed',
      version: VERSION,
      description: 'Items, lists, content and session state, served out of a cache that follows its databases.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: server === '' ? '/' : server }],
    paths: {
      ...entityPaths(entities, how),
      ...queryPaths(queries, entities, how),
      ...(sessions && sessionPaths(sessions)),
      ...(content && contentPaths(content, how)),
      ...healthPaths(),
      ...documentPaths(),
      ...opsPaths(explainedOf(served)),
    },
    components: {
      ...common,
      schemas: { ...(common['schemas'] as Json), ...OPS_SCHEMAS, ...itemSchemas(entities) },
    },
  };
}

/** Every item and result can be explained, by the parameters that it is read by. */
function explainedOf({ entities, queries, content }: Served): Explained[] {
  const path = { name: 'path', in: 'path', required: true, schema: { type: 'string' }, example: 'index.html' };
  return [
    ...entities.map(({ name, columns }) => ({
      path: ['/ops/explain', name, ...segmentNames(columns).map((segment) => `{${segment}}`)].join('/'),
      id: `explain_${name}`,
      what: `an item of ${name}`,
      parameters: segmentParameters(columns),
      hasSource: true,
    })),
    ...queries.map(({ title, params }) => ({
      path: `/ops/explain-query/${title}`,
      id: `explainQuery_${title}`,
      what: `a result of ${title}`,
      parameters: queryParameters(params),
      hasSource: false,
    })),
    ...(content === undefined
      ? []
      : [
          {
            path: '/ops/explain/content/{path}',
            id: 'explainContent',
            what: 'content',
            parameters: [path],
            hasSource: false,
          },
        ]),
  ];
}
