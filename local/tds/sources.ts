/** FROM: tables, joins, and the functions that stand for tables. */
import { notEmulated, syntaxError } from './errors.ts';
import { expression, expressionList } from './expression.ts';
import { openJson } from './open-json.ts';
import { isName, nameOf, type Scope, takeName, takeTable } from './scope.ts';
import { identifier, joined, type Sql, sql } from './sql.ts';

type Subquery = (scope: Scope) => Sql;

export function tableSources(scope: Scope, subquery: Subquery): Sql {
  const sources: Sql[] = [];
  do sources.push(joinedSources(scope, subquery));
  while (scope.cursor.accept(','));
  return joined(sources, ', ');
}

function joinedSources(scope: Scope, subquery: Subquery): Sql {
  const { cursor } = scope;
  const parts: Sql[] = [source(scope, subquery)];
  for (;;) {
    if (cursor.accept('cross', 'join')) parts.push([' CROSS JOIN '], source(scope, subquery));
    else if (cursor.accept('cross', 'apply')) parts.push([' CROSS JOIN LATERAL '], source(scope, subquery));
    else if (cursor.accept('outer', 'apply')) {
      parts.push([' LEFT JOIN LATERAL '], source(scope, subquery), [' ON true']);
    } else {
      const join = joinWord(scope);
      if (!join) return sql(...parts);
      parts.push([join], source(scope, subquery));
      cursor.expect('on');
      parts.push([' ON '], expression(scope));
    }
  }
}

function joinWord({ cursor }: Scope): string | undefined {
  if (cursor.accept('join') || cursor.accept('inner', 'join')) return ' JOIN ';
  for (const side of ['left', 'right', 'full']) {
    if (cursor.accept(side, 'join') || cursor.accept(side, 'outer', 'join')) return ` ${side.toUpperCase()} JOIN `;
  }
  return undefined;
}

function source(scope: Scope, subquery: Subquery): Sql {
  const { cursor } = scope;
  const { value } = cursor.peek();
  const isCall = cursor.peek(1).text === '(';
  if (cursor.accept('(')) return derived(scope, subquery);
  if (isCall && value === 'openjson') return sql(openJson(scope), correlation(scope, 'openjson'));
  if (isCall && value === 'changetable') return sql(changeTable(scope), correlation(scope));
  if (isCall) throw notEmulated(cursor.peek().text);
  const table = takeTable(scope);
  const called = correlation(scope, table.name);
  if (cursor.at('with')) throw notEmulated('WITH (hints)');
  if (cursor.at('tablesample') || cursor.at('pivot') || cursor.at('(')) throw notEmulated(cursor.peek().text);
  return sql(table.quoted, called);
}

/** ` AS name (columns)` */
function correlation(scope: Scope, unsaid?: string): Sql {
  const { cursor } = scope;
  const said = cursor.accept('as') ? takeName(scope) : isName(cursor.peek()) ? nameOf(cursor.next()) : unsaid;
  if (said === undefined) throw syntaxError(cursor.peek().text);
  const columns = cursor.at('(') ? nameList(scope) : [];
  return sql(` AS ${identifier(said)}`, columns);
}

function nameList(scope: Scope): Sql {
  const { cursor } = scope;
  const names: string[] = [];
  cursor.expect('(');
  do names.push(identifier(takeName(scope)));
  while (cursor.accept(','));
  cursor.expect(')');
  return [` (${names.join(', ')})`];
}

function derived(scope: Scope, subquery: Subquery): Sql {
  const { cursor } = scope;
  if (cursor.accept('values')) {
    const rows = valueRows(scope);
    cursor.expect(')');
    return sql('(VALUES ', rows, ')', correlation(scope));
  }
  if (!cursor.at('select') && !cursor.at('with')) {
    const inside = joinedSources(scope, subquery);
    cursor.expect(')');
    return sql('(', inside, ')');
  }
  const inside = subquery(scope);
  cursor.expect(')');
  return sql('(', inside, ')', correlation(scope));
}

export function valueRows(scope: Scope): Sql {
  const { cursor } = scope;
  const rows: Sql[] = [];
  do {
    cursor.expect('(');
    rows.push(sql('(', expressionList(scope), ')'));
    cursor.expect(')');
  } while (cursor.accept(','));
  return joined(rows, ', ');
}

/**
 * `CHANGETABLE(CHANGES t, @version)` and `CHANGETABLE(VERSION t, (keys), (values))`: functions that ENABLE CHANGE_TRACKING
 * has made for the table.
 */
function changeTable(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('changetable', '(');
  const changes = cursor.accept('changes');
  if (!changes) cursor.expect('version');
  const { schema, name } = takeTable(scope);
  const called = `${schema}.${name}`;
  cursor.expect(',');
  if (changes) {
    const since = expression(scope);
    if (cursor.at(',')) throw notEmulated('FORCESEEK');
    cursor.expect(')');
    return sql(`tds_ct.${identifier(called)}((`, since, ')::int8)');
  }
  const columns: string[] = [];
  cursor.expect('(');
  do columns.push(takeName(scope).toLowerCase());
  while (cursor.accept(','));
  cursor.expect(')', ',', '(');
  const values: Sql[] = [];
  do values.push(expression(scope));
  while (cursor.accept(','));
  cursor.expect(')', ')');
  if (columns.length !== values.length) throw syntaxError(')');
  const named = columns.map((column, at) => sql(`${identifier(column)} => `, values[at] ?? []));
  return sql(`tds_ct.${identifier(`${called}#version`)}(`, joined(named, ', '), ')');
}
