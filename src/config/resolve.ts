// Checks a cache definition against the app settings and turns it into what the app runs on; every problem is
// reported at once, with its path.

import { hash64 } from '../core/bytes.ts';
import type { Entity } from '../core/entity.ts';
import { ConfigError, type ConfigProblem, messageOf } from '../core/errors.ts';
import type { Document } from '../core/ports.ts';
import { FORMAT } from '../core/record.ts';
import { duration, type Report, resolveHttp, resolveSchema } from './checks.ts';
import type { CacheDefinition, EntityDefinition, Schema } from './define.ts';
import { type ResolvedContent, resolveContent } from './resolve-content.ts';
import { type ResolvedQuery, resolveQuery } from './resolve-queries.ts';
import { type ResolvedSessions, resolveSessions } from './resolve-sessions.ts';
import {
  differenceOf,
  identityOf,
  placeOf,
  type ResolvedCosmos,
  type ResolvedSource,
  type ResolvedTable,
  resolveSource,
} from './resolve-source.ts';
import { type Environment, leasePrefix, readSettings, type Settings } from './settings.ts';
import { parseDuration, parseSize } from './units.ts';

/** What is known of the items beforehand. */
export interface Served {
  readonly schema: Schema | undefined;
  readonly hasSelect: boolean;
}

export type ResolvedEntity = Omit<Entity, 'source' | 'columns'> & Served & { readonly source: ResolvedSource };

/** A container or table with the entities in it. */
export interface ResolvedPlace<S extends ResolvedSource = ResolvedSource> {
  readonly source: S;
  readonly entities: readonly ResolvedEntity[];
}

export interface ResolvedConfig {
  readonly settings: Settings;
  readonly leasePrefix: string;
  readonly containers: readonly ResolvedPlace<ResolvedCosmos>[];
  readonly tables: readonly ResolvedPlace<ResolvedTable>[];
  /** Undefined: no session state. */
  readonly sessions: ResolvedSessions | undefined;
  /** Undefined: no static content. */
  readonly content: ResolvedContent | undefined;
  readonly queries: readonly ResolvedQuery[];
}

/** @throws ConfigError with every problem of the definition and the settings */
export function resolveConfig(definition: CacheDefinition, environment: Environment): ResolvedConfig {
  const problems: ConfigProblem[] = [];
  const settings = readSettings(environment, problems);
  const found = Object.entries(definition.entities ?? {});
  if (found.length === 0) problems.push({ path: 'entities', message: 'no entity is defined' });
  const entities = found.map(([name, entity]) => {
    const report: Report = (path, message) => {
      problems.push({ path: path === '' ? `entities.${name}` : `entities.${name}.${path}`, message });
      return undefined;
    };
    return resolveEntity(name, entity as unknown as EntityDefinition, environment, report);
  });
  const places = byPlace(entities, problems);
  const sessions = resolveSessions(definition.sessions, environment, (path, message) => {
    problems.push({ path: path === '' ? 'sessions' : `sessions.${path}`, message });
    return undefined;
  });
  const content = resolveContent(definition.content, environment, (path, message) => {
    problems.push({ path: path === '' ? 'content' : `content.${path}`, message });
    return undefined;
  });
  if (content !== undefined && 'content' in definition.entities) {
    problems.push({ path: 'entities.content', message: 'the name is that of the static content' });
  }
  const queries = Object.entries(definition.queries ?? {}).flatMap(([name, query]) => {
    const resolved = resolveQuery(name, query, Object.keys(definition.entities ?? {}), (path, message) => {
      problems.push({ path: path === '' ? `queries.${name}` : `queries.${name}.${path}`, message });
      return undefined;
    });
    return resolved === undefined ? [] : [resolved];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const containers = places.filter((place): place is ResolvedPlace<ResolvedCosmos> => place.source.kind === 'cosmos');
  const tables = places.filter((place): place is ResolvedPlace<ResolvedTable> => place.source.kind !== 'cosmos');
  const prefix = leasePrefix(settings, environment);
  return { settings, leasePrefix: prefix, containers, tables, sessions, content, queries };
}

const OPTIONS =
  'source ttl staleFor staleIfError notFoundTtl onChange match deletedWhen select schema revision tags maxBytes http'.split(
    ' ',
  );
const ON_CHANGE = ['refresh', 'refresh-cached', 'evict'] as const;

function resolveEntity(
  name: string,
  entity: EntityDefinition,
  environment: Environment,
  report: Report,
): ResolvedEntity | undefined {
  if (!/^[A-Za-z][\w-]{0,59}$/.test(name)) {
    report('', 'the name must begin with a letter and have letters, digits, "_" and "-" only, at most 60');
  }
  if (typeof entity !== 'object' || entity === null) return report('', 'must be entity({…})');
  for (const option of Object.keys(entity)) {
    if (!OPTIONS.includes(option)) report(option, `unknown option; there are ${OPTIONS.join(', ')}`);
  }
  const source = resolveSource(entity.source, environment, report);
  const staleForMs = duration('staleFor', entity.staleFor ?? '0s', report);
  const staleIfErrorMs = duration('staleIfError', entity.staleIfError ?? '0s', report);
  const notFoundTtlMs = duration('notFoundTtl', entity.notFoundTtl ?? '30s', report, 1);
  const maxBytes = parseSize(entity.maxBytes ?? '1mb') ?? report('maxBytes', 'must be a size such as "512kb" or "2mb"');
  const revision = entity.revision ?? 1;
  if (!Number.isInteger(revision) || revision < 1) report('revision', 'must be a whole number from 1 on');
  const onChange = ON_CHANGE.find((policy) => policy === (entity.onChange ?? 'refresh'));
  if (onChange === undefined) report('onChange', `must be one of ${ON_CHANGE.map((x) => `"${x}"`).join(', ')}`);
  for (const option of ['match', 'deletedWhen', 'select', 'tags'] as const) {
    if (entity[option] !== undefined && typeof entity[option] !== 'function') report(option, 'must be a function');
  }
  const ttlMs = resolveTtl(entity.ttl, report);
  const http = resolveHttp(entity.http ?? {}, report);
  const schema = resolveSchema(entity.schema, report);
  if (source === undefined || onChange === undefined || maxBytes === undefined || ttlMs === undefined) return undefined;
  const ttl = typeof entity.ttl === 'function' ? 'by document' : entity.ttl;
  const declared = [FORMAT, revision, identityOf(source), ttl, staleForMs, staleIfErrorMs, notFoundTtlMs, maxBytes];
  return {
    name,
    source,
    ttlMs,
    staleForMs: staleForMs ?? 0,
    staleIfErrorMs: staleIfErrorMs ?? 0,
    ...longestOf(entity.ttl, notFoundTtlMs ?? 0),
    notFoundTtlMs: notFoundTtlMs ?? 0,
    onChange,
    match: entity.match ?? (() => true),
    deletedWhen: entity.deletedWhen ?? (() => false),
    select: entity.select ?? ((document) => document),
    hasSelect: entity.select !== undefined,
    schema,
    tags: entity.tags ?? (() => []),
    maxBytes,
    http,
    fingerprint: hash64(JSON.stringify(declared)),
  };
}

/** Nothing where it depends on the document. */
function longestOf(ttl: EntityDefinition['ttl'], notFoundTtlMs: number): { longestTtlMs?: number } {
  return typeof ttl === 'function' ? {} : { longestTtlMs: Math.max(parseDuration(ttl) ?? 0, notFoundTtlMs) };
}

function resolveTtl(ttl: EntityDefinition['ttl'], report: Report): Entity['ttlMs'] | undefined {
  if (typeof ttl !== 'function') {
    const ms = duration('ttl', ttl, report, 1);
    return ms === undefined ? undefined : () => ms;
  }
  return (document: Document) => {
    const ms = parseDuration(ttl(document));
    if (ms === undefined || ms < 1) throw new TypeError('ttl gave no duration such as "5m"');
    return ms;
  };
}

/** Entities of one container or table share its changes, so they must agree on what it is. */
function byPlace(
  entities: readonly (ResolvedEntity | undefined)[],
  problems: ConfigProblem[],
): readonly ResolvedPlace[] {
  const places = new Map<string, { source: ResolvedSource; entities: ResolvedEntity[] }>();
  for (const entity of entities) {
    if (entity === undefined) continue;
    const id = placeOf(entity.source);
    const known = places.get(id);
    if (known === undefined) {
      places.set(id, { source: entity.source, entities: [entity] });
      continue;
    }
    known.entities.push(entity);
    const option = differenceOf(known.source, entity.source);
    if (option === undefined) continue;
    const message = `differs from that of entities.${known.entities[0]?.name}, which is in the same place`;
    problems.push({ path: `entities.${entity.name}.source.${option}`, message });
  }
  return [...places.values()];
}

/** The problems of anything thrown while a configuration was loaded. */
export function problemsOf(error: unknown): readonly ConfigProblem[] {
  return error instanceof ConfigError ? error.problems : [{ path: 'src/cache.config.ts', message: messageOf(error) }];
}
