/** The T-SQL types that the emulator has, how PostgreSQL holds each, and how they are written. */
import type { Cursor } from './cursor.ts';
import { notEmulated, SqlError, syntaxError } from './errors.ts';

export interface SqlType {
  name: TypeName;
  /** Characters or bytes; -1 is `max`. */
  length?: number;
  precision?: number;
  scale?: number;
}

const heldAs = {
  bigint: 'int8',
  int: 'int4',
  smallint: 'int2',
  tinyint: 'tds.tinyint',
  bit: 'bool',
  decimal: 'numeric',
  numeric: 'numeric',
  money: 'tds.money',
  float: 'float8',
  real: 'float4',
  date: 'date',
  time: 'time',
  datetime: 'timestamp(3)',
  datetime2: 'timestamp',
  datetimeoffset: 'tds.datetimeoffset',
  uniqueidentifier: 'uuid',
  char: 'bpchar',
  varchar: 'bpchar',
  nchar: 'bpchar',
  nvarchar: 'bpchar',
  varbinary: 'bytea',
  rowversion: 'bytea',
} as const;

export type TypeName = keyof typeof heldAs;

const synonyms: Record<string, SqlType> = {
  integer: { name: 'int' },
  dec: { name: 'decimal' },
  timestamp: { name: 'rowversion' },
  sysname: { name: 'nvarchar', length: 128 },
  ntext: { name: 'nvarchar', length: -1 },
};

const texts: readonly TypeName[] = ['char', 'varchar', 'nchar', 'nvarchar'];
const binaries: readonly TypeName[] = ['varbinary', 'rowversion'];
const scaled: readonly TypeName[] = ['time', 'datetime2', 'datetimeoffset'];
const dates: readonly TypeName[] = ['date', 'time', 'datetime', 'datetime2', 'datetimeoffset'];

export const isText = ({ name }: SqlType): boolean => texts.includes(name);
export const isBinary = ({ name }: SqlType): boolean => binaries.includes(name);
export const isDate = ({ name }: SqlType): boolean => dates.includes(name);
/** At most so many characters or bytes, and no padding. */
export const isBounded = ({ name, length = -1 }: SqlType): boolean =>
  (name === 'varchar' || name === 'nvarchar' || name === 'varbinary') && length !== -1;

/** Takes `decimal(10, 2)`, `nvarchar(max)`, … */
export function parseType(cursor: Cursor, unsaidLength = 1): SqlType {
  const token = cursor.next();
  if (token.kind !== 'word' && token.kind !== 'name') throw syntaxError(token.text);
  const known = synonyms[token.value] ?? (token.value in heldAs ? { name: token.value as TypeName } : undefined);
  if (!known) throw new SqlError(2715, `Cannot find data type ${token.text}. The emulator does not have it.`);
  return limited(known, argumentsOf(cursor), unsaidLength);
}

function argumentsOf(cursor: Cursor): number[] {
  if (!cursor.accept('(')) return [];
  if (cursor.accept('max', ')')) return [-1];
  const all: number[] = [];
  do {
    const token = cursor.next();
    if (token.kind !== 'number' || !/^\d+$/.test(token.text)) throw syntaxError(token.text);
    all.push(Number(token.text));
  } while (cursor.accept(','));
  cursor.expect(')');
  return all;
}

function limited(type: SqlType, [first, second, third]: number[], unsaidLength: number): SqlType {
  const { name } = type;
  const within = (value: number, least: number, most: number): number => {
    if (value < least || value > most)
      throw new SqlError(2717, `The size (${value}) given to the type '${name}' is wrong.`);
    return value;
  };
  if (third !== undefined) throw syntaxError(',');
  if (name === 'decimal' || name === 'numeric') {
    const precision = within(first ?? 18, 1, 38);
    return { name, precision, scale: within(second ?? 0, 0, precision) };
  }
  if (second !== undefined) throw syntaxError(',');
  if (name === 'float') return within(first ?? 53, 1, 53) <= 24 ? { name: 'real' } : type;
  if (scaled.includes(name)) return { name, scale: within(first ?? 7, 0, 7) };
  if (name === 'rowversion') return { name, length: 8 };
  if (isText(type) || isBinary(type)) {
    const fixed = ['char', 'nchar'].includes(name);
    if (first === -1 && !fixed) return { name, length: -1 };
    const most = name === 'nchar' || name === 'nvarchar' ? 4_000 : 8_000;
    return { name, length: within(first ?? type.length ?? unsaidLength, 1, most) };
  }
  if (first !== undefined) throw syntaxError('(');
  return type;
}

/** As in a declaration, e.g. `decimal(10,2)`. */
export function typeText({ name, length, precision, scale }: SqlType): string {
  if (precision !== undefined) return `${name}(${precision},${scale ?? 0})`;
  if (scale !== undefined) return `${name}(${scale})`;
  if (length === undefined || name === 'rowversion') return name;
  return `${name}(${length === -1 ? 'max' : length})`;
}

/** PostgreSQL's type. Text has no length there, except where it is padded: trailing spaces do not count, so a check does. */
export function pgType(type: SqlType): string {
  const held = heldAs[type.name];
  if (type.precision !== undefined) return `numeric(${type.precision},${type.scale ?? 0})`;
  if (type.name === 'char' || type.name === 'nchar') return `bpchar(${type.length ?? 1})`;
  // Microseconds are all that PostgreSQL has.
  if (type.name === 'time' || type.name === 'datetime2') return `${held}(${Math.min(type.scale ?? 7, 6)})`;
  return held;
}

const isCaseFolding = /_CI_AS(_KS)?(_WS)?(_SC)?(_UTF8)?$/i;
const isCaseKeeping = /_CS_AS(_KS)?(_WS)?(_SC)?(_UTF8)?$/i;

export const defaultCollation = 'SQL_Latin1_General_CP1_CI_AS';

/** PostgreSQL's collation for one of SQL Server's; all of them ignore trailing spaces, by the type. */
export function pgCollation(name: string): string {
  if (/_BIN2?(_UTF8)?$/i.test(name)) return 'pg_catalog."C"';
  if (isCaseFolding.test(name)) return 'tds.ci';
  if (isCaseKeeping.test(name)) return 'tds.cs';
  throw notEmulated(`COLLATE ${name}`);
}

/** The T-SQL type of an expression, by the name that PostgreSQL gives its type. @throws SqlError where there is none */
export function typeOfPg(oidName: string, modifier: number): SqlType {
  if (oidName === 'numeric') {
    if (modifier < 4) return { name: 'decimal', precision: 38 };
    return { name: 'decimal', precision: ((modifier - 4) >> 16) & 0xffff, scale: (modifier - 4) & 0x7ff };
  }
  const type = expressionTypes[oidName];
  if (!type) throw new SqlError(40_000, 'The emulator has no type for a column of the result.');
  return type;
}

const expressionTypes: Record<string, SqlType> = {
  int8: { name: 'bigint' },
  int4: { name: 'int' },
  int2: { name: 'smallint' },
  oid: { name: 'int' },
  bool: { name: 'bit' },
  float8: { name: 'float' },
  float4: { name: 'real' },
  date: { name: 'date' },
  time: { name: 'time', scale: 7 },
  timestamp: { name: 'datetime2', scale: 7 },
  uuid: { name: 'uniqueidentifier' },
  bytea: { name: 'varbinary', length: -1 },
  text: { name: 'nvarchar', length: -1 },
  money: { name: 'money' },
  datetimeoffset: { name: 'datetimeoffset', scale: 7 },
};
