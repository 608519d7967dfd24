/**
 * Query plans: what the client has to do to merge the ranges' answers. The rewritten text comes back to us word for
 * word, so it is the original with a comment that asks for the payload form.
 */
import { badRequest } from '../errors.ts';
import type { CompiledQuery } from './compile.ts';

/** SDKs put a filter here to resume an ordered query from a continuation; "true" is none. */
const placeholder = '{documentdb-formattableorderbyquery-filter}';
const mark = '-- warmfeed payload';

export type PayloadForm = 'plain' | 'order' | 'aggregate';

/** Takes the mark off a query that came back. */
export const unmark = (query: string): { query: string; form: PayloadForm } => {
  const at = query.lastIndexOf(mark);
  if (at < 0) return { query, form: 'plain' };
  const [form, filter] = query
    .slice(at + mark.length)
    .trim()
    .split(/\s+/, 2);
  if (form === 'aggregate') return { query: query.slice(0, at), form };
  if (form !== 'order' || (filter !== 'true' && filter !== placeholder))
    throw badRequest('This emulator does not resume ordered cross-partition queries from a continuation.');
  return { query: query.slice(0, at), form };
};

const rewritten = (query: string, compiled: CompiledQuery): string => {
  if (compiled.order.length > 0) return `${query} ${mark} order ${placeholder}`;
  return compiled.aggregates.length > 0 ? `${query} ${mark} aggregate` : '';
};

const title = (name: string): string => (name === 'AVG' ? 'Average' : name.charAt(0) + name.slice(1).toLowerCase());

export const planOf = (query: string, compiled: CompiledQuery) => ({
  partitionedQueryExecutionInfoVersion: 2,
  queryInfo: {
    distinctType: 'None',
    top: compiled.top ?? null,
    offset: null,
    limit: null,
    orderBy: compiled.order.map(({ descending }) => (descending ? 'Descending' : 'Ascending')),
    orderByExpressions: compiled.order.map(({ text }) => text),
    groupByExpressions: [],
    groupByAliases: [],
    aggregates: compiled.aggregates.map(title),
    groupByAliasToAggregateType: {},
    rewrittenQuery: rewritten(query, compiled),
    hasSelectValue: compiled.hasValue,
    hasNonStreamingOrderBy: false,
    dCountInfo: null,
  },
  queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
});

/** More than one aggregate, or one inside an expression, has no partial form that clients could merge. */
export const refuseUnmergeable = (compiled: CompiledQuery): void => {
  if (compiled.aggregates.length > 0 && compiled.hasValue && !compiled.bare)
    throw badRequest("Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates.");
};
