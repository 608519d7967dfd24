// A table as a source, whichever database it is in: groups of keys, floors, time limits, second tries and pages of a
// scan. What is asked, and what an answer means, is the database's part.

import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, type KeyColumn, keyOfJson } from '../core/key.ts';
import type {
  Document,
  Floor,
  Partition,
  Position,
  QueryRead,
  QueryStatement,
  ReadOptions,
  ScannedPage,
  Source,
  SourceRead,
} from '../core/ports.ts';
import { deadline, pause, untilAborted } from './deadline.ts';
import { changeOf, type Described, keyOfRow, unpadded } from './table.ts';

export interface TableOptions {
  /** Name of the app setting that has the connection. */
  readonly connectionName: string;
  /** `countries` or `public.countries`. */
  readonly table: string;
  /** The primary key, in the order of the key's segments. */
  readonly columns: readonly KeyColumn[];
  /** Longest duration of a read, retries included. */
  readonly requestTimeoutMs: number;
}

/** The database's part. Each of its promises may reject with anything. */
export interface TableDatabase {
  readonly name: string;
  /** For messages: `PostgreSQL`. */
  readonly product: string;
  readonly description: Described<unknown>;
  /** Answers in the order of the keys, all out of one snapshot, on the primary. */
  read(keys: readonly Key[], signal: AbortSignal): Promise<readonly SourceRead[]>;
  /** Texts of the key columns of up to `limit` rows in the order of the key, after those given. */
  scan(after: readonly string[] | undefined, limit: number, signal: AbortSignal): Promise<readonly string[][]>;
  /** Runs a declared statement, on the primary; its position is of before. */
  query(statement: QueryStatement, signal: AbortSignal): Promise<TableRows>;
  isTracked(signal: AbortSignal): Promise<boolean>;
  errorOf(error: unknown): WarmfeedError;
}

export interface TableRows {
  readonly rows: readonly Document[];
  readonly asOf: Position;
  readonly partition: Partition;
  readonly isTracked: boolean;
}

const KEYS_PER_STATEMENT = 500;
const RETRIES = 3;

export function createTableSource({ columns, requestTimeoutMs }: TableOptions, database: TableDatabase): Source {
  const { name, product, description } = database;

  async function readMany(all: readonly Key[], { signal: caller, floor }: ReadOptions = {}) {
    const asked = all.map((key) => keyOfJson(columns, key));
    const signal = deadline(requestTimeoutMs, caller);
    const answers: SourceRead[] = [];
    for (let at = 0; at < asked.length; at += KEYS_PER_STATEMENT) {
      answers.push(...(await readAt(asked.slice(at, at + KEYS_PER_STATEMENT), signal, floor)));
    }
    return answers;
  }

  /** Asks until the answer is at the floor: it always is, but for a failover that lost commits. */
  async function readAt(asked: readonly Key[], signal: AbortSignal, floor: Floor | undefined) {
    for (let turn = 0; ; turn++) {
      const answers = await inTime(signal, () => database.read(asked, signal));
      if (!answers.some(({ partition, asOf }) => asOf < (floor?.positions.get(partition.id) ?? 0n))) return answers;
      await pause(Math.min(200, 10 * 2 ** turn), signal).catch(() => {
        throw behind(name);
      });
    }
  }

  async function scan({ continuation, limit }: { continuation?: string; limit: number }): Promise<ScannedPage> {
    const after = continuation === undefined ? undefined : (JSON.parse(continuation) as string[]);
    const signal = deadline(requestTimeoutMs);
    const rows = await inTime(signal, () => database.scan(after, limit, signal));
    return {
      keys: rows.flatMap((row) => {
        const key = keyOfRow(columns, row);
        return key === undefined ? [] : [key];
      }),
      continuation: rows.length < limit ? undefined : JSON.stringify(rows.at(-1)),
      units: 1,
    };
  }

  async function query(statement: QueryStatement, { signal: caller, floor }: ReadOptions = {}): Promise<QueryRead> {
    const signal = deadline(requestTimeoutMs, caller);
    for (let turn = 0; ; turn++) {
      const { rows, asOf, partition, isTracked } = await inTime(signal, () => database.query(statement, signal));
      if (rows.length > statement.maxRows) {
        const says = `${name}: a query gave more than ${statement.maxRows} rows; its text needs a limit`;
        throw new WarmfeedError('QUERY_TOO_LARGE', says);
      }
      if (asOf >= (floor?.positions.get(partition.id) ?? 0n)) {
        const keys = rows.map((row) =>
          keyOfRow(
            columns,
            columns.map((column) => unpadded(row[column.name])),
          ),
        );
        return { rows, keys, at: { asOf, partition }, isTracked, continuation: undefined };
      }
      await pause(Math.min(200, 10 * 2 ** turn), signal).catch(() => {
        throw behind(name);
      });
    }
  }

  /** What passes by itself (a connection cut while it was idle, a failover, a deadlock) is tried again. */
  async function inTime<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    for (let turn = 0; ; turn++) {
      try {
        return await untilAborted(signal, work());
      } catch (error) {
        if (signal.aborted && !isWarmfeedError(error)) {
          throw new WarmfeedError('SOURCE_TIMEOUT', `${name}: no answer in time`, { retryable: true, cause: error });
        }
        const failure = database.errorOf(error);
        // The table may be another one than the catalogue told of: a column renamed or dropped, the table made anew.
        if (failure.code === 'SOURCE_REJECTED' && description.forget(start)) continue;
        if (failure.code !== 'SOURCE_UNAVAILABLE' || turn >= RETRIES) throw failure;
        await pause(10 * 4 ** turn, signal).catch(() => {
          throw failure;
        });
      }
    }
  }

  return {
    name,
    replicaLagMs: 0,
    changesHold: 'keys',
    async read(key, options) {
      const [answer] = await readMany([key], options);
      return answer as SourceRead;
    },
    readMany,
    scan,
    query,
    isTracked({ signal: caller } = {}) {
      const signal = deadline(requestTimeoutMs, caller);
      return inTime(signal, () => database.isTracked(signal));
    },
    async check() {
      description.forget();
      const signal = deadline(requestTimeoutMs);
      await inTime(signal, () => database.read([], signal));
    },
    async floor() {
      throw new WarmfeedError('BAD_REQUEST', `x-ms-session-token is of Cosmos DB: this item is of ${product}`);
    },
    change: (item) => changeOf(item, columns, name),
  };
}

function behind(place: string): WarmfeedError {
  return new WarmfeedError('SOURCE_UNAVAILABLE', `${place}: no answer as new as was asked for`, { retryable: true });
}
