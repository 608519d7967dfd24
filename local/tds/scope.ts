/** What the parser knows at a place in a batch. */
import type { Cursor } from './cursor.ts';
import { notEmulated, SqlError, syntaxError } from './errors.ts';
import type { Token } from './lexer.ts';
import { identifier, type Sql } from './sql.ts';
import type { SqlType } from './types.ts';

export interface Scope {
  cursor: Cursor;
  /** Declared up to here. */
  variables: Map<string, SqlType>;
  database: string;
  /** Names that WITH has made tables of, in lower case. */
  common: ReadonlySet<string>;
  /** `inserted` and `deleted` mean the new and the old row. */
  inOutput: boolean;
  /** A query in parentheses; here because queries and expressions hold each other. */
  subquery: (scope: Scope) => Sql;
}

const reserved = new Set(
  `add all alter and any as asc authorization begin between by case check close coalesce collate column commit constraint
  convert create cross current_timestamp declare default delete desc distinct drop else end escape except exec execute exists
  external fetch for foreign from full grant group having identity if in index inner insert intersect into is join key left
  like merge not null nullif of off on open option or order outer over percent pivot primary print procedure proc raiserror
  references return revoke right rollback save select set table tablesample then to top tran transaction trigger truncate try_convert
  tsequal union unique unpivot update use user values view waitfor when where while with`.split(/\s+/),
);

export const isName = ({ kind, value }: Token): boolean => kind === 'name' || (kind === 'word' && !reserved.has(value));

/** A name as it was given, without its delimiters. */
export const nameOf = (token: Token): string => (token.kind === 'name' ? token.value : token.text);

export function takeName({ cursor }: Scope): string {
  const token = cursor.next();
  if (!isName(token)) throw syntaxError(token.text);
  return nameOf(token);
}

export interface TableName {
  schema: string;
  name: string;
  /** Quoted for PostgreSQL. */
  quoted: string;
}

const schemas: Record<string, string> = { information_schema: 'tds_information_schema' };
const own = /^(tds|tds_ct|tds_information_schema|pg_.*|public)$/;

export function takeTable(scope: Scope): TableName {
  const parts = [takeName(scope)];
  const [only = ''] = parts;
  if (scope.common.has(only.toLowerCase()) && !scope.cursor.at('.')) {
    return { schema: '', name: only, quoted: identifier(only) };
  }
  while (scope.cursor.accept('.')) {
    // `database..table`
    if (scope.cursor.at('.')) parts.push('dbo');
    else parts.push(takeName(scope));
  }
  const [name = '', schema = 'dbo', database = scope.database, ...more] = parts.toReversed();
  if (more.length > 0 || database.toLowerCase() !== scope.database.toLowerCase()) {
    throw new SqlError(208, `Invalid object name '${parts.join('.')}'. The emulator has one database.`);
  }
  if (name.startsWith('#')) throw notEmulated(name);
  const folded = schema.toLowerCase();
  if (own.test(folded)) throw new SqlError(208, `Invalid object name '${parts.join('.')}'.`);
  return { schema, name, quoted: `${identifier(schemas[folded] ?? folded)}.${identifier(name)}` };
}
