// A PostgreSQL table as a source. Reads go to the primary; their as-of is the oldest transaction that was still open
// when the statement began (protocol C), so a change of transaction x is at x + 1.

import { WarmfeedError } from '../core/errors.ts';
import { type Key, type KeyColumn, keyOfJson, keyText } from '../core/key.ts';
import type { ChangeLog, Floor, ReadOptions, ScannedPage, Source, SourceRead } from '../core/ports.ts';
import { deadline, pause, untilAborted } from './deadline.ts';
import {
  type PostgresConnection,
  type PostgresPools,
  queryTexts,
  type TextResult,
  type TextRow,
} from './postgres-client.ts';
import { postgresError } from './postgres-errors.ts';
import { createPostgresLog } from './postgres-log.ts';
import { createDescription, type Description } from './postgres-table.ts';
import { valueOf } from './postgres-values.ts';
import { behind, changeOf, qualified, quoted } from './table.ts';

export interface PostgresSourceOptions {
  readonly connection: PostgresConnection;
  /** Name of the app setting that has the connection. */
  readonly connectionName: string;
  /** `countries` or `public.countries`: of a partitioned table its root. */
  readonly table: string;
  /** The primary key, in the order of the key's segments. */
  readonly columns: readonly KeyColumn[];
  /** Longest duration of a read, retries included. */
  readonly requestTimeoutMs: number;
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
  EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = 'warmfeed_row' AND tgenabled <> 'D')`;
const KEYS_PER_STATEMENT = 500;

export function createPostgresTable(options: PostgresSourceOptions, pools: PostgresPools): PostgresTable {
  const { connection, table, columns, requestTimeoutMs, retentionMs } = options;
  const name = `postgres/${options.connectionName}/${table}`;
  const from = qualified(table, quoted);
  const open = () => pools.get(connection);
  const description = createDescription({ place: name, table, columns, open });

  async function read(key: Key, readOptions: ReadOptions = {}): Promise<SourceRead> {
    const [answer] = await readMany([key], readOptions);
    return answer as SourceRead;
  }

  async function readMany(all: readonly Key[], { signal: caller, floor }: ReadOptions = {}) {
    const asked = all.map(checkedKey);
    const signal = deadline(requestTimeoutMs, caller);
    const answers: SourceRead[] = [];
    for (let at = 0; at < asked.length; at += KEYS_PER_STATEMENT) {
      answers.push(...(await readAt(asked.slice(at, at + KEYS_PER_STATEMENT), signal, floor)));
    }
    return answers;
  }

  /** Asks until the answer is at the floor: it always is, but for a failover to an older primary. */
  async function readAt(asked: readonly Key[], signal: AbortSignal, floor: Floor | undefined) {
    for (let turn = 0; ; turn++) {
      const answers = await inTime(signal, () => againIfCut(() => readOnce(asked)));
      if (!answers.some((answer) => isBehind(answer, floor))) return answers;
      await pause(Math.min(200, 10 * 2 ** turn), signal).catch(() => {
        throw behind(name);
      });
    }
  }

  async function readOnce(asked: readonly Key[]): Promise<SourceRead[]> {
    const described = await description();
    const result = await queryTexts(await open(), selectMany(described), [
      described.oid,
      ...columns.map((_, i) => asked.map((key) => key[i])),
    ]);
    const byPlace = new Map(result.rows.map((row) => [Number(row[3]), row]));
    return asked.map((key, i) => readOf(key, byPlace.get(i + 1) as TextRow, result, described));
  }

  function selectMany({ casts }: Description): string {
    const arrays = columns.map((_, i) => `$${i + 2}::text[]`).join(', ');
    const names = columns.map((_, i) => `k${i}`).join(', ');
    const same = columns.map((column, i) => `t.${quoted(column.name)} = CAST(k.k${i} AS ${casts[i]})`).join(' AND ');
    return `SELECT ${POSITION}, k.place, t.* FROM unnest(${arrays}) WITH ORDINALITY AS k(${names}, place)
      LEFT JOIN ${from} t ON ${same}`;
  }

  async function scan({ continuation, limit }: { continuation?: string; limit: number }): Promise<ScannedPage> {
    const { casts } = await inTime(deadline(requestTimeoutMs), () => description());
    const after = continuation === undefined ? undefined : (JSON.parse(continuation) as string[]);
    const names = columns.map((column) => quoted(column.name)).join(', ');
    const bound = columns.map((_, i) => `CAST($${i + 2} AS ${casts[i]})`).join(', ');
    const text = `SELECT ${columns.map((column) => `${quoted(column.name)}::text`).join(', ')} FROM ${from}
      ${after === undefined ? '' : `WHERE (${names}) > (${bound})`} ORDER BY ${names} LIMIT $1`;
    const { rows } = await inTime(deadline(requestTimeoutMs), async () =>
      queryTexts(await open(), text, [limit, ...(after ?? [])]),
    );
    const found = rows.map((row) => keyOfJson(columns, row));
    const isLast = found.length < limit;
    return { keys: found, continuation: isLast ? undefined : JSON.stringify(found.at(-1)), units: 1 };
  }

  function checkedKey(key: Key): Key {
    return keyOfJson(columns, key);
  }

  /** @throws WarmfeedError SOURCE_* */
  async function inTime<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await untilAborted(signal, work());
    } catch (error) {
      if (signal.aborted) {
        throw new WarmfeedError('SOURCE_TIMEOUT', `${name}: no answer in time`, { retryable: true, cause: error });
      }
      throw postgresError(name, error);
    }
  }

  const log = createPostgresLog({ place: name, table, open, description, requestTimeoutMs, retentionMs });
  const source: Source = {
    name,
    replicaLagMs: 0,
    changesHold: 'keys',
    read,
    readMany,
    scan,
    async check() {
      await inTime(deadline(requestTimeoutMs), () => readOnce([]).then(() => description.again()));
    },
    async floor() {
      throw new WarmfeedError('BAD_REQUEST', 'x-ms-session-token is of Cosmos DB: this item is of PostgreSQL');
    },
    change: (item) => changeOf(item, columns, name),
  };
  return { source, log };
}

function readOf(key: Key, row: TextRow, { fields }: TextResult, described: Description): SourceRead {
  const [system = '', horizon] = row;
  const asOf = BigInt(horizon ?? 0);
  const found = described.keyOf(row, fields, 4);
  const at = {
    asOf,
    version: asOf,
    partition: { id: `${system}`, ancestors: [] },
    isTracked: row[2] === 't',
  };
  if (found === undefined) return { ...at, document: undefined, isStorable: !described.foldsKeys };
  const document = Object.fromEntries(
    fields.slice(4).map(({ name: column, dataTypeID }, i) => [column, valueOf(dataTypeID, row[i + 4] ?? null)]),
  );
  return { ...at, document, isStorable: keyText(found) === keyText(key) };
}

/** A pooled connection may have been cut while it was idle: what was read over it is asked once more. */
async function againIfCut<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (postgresError('', error).code !== 'SOURCE_UNAVAILABLE') throw error;
    return work();
  }
}

function isBehind({ partition, asOf }: SourceRead, floor: Floor | undefined): boolean {
  return asOf < (floor?.positions.get(partition.id) ?? 0n);
}
