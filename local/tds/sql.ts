/**
 * Pieces of PostgreSQL's SQL in which the values of variables are still open: they are put in, quoted, when the statement
 * runs, so each place gets its own implicit conversion, as in T-SQL.
 */
import type { Value } from './decode.ts';
import { notEmulated, SqlError } from './errors.ts';
import { isText, pgType } from './types.ts';

export interface VariableRef {
  variable: string;
  /** A pattern of LIKE, in which SQL Server has sets and the emulator has not. */
  pattern?: boolean;
}

export type Sql = readonly (string | VariableRef)[];

/** Joins texts and pieces. */
export const sql = (...parts: (string | Sql)[]): Sql => parts.flat();

export const joined = (parts: readonly Sql[], separator: string): Sql =>
  parts.flatMap((part, at) => (at === 0 ? part : [separator, ...part]));

export type Variables = ReadonlyMap<string, Value>;

export function render(pieces: Sql, variables: Variables): string {
  return pieces
    .map((piece) => {
      if (typeof piece === 'string') return piece;
      const value = variables.get(piece.variable);
      if (!value) throw undeclared(piece.variable);
      if (piece.pattern && value.text !== null) requirePlainPattern(value.text);
      return literal(value);
    })
    .join('');
}

export const undeclared = (name: string): SqlError =>
  new SqlError(137, `Must declare the scalar variable "${name}".`, { severity: 15 });

/** A constant of a type; text has none, so that it becomes what its place asks for. */
export function literal({ type, text }: Value): string {
  if (text === null) return isText(type) ? 'NULL' : `NULL::${pgType(type)}`;
  if (isText(type)) return quoted(text);
  if (type.name === 'datetimeoffset') return `tds.datetimeoffset_of(${quoted(text)}::bpchar)`;
  return `${quoted(text)}::${pgType(type)}`;
}

export function quoted(text: string): string {
  if (text.includes('\0')) throw new SqlError(8114, 'The emulator cannot hold the character U+0000.');
  if (!text.isWellFormed()) throw new SqlError(8114, 'The emulator cannot hold half of a surrogate pair.');
  return `'${text.replaceAll("'", "''")}'`;
}

export function requirePlainPattern(pattern: string): void {
  if (/[[\\]/.test(pattern)) throw notEmulated('LIKE with [ or \\');
}

/** Columns that every table of PostgreSQL has beside its own. */
const hidden = ['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'];

/** Names are folded: T-SQL's do not tell cases apart. */
export function identifier(name: string): string {
  const folded = name.toLowerCase();
  if (hidden.includes(folded)) throw new SqlError(207, `Invalid column name '${name}'.`);
  if (Buffer.byteLength(folded) > 63)
    throw new SqlError(103, `The identifier that starts with '${name.slice(0, 30)}' is too long for the emulator.`);
  if (folded === '' || folded.includes('\0')) throw new SqlError(1038, 'An object or column name is missing or empty.');
  return `"${folded.replaceAll('"', '""')}"`;
}
