// Checks what a definition says about named queries.

import { hash64 } from '../core/bytes.ts';
import type { Entity } from '../core/entity.ts';
import type { KeyColumn } from '../core/key.ts';
import type { Document } from '../core/ports.ts';
import type { QueryValues } from '../core/query/query.ts';
import { FORMAT } from '../core/record.ts';
import { duration, type Report, resolveHttp, resolveSchema } from './checks.ts';
import type { ParameterType, QueryDefinition, Schema } from './define.ts';
import { parseSize } from './units.ts';

export interface ResolvedQuery {
  readonly title: string;
  /** Names of entities. */
  readonly of: readonly string[];
  readonly text: string;
  readonly params: readonly KeyColumn[];
  readonly tags: ((values: QueryValues) => readonly string[]) | undefined;
  readonly partition: ((values: QueryValues) => readonly (string | number | boolean | null)[]) | undefined;
  readonly isOfItems: boolean;
  readonly select: ((row: Document) => unknown) | undefined;
  /** Of a row as it is served. */
  readonly schema: Schema | undefined;
  readonly ttlMs: number;
  readonly staleForMs: number;
  readonly staleIfErrorMs: number;
  readonly onChange: 'refresh' | 'evict';
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly http: Entity['http'];
  readonly fingerprint: Uint8Array;
}

const OPTIONS =
  'of text params tags anyChange partition ttl staleFor staleIfError onChange select schema limit maxBytes revision http'.split(
    ' ',
  );
const TYPES: readonly string[] = [
  'string',
  'smallint',
  'int',
  'bigint',
  'number',
  'uuid',
  'date',
  'boolean',
] satisfies ParameterType[];
/** The function key may come in the address as `code`. */
const RESERVED = ['continuation', 'code'];
const MOST_ROWS = 10_000;
const MAX_PARAMETER_BYTES = 1024;

/** @param entities those of the definition */
export function resolveQuery(
  title: string,
  definition: QueryDefinition,
  entities: readonly string[],
  report: Report,
): ResolvedQuery | undefined {
  if (!/^[A-Za-z][\w-]{0,59}$/.test(title)) {
    report('', 'the name must begin with a letter and have letters, digits, "_" and "-" only, at most 60');
  }
  if (typeof definition !== 'object' || definition === null) return report('', 'must be query({…})');
  for (const option of Object.keys(definition)) {
    if (!OPTIONS.includes(option)) report(option, `unknown option; there are ${OPTIONS.join(', ')}`);
  }
  const named: unknown = definition.of;
  const of = (Array.isArray(named) ? named : [named]).filter((name) => entities.includes(name as string)) as string[];
  if (of.length === 0 || (Array.isArray(named) && of.length < named.length)) {
    report('of', `must name entities of the configuration: ${entities.join(', ')}`);
  }
  if (typeof definition.text !== 'string' || definition.text.trim() === '') report('text', 'must be a query');
  const params = resolveParams(definition, report);
  checkFunctions(definition, of, report);
  const { limit = 1000, revision = 1, onChange = 'evict' } = definition;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_ROWS)
    report('limit', `must be a whole number from 1 to ${MOST_ROWS}`);
  if (!Number.isInteger(revision) || revision < 1) report('revision', 'must be a whole number from 1 on');
  if (onChange !== 'refresh' && onChange !== 'evict') report('onChange', 'must be "refresh" or "evict"');
  const ttlMs = duration('ttl', definition.ttl, report, 1);
  const staleForMs = duration('staleFor', definition.staleFor ?? '0s', report);
  const staleIfErrorMs = duration('staleIfError', definition.staleIfError ?? '0s', report);
  const maxBytes =
    parseSize(definition.maxBytes ?? '1mb') ?? report('maxBytes', 'must be a size such as "512kb" or "2mb"');
  const http = resolveHttp(definition.http ?? {}, report);
  const schema = resolveSchema(definition.schema, report);
  if (ttlMs === undefined || maxBytes === undefined) return undefined;
  const declared = [FORMAT, revision, of, definition.text, params, ttlMs, staleForMs, staleIfErrorMs, limit, maxBytes];
  return {
    title,
    of,
    text: definition.text,
    params,
    tags: definition.anyChange === true ? undefined : definition.tags,
    partition: definition.partition,
    isOfItems: definition.anyChange !== true,
    select: definition.select as ((row: Document) => unknown) | undefined,
    schema,
    ttlMs,
    staleForMs: staleForMs ?? 0,
    staleIfErrorMs: staleIfErrorMs ?? 0,
    onChange,
    maxRows: limit,
    maxBytes,
    http,
    fingerprint: hash64(JSON.stringify(declared)),
  };
}

function resolveParams({ params = {} }: QueryDefinition, report: Report): readonly KeyColumn[] {
  if (typeof params !== 'object' || params === null) report('params', 'must be types by their names');
  return Object.entries(params ?? {}).map(([name, type]) => {
    if (!/^[A-Za-z_]\w{0,59}$/.test(name) || RESERVED.includes(name)) {
      report(`params.${name}`, `must be a name of letters, digits and "_", other than ${RESERVED.join(', ')}`);
    }
    if (!TYPES.includes(type)) report(`params.${name}`, `must be one of ${TYPES.join(', ')}`);
    return { name, type: type === 'string' ? 'text' : type, maxBytes: MAX_PARAMETER_BYTES };
  });
}

function checkFunctions(definition: QueryDefinition, of: readonly string[], report: Report): void {
  const { tags, anyChange } = definition;
  for (const option of ['tags', 'partition', 'select'] as const) {
    if (definition[option] !== undefined && typeof definition[option] !== 'function') {
      report(option, 'must be a function');
    }
  }
  if ((tags === undefined) === (anyChange !== true)) {
    report('tags', 'a query has either tags, by which changes of items find it, or anyChange: true');
  }
  if (of.length > 1 && anyChange !== true) report('of', 'several entities need anyChange: true');
}
