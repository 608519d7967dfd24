/** A query ready to run over documents: filter, order, TOP, aggregates, projection. */
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import { type Aggregate, aggregateOf } from './aggregate.ts';
import { type Context, compile, type Evaluate, isAggregate, propertyName, type Row } from './expression.ts';
import { compileFrom, root, type Source } from './from.ts';
import { listOf, type Node, need, parseQuery } from './syntax.ts';
import { rank } from './values.ts';

export interface QuerySpec {
  query: string;
  parameters: { name: string; value: unknown }[];
}

export interface OrderItem {
  /** As in `c.a.b`. */
  text: string;
  /** As in an indexing policy: `/a/b`. */
  path: string;
  descending: boolean;
}

export interface Result {
  value: unknown;
  order: unknown[];
  /** Of the document that the row came from; none for aggregates. */
  rid: unknown;
}

export interface CompiledQuery {
  /** Each document's rows stand for themselves: no ORDER BY, TOP or aggregate. */
  streaming: boolean;
  hasValue: boolean;
  order: OrderItem[];
  top: number | undefined;
  /** Aggregate functions, in upper case; `bare` is set for `SELECT VALUE AGG(…)`. */
  aggregates: string[];
  bare: Aggregate | undefined;
  run: (documents: Iterable<JsonObject>) => Result[];
  /** Of a `bare` aggregate: what the client merges over ranges. */
  partial: (documents: Iterable<JsonObject>) => unknown;
}

const contains = (node: unknown, test: (node: Node) => boolean): boolean => {
  if (Array.isArray(node)) return node.some((one) => contains(one, test));
  if (typeof node !== 'object' || node === null) return false;
  const one = node as Node;
  if (one.type === 'select_query') return false;
  return test(one) || Object.values(one).some((child) => contains(child, test));
};

interface Projection {
  project: (rows: Row[]) => unknown[];
  aggregates: string[];
  bare: Aggregate | undefined;
}

/** `SELECT a, b AS x`: named by alias or last property, else `$1`, `$2`, … */
const compileList = (nodes: Node[], context: Context): Evaluate => {
  let unnamed = 0;
  const entries = nodes.map(({ property, alias }) => {
    const node = need(property);
    const evaluate = compile(node, context);
    if (alias) return [String(alias.name), evaluate] as const;
    if (node.type === 'identifier') return [String(node.name), evaluate] as const;
    if (node.type === 'scalar_member_expression') return [propertyName(need(node.property)), evaluate] as const;
    unnamed += 1;
    return [`$${unnamed}`, evaluate] as const;
  });
  return (row) =>
    Object.fromEntries(entries.map(([name, value]) => [name, value(row)]).filter(([, value]) => value !== undefined));
};

const compileSelect = (node: Node, context: Context, source: Source | undefined): Projection => {
  if (node['*'] === true) {
    const [alias, second] = source ? [...source.aliases] : [];
    if (alias === undefined) throw badRequest("'SELECT *' is not valid if FROM clause is omitted.");
    if (second !== undefined) throw badRequest("'SELECT *' is only valid with a single input set.");
    return { project: (rows) => rows.map((row) => row[alias]), aggregates: [], bare: undefined };
  }
  const value = node.value as Node | undefined;
  const list = listOf(node.properties as Node | undefined).flatMap((one) => listOf(one.properties));
  const build = (inner: Context): Evaluate => (value ? compile(value, inner) : compileList(list, inner));
  if (!contains(value ?? list, isAggregate)) {
    const evaluate = build(context);
    return { project: (rows) => rows.map(evaluate), aggregates: [], bare: undefined };
  }
  const used: { name: string; aggregate: Aggregate; result: unknown }[] = [];
  // Outside of the aggregates no row is in sight, so that `SELECT c.a, COUNT(1)` is refused.
  const evaluate = build({
    ...context,
    aliases: new Set(),
    aggregate: (name, argument) => {
      const slot = { name, aggregate: aggregateOf(name, compile(argument, context)), result: undefined as unknown };
      used.push(slot);
      return () => slot.result;
    },
  });
  return {
    aggregates: used.map(({ name }) => name),
    bare: value && isAggregate(value) ? used[0]?.aggregate : undefined,
    project: (rows) => {
      for (const slot of used) slot.result = slot.aggregate.final(rows);
      return [evaluate({})];
    },
  };
};

const pathOf = (node: Node): string[] => {
  if (node.type === 'identifier') return [String(node.name)];
  const property = need(node.property);
  if (node.type !== 'scalar_member_expression' || (node.computed === true && property.type !== 'string_constant'))
    throw badRequest('Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.');
  return [...pathOf(need(node.object)), propertyName(property)];
};

const compileOrder = (node: Node | null | undefined, context: Context) =>
  (node?.expressions ?? []).map((one) => {
    const expression = need(one.expression);
    if (expression.type !== 'scalar_member_expression')
      throw badRequest('Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.');
    const names = pathOf(expression);
    return {
      text: names.join('.'),
      path: `/${names.slice(1).join('/')}`,
      descending: one.order === 'DESC',
      evaluate: compile(expression, context),
    };
  });

const compileTop = (node: Node | null | undefined, context: Context): number | undefined => {
  if (!node) return undefined;
  const top = compile(need(node.value as Node), context)({});
  if (typeof top !== 'number' || !Number.isInteger(top) || top < 0) throw badRequest('TOP needs a whole number.');
  return top;
};

interface Sorted {
  row: Row;
  order: unknown[];
}

const compileNode = (node: Node, context: Context, nested: boolean) => {
  const source = node.from ? compileFrom(node.from, context, nested) : undefined;
  const inner: Context = { ...context, aliases: source?.aliases ?? context.aliases };
  const condition = node.where ? compile(need(node.where.condition), inner) : undefined;
  const order = compileOrder(node.orderBy, inner);
  const top = compileTop(node.top, inner);
  const projection = compileSelect(need(node.select), inner, source);
  const filter = (outer: Row): Row[] => {
    const rows = source ? source.expand(outer) : [outer];
    return condition ? rows.filter((row) => condition(row) === true) : rows;
  };
  const arrange = (rows: Row[]): Sorted[] => {
    const sorted = rows.map((row): Sorted => ({ row, order: order.map(({ evaluate }) => evaluate(row)) }));
    if (order.length === 0) return top === undefined ? sorted : sorted.slice(0, top);
    // As under the default index: documents without the property are not in the order, hence not in the result.
    const present = order.length === 1 ? sorted.filter((one) => one.order[0] !== undefined) : sorted;
    present.sort((a, b) => {
      for (const [index, { descending }] of order.entries()) {
        const by = rank(a.order[index], b.order[index]);
        if (by !== 0) return descending ? -by : by;
      }
      return 0;
    });
    return top === undefined ? present : present.slice(0, top);
  };
  return { filter, arrange, order, top, projection, source };
};

const subquery: Context['subquery'] = (node, context) => {
  const { filter, arrange, projection } = compileNode(node, context, true);
  return (row) => projection.project(arrange(filter(row)).map((one) => one.row)).filter((value) => value !== undefined);
};

export const compileQuery = ({ query, parameters }: QuerySpec): CompiledQuery => {
  const node = parseQuery(query);
  const context: Context = {
    aliases: new Set(),
    parameters: new Map(parameters.map(({ name, value }) => [name, value])),
    subquery,
  };
  const { filter, arrange, order, top, projection, source } = compileNode(node, context, false);
  const aggregating = projection.aggregates.length > 0;
  const rowsOf = (documents: Iterable<JsonObject>): Row[] => {
    if (!source) return filter({});
    const rows: Row[] = [];
    for (const document of documents) rows.push(...filter({ [root]: document }));
    return rows;
  };
  return {
    streaming: source !== undefined && order.length === 0 && top === undefined && !aggregating,
    hasValue: Boolean(node.select?.value),
    order: order.map(({ text, path, descending }) => ({ text, path, descending })),
    top,
    aggregates: projection.aggregates,
    bare: projection.bare,
    partial: (documents) => projection.bare?.partial(rowsOf(documents)),
    run: (documents) => {
      const sorted = arrange(rowsOf(documents));
      const values = projection.project(sorted.map((one) => one.row));
      return values
        .map((value, index): Result => {
          const from = aggregating ? undefined : sorted[index];
          return { value, order: from?.order ?? [], rid: (from?.row[root] as JsonObject | undefined)?.['_rid'] };
        })
        .filter(({ value }) => value !== undefined);
    },
  };
};
