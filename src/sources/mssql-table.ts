// What the catalogue says of an Azure SQL table: its columns, whether its primary key is the configuration's, and how
// its keys compare.

import type { KeyColumn } from '../core/key.ts';
import type { SqlPool } from './mssql-client.ts';
import { formOf } from './mssql-values.ts';
import { bracketed, checkPrimaryKey, refused } from './table.ts';

export interface SqlColumn {
  readonly name: string;
  readonly type: string;
  readonly collation: string | undefined;
}

export interface SqlDescription {
  readonly columns: readonly SqlColumn[];
  /** The key's columns, in the order of the key. */
  readonly key: readonly SqlColumn[];
  /** Different texts can be one key: SQL Server pads texts with spaces before it compares them, and most collations fold case. */
  readonly foldsKeys: boolean;
}

export interface DescribedSqlTable {
  readonly place: string;
  /** `dbo.airlines` */
  readonly table: string;
  readonly columns: readonly KeyColumn[];
  readonly run: SqlPool['query'];
}

/** Types of columns that may hold keys of a declared type. */
const COLUMN_TYPES: Readonly<Record<KeyColumn['type'], readonly string[]>> = {
  text: ['char', 'varchar', 'nchar', 'nvarchar'],
  smallint: ['tinyint', 'smallint', 'int', 'bigint'],
  int: ['tinyint', 'smallint', 'int', 'bigint'],
  bigint: ['tinyint', 'smallint', 'int', 'bigint'],
  uuid: ['uniqueidentifier'],
  date: ['date'],
  number: [],
  boolean: ['bit'],
  scalar: [],
};

const CATALOGUE = `SELECT COLUMN_NAME, DATA_TYPE, COLLATION_NAME FROM INFORMATION_SCHEMA.COLUMNS
  WHERE TABLE_SCHEMA = @schema AND TABLE_NAME = @name ORDER BY ORDINAL_POSITION;
SELECT k.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS p
  JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE k
    ON k.CONSTRAINT_SCHEMA = p.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = p.CONSTRAINT_NAME
  WHERE p.CONSTRAINT_TYPE = 'PRIMARY KEY' AND p.TABLE_SCHEMA = @schema AND p.TABLE_NAME = @name
  ORDER BY k.ORDINAL_POSITION;`;

/** @throws WarmfeedError SOURCE_REJECTED that says what to mend */
export async function describeSqlTable(described: DescribedSqlTable, signal: AbortSignal): Promise<SqlDescription> {
  const { place, table, columns: declared, run } = described;
  const [schema = '', name = ''] = table.includes('.') ? table.split('.') : ['dbo', table];
  const values = { schema: { type: 'text', value: schema }, name: { type: 'text', value: name } } as const;
  const [found = [], primary = []] = await run(CATALOGUE, values, signal);
  const columns = found.map(
    ([column, type, collation]): SqlColumn => ({
      name: String(column),
      type: String(type).toLowerCase(),
      collation: collation === null ? undefined : String(collation),
    }),
  );
  if (columns.length === 0) throw refused(place, 'there is no such table, or it may not be seen');
  checkPrimaryKey(
    place,
    declared,
    primary.map(([column]) => String(column)),
  );
  const key = declared.map((column) => {
    const actual = columns.find((each) => each.name === column.name);
    if (actual === undefined || !COLUMN_TYPES[column.type].includes(actual.type)) {
      throw refused(place, `the key column ${column.name} is ${actual?.type ?? 'not there'}, not ${column.type}`);
    }
    return actual;
  });
  return { columns, key, foldsKeys: key.some(({ collation }) => collation !== undefined) };
}

/** @param alias of the table that the columns are of */
export function selectList(columns: readonly SqlColumn[], alias: string): string {
  return columns.map(({ name, type }) => formOf(type).select(`${alias}.${bracketed(name)}`)).join(', ');
}
