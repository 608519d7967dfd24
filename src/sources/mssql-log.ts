// Change tracking of an Azure SQL table as a change log. Versions are given in the order of commits, so nothing comes
// early; TRUNCATE, retention and a new start of tracking only show in the state, which every poll compares.

import type { WarmfeedError } from '../core/errors.ts';
import type { ChangeLog, LogPage, Position } from '../core/ports.ts';
import { deadline, untilAborted } from './deadline.ts';
import type { SqlPool, SqlRow, SqlValue } from './mssql-client.ts';
import { sqlErrorNumber } from './mssql-errors.ts';
import { inSnapshot, STATE, stateOf, type TrackingState } from './mssql-state.ts';
import { type SqlDescription, selectList } from './mssql-table.ts';
import { formOf } from './mssql-values.ts';
import { type ChangeRecord, unpadded } from './table.ts';

export interface SqlLogOptions {
  /** With its schema, quoted. */
  readonly table: string;
  readonly description: (signal: AbortSignal) => Promise<SqlDescription>;
  readonly run: SqlPool['query'];
  readonly errorOf: (error: unknown) => WarmfeedError;
  readonly requestTimeoutMs: number;
}

const NOT_TRACKED = 22_105;

export function createSqlLog({ table, description, run, errorOf, requestTimeoutMs }: SqlLogOptions): ChangeLog {
  const named = { table: { type: 'text', value: table } } as const;

  async function poll(from: Position | undefined, limit: number): Promise<LogPage> {
    const signal = deadline(requestTimeoutMs);
    try {
      return await untilAborted(signal, from === undefined ? state(signal) : changes(from, limit, signal));
    } catch (error) {
      if (sqlErrorNumber(error) === NOT_TRACKED) return pageOf(stateOf(), [], 0n);
      throw errorOf(error);
    }
  }

  async function state(signal: AbortSignal): Promise<LogPage> {
    const [[row] = []] = await run(STATE, named, signal);
    return pageOf(stateOf(row), [], 0n);
  }

  async function changes(from: Position, limit: number, signal: AbortSignal): Promise<LogPage> {
    const { key } = await description(signal);
    const text = inSnapshot(
      STATE,
      `SELECT TOP (@limit) WITH TIES ct.SYS_CHANGE_VERSION, ${selectList(key, 'ct')}
        FROM CHANGETABLE(CHANGES ${table}, @from) AS ct ORDER BY ct.SYS_CHANGE_VERSION`,
    );
    const values: Record<string, SqlValue> = {
      ...named,
      limit: { type: 'int', value: limit },
      from: { type: 'bigint', value: String(from) },
    };
    const [[row] = [], rows = []] = await run(text, values, signal);
    const hasMore = rows.length >= limit;
    return {
      ...pageOf(
        stateOf(row),
        rows.map((each) => recordOf(each, key)),
        from,
      ),
      ...(hasMore ? more(rows) : {}),
    };
  }

  return {
    remedy: `run infra/sql/mssql.sql, with ALTER TABLE ${table} ENABLE CHANGE_TRACKING`,
    poll,
    /** The server forgets by itself, after its own retention. */
    prune: async () => undefined,
  };
}

function more(rows: readonly SqlRow[]): { hasMore: true; end: Position } {
  return { hasMore: true, end: positionOf(rows.at(-1)?.[0]) };
}

function pageOf(state: TrackingState, items: readonly ChangeRecord[], from: Position): LogPage {
  const { isTracked, position, oldest, partition } = state;
  return {
    lineage: isTracked ? partition.id : undefined,
    partition,
    horizon: position,
    // A version of the future is of a tracking that has begun anew.
    isLost: from < oldest || from > position,
    items,
    end: position,
    hasMore: false,
    early: [],
  };
}

function recordOf([version, ...values]: SqlRow, key: SqlDescription['key']): ChangeRecord {
  const named = key.map(({ name, type }, i) => [name, unpadded(formOf(type).decode(values[i]))]);
  return { key: Object.fromEntries(named), position: positionOf(version) };
}

/** The driver gives a bigint as text. */
function positionOf(cell: SqlRow[number] | undefined): Position {
  return BigInt(typeof cell === 'string' || typeof cell === 'number' ? cell : 0);
}
