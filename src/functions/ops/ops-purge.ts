// POST /ops/purge: by keys, tags, entity or query; dropped, or stale until one load has brought it anew.

import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { blobName, type Content, keysOfBlob } from '../../core/content/content.ts';
import { type Entity, isTag } from '../../core/entity.ts';
import { WarmfeedError } from '../../core/errors.ts';
import { keyOfJson, type RedisKeys } from '../../core/key.ts';
import type { Purge, PurgeReply } from '../../core/ops/purge.ts';
import { recordHash } from '../../core/ops/refusals.ts';
import type { PurgeMode } from '../../core/ports.ts';
import type { Query } from '../../core/query/query.ts';
import { bodyOf, JSON_TYPE } from '../body.ts';
import { problem } from '../http.ts';
import { parametersOf } from '../parameters.ts';
import { entityNamed, queryNamed } from './ops-explain.ts';
import { answerJson, registerOps, whoAsks } from './ops-http.ts';

export interface PurgeRoutes {
  readonly purge: Purge;
  readonly keys: RedisKeys;
  readonly entities: readonly Entity[];
  readonly queries: readonly Query[];
  readonly content: Content | undefined;
}

interface Purging {
  readonly what: string;
  readonly purged: Partial<typeof NOTHING>;
  run(mode: PurgeMode): Promise<PurgeReply>;
}

const MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 1000;
const MAX_TAGS = 100;
const MAX_TAG = 1024;
const KINDS = ['keys', 'tags', 'entity', 'query'] as const;
const NOTHING = { keys: 0, tags: [] as readonly string[], entity: null as string | null, query: null as string | null };

export function registerOpsPurge(routes: PurgeRoutes): void {
  registerOps('purge', 'purge', { POST: (request, context) => purge(request, context, routes) });
}

async function purge(request: HttpRequest, context: InvocationContext, routes: PurgeRoutes): Promise<HttpResponseInit> {
  parametersOf(request, []);
  const body = await bodyOf(request, { type: JSON_TYPE, maxBytes: MAX_BYTES, what: 'a purge' });
  if ('answer' in body) return body.answer;
  const { mode, ...rest } = body.value;
  if (mode !== 'drop' && mode !== 'stale') throw bad('mode must be "drop" or "stale"');
  const purging = purgingOf(rest, routes);
  const reply = await purging.run(mode);
  if (reply === 'full') {
    return problem(
      409,
      'conflict',
      'too many tags were purged of late to list more: purge the entity or the query instead',
    );
  }
  context.info(`ops: ${whoAsks(request)} purged ${purging.what}, mode ${mode}`);
  return answerJson(200, { purged: { ...NOTHING, ...purging.purged }, mode, completeAt: new Date().toISOString() });
}

function purgingOf(body: Readonly<Record<string, unknown>>, routes: PurgeRoutes): Purging {
  const [kind, ...others] = Object.keys(body);
  const known = KINDS.find((each) => each === kind);
  if (known === undefined || others.length > 0) {
    throw bad(`the body must have exactly one of ${KINDS.join(', ')}, and mode; nothing else`);
  }
  const value = body[known];
  return { keys: ofKeys, tags: ofTags, entity: ofEntity, query: ofQuery }[known](value, routes);
}

function ofKeys(value: unknown, routes: PurgeRoutes): Purging {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_KEYS) {
    throw bad(`keys must be a list of 1 to ${MAX_KEYS} pairs [entity, [segments]]`);
  }
  const records = value.flatMap((each: unknown) => recordsOf(each, routes));
  const hashes = records.slice(0, 10).map(recordHash).join(' ');
  const what = `${value.length} key(s): ${hashes}${records.length > 10 ? ' …' : ''}`;
  return { what, purged: { keys: value.length }, run: (mode) => routes.purge.records(records, mode) };
}

function recordsOf(pair: unknown, { keys, entities, content }: PurgeRoutes): readonly string[] {
  if (!Array.isArray(pair) || pair.length !== 2 || !Array.isArray(pair[1])) {
    throw bad('a key must be a pair [entity, [segments]]');
  }
  const [name, segments] = pair as [unknown, readonly unknown[]];
  if (content !== undefined && name === content.name) {
    const texts = segments.map((segment) => {
      if (typeof segment !== 'string') throw bad('segments of a path of content must be texts');
      return segment;
    });
    const path = blobName(texts.join('/').split('/').map(encodeURIComponent));
    return keysOfBlob(path).map((key) => keys.record(content.name, key));
  }
  const entity = entityNamed(entities, name, content);
  return [keys.record(entity.name, keyOfJson(entity.columns, segments))];
}

function ofTags(value: unknown, { purge: run }: PurgeRoutes): Purging {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_TAGS || !value.every(isGoodTag)) {
    throw bad(`tags must be a list of 1 to ${MAX_TAGS} texts of 1 to ${MAX_TAG} bytes without control characters`);
  }
  const tags = [...new Set(value)];
  return { what: `${tags.length} tag(s)`, purged: { tags }, run: (mode) => run.tags(tags, mode) };
}

function isGoodTag(tag: unknown): tag is string {
  return isTag(tag) && Buffer.byteLength(tag) <= MAX_TAG;
}

function ofEntity(value: unknown, { purge: run, entities, content }: PurgeRoutes): Purging {
  const name =
    content !== undefined && value === content.name ? content.name : entityNamed(entities, value, content).name;
  return { what: `the entity ${name}`, purged: { entity: name }, run: (mode) => run.kept(name, mode) };
}

function ofQuery(value: unknown, { purge: run, queries }: PurgeRoutes): Purging {
  const { name, title } = queryNamed(queries, value);
  return { what: `the query ${title}`, purged: { query: title }, run: (mode) => run.kept(name, mode) };
}

function bad(message: string): WarmfeedError {
  return new WarmfeedError('BAD_REQUEST', message);
}
