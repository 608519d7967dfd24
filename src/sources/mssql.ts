// An Azure SQL table as a source. A row and the change-tracking version that it reflects are read in one snapshot
// transaction, on the primary (protocol C with versions for transaction ids).

import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, type KeyColumn, keyOfJson, keyText } from '../core/key.ts';
import type { ChangeLog, Floor, ReadOptions, ScannedPage, Source, SourceRead } from '../core/ports.ts';
import { deadline, pause, untilAborted } from './deadline.ts';
import type { SqlConnection, SqlPools, SqlRow, SqlValue } from './mssql-client.ts';
import { sqlError } from './mssql-errors.ts';
import { createSqlLog } from './mssql-log.ts';
import { inSnapshot, STATE, stateOf } from './mssql-state.ts';
import { describeSqlTable, type SqlColumn, type SqlDescription, selectList } from './mssql-table.ts';
import { formOf } from './mssql-values.ts';
import { behind, bracketed, changeOf, qualified } from './table.ts';

export interface SqlSourceOptions {
  readonly connection: SqlConnection;
  /** Name of the app setting that has the connection. */
  readonly connectionName: string;
  /** `airlines` or `dbo.airlines`. */
  readonly table: string;
  /** The primary key, in the order of the key's segments. */
  readonly columns: readonly KeyColumn[];
  /** Longest duration of a read, retries included. */
  readonly requestTimeoutMs: number;
}

export interface SqlTable {
  readonly source: Source;
  readonly log: ChangeLog;
}

const KEYS_PER_BATCH = 500;
const DESCRIPTION_MS = 60_000;
const RETRIES = 3;

export function createSqlTable(options: SqlSourceOptions, pools: SqlPools): SqlTable {
  const { connection, columns, requestTimeoutMs } = options;
  const table = options.table.includes('.') ? options.table : `dbo.${options.table}`;
  const name = `sql/${options.connectionName}/${options.table}`;
  const from = qualified(table, bracketed);
  let described: { readonly at: number; readonly description: SqlDescription } | undefined;

  const run = async (text: string, values: Readonly<Record<string, SqlValue>>, signal: AbortSignal) =>
    (await pools.get(connection)).query(text, values, signal);

  async function description(signal: AbortSignal): Promise<SqlDescription> {
    if (described !== undefined && performance.now() - described.at < DESCRIPTION_MS) return described.description;
    const now = await describeSqlTable({ place: name, table, columns, run }, signal);
    described = { at: performance.now(), description: now };
    return now;
  }

  async function read(key: Key, readOptions: ReadOptions = {}): Promise<SourceRead> {
    const [answer] = await readMany([key], readOptions);
    return answer as SourceRead;
  }

  async function readMany(all: readonly Key[], { signal: caller, floor }: ReadOptions = {}) {
    const asked = all.map((key) => keyOfJson(columns, key));
    const signal = deadline(requestTimeoutMs, caller);
    const answers: SourceRead[] = [];
    for (let at = 0; at < asked.length; at += KEYS_PER_BATCH) {
      answers.push(...(await readAt(asked.slice(at, at + KEYS_PER_BATCH), signal, floor)));
    }
    return answers;
  }

  /** Asks until the answer is at the floor: it always is, but for a failover that lost commits. */
  async function readAt(asked: readonly Key[], signal: AbortSignal, floor: Floor | undefined) {
    for (let turn = 0; ; turn++) {
      const answers = await inTime(signal, () => readOnce(asked, signal));
      if (!answers.some(({ partition, asOf }) => asOf < (floor?.positions.get(partition.id) ?? 0n))) return answers;
      await pause(Math.min(200, 10 * 2 ** turn), signal).catch(() => {
        throw behind(name);
      });
    }
  }

  async function readOnce(asked: readonly Key[], signal: AbortSignal): Promise<SourceRead[]> {
    const now = await description(signal);
    const keys = asked.map((key, p) => ({ p, ...Object.fromEntries(key.map((part, i) => [`k${i}`, part])) }));
    const text = inSnapshot(STATE, selectMany(now));
    const values = {
      table: { type: 'text', value: table },
      keys: { type: 'text', value: JSON.stringify(keys) },
    } as const;
    const [state = [], rows = []] = await run(text, values, signal);
    const at = stateOf(state[0]);
    const byPlace = new Map(rows.map((row) => [Number(row[0]), row]));
    return asked.map((key, i) => readOf(key, byPlace.get(i), now, at));
  }

  function selectMany({ columns: all, key }: SqlDescription): string {
    const types = key.map((column, i) => `k${i} ${parameterType(column)} '$.k${i}'`).join(', ');
    const same = key
      .map(({ name: column, collation }, i) => {
        const collate = collation === undefined ? '' : ` COLLATE ${collation}`;
        return `t.${bracketed(column)} = k.k${i}${collate}`;
      })
      .join(' AND ');
    return `SELECT k.place, ${selectList(all, 't')} FROM OPENJSON(@keys) WITH (place int '$.p', ${types}) AS k
      LEFT JOIN ${from} AS t ON ${same}`;
  }

  function readOf(key: Key, row: SqlRow | undefined, now: SqlDescription, at: ReturnType<typeof stateOf>): SourceRead {
    const position = { asOf: at.position, version: at.position, partition: at.partition, isTracked: at.isTracked };
    const values = now.columns.map(({ type }, i) => formOf(type).decode(row?.[i + 1] ?? null));
    const found = now.key.map(({ name: column }) => values[now.columns.findIndex((each) => each.name === column)]);
    if (found.includes(null)) return { ...position, document: undefined, isStorable: !now.foldsKeys };
    const document = Object.fromEntries(now.columns.map(({ name: column }, i) => [column, values[i]]));
    const stands = keyOfJson(columns, found.map(trimmed));
    return { ...position, document, isStorable: keyText(stands) === keyText(key) };
  }

  async function scan({ continuation, limit }: { continuation?: string; limit: number }): Promise<ScannedPage> {
    const signal = deadline(requestTimeoutMs);
    const rows = await inTime(signal, async () => {
      const { key } = await description(signal);
      const after = continuation === undefined ? [] : (JSON.parse(continuation) as string[]);
      const names = key.map(({ name: column }) => `t.${bracketed(column)}`);
      const text = `SELECT TOP (@limit) ${selectList(key, 't')} FROM ${from} AS t
        ${after.length === 0 ? '' : `WHERE ${isAfter(names)}`} ORDER BY ${names.join(', ')}`;
      const bound = after.map((value, i): [string, SqlValue] => [`k${i}`, { type: 'text', value }]);
      const [found = []] = await run(
        text,
        { limit: { type: 'int', value: limit }, ...Object.fromEntries(bound) },
        signal,
      );
      return found.map((row) =>
        keyOfJson(
          columns,
          row.map((value, i) => trimmed(formOf(key[i]?.type ?? '').decode(value))),
        ),
      );
    });
    const isLast = rows.length < limit;
    return { keys: rows, continuation: isLast ? undefined : JSON.stringify(rows.at(-1)), units: 1 };
  }

  /** @throws WarmfeedError SOURCE_* */
  async function inTime<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let turn = 0; ; turn++) {
      try {
        return await untilAborted(signal, work());
      } catch (error) {
        if (signal.aborted && !isWarmfeedError(error)) {
          throw new WarmfeedError('SOURCE_TIMEOUT', `${name}: no answer in time`, { retryable: true, cause: error });
        }
        const failure = sqlError(name, error);
        if (failure.code !== 'SOURCE_UNAVAILABLE' || turn >= RETRIES) throw failure;
        await pause(50 * 2 ** turn, signal).catch(() => {
          throw failure;
        });
      }
    }
  }

  const log = createSqlLog({ place: name, table, description, run, requestTimeoutMs });
  const source: Source = {
    name,
    replicaLagMs: 0,
    changesHold: 'keys',
    read,
    readMany,
    scan,
    async check() {
      described = undefined;
      const signal = deadline(requestTimeoutMs);
      await inTime(signal, () => readOnce([], signal));
    },
    async floor() {
      throw new WarmfeedError('BAD_REQUEST', 'x-ms-session-token is of Cosmos DB: this item is of Azure SQL');
    },
    change: (item) => changeOf(item, columns, name),
  };
  return { source, log };
}

/** The column's own family of types, of any length, so that its index is used. */
function parameterType({ type }: SqlColumn): string {
  if (type === 'char' || type === 'varchar') return 'varchar(8000)';
  if (type === 'nchar' || type === 'nvarchar') return 'nvarchar(4000)';
  return type === 'tinyint' ? 'smallint' : type;
}

/** `(a, b) > (@k0, @k1)`, which SQL Server cannot say. */
function isAfter(names: readonly string[]): string {
  return names
    .map((column, i) =>
      [...names.slice(0, i).map((before, k) => `${before} = @k${k}`), `${column} > @k${i}`].join(' AND '),
    )
    .map((term) => `(${term})`)
    .join(' OR ');
}

/** A `char` comes padded; numbers and bits as what they are. */
function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/ +$/, '') : value;
}
