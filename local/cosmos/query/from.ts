/** FROM and JOIN: which rows a document makes, and under which aliases. */
import { badRequest } from '../errors.ts';
import { type Context, compile, type Evaluate, member, propertyName, type Row } from './expression.ts';
import { type Node, need } from './syntax.ts';

export interface Source {
  aliases: Set<string>;
  /** Rows of a document, or, in a subquery, of the row around it. */
  expand: (outer: Row) => Row[];
}

/** Under this name the document stands in the outermost row; no identifier of a query can be it. */
export const root = '$root';

interface Step {
  alias: string;
  iteration: boolean;
  /** Several values for a subquery, one otherwise. */
  values: (row: Row) => unknown[];
}

const path = (node: Node, context: Context, isRoot: (name: string) => boolean): Evaluate => {
  if (node.type === 'collection_expression') return path(need(node.expression), context, isRoot);
  if (node.type === 'identifier') {
    const name = String(node.name);
    if (context.aliases.has(name)) return (row) => row[name];
    if (isRoot(name)) return (row) => row[root];
    throw badRequest(`Identifier '${name}' could not be resolved.`);
  }
  if (node.type === 'collection_member_expression') {
    const object = path(need(node.object), context, isRoot);
    const property = need(node.property);
    const key: Evaluate = node.computed === true ? compile(property, context) : () => propertyName(property);
    return (row) => member(object(row), key(row));
  }
  throw badRequest(`This emulator's queries do not serve FROM ${node.type}.`);
};

const nameOf = (node: Node): string | undefined => {
  if (node.type === 'collection_expression') return nameOf(need(node.expression));
  if (node.type === 'identifier') return String(node.name);
  if (node.type === 'collection_member_expression') return propertyName(need(node.property));
  return undefined;
};

const compileStep = (node: Node, context: Context, isRoot: (name: string) => boolean): Step => {
  const expression = need(node.expression);
  const alias = node.alias ? String(node.alias.name) : (nameOf(expression) ?? `$${context.aliases.size}`);
  const iteration = node.iteration === true;
  if (expression.type === 'collection_subquery_expression')
    return { alias, iteration, values: context.subquery(need(expression.expression), context) };
  const value = path(expression, context, isRoot);
  return { alias, iteration, values: (row) => [value(row)] };
};

const rowsOf = ({ alias, iteration, values }: Step, row: Row): Row[] =>
  values(row)
    .flatMap((value) => (iteration ? (Array.isArray(value) ? value : []) : [value]))
    .filter((value) => value !== undefined)
    .map((value) => ({ ...row, [alias]: value }));

/** At the top any name may stand for the container, but one only; inside, names are those of the query around. */
export const compileFrom = (node: Node, context: Context, nested: boolean): Source => {
  const aliases = new Set(context.aliases);
  const inner = { ...context, aliases };
  const steps: Step[] = [];
  for (const one of [need(node.source), ...(node.joins ?? [])]) {
    const first = steps.length === 0;
    const step = compileStep(one, inner, () => first && !nested);
    steps.push(step);
    aliases.add(step.alias);
  }
  return {
    aliases,
    expand: (outer) => steps.reduce((rows, step) => rows.flatMap((row) => rowsOf(step, row)), [outer]),
  };
};
