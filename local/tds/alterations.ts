/** ALTER TABLE and ALTER DATABASE, which also switch change tracking and snapshots. */
import { columnDefinition, constraint, type TableParts } from './definitions.ts';
import { notEmulated, syntaxError } from './errors.ts';
import { type Scope, takeName, takeTable } from './scope.ts';
import { identifier, quoted, type Sql, sql } from './sql.ts';

export function alterTable(scope: Scope): Sql {
  const { cursor } = scope;
  const table = takeTable(scope);
  const name = quoted(`${table.schema}.${table.name}`);
  if (cursor.accept('enable', 'change_tracking')) {
    const columns = cursor.accept('with', '(', 'track_columns_updated', '=');
    const on = columns && cursor.accept('on');
    if (columns && !on) cursor.expect('off');
    if (columns) cursor.expect(')');
    return [`SELECT tds.enable_tracking(${name}, ${String(on)})`];
  }
  if (cursor.accept('disable', 'change_tracking')) return [`SELECT tds.disable_tracking(${name})`];
  const start = `ALTER TABLE ${table.quoted}`;
  if (cursor.accept('add')) {
    const parts: TableParts = { table, inside: [], after: [] };
    do if (!constraint(scope, parts)) columnDefinition(scope, parts);
    while (cursor.accept(','));
    const added = parts.inside.flatMap((part, at) =>
      sql(at === 0 ? '' : ', ', isConstraint(part) ? 'ADD ' : 'ADD COLUMN ', part),
    );
    return sql(`${start} `, added, parts.after.length > 0 ? `; ${parts.after.join('; ')}` : '');
  }
  if (cursor.accept('drop', 'column')) return [`${start} DROP COLUMN ${identifier(takeName(scope))}`];
  if (cursor.accept('drop', 'constraint')) return [`${start} DROP CONSTRAINT ${identifier(takeName(scope))}`];
  throw notEmulated(`ALTER TABLE … ${cursor.peek().text}`);
}

const isConstraint = ([first]: Sql): boolean =>
  typeof first === 'string' && /^(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN)/.test(first);

export function alterDatabase(scope: Scope): Sql {
  const { cursor } = scope;
  if (!cursor.accept('current') && takeName(scope).toLowerCase() !== scope.database.toLowerCase()) {
    throw notEmulated('another database');
  }
  cursor.expect('set');
  if (cursor.accept('allow_snapshot_isolation')) return [`SELECT tds.allow_snapshot(${String(onOrOff(scope))})`];
  if (cursor.accept('change_tracking')) return changeTracking(scope);
  if (!cursor.accept('read_committed_snapshot')) throw notEmulated(`SET ${cursor.peek().text}`);
  // Readers never wait here, as is the default in Azure.
  if (!onOrOff(scope)) throw notEmulated('READ_COMMITTED_SNAPSHOT OFF');
  return ['SELECT 1'];
}

function onOrOff({ cursor }: Scope): boolean {
  if (cursor.accept('on')) return true;
  cursor.expect('off');
  return false;
}

function changeTracking(scope: Scope): Sql {
  const { cursor } = scope;
  const switching = cursor.accept('=');
  if (switching && cursor.accept('off')) return ['SELECT tds.database_tracking(false, NULL, NULL, NULL)'];
  if (switching) cursor.expect('on');
  let [retention, units, cleanup] = ['NULL', 'NULL', 'NULL'];
  if (cursor.accept('(')) {
    do {
      if (cursor.accept('auto_cleanup', '=')) cleanup = String(onOrOff(scope));
      else {
        cursor.expect('change_retention', '=');
        retention = cursor.next().text;
        units = ['minutes', 'hours', 'days'].find((unit) => cursor.accept(unit)) ?? '';
        if (!/^\d{1,5}$/.test(retention) || units === '') throw syntaxError(cursor.peek().text);
        units = quoted(units);
      }
    } while (cursor.accept(','));
    cursor.expect(')');
  }
  return [`SELECT tds.database_tracking(${switching ? 'true' : 'NULL'}, ${retention}, ${units}, ${cleanup})`];
}
