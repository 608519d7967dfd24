/** CREATE, ALTER and DROP. What PostgreSQL does not hold of a column, its type and its name as declared, goes into its comment. */
import { notEmulated, syntaxError } from './errors.ts';
import { expression } from './expression.ts';
import { type Scope, type TableName, takeName, takeTable } from './scope.ts';
import { identifier, quoted, render, type Sql, sql } from './sql.ts';
import {
  defaultCollation,
  isBounded,
  isText,
  parseType,
  pgCollation,
  pgType,
  type SqlType,
  typeText,
} from './types.ts';

interface TableParts {
  table: TableName;
  /** Columns and constraints. */
  inside: Sql[];
  /** Statements after it. */
  after: string[];
}

export function create(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('create');
  if (cursor.accept('table')) return createTable(scope);
  if (cursor.accept('schema')) return [`CREATE SCHEMA ${identifier(takeName(scope))}`];
  const unique = cursor.accept('unique');
  if (!cursor.accept('clustered')) cursor.accept('nonclustered');
  if (cursor.accept('index')) return createIndex(scope, unique);
  throw notEmulated(`CREATE ${cursor.peek().text}`);
}

function createTable(scope: Scope): Sql {
  const { cursor } = scope;
  const table = takeTable(scope);
  const parts: TableParts = { table, inside: [], after: [comment(`TABLE ${table.quoted}`, { name: table.name })] };
  cursor.expect('(');
  do {
    if (cursor.at(')')) break;
    if (!constraint(scope, parts)) columnDefinition(scope, parts);
  } while (cursor.accept(','));
  cursor.expect(')');
  if (cursor.at('on') || cursor.at('with') || cursor.at('as')) throw notEmulated(cursor.peek().text);
  const list = parts.inside.flatMap((part, at) => (at === 0 ? part : [', ', ...part]));
  return sql(`CREATE TABLE ${table.quoted} (`, list, `); ${parts.after.join('; ')}`);
}

const comment = (what: string, content: object): string => `COMMENT ON ${what} IS ${quoted(JSON.stringify(content))}`;

function columnDefinition(scope: Scope, parts: TableParts): void {
  const { cursor } = scope;
  const name = takeName(scope);
  if (cursor.at('as')) throw notEmulated('computed columns');
  const column = identifier(name);
  const type = parseType(cursor);
  const collation = cursor.accept('collate') ? cursor.next().text : defaultCollation;
  const kept = { name, type: typeText(type), ...(isText(type) ? { collation } : {}) };
  parts.after.push(comment(`COLUMN ${parts.table.quoted}.${column}`, kept));
  const definition: Sql[] = [[`${column} ${pgType(type)}${isText(type) ? ` COLLATE ${pgCollation(collation)}` : ''}`]];
  if (isBounded(type)) definition.push([` ${lengthCheck(name, type)}`]);
  if (type.name === 'rowversion') {
    definition.push([' NOT NULL DEFAULT tds.next_rowversion()']);
    const run = `EXECUTE FUNCTION tds.bump_rowversion(${quoted(name.toLowerCase())})`;
    parts.after.push(`CREATE TRIGGER "tds$rowversion" BEFORE UPDATE ON ${parts.table.quoted} FOR EACH ROW ${run}`);
  }
  for (let option = columnOption(scope); option; option = columnOption(scope)) definition.push(option);
  parts.inside.push(sql(...definition));
}

function lengthCheck(name: string, { length = 1, name: type }: SqlType): string {
  const column = identifier(name);
  const measured = type === 'varbinary' ? `octet_length(${column})` : `char_length(${column})`;
  return `CONSTRAINT ${identifier(`len$${name}`)} CHECK (${measured} <= ${length})`;
}

function columnOption(scope: Scope): Sql | undefined {
  const { cursor } = scope;
  const named = cursor.accept('constraint') ? `CONSTRAINT ${identifier(takeName(scope))} ` : '';
  if (cursor.accept('not', 'null')) return [' NOT NULL'];
  if (cursor.accept('null')) return [' NULL'];
  if (cursor.accept('identity')) return [` GENERATED ALWAYS AS IDENTITY${identitySteps(scope)}`];
  if (cursor.accept('default')) return sql(' DEFAULT ', constants(expression(scope)));
  if (cursor.accept('primary', 'key')) {
    if (!cursor.accept('clustered')) cursor.accept('nonclustered');
    return [` ${named}PRIMARY KEY`];
  }
  if (cursor.accept('unique')) return [` ${named}UNIQUE NULLS NOT DISTINCT`];
  if (cursor.accept('check')) return sql(` ${named}CHECK `, constants(expression(scope)));
  if (cursor.accept('references')) return [` ${named}${references(scope)}`];
  if (named !== '') throw syntaxError(cursor.peek().text);
  return undefined;
}

/** Nothing of a definition can be a variable. */
const constants = (pieces: Sql): Sql => [render(pieces, new Map())];

function identitySteps({ cursor }: Scope): string {
  if (!cursor.accept('(')) return '';
  const seed = cursor.next().text;
  cursor.expect(',');
  const step = cursor.next().text;
  cursor.expect(')');
  if (!/^\d+$/.test(seed) || !/^\d+$/.test(step)) throw syntaxError(seed);
  return ` (START ${seed} INCREMENT ${step} MINVALUE ${seed === '0' ? 0 : 1})`;
}

function references(scope: Scope): string {
  const { cursor } = scope;
  const table = takeTable(scope);
  const columns = cursor.at('(') ? ` (${keyColumns(scope).join(', ')})` : '';
  if (cursor.at('on')) throw notEmulated('ON DELETE');
  return `REFERENCES ${table.quoted}${columns}`;
}

function keyColumns(scope: Scope): string[] {
  const { cursor } = scope;
  const columns: string[] = [];
  cursor.expect('(');
  do {
    columns.push(identifier(takeName(scope)));
    if (!cursor.accept('asc')) cursor.accept('desc');
  } while (cursor.accept(','));
  cursor.expect(')');
  return columns;
}

/** A constraint of the table, if one comes next. */
function constraint(scope: Scope, parts: TableParts): boolean {
  const { cursor } = scope;
  const named = cursor.accept('constraint') ? `CONSTRAINT ${identifier(takeName(scope))} ` : '';
  const clustering = (): void => {
    if (!cursor.accept('clustered')) cursor.accept('nonclustered');
  };
  if (cursor.accept('primary', 'key')) {
    clustering();
    parts.inside.push([`${named}PRIMARY KEY (${keyColumns(scope).join(', ')})`]);
  } else if (cursor.accept('unique')) {
    clustering();
    parts.inside.push([`${named}UNIQUE NULLS NOT DISTINCT (${keyColumns(scope).join(', ')})`]);
  } else if (cursor.accept('check')) {
    parts.inside.push(sql(`${named}CHECK `, constants(expression(scope))));
  } else if (cursor.accept('foreign', 'key')) {
    const columns = keyColumns(scope).join(', ');
    cursor.expect('references');
    parts.inside.push([`${named}FOREIGN KEY (${columns}) ${references(scope)}`]);
  } else if (named !== '') {
    throw syntaxError(cursor.peek().text);
  } else {
    return false;
  }
  return true;
}

function createIndex(scope: Scope, unique: boolean): Sql {
  const name = identifier(takeName(scope));
  scope.cursor.expect('on');
  const table = takeTable(scope);
  const columns = keyColumns(scope).join(', ');
  if (scope.cursor.at('include') || scope.cursor.at('where')) throw notEmulated(scope.cursor.peek().text);
  const nulls = unique ? ' NULLS NOT DISTINCT' : '';
  return [`CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${name} ON ${table.quoted} (${columns})${nulls}`];
}

export function drop(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('drop');
  const table = cursor.accept('table');
  if (!table && !cursor.accept('schema')) throw notEmulated(`DROP ${cursor.peek().text}`);
  const existing = cursor.accept('if', 'exists') ? 'IF EXISTS ' : '';
  if (!table) return [`DROP SCHEMA ${existing}${identifier(takeName(scope))}`];
  const statements: string[] = [];
  do {
    const { quoted: name, schema, name: called } = takeTable(scope);
    statements.push(
      `DROP TABLE ${existing}${name}`,
      `SELECT tds.forget_tracking(${quoted(`${schema}.${called}`.toLowerCase())})`,
    );
  } while (cursor.accept(','));
  return [statements.join('; ')];
}

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

const settings: Record<string, string> = { read_committed_snapshot: 'read_committed_snapshot' };

export function alterDatabase(scope: Scope): Sql {
  const { cursor } = scope;
  if (!cursor.accept('current') && takeName(scope).toLowerCase() !== scope.database.toLowerCase()) {
    throw notEmulated('another database');
  }
  cursor.expect('set');
  if (cursor.accept('allow_snapshot_isolation')) return [`SELECT tds.allow_snapshot(${String(onOrOff(scope))})`];
  const name = cursor.peek().value;
  if (cursor.accept('change_tracking')) return changeTracking(scope);
  if (!(name in settings)) throw notEmulated(`SET ${cursor.peek().text}`);
  cursor.next();
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
