/** SELECT: lists, sets of queries, ordering and paging. */
import { notEmulated, SqlError, syntaxError } from './errors.ts';
import { expression, expressionList, outputRows } from './expression.ts';
import { orderList } from './functions.ts';
import { isName, nameOf, type Scope, takeName } from './scope.ts';
import { tableSources } from './sources.ts';
import { identifier, joined, type Sql, sql, undeclared } from './sql.ts';
import type { SqlType } from './types.ts';

/** A column of the result as the statement tells it; `star` stands for any number of them. */
export interface Hint {
  star?: boolean;
  /** As written; empty for an expression without a name. */
  name?: string;
  /** Where the statement says it in so many words. */
  type?: SqlType | undefined;
}

export interface Query {
  sql: Sql;
  hints: Hint[];
  /** `SELECT @a = …`: the variables, in the order of the columns. */
  assigned: string[];
}

export const subquery = (scope: Scope): Sql => query(scope).sql;

/** From WITH or SELECT to the end of the paging. */
export function query(outer: Scope): Query {
  const { cursor } = outer;
  const { scope, common } = cursor.accept('with') ? commonTables(outer) : { scope: outer, common: [] };
  const first = member(scope);
  const parts: Sql[] = [];
  let last = first;
  for (let set = setOperator(scope); set; set = setOperator(scope)) {
    last = member(scope);
    parts.push([set], sql('(', last.body, last.limit, ')'));
  }
  const alone = parts.length === 0;
  const inOrder = { values: first.values, named: first.named, byName: !alone || first.distinct };
  const order = cursor.accept('order', 'by') ? ordering(scope, inOrder) : [];
  if (cursor.at('for') || cursor.at('option')) throw notEmulated(cursor.peek().text);
  const body = alone ? sql(first.body, order.length > 0 ? order : [], first.limit) : undefined;
  const all = body ?? sql('(', first.body, first.limit, ')', ...parts, order);
  if (first.assigned.length > 0 && !alone) throw syntaxError('union');
  return { sql: sql(common, all), hints: first.hints, assigned: first.assigned };
}

/** Each knows those before it. */
function commonTables(outer: Scope): { scope: Scope; common: Sql } {
  const { cursor } = outer;
  const tables: Sql[] = [];
  let scope = outer;
  do {
    const called = takeName(scope);
    const name = identifier(called);
    const columns = cursor.at('(') ? sql(' ', columnNames(scope)) : [];
    cursor.expect('as', '(');
    tables.push(sql(name, columns, ' AS (', subquery(scope), ')'));
    cursor.expect(')');
    scope = { ...scope, common: new Set([...scope.common, called.toLowerCase()]) };
  } while (cursor.accept(','));
  return { scope, common: sql('WITH ', joined(tables, ', '), ' ') };
}

export function columnNames(scope: Scope): Sql {
  const { cursor } = scope;
  const names: string[] = [];
  cursor.expect('(');
  do names.push(identifier(takeName(scope)));
  while (cursor.accept(','));
  cursor.expect(')');
  return [`(${names.join(', ')})`];
}

function setOperator({ cursor }: Scope): string | undefined {
  if (cursor.accept('union', 'all')) return ' UNION ALL ';
  if (cursor.accept('union')) return ' UNION ';
  if (cursor.accept('except')) return ' EXCEPT ';
  if (cursor.accept('intersect')) throw notEmulated('INTERSECT');
  return undefined;
}

interface Member {
  body: Sql;
  limit: Sql;
  distinct: boolean;
  hints: Hint[];
  assigned: string[];
  /** Of the columns, up to the first star. */
  values: (Sql | undefined)[];
  /** Expressions by the names that they were given, in lower case. */
  named: Map<string, Sql>;
}

function member(scope: Scope): Member {
  const { cursor } = scope;
  cursor.expect('select');
  const distinct = cursor.accept('distinct');
  if (!distinct) cursor.accept('all');
  const limit = cursor.accept('top') ? top(scope) : [];
  const { items, hints, assigned, values, named } = selectList(scope);
  if (cursor.at('into')) throw notEmulated('INTO');
  const from = cursor.accept('from') ? sql(' FROM ', tableSources(scope, subquery)) : [];
  const where = cursor.accept('where') ? sql(' WHERE ', expression(scope)) : [];
  const group = cursor.accept('group', 'by') ? sql(' GROUP BY ', expressionList(scope)) : [];
  const having = cursor.accept('having') ? sql(' HAVING ', expression(scope)) : [];
  const body = sql(`SELECT ${distinct ? 'DISTINCT ' : ''}`, joined(items, ', '), from, where, group, having);
  return { body, limit, distinct, hints, assigned, values, named };
}

function top(scope: Scope): Sql {
  const { cursor } = scope;
  const parenthesised = cursor.accept('(');
  const token = cursor.peek();
  if (!parenthesised && token.kind !== 'number') throw syntaxError(token.text);
  const number = parenthesised ? expression(scope) : [cursor.next().text];
  if (parenthesised) cursor.expect(')');
  if (cursor.at('percent')) throw notEmulated(cursor.peek().text);
  if (cursor.accept('with', 'ties')) return sql(' FETCH FIRST (', number, ') ROWS WITH TIES');
  return sql(' LIMIT (', number, ')');
}

function selectList(scope: Scope): Pick<Member, 'hints' | 'assigned' | 'values' | 'named'> & { items: Sql[] } {
  const { cursor } = scope;
  const items: Sql[] = [];
  const hints: Hint[] = [];
  const assigned: string[] = [];
  const values: (Sql | undefined)[] = [];
  const named = new Map<string, Sql>();
  do {
    const variable = cursor.peek();
    if (variable.kind === 'variable' && cursor.peek(1).text === '=') {
      if (!scope.variables.has(variable.value)) throw undeclared(variable.text);
      cursor.next();
      cursor.next();
      assigned.push(variable.value);
      items.push(expression(scope));
      hints.push({ name: '' });
    } else {
      const { item, hint, value, renamed } = selectItem(scope);
      items.push(item);
      hints.push(hint);
      values.push(value);
      if (renamed && value && hint.name) named.set(hint.name.toLowerCase(), value);
    }
  } while (cursor.accept(','));
  if (assigned.length > 0 && assigned.length < items.length) {
    throw new SqlError(
      141,
      'A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.',
      { severity: 15 },
    );
  }
  return { items, hints, assigned, values, named };
}

export interface SelectItem {
  item: Sql;
  hint: Hint;
  /** The item without its name; undefined for a star. */
  value?: Sql;
  /** It has a name of its own, which ORDER BY may use. */
  renamed?: boolean;
}

/** `*`, `t.*`, `name = expression`, `expression [AS] name`. */
export function selectItem(scope: Scope): SelectItem {
  const { cursor } = scope;
  if (cursor.accept('*')) return { item: ['*'], hint: { star: true } };
  const first = cursor.peek();
  if (isName(first) && cursor.peek(1).text === '.' && cursor.peek(2).text === '*') {
    for (let taken = 0; taken < 3; taken += 1) cursor.next();
    const row = scope.inOutput ? outputRows[nameOf(first).toLowerCase()] : undefined;
    return { item: [`${row ?? identifier(nameOf(first))}.*`], hint: { star: true } };
  }
  if (isName(first) && cursor.peek(1).text === '=') {
    cursor.next();
    cursor.next();
    const name = nameOf(first);
    const given = expression(scope);
    return { item: sql(given, ` AS ${identifier(name)}`), hint: { name }, value: given, renamed: true };
  }
  const typed = first.kind === 'variable' ? scope.variables.get(first.value) : undefined;
  const value = expression(scope);
  const type = value.length === 1 ? typed : undefined;
  // A column keeps its name as it was written.
  const written = isColumn(value) ? nameOf(cursor.peek(-1)) : '';
  const name = alias(scope);
  if (name === undefined) {
    return { item: written === '' ? sql(value, ' AS "?column?"') : value, hint: { name: written, type }, value };
  }
  return { item: sql(value, ` AS ${identifier(name)}`), hint: { name, type }, value, renamed: true };
}

const isColumn = ([text, ...more]: Sql): boolean =>
  more.length === 0 && typeof text === 'string' && /^(?:(?:"[^"]+"|new|old)\.)?"(?:[^"]|"")+"$/.test(text);

export function alias(scope: Scope): string | undefined {
  const { cursor } = scope;
  if (cursor.accept('as')) {
    const token = cursor.next();
    if (token.kind !== 'string' && !isName(token)) throw syntaxError(token.text);
    return token.kind === 'string' ? token.value : nameOf(token);
  }
  const token = cursor.peek();
  if (token.kind === 'string') return cursor.next().value;
  return isName(token) ? nameOf(cursor.next()) : undefined;
}

interface Ordering extends Pick<Member, 'values' | 'named'> {
  /** Only names and numbers of the result's columns can be sorted by. */
  byName: boolean;
}

function ordering(scope: Scope, { values, named, byName }: Ordering): Sql {
  const { cursor } = scope;
  const meant = (item: Sql): Sql => {
    const [text = ''] = item;
    if (item.length !== 1 || typeof text !== 'string') return item;
    if (/^\d+$/.test(text)) return values.includes(undefined) ? item : (values[Number(text) - 1] ?? item);
    return (text.startsWith('"') && named.get(text.slice(1, -1))) || item;
  };
  const list = orderList(scope, expression, (item) => (byName ? item : sql('tds.sort_key(', meant(item), ')')));
  const order = sql(' ORDER BY ', list);
  if (!cursor.accept('offset')) return order;
  const offset = expression(scope);
  if (!cursor.accept('rows')) cursor.expect('row');
  const paged = sql(order, ' OFFSET (', offset, ')');
  if (!cursor.accept('fetch')) return paged;
  if (!cursor.accept('next')) cursor.expect('first');
  const number = expression(scope);
  if (!cursor.accept('rows')) cursor.expect('row');
  cursor.expect('only');
  return sql(paged, ' LIMIT (', number, ')');
}
