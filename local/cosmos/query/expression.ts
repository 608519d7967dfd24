/** Turns an expression of the tree into a function of the row. Unknown names and functions are refused here, at once. */
import { badRequest } from '../errors.ts';
import { aggregates, functions } from './functions.ts';
import { listOf, type Node, need } from './syntax.ts';
import { and, arithmetic, compare, equal, or } from './values.ts';

/** The values of the aliases in sight. */
export type Row = Record<string, unknown>;
export type Evaluate = (row: Row) => unknown;

export interface Context {
  aliases: ReadonlySet<string>;
  parameters: ReadonlyMap<string, unknown>;
  /** Rows of a nested SELECT. */
  subquery: (node: Node, context: Context) => (row: Row) => unknown[];
  /** In a select list that aggregates: takes the call, gives its value. */
  aggregate?: (name: string, argument: Node) => Evaluate;
}

export const isAggregate = (node: Node): boolean =>
  node.type === 'scalar_function_expression' && node.udf !== true && aggregates.has(functionName(node));

export const functionName = (node: Node): string => String(need((node.name as Node).name)).toUpperCase();

const constant =
  (value: unknown): Evaluate =>
  () =>
    value;

export const propertyName = (node: Node): string => String(node.type === 'identifier' ? node.name : node.value);

export const member = (value: unknown, name: unknown): unknown => {
  if (Array.isArray(value)) return typeof name === 'number' ? value[name] : undefined;
  if (typeof value !== 'object' || value === null || typeof name !== 'string') return undefined;
  return Object.hasOwn(value, name) ? (value as Row)[name] : undefined;
};

const compileMember = (node: Node, context: Context): Evaluate => {
  const object = compile(need(node.object), context);
  const property = need(node.property);
  if (node.computed !== true) {
    const name = propertyName(property);
    return (row) => member(object(row), name);
  }
  const key = compile(property, context);
  return (row) => member(object(row), key(row));
};

const compileBinary = (node: Node, context: Context): Evaluate => {
  const left = compile(need(node.left), context);
  const right = compile(need(node.right), context);
  const operator = need(node.operator);
  switch (operator) {
    case 'AND':
      return (row) => {
        const value = left(row);
        return value === false ? false : and(value, right(row));
      };
    case 'OR':
      return (row) => {
        const value = left(row);
        return value === true ? true : or(value, right(row));
      };
    case '=':
      return (row) => equal(left(row), right(row));
    case '!=':
    case '<>':
      return (row) => {
        const same = equal(left(row), right(row));
        return same === undefined ? undefined : !same;
      };
    case '<':
    case '<=':
    case '>':
    case '>=':
      return (row) => compare(operator, left(row), right(row));
    case '??':
      return (row) => {
        const value = left(row);
        return value === undefined ? right(row) : value;
      };
    default:
      return (row) => arithmetic(operator, left(row), right(row));
  }
};

const isPrimitive = (value: unknown): boolean => typeof value !== 'object' || value === null;

/** Lists of constants, the usual case and possibly long, are looked up rather than walked. */
const compileIn = (node: Node, context: Context): Evaluate => {
  const value = compile(need(node.value as Node), context);
  const nodes = need(node.list);
  const list = nodes.map((one) => compile(one, context));
  if (nodes.every((one) => one.type.endsWith('_constant') || one.type === 'parameter_name')) {
    const constants = list.map((one) => one({}));
    if (constants.every(isPrimitive)) {
      const set = new Set<unknown>(constants.filter((one) => one !== undefined));
      return (row) => set.has(value(row));
    }
  }
  return (row) => {
    const wanted = value(row);
    return list.some((one) => equal(one(row), wanted) === true);
  };
};

const compileBetween = (node: Node, context: Context): Evaluate => {
  const value = compile(need(node.value as Node), context);
  const begin = compile(need(node.begin), context);
  const end = compile(need(node.end), context);
  return (row) => and(compare('>=', value(row), begin(row)), compare('<=', value(row), end(row)));
};

const compileUnary = (node: Node, context: Context): Evaluate => {
  const argument = compile(need(node.argument), context);
  if (node.operator === 'NOT')
    return (row) => {
      const value = argument(row);
      return typeof value === 'boolean' ? !value : undefined;
    };
  const apply =
    node.operator === '-' ? (n: number) => -n : node.operator === '~' ? (n: number) => ~n : (n: number) => n;
  return (row) => {
    const value = argument(row);
    return typeof value === 'number' ? apply(value) : undefined;
  };
};

const compileCall = (node: Node, context: Context): Evaluate => {
  const name = functionName(node);
  const args = node.arguments ?? [];
  if (node.udf === true) throw badRequest(`User-defined functions (${name}) are not served.`);
  if (aggregates.has(name)) {
    if (!context.aggregate || args.length !== 1)
      throw badRequest(`${name} is served in the select list only, with one argument.`);
    return context.aggregate(name, need(args[0]));
  }
  const found = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!found) throw badRequest(`'${name}' is not a function that this emulator serves.`);
  if (args.length < found.least || args.length > found.most)
    throw badRequest(`The ${name} function does not take ${args.length} argument(s).`);
  const compiled = args.map((one) => compile(one, context));
  return (row) => found.call(compiled.map((one) => one(row)));
};

const compileObject = (node: Node, context: Context): Evaluate => {
  const entries = listOf(node.properties).map(
    ({ key, value }) => [propertyName(need(key)), compile(value as Node, context)] as const,
  );
  return (row) =>
    Object.fromEntries(entries.map(([name, value]) => [name, value(row)]).filter(([, value]) => value !== undefined));
};

export const compile = (node: Node, context: Context): Evaluate => {
  switch (node.type) {
    case 'null_constant':
      return constant(null);
    case 'undefined_constant':
      return constant(undefined);
    case 'boolean_constant':
    case 'number_constant':
    case 'string_constant':
      return constant(node.value);
    case 'parameter_name': {
      const name = String(node.name);
      if (!context.parameters.has(name)) throw badRequest(`Parameter ${name} is not given.`);
      return constant(context.parameters.get(name));
    }
    case 'identifier': {
      const name = String(node.name);
      if (!context.aliases.has(name)) throw badRequest(`Identifier '${name}' could not be resolved.`);
      return (row) => row[name];
    }
    case 'array_constant':
    case 'scalar_array_expression': {
      const elements = (node.elements ?? []).map((one) => compile(one, context));
      return (row) => elements.map((one) => one(row)).filter((value) => value !== undefined);
    }
    case 'object_constant':
    case 'scalar_object_expression':
      return compileObject(node, context);
    case 'scalar_member_expression':
      return compileMember(node, context);
    case 'scalar_binary_expression':
      return compileBinary(node, context);
    case 'scalar_unary_expression':
      return compileUnary(node, context);
    case 'scalar_in_expression':
      return compileIn(node, context);
    case 'scalar_between_expression':
      return compileBetween(node, context);
    case 'scalar_conditional_expression': {
      const test = compile(need(node.test), context);
      const yes = compile(need(node.consequent), context);
      const no = compile(need(node.alternate), context);
      return (row) => (test(row) === true ? yes(row) : no(row));
    }
    case 'scalar_function_expression':
      return compileCall(node, context);
    case 'exists_subquery_expression': {
      const rows = context.subquery(need(node.expression), context);
      return (row) => rows(row).length > 0;
    }
    case 'array_subquery_expression':
      return context.subquery(need(node.expression), context);
    case 'scalar_subquery_expression': {
      const rows = context.subquery(need(node.expression), context);
      return (row) => rows(row)[0];
    }
    default:
      throw badRequest(`This emulator's queries do not serve ${node.type}.`);
  }
};
