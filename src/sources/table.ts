// What tables of all databases have in common: their names in statements, and their changes.

import { WarmfeedError } from '../core/errors.ts';
import { type KeyColumn, keyOfJson } from '../core/key.ts';
import type { Change, Position } from '../core/ports.ts';

/** Long texts have no index that could find them; both databases refuse such keys at some 2,000 bytes. */
const MAX_KEY_BYTES = 1700;

export function tableKeyColumns(
  key: readonly { readonly name: string; readonly type: KeyColumn['type'] }[],
): KeyColumn[] {
  return key.map(({ name, type }) => ({ name, type, maxBytes: MAX_KEY_BYTES }));
}

/** A change as a table's log tells it. */
export interface ChangeRecord {
  /** Values of the key columns by their names. */
  readonly key: Readonly<Record<string, unknown>>;
  readonly position: Position;
}

/** @throws WarmfeedError ROW_INVALID */
export function changeOf(item: unknown, columns: readonly KeyColumn[], place: string): Change {
  if (!isChangeRecord(item)) throw new WarmfeedError('ROW_INVALID', `${place}: not a change of a table`);
  try {
    const key = keyOfJson(
      columns,
      columns.map((column) => item.key[column.name]),
    );
    return { key, version: item.position, document: undefined };
  } catch (cause) {
    throw new WarmfeedError('ROW_INVALID', `${place}: its change names no key of the configuration`, { cause });
  }
}

function isChangeRecord(item: unknown): item is ChangeRecord {
  if (typeof item !== 'object' || item === null || !('key' in item) || !('position' in item)) return false;
  return typeof item.key === 'object' && item.key !== null && typeof item.position === 'bigint';
}

/** `schema.table`, each part quoted. The name is the configuration's, never a stranger's. */
export function qualified(table: string, quote: (identifier: string) => string): string {
  return table.split('.').map(quote).join('.');
}

/** A delimited identifier of the SQL standard. */
export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** A delimited identifier of SQL Server, whatever QUOTED_IDENTIFIER is. */
export function bracketed(identifier: string): string {
  return `[${identifier.replaceAll(']', ']]')}]`;
}

export function behind(place: string): WarmfeedError {
  return new WarmfeedError('SOURCE_UNAVAILABLE', `${place}: no answer as new as was asked for`, { retryable: true });
}
