// What the catalogue says of a table: whether its primary key is the configuration's, and how its keys compare.

import type { Pool } from 'pg';
import { WarmfeedError } from '../core/errors.ts';
import { type Key, type KeyColumn, keyOfJson } from '../core/key.ts';
import { queryTexts, type TextResult, type TextRow } from './postgres-client.ts';
import { qualified, quoted } from './table.ts';

export interface Description {
  readonly oid: string;
  /** Types that key values are compared as, in the order of the columns. */
  readonly casts: readonly string[];
  /** Different texts can be one key (a nondeterministic collation, citext, padded char). */
  readonly foldsKeys: boolean;
  /** A key column's value as reads give it, out of its text in the outbox. */
  keyText(column: string, text: string): string;
  /** The key that a row stands under; undefined: there is no row. @param from place of the table's first column */
  keyOf(row: TextRow, fields: TextResult['fields'], from: number): Key | undefined;
}

export interface DescribedTable {
  readonly place: string;
  readonly table: string;
  readonly columns: readonly KeyColumn[];
  readonly open: () => Promise<Pool>;
}

const LIFE_MS = 60_000;

/** Types of columns that may hold keys of a declared type. */
const COLUMN_TYPES: Readonly<Record<KeyColumn['type'], readonly string[]>> = {
  text: ['text', 'varchar', 'bpchar', 'citext', 'name'],
  smallint: ['int2', 'int4', 'int8'],
  int: ['int2', 'int4', 'int8'],
  bigint: ['int2', 'int4', 'int8'],
  uuid: ['uuid'],
  date: ['date'],
  boolean: ['bool'],
  scalar: [],
};

/** Described once a minute; `again` asks now. @throws WarmfeedError SOURCE_REJECTED that says what to mend */
export function createDescription(described: DescribedTable) {
  let known: { readonly at: number; readonly description: Promise<Description> } | undefined;

  function again(): Promise<Description> {
    const description = describe(described);
    const mine = { at: performance.now(), description };
    known = mine;
    description.catch(() => {
      if (known === mine) known = undefined;
    });
    return description;
  }

  function current(): Promise<Description> {
    return known !== undefined && performance.now() - known.at < LIFE_MS ? known.description : again();
  }

  return Object.assign(current, { again });
}

const CATALOGUE = `SELECT c.oid, a.attname, t.typname, coalesce(l.collisdeterministic, true), a.attnum = ANY (i.indkey)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.oid = to_regclass($1)`;

async function describe({ place, table, columns, open }: DescribedTable): Promise<Description> {
  const refuse = (says: string) => new WarmfeedError('SOURCE_REJECTED', `${place}: ${says}`);
  const { rows } = await queryTexts(await open(), CATALOGUE, [qualified(table, quoted)]);
  if (rows.length === 0) throw refuse('there is no such table');
  const primary = rows.filter((row) => row[4] === 't').map((row) => row[1]);
  const names = columns.map((column) => column.name);
  if (primary.length !== names.length || !names.every((column) => primary.includes(column))) {
    const is = primary.length === 0 ? 'it has none' : `it is (${primary.join(', ')})`;
    throw refuse(`the key of the configuration must be the table's primary key; ${is}`);
  }
  const types = columns.map((column) => {
    const row = rows.find((each) => each[1] === column.name);
    const type = row?.[2] ?? '';
    if (!COLUMN_TYPES[column.type].includes(type)) {
      throw refuse(`the key column ${column.name} is ${type}, not ${column.type}`);
    }
    return { type, folds: row?.[3] === 'f' || type === 'bpchar' || type === 'citext' };
  });
  return {
    oid: rows[0]?.[0] ?? '',
    // Compared as numbers of any width; a literal too large for the column is then no error, only not there.
    casts: types.map(({ type }) => (type.startsWith('int') ? 'int8' : type)),
    foldsKeys: types.some(({ folds }) => folds),
    keyText: (column, text) => (types[names.indexOf(column)]?.type === 'bpchar' ? text.replace(/ +$/, '') : text),
    keyOf(row, fields, from) {
      const places = names.map((column) => fields.findIndex((field, i) => i >= from && field.name === column));
      const values = places.map((at) => row[at] ?? null);
      if (values.includes(null)) return undefined;
      return keyOfJson(
        columns,
        values.map((value, i) => textOf(columns[i], types[i]?.type, value ?? '')),
      );
    },
  };
}

function textOf(column: KeyColumn | undefined, type: string | undefined, text: string): string {
  if (column?.type === 'boolean') return text === 't' ? 'true' : 'false';
  return type === 'bpchar' ? text.replace(/ +$/, '') : text;
}
