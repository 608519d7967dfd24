/** INSERT, UPDATE, DELETE with OUTPUT, which is PostgreSQL's RETURNING at another place. */
import { notEmulated, syntaxError } from './errors.ts';
import { expression } from './expression.ts';
import { columnNames, type Hint, query, selectItem } from './query.ts';
import { type Scope, takeName, takeTable } from './scope.ts';
import { identifier, joined, type Sql, sql } from './sql.ts';

export interface Change {
  kind: 'change';
  command: 'insert' | 'update' | 'delete';
  sql: Sql;
  /** Undefined without OUTPUT. */
  hints: Hint[] | undefined;
}

interface Output {
  sql: Sql;
  hints: Hint[] | undefined;
}

function output(scope: Scope): Output {
  const { cursor } = scope;
  if (!cursor.accept('output')) return { sql: [], hints: undefined };
  const inside = { ...scope, inOutput: true };
  const items: Sql[] = [];
  const hints: Hint[] = [];
  do {
    const { item, hint } = selectItem(inside);
    items.push(item);
    hints.push(hint);
  } while (cursor.accept(','));
  if (cursor.at('into')) throw notEmulated('OUTPUT … INTO');
  return { sql: sql(' RETURNING ', joined(items, ', ')), hints };
}

export function insert(scope: Scope): Change {
  const { cursor } = scope;
  cursor.expect('insert');
  if (cursor.at('top')) throw notEmulated('TOP');
  cursor.accept('into');
  const table = takeTable(scope);
  if (cursor.at('with')) throw notEmulated('WITH');
  const columns = cursor.at('(') ? sql(' ', columnNames(scope)) : [];
  const given = output(scope);
  const rows = insertedRows(scope);
  return {
    kind: 'change',
    command: 'insert',
    sql: sql(`INSERT INTO ${table.quoted}`, columns, ' ', rows, given.sql),
    hints: given.hints,
  };
}

function insertedRows(scope: Scope): Sql {
  const { cursor } = scope;
  if (cursor.accept('default', 'values')) return ['DEFAULT VALUES'];
  if (cursor.at('select')) return query(scope).sql;
  if (!cursor.accept('values')) throw syntaxError(cursor.peek().text);
  const rows: Sql[] = [];
  do {
    cursor.expect('(');
    const values: Sql[] = [];
    do values.push(cursor.accept('default') ? ['DEFAULT'] : expression(scope));
    while (cursor.accept(','));
    cursor.expect(')');
    rows.push(sql('(', joined(values, ', '), ')'));
  } while (cursor.accept(','));
  return sql('VALUES ', joined(rows, ', '));
}

const operators = ['+=', '-=', '*=', '/=', '%='];

export function update(scope: Scope): Change {
  const { cursor } = scope;
  cursor.expect('update');
  if (cursor.at('top')) throw notEmulated('TOP');
  const table = takeTable(scope);
  if (cursor.at('with')) throw notEmulated('WITH');
  cursor.expect('set');
  const assignments: Sql[] = [];
  do assignments.push(assignment(scope));
  while (cursor.accept(','));
  const given = output(scope);
  if (cursor.at('from')) throw notEmulated('UPDATE … FROM');
  const where = cursor.accept('where') ? sql(' WHERE ', expression(scope)) : [];
  return {
    kind: 'change',
    command: 'update',
    sql: sql(`UPDATE ${table.quoted} SET `, joined(assignments, ', '), where, given.sql),
    hints: given.hints,
  };
}

function assignment(scope: Scope): Sql {
  const { cursor } = scope;
  if (cursor.peek().kind === 'variable') throw notEmulated('SET @variable in UPDATE');
  const column = identifier(takeName(scope));
  if (cursor.at('.')) throw notEmulated('.');
  const operator = cursor.next().text;
  if (operator === '=' && cursor.accept('default')) return [`${column} = DEFAULT`];
  if (operator === '=') return sql(`${column} = `, expression(scope));
  if (!operators.includes(operator)) throw syntaxError(operator);
  return sql(`${column} = ${column} ${operator[0] ?? ''} (`, expression(scope), ')');
}

export function remove(scope: Scope): Change {
  const { cursor } = scope;
  cursor.expect('delete');
  if (cursor.at('top')) throw notEmulated('TOP');
  cursor.accept('from');
  const table = takeTable(scope);
  if (cursor.at('with')) throw notEmulated('WITH');
  const given = output(scope);
  if (cursor.at('from')) throw notEmulated('DELETE … FROM');
  const where = cursor.accept('where') ? sql(' WHERE ', expression(scope)) : [];
  return {
    kind: 'change',
    command: 'delete',
    sql: sql(`DELETE FROM ${table.quoted}`, where, given.sql),
    hints: given.hints,
  };
}

export function truncate(scope: Scope): Sql {
  scope.cursor.expect('truncate', 'table');
  return [`TRUNCATE TABLE ${takeTable(scope).quoted}`];
}
