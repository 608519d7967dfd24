// GET /ops/explain/{entity}/{key…} and /ops/explain-query/{name}: why something is cached, stale or missing.

import type { HttpRequest, HttpResponseInit } from '@azure/functions';
import { blobName, type Content, keysOfBlob } from '../../core/content/content.ts';
import type { Entity } from '../../core/entity.ts';
import { WarmfeedError } from '../../core/errors.ts';
import { type Key, parseKey } from '../../core/key.ts';
import type { Explain, Explanation } from '../../core/ops/explain.ts';
import type { Query } from '../../core/query/query.ts';
import { segmentsAfter } from '../http.ts';
import { parametersOf } from '../parameters.ts';
import { queryKeyOf } from '../queries.ts';
import { answerJson, flagOf, registerOps } from './ops-http.ts';

export interface ExplainRoutes {
  readonly explain: Explain;
  readonly entities: readonly Entity[];
  readonly queries: readonly Query[];
  readonly content: Content | undefined;
  /** What a query's record must be valid under now. */
  readonly marksOf: (query: Query, key: Key) => Promise<string>;
}

export function registerOpsExplain(routes: ExplainRoutes): void {
  registerOps('explain', 'explain/{entity}/{*key}', { GET: (request) => explainItem(request, routes) });
  registerOps('explain-query', 'explain-query/{name}', { GET: (request) => explainQuery(request, routes) });
}

async function explainItem(
  request: HttpRequest,
  { explain, entities, content }: ExplainRoutes,
): Promise<HttpResponseInit> {
  const wantsSource = flagOf(parametersOf(request, ['source']), 'source');
  const [name = '', ...segments] = segmentsAfter(request, 'explain');
  if (content !== undefined && name === content.name) {
    if (wantsSource)
      throw new WarmfeedError('BAD_REQUEST', 'the source of content is not read here: source must be false');
    return answerJson(200, await explainContent(explain, content, blobName(segments)));
  }
  const entity = entityNamed(entities, name, content);
  const asked = { kept: entity, key: parseKey(entity.columns, segments), source: entity.source };
  return answerJson(200, await explain(wantsSource ? { ...asked, read: entity } : asked));
}

/** @throws WarmfeedError UNKNOWN_ENTITY */
export function entityNamed(entities: readonly Entity[], name: unknown, content?: Content): Entity {
  const entity = entities.find((each) => each.name === name);
  if (entity !== undefined) return entity;
  const names = [...entities.map((each) => each.name), ...(content === undefined ? [] : [content.name])];
  throw new WarmfeedError('UNKNOWN_ENTITY', `there are ${names.join(', ')}`);
}

/** A path has a record for each set of codings that clients prefer: the newest of them, or the plain one. */
async function explainContent(explain: Explain, content: Content, path: string): Promise<Explanation> {
  const ofPath = keysOfBlob(path).filter(([of]) => of === path);
  const all = await Promise.all(ofPath.map((key) => explain({ kept: content, key })));
  return all.reduce((newest, each) => (filledAt(each) > filledAt(newest) ? each : newest));
}

async function explainQuery(
  request: HttpRequest,
  { explain, queries, marksOf }: ExplainRoutes,
): Promise<HttpResponseInit> {
  const [name = ''] = segmentsAfter(request, 'explain-query');
  const query = queryNamed(queries, name);
  const key = queryKeyOf(query, request);
  return answerJson(200, await explain({ kept: query, key, marks: marksOf(query, key) }));
}

/** @throws WarmfeedError UNKNOWN_ENTITY */
export function queryNamed(queries: readonly Query[], name: unknown): Query {
  const query = queries.find((each) => each.title === name);
  if (query !== undefined) return query;
  const names = queries.map((each) => each.title).join(', ') || 'none';
  throw new WarmfeedError('UNKNOWN_ENTITY', `of queries there are ${names}`);
}

function filledAt({ record }: Explanation): string {
  return record?.filledAt ?? '';
}
