// A PostgreSQL table as a source. Reads go to the primary; their as-of is the oldest transaction that was still open
// when the statement began (protocol C), so a change of transaction x is at x + 1.

import type { Key, KeyColumn } from '../core/key.ts';
import type { ChangeLog, Document, QueryStatement, QueryValue, Source, SourceRead } from '../core/ports.ts';
import {
  type PostgresConnection,
  type PostgresPools,
  queryTexts,
  type TextResult,
  type TextRow,
} from './postgres-client.ts';
import { postgresError } from './postgres-errors.ts';
import { createPostgresLog } from './postgres-log.ts';
import { type Description, describePostgresTable } from './postgres-table.ts';
import { valueOf } from './postgres-values.ts';
import { describedBy, isKeyOfRow, qualified, quoted } from './table.ts';
import { withPlaces } from './table-query.ts';
import { createTableSource, type TableOptions, type TableRows } from './table-source.ts';

/** Of a partitioned table the root is named. */
export interface PostgresTableOptions extends TableOptions {
  readonly connection: PostgresConnection;
  /** How long changes are kept for other apps and for times without a poll. */
  readonly retentionMs: number;
}

export interface PostgresTable {
  readonly source: Source;
  readonly log: ChangeLog;
}

/** Where the answer comes from, before the table's own columns. */
const POSITION = `(SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
  pg_snapshot_xmin(pg_current_snapshot()),
  EXISTS (SELECT FROM pg_trigger
    WHERE tgrelid = $1::oid AND tgname = 'warmfeed_row' AND tgargs = $2::bytea AND tgenabled IN ('O', 'A'))`;
/** The columns of POSITION and the key's place. */
const BEFORE = 4;

export function createPostgresTable(options: PostgresTableOptions, pools: PostgresPools): PostgresTable {
  const { connection, table, columns, requestTimeoutMs, retentionMs } = options;
  const name = `postgres/${options.connectionName}/${table}`;
  const from = qualified(table, quoted);
  const open = () => pools.get(connection);
  const description = describedBy(async () => describePostgresTable({ place: name, table, columns }, await open()));

  async function read(asked: readonly Key[], signal: AbortSignal): Promise<SourceRead[]> {
    const described = await description(signal);
    const arrays = columns.map((_, i) => asked.map((key) => key[i]));
    const values = [described.oid, described.recorder, ...arrays];
    const result = await queryTexts(await open(), selectMany(described), values);
    const byPlace = new Map(result.rows.map((row) => [Number(row[BEFORE - 1]), row]));
    return asked.map((key, i) => readOf({ key, columns, described }, byPlace.get(i + 1) ?? [], result));
  }

  function selectMany({ casts }: Description): string {
    const arrays = columns.map((_, i) => `$${i + 3}::text[]`).join(', ');
    const names = columns.map((_, i) => `k${i}`).join(', ');
    const same = columns.map((column, i) => `t.${quoted(column.name)} = CAST(k.k${i} AS ${casts[i]})`).join(' AND ');
    return `SELECT ${POSITION}, k.place, t.* FROM unnest(${arrays}) WITH ORDINALITY AS k(${names}, place)
      LEFT JOIN ${from} t ON ${same}`;
  }

  async function scan(after: readonly string[] | undefined, limit: number, signal: AbortSignal): Promise<string[][]> {
    const { casts } = await description(signal);
    const names = columns.map((column) => quoted(column.name)).join(', ');
    const bound = columns.map((_, i) => `CAST($${i + 2} AS ${casts[i]})`).join(', ');
    const text = `SELECT ${columns.map((column) => `${quoted(column.name)}::text`).join(', ')} FROM ${from}
      ${after === undefined ? '' : `WHERE (${names}) > (${bound})`} ORDER BY ${names} LIMIT $1`;
    const { rows } = await queryTexts(await open(), text, [limit, ...(after ?? [])]);
    return rows.map((row) => row.map((value) => value ?? ''));
  }

  async function query({ text, values }: QueryStatement, signal: AbortSignal): Promise<TableRows> {
    const described = await description(signal);
    const pool = await open();
    // Before the rows: what they show can only be newer.
    const { system, horizon, isTracked } = await state(described);
    const names = Object.keys(values);
    const sent = withPlaces(text, names, (value) => `$${names.indexOf(value) + 1}`);
    // Types are the statement's own to tell, as `@id::int`; a text fits where they are clear.
    const result = await queryTexts(
      pool,
      sent,
      names.map((value) => textOf(values[value])),
    );
    return {
      rows: result.rows.map((row) => documentOf(row, result.fields)),
      asOf: BigInt(horizon ?? 0),
      partition: { id: system ?? '', ancestors: [] },
      isTracked,
    };
  }

  async function state({ oid, recorder }: Description) {
    const { rows } = await queryTexts(await open(), `SELECT ${POSITION}`, [oid, recorder]);
    const [system, horizon, isTracked] = rows[0] ?? [];
    return { system, horizon, isTracked: isTracked === 't' };
  }

  const isTracked = async (signal: AbortSignal) => (await state(await description(signal))).isTracked;

  const errorOf = (error: unknown) => postgresError(name, error);
  const database = { name, description, read, scan, query, isTracked, errorOf };
  return {
    source: createTableSource(options, { ...database, product: 'PostgreSQL' }),
    log: createPostgresLog({ table, open, description, errorOf, requestTimeoutMs, retentionMs }),
  };
}

interface Asked {
  readonly key: Key;
  readonly columns: readonly KeyColumn[];
  readonly described: Description;
}

function readOf({ key, columns, described }: Asked, row: TextRow, { fields }: TextResult): SourceRead {
  const [system, horizon, isTracked] = row;
  const asOf = BigInt(horizon ?? 0);
  const partition = { id: system ?? '', ancestors: [] };
  const at = { asOf, version: asOf, partition, isTracked: isTracked === 't' };
  const values = described.keyOf(row, fields, BEFORE);
  if (values === undefined) return { ...at, document: undefined, isStorable: !described.foldsKeys };
  const document = documentOf(row.slice(BEFORE), fields.slice(BEFORE));
  return { ...at, document, isStorable: isKeyOfRow(key, columns, values) };
}

function documentOf(row: TextRow, fields: TextResult['fields']): Document {
  return Object.fromEntries(fields.map(({ name, dataTypeID }, i) => [name, valueOf(dataTypeID, row[i] ?? null)]));
}

function textOf(value: QueryValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
