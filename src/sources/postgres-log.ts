// The outbox of a PostgreSQL table (infra/sql/postgres.sql) as a change log: what is before the oldest open transaction
// in order, and what was committed beyond it early (protocol C).

import type { Pool } from 'pg';
import type { WarmfeedError } from '../core/errors.ts';
import type { ChangeLog, LogPage, Position } from '../core/ports.ts';
import { deadline, untilAborted } from './deadline.ts';
import { queryTexts, type TextRow } from './postgres-client.ts';
import { sqlState } from './postgres-errors.ts';
import type { Description } from './postgres-table.ts';
import { type ChangeRecord, qualified, quoted } from './table.ts';

export interface PostgresLogOptions {
  readonly table: string;
  readonly open: () => Promise<Pool>;
  readonly description: (signal: AbortSignal) => Promise<Description>;
  readonly errorOf: (error: unknown) => WarmfeedError;
  readonly requestTimeoutMs: number;
  /** How long changes are kept for other apps and for times without a poll. */
  readonly retentionMs: number;
}

/**
 * The lineage names all that records changes: another trigger, outbox, table or set of partitions means that some may
 * have passed unseen, and another timeline that some may have been undone.
 */
const POLL = `WITH relation AS (SELECT to_regclass($1)::oid AS oid),
state AS MATERIALIZED (
  SELECT oid, pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
    (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS system,
    (SELECT t.oid || t.tgenabled::text FROM pg_trigger t
      WHERE t.tgrelid = relation.oid AND t.tgname = 'warmfeed_row' AND t.tgargs = $5 AND t.tgenabled IN ('O', 'A')) AS recorder,
    (SELECT md5(string_agg(relid::oid::text, ',' ORDER BY relid)) FROM pg_partition_tree(relation.oid)) AS members,
    (SELECT p.xid FROM warmfeed.pruned p WHERE p.relation = relation.oid) AS pruned
  FROM relation
)
SELECT s.system, s.horizon, s.recorder, 'warmfeed.outbox'::regclass::oid || '/' || s.oid || '/' || coalesce(s.members, ''),
  coalesce(s.pruned >= $2::xid8, false), o.id, o.xid, o.key, o.xid < s.horizon, extract(epoch FROM o.at) * 1000
FROM state s LEFT JOIN LATERAL (
  SELECT id, xid, key, at FROM warmfeed.outbox
    WHERE relation = s.oid AND xid >= $2::xid8 AND (xid < s.horizon OR xid <> ALL ($4::xid8[]))
    ORDER BY xid FETCH FIRST ($3::bigint) ROWS WITH TIES
) o ON $2::xid8 IS NOT NULL
ORDER BY o.xid, o.id`;

export function createPostgresLog(options: PostgresLogOptions): ChangeLog {
  const { table, open, description, errorOf, requestTimeoutMs } = options;

  async function query(text: string, values: readonly unknown[]): Promise<readonly TextRow[]> {
    return (await queryTexts(await open(), text, values)).rows;
  }

  async function poll(from: Position | undefined, limit: number, seen: readonly string[]): Promise<LogPage> {
    const signal = deadline(requestTimeoutMs);
    try {
      return await untilAborted(signal, pollOnce(signal, from, limit, seen));
    } catch (error) {
      // Without the outbox nothing is recorded, and the table is read all the same.
      if (sqlState(error) === '42P01' || sqlState(error) === '3F000') return UNTRACKED;
      throw errorOf(error);
    }
  }

  async function pollOnce(signal: AbortSignal, from: Position | undefined, limit: number, seen: readonly string[]) {
    const described = await description(signal);
    const start = from === undefined ? null : String(from);
    const rows = await query(POLL, [qualified(table, quoted), start, limit, seen, described.recorder]);
    return pageOf(rows, described, from, limit);
  }

  return {
    remedy: `run infra/sql/postgres.sql, then SELECT warmfeed.track('${table}')`,
    poll,
    async prune() {
      try {
        const age = `${options.retentionMs} milliseconds`;
        await untilAborted(deadline(requestTimeoutMs), query('SELECT warmfeed.prune($1::interval)', [age]));
      } catch (error) {
        throw errorOf(error);
      }
    },
  };
}

const UNTRACKED: LogPage = {
  lineage: undefined,
  partition: { id: '', ancestors: [] },
  horizon: 0n,
  isLost: false,
  items: [],
  end: 0n,
  hasMore: false,
  early: [],
};

function pageOf(rows: readonly TextRow[], described: Description, from: Position | undefined, limit: number): LogPage {
  const [system, horizonText, recorder, outbox, isPruned] = rows[0] ?? [];
  if (!system || !recorder) return UNTRACKED;
  const horizon = BigInt(horizonText ?? 0);
  const changes = rows.filter((row) => row[5] !== null);
  const settled = changes.filter((row) => row[8] === 't');
  const items = settled.flatMap((row) => recordsOf(row, described));
  const hasMore = changes.length >= limit && limit > 0 && settled.length > 0;
  const last = settled.at(-1)?.[6];
  return {
    lineage: `${system}/${recorder}/${outbox}`,
    partition: { id: system, ancestors: [] },
    horizon,
    isLost: isPruned === 't' || changes.some((row) => row[7] === null),
    items,
    end: hasMore && last ? BigInt(last) + 1n : (from ?? 0n) > horizon ? (from ?? 0n) : horizon,
    hasMore,
    early: changes
      .filter((row) => row[8] !== 't')
      .map((row) => ({ transaction: row[6] ?? '', item: recordsOf(row, described)[0] })),
  };
}

/** A TRUNCATE's row names no key. */
function recordsOf(row: TextRow, described: Description): ChangeRecord[] {
  const [xid, key, writtenAt] = [row[6], row[7], row[9]];
  if (!xid || !key) return [];
  const texts = Object.entries(JSON.parse(key) as Record<string, string>);
  return [
    {
      key: Object.fromEntries(texts.map(([column, text]) => [column, described.keyText(column, text)])),
      position: BigInt(xid) + 1n,
      // When it was written; its transaction may have gone on for a while.
      committedAt: Math.round(Number(writtenAt)),
    },
  ];
}
