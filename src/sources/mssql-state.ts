// Where an Azure SQL table's change tracking stands, asked for in the transaction that it is to be true of.

import type { Partition, Position } from '../core/ports.ts';
import type { SqlRow } from './mssql-client.ts';

/** Needs `@table`. All null where changes are not tracked. */
export const STATE = `SELECT CHANGE_TRACKING_CURRENT_VERSION(), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(@table)),
  (SELECT CAST(d.service_broker_guid AS nvarchar(36)) FROM sys.databases d WHERE d.database_id = DB_ID()),
  (SELECT CAST(t.begin_version AS nvarchar(20)) FROM sys.change_tracking_tables t WHERE t.object_id = OBJECT_ID(@table)),
  (SELECT CONVERT(nvarchar(40), i.create_date, 121) FROM sys.internal_tables i
    WHERE i.parent_object_id = OBJECT_ID(@table) AND i.internal_type_desc = 'CHANGE_TRACKING')`;

export interface TrackingState {
  readonly isTracked: boolean;
  /** The newest version that the transaction sees. */
  readonly position: Position;
  /** Changes up to here are forgotten. */
  readonly oldest: Position;
  /** The database and the moment that tracking began: versions of different ones are not comparable. */
  readonly partition: Partition;
}

/** @param row the one that `STATE` gave */
export function stateOf(row: SqlRow = []): TrackingState {
  const [current, oldest, database, begun, since] = row;
  const identity = [database, begun, since].map(textOf);
  return {
    isTracked: oldest !== null && oldest !== undefined,
    position: BigInt(textOf(current)),
    oldest: BigInt(textOf(oldest)),
    partition: { id: identity.join('/'), ancestors: [] },
  };
}

function textOf(cell: SqlRow[number] | undefined): string {
  return typeof cell === 'string' ? cell : '';
}

/** One transaction out of one snapshot, as one batch; the isolation level ends with it. */
export function inSnapshot(...statements: readonly string[]): string {
  return `SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION; ${statements.join('; ')}; COMMIT TRANSACTION;`;
}
