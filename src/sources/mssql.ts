// An Azure SQL table as a source. A row and the change-tracking version that it reflects are read in one snapshot
// transaction, on the primary (protocol C with versions for transaction ids).

import type { Key, KeyColumn } from '../core/key.ts';
import type { ChangeLog, QueryStatement, QueryValue, Source, SourceRead } from '../core/ports.ts';
import type { SqlConnection, SqlPools, SqlRow, SqlValue } from './mssql-client.ts';
import { sqlError } from './mssql-errors.ts';
import { createSqlLog } from './mssql-log.ts';
import { inSnapshot, STATE, stateOf, type TrackingState } from './mssql-state.ts';
import { describeSqlTable, type SqlColumn, type SqlDescription, selectList } from './mssql-table.ts';
import { formOf, valueOfDriver } from './mssql-values.ts';
import { bracketed, describedBy, isKeyOfRow, qualified, unpadded } from './table.ts';
import { createTableSource, type TableOptions, type TableRows } from './table-source.ts';

/** The schema is `dbo` where none is named. */
export interface SqlTableOptions extends TableOptions {
  readonly connection: SqlConnection;
}

export interface SqlTable {
  readonly source: Source;
  readonly log: ChangeLog;
}

export function createSqlTable(options: SqlTableOptions, pools: SqlPools): SqlTable {
  const { connection, columns, requestTimeoutMs } = options;
  const table = options.table.includes('.') ? options.table : `dbo.${options.table}`;
  const name = `sql/${options.connectionName}/${options.table}`;
  const from = qualified(table, bracketed);

  const run = async (text: string, values: Readonly<Record<string, SqlValue>>, signal: AbortSignal) =>
    (await pools.get(connection)).query(text, values, signal);
  const description = describedBy((signal) => describeSqlTable({ place: name, table, columns, run }, signal));

  async function read(asked: readonly Key[], signal: AbortSignal): Promise<SourceRead[]> {
    const described = await description(signal);
    const keys = asked.map((key, p) => ({ p, ...Object.fromEntries(key.map((part, i) => [`k${i}`, part])) }));
    const text = inSnapshot(STATE, selectMany(described));
    const values = {
      table: { type: 'text', value: from },
      keys: { type: 'text', value: JSON.stringify(keys) },
    } as const;
    const [state = [], rows = []] = await run(text, values, signal);
    const at = stateOf(state[0]);
    const byPlace = new Map(rows.map((row) => [Number(row[0]), row]));
    return asked.map((key, i) => readOf({ key, columns, described }, byPlace.get(i), at));
  }

  function selectMany({ columns: all, key }: SqlDescription): string {
    const types = key.flatMap((column, i) => [
      `k${i} ${parameterType(column, columns[i])} '$.k${i}'`,
      ...(isCodePage(column) ? [`n${i} nvarchar(4000) '$.k${i}'`] : []),
    ]);
    const same = key
      .flatMap((column, i) => {
        const place = `t.${bracketed(column.name)}`;
        const collate = column.collation === undefined ? '' : ` COLLATE ${column.collation}`;
        // A code page has not every character: without the second comparison 日本 would find ??.
        const whole = `CAST(${place} AS nvarchar(4000)) = k.n${i}${collate}`;
        return [`${place} = k.k${i}${collate}`, ...(isCodePage(column) ? [whole] : [])];
      })
      .join(' AND ');
    return `SELECT k.place, ${selectList(all, 't')} FROM OPENJSON(@keys) WITH (place int '$.p', ${types.join(', ')}) AS k
      LEFT JOIN ${from} AS t ON ${same}`;
  }

  async function scan(after: readonly string[] | undefined, limit: number, signal: AbortSignal): Promise<string[][]> {
    const { key } = await description(signal);
    const names = key.map(({ name: column }) => `t.${bracketed(column)}`);
    const bounds = key.map((column, i) => `CAST(@k${i} AS ${parameterType(column, columns[i])})`);
    const text = `SELECT TOP (@limit) ${selectList(key, 't')} FROM ${from} AS t
      ${after === undefined ? '' : `WHERE ${isAfter(names, bounds)}`} ORDER BY ${names.join(', ')}`;
    const bound = (after ?? []).map((value, i): [string, SqlValue] => [`k${i}`, { type: 'text', value }]);
    const values: Record<string, SqlValue> = { limit: { type: 'int', value: limit }, ...Object.fromEntries(bound) };
    const [found = []] = await run(text, values, signal);
    return found.map((row) => row.map((value, i) => String(unpadded(formOf(key[i]?.type ?? '').decode(value)))));
  }

  async function query({ text, values }: QueryStatement, signal: AbortSignal): Promise<TableRows> {
    const pool = await pools.get(connection);
    // Before the rows: what they show can only be newer.
    const { position, partition, isTracked: tells } = await tracking(signal);
    const bound = Object.entries(values).map(([column, value]) => [column, parameterOf(value)]);
    const { columns: found, rows } = await pool.rows(
      text,
      Object.fromEntries(bound) as Record<string, SqlValue>,
      signal,
    );
    const documents = rows.map((row) =>
      Object.fromEntries(found.map(({ name: column, type }, i) => [column, valueOfDriver(type, row[i])])),
    );
    return { rows: documents, asOf: position, partition, isTracked: tells };
  }

  async function tracking(signal: AbortSignal): Promise<TrackingState> {
    const [[row] = []] = await run(STATE, { table: { type: 'text', value: from } }, signal);
    return stateOf(row);
  }

  const isTracked = async (signal: AbortSignal) => (await tracking(signal)).isTracked;
  const errorOf = (error: unknown) => sqlError(name, error);
  const database = { name, description, read, scan, query, isTracked, errorOf };
  return {
    source: createTableSource(options, { ...database, product: 'Azure SQL' }),
    log: createSqlLog({ table: from, description, run, errorOf, requestTimeoutMs }),
  };
}

interface Asked {
  readonly key: Key;
  readonly columns: readonly KeyColumn[];
  readonly described: SqlDescription;
}

function readOf({ key, columns, described }: Asked, row: SqlRow | undefined, state: TrackingState): SourceRead {
  const { position, partition, isTracked } = state;
  const at = { asOf: position, version: position, partition, isTracked };
  const values = described.columns.map(({ type }, i) => formOf(type).decode(row?.[i + 1] ?? null));
  const document = Object.fromEntries(described.columns.map(({ name }, i) => [name, values[i]]));
  const stands = described.key.map(({ name }) => unpadded(document[name]));
  if (stands.includes(null)) return { ...at, document: undefined, isStorable: !described.foldsKeys };
  return { ...at, document, isStorable: isKeyOfRow(key, columns, stands) };
}

function isCodePage({ type }: SqlColumn): boolean {
  return type === 'char' || type === 'varchar';
}

const WIDTHS = ['tinyint', 'smallint', 'int', 'bigint'];

/**
 * The column's own family of types, of any length, so that its index is used; wide enough for every key of the declared
 * type, which is then no error, only not there.
 */
function parameterType(column: SqlColumn, declared: KeyColumn | undefined): string {
  const { type } = column;
  if (isCodePage(column)) return 'varchar(8000)';
  if (type === 'nchar' || type === 'nvarchar') return 'nvarchar(4000)';
  return WIDTHS[Math.max(WIDTHS.indexOf(type), WIDTHS.indexOf(declared?.type ?? ''))] ?? type;
}

/** `(a, b) > (x, y)`, which SQL Server cannot say. */
function isAfter(names: readonly string[], bounds: readonly string[]): string {
  return names
    .map((column, i) =>
      [...names.slice(0, i).map((before, k) => `${before} = ${bounds[k]}`), `${column} > ${bounds[i]}`].join(' AND '),
    )
    .map((term) => `(${term})`)
    .join(' OR ');
}

function parameterOf(value: QueryValue): SqlValue {
  if (value === null) return { type: 'text', value: null };
  const isInt = typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31;
  return isInt ? { type: 'int', value } : { type: 'text', value: String(value) };
}
