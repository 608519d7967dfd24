// What the catalogue says of a table: whether its primary key is the configuration's, and how its keys compare.

import type { Pool } from 'pg';
import type { KeyColumn } from '../core/key.ts';
import { queryTexts, type TextResult, type TextRow } from './postgres-client.ts';
import { checkPrimaryKey, qualified, quoted, refused, unpadded } from './table.ts';

export interface Description {
  readonly oid: string;
  /** Arguments of the trigger that records this very table's keys, as pg_trigger has them. */
  readonly recorder: Buffer;
  /** Types that key values are compared as, in the order of the columns. */
  readonly casts: readonly string[];
  /** Different texts can be one key (a nondeterministic collation, citext, padded char, name cut at 63 bytes). */
  readonly foldsKeys: boolean;
  /** A key column's value as reads give it, out of its text in the outbox. */
  keyText(column: string, text: string): string;
  /** Values of the key that a row stands under; undefined: there is no row. @param from place of its first column */
  keyOf(row: TextRow, fields: TextResult['fields'], from: number): readonly string[] | undefined;
}

export interface PostgresTableName {
  readonly place: string;
  readonly table: string;
  readonly columns: readonly KeyColumn[];
}

/** Types of columns that may hold keys of a declared type. */
const COLUMN_TYPES: Readonly<Record<KeyColumn['type'], readonly string[]>> = {
  text: ['text', 'varchar', 'bpchar', 'citext', 'name'],
  smallint: ['int2', 'int4', 'int8'],
  int: ['int2', 'int4', 'int8'],
  bigint: ['int2', 'int4', 'int8'],
  uuid: ['uuid'],
  date: ['date'],
  number: [],
  boolean: ['bool'],
  scalar: [],
};
const FOLDING: ReadonlySet<string> = new Set(['bpchar', 'citext', 'name']);

/** Domains count as what they are of. */
const CATALOGUE = `SELECT c.oid, a.attname, b.typname, coalesce(l.collisdeterministic, true),
    CASE WHEN array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts THEN array_position(i.indkey::int2[], a.attnum) END,
    CASE WHEN b.typname = 'citext' THEN format_type(b.oid, NULL) END
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.oid = to_regclass($1)
  ORDER BY 5`;

/** @throws WarmfeedError SOURCE_REJECTED that says what to mend */
export async function describePostgresTable(named: PostgresTableName, pool: Pool): Promise<Description> {
  const { place, table, columns } = named;
  const { rows } = await queryTexts(pool, CATALOGUE, [qualified(table, quoted)]);
  const [first] = rows;
  if (first === undefined) throw refused(place, 'there is no such table');
  const oid = first[0] ?? '';
  const primary = rows.filter((row) => row[4] !== null).map((row) => row[1] ?? '');
  checkPrimaryKey(place, columns, primary);
  const types = new Map(columns.map((column) => [column.name, typeOf(place, column, rows)]));
  const keyText = (column: string, text: string) => (types.get(column)?.type === 'bpchar' ? unpadded(text) : text);
  return {
    oid,
    recorder: Buffer.from([oid, ...primary].map((text) => `${text}\0`).join('')),
    casts: [...types.values()].map(({ cast }) => cast),
    foldsKeys: [...types.values()].some(({ folds }) => folds),
    keyText,
    keyOf(row, fields, from) {
      const values = columns.map(({ name }) => row[fields.findIndex((field, i) => i >= from && field.name === name)]);
      if (values.some((value) => value === null || value === undefined)) return undefined;
      return columns.map(({ name, type }, i) => textOf(type, keyText(name, values[i] ?? '')));
    },
  };
}

function typeOf(place: string, column: KeyColumn, rows: readonly TextRow[]) {
  const [, , type = '', isDeterministic, , installed] = rows.find((row) => row[1] === column.name) ?? [];
  if (type === null || !COLUMN_TYPES[column.type].includes(type)) {
    throw refused(place, `the key column ${column.name} is ${type}, not ${column.type}`);
  }
  // Compared as numbers of any width; a literal too large for the column is then no error, only not there.
  const cast = type.startsWith('int') ? 'int8' : (installed ?? type);
  return { type, cast, folds: isDeterministic === 'f' || FOLDING.has(type) };
}

function textOf(type: KeyColumn['type'], text: string): string {
  if (type !== 'boolean') return text;
  return text === 't' ? 'true' : 'false';
}
