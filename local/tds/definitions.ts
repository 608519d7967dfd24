/** CREATE and DROP. What PostgreSQL does not hold of a column, its type and its name as declared, goes into its comment. */
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

export interface TableParts {
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

export function columnDefinition(scope: Scope, parts: TableParts): void {
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
export function constraint(scope: Scope, parts: TableParts): boolean {
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
