// What tables of all databases have in common: their names in statements, their keys, and their changes.

import { isWarmfeedError, WarmfeedError } from '../core/errors.ts';
import { type Key, type KeyColumn, keyOfJson, keyText } from '../core/key.ts';
import type { Change, Position } from '../core/ports.ts';

/** Long texts have no index that could find them; both databases refuse such keys at some 2,000 bytes. */
const MAX_KEY_BYTES = 1700;
const DESCRIPTION_MS = 60_000;

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
  /** Milliseconds since the epoch, where the log tells. */
  readonly committedAt?: number;
}

/** @throws WarmfeedError ROW_INVALID */
export function changeOf(item: unknown, columns: readonly KeyColumn[], place: string): Change {
  if (!isChangeRecord(item)) throw new WarmfeedError('ROW_INVALID', `${place}: not a change of a table`);
  try {
    const key = keyOfJson(
      columns,
      columns.map((column) => item.key[column.name]),
    );
    const { position: version, committedAt } = item;
    return { key, version, document: undefined, ...(committedAt === undefined ? {} : { committedAt }) };
  } catch (cause) {
    throw new WarmfeedError(
      'ROW_INVALID',
      `${place}: its change names no key of the configuration: is \`key\` the primary key of the table?`,
      { cause },
    );
  }
}

function isChangeRecord(item: unknown): item is ChangeRecord {
  if (typeof item !== 'object' || item === null || !('key' in item) || !('position' in item)) return false;
  return typeof item.key === 'object' && item.key !== null && typeof item.position === 'bigint';
}

/** The key that a row stands under; undefined: one that nobody can ask for (an empty text, a date before year 1). */
export function keyOfRow(columns: readonly KeyColumn[], values: readonly unknown[]): Key | undefined {
  try {
    return keyOfJson(columns, values);
  } catch (error) {
    if (isWarmfeedError(error) && error.code === 'BAD_KEY') return undefined;
    throw error;
  }
}

/** Whether a row that a key was answered with stands under that very key: only then it may be cached under it. */
export function isKeyOfRow(key: Key, columns: readonly KeyColumn[], values: readonly unknown[]): boolean {
  const stands = keyOfRow(columns, values);
  return stands !== undefined && keyText(stands) === keyText(key);
}

/** A `char` comes padded. */
export function unpadded<T>(value: T): T | string {
  return typeof value === 'string' ? value.replace(/ +$/, '') : value;
}

/** @throws WarmfeedError SOURCE_REJECTED unless the key is the primary key, in whatever order */
export function checkPrimaryKey(place: string, columns: readonly KeyColumn[], primary: readonly string[]): void {
  if (primary.length === columns.length && columns.every(({ name }) => primary.includes(name))) return;
  const is = primary.length === 0 ? 'it has none' : `it is (${primary.join(', ')})`;
  throw refused(place, `the key of the configuration must be the table's primary key; ${is}`);
}

export function refused(place: string, says: string): WarmfeedError {
  return new WarmfeedError('SOURCE_REJECTED', `${place}: ${says}`);
}

export interface Described<T> {
  (signal: AbortSignal): Promise<T>;
  /** The next call asks the database. @returns whether what is forgotten was told before `since` (performance.now) */
  forget(since?: number): boolean;
}

/** What the catalogue says of a table, asked for once a minute. */
export function describedBy<T>(ask: (signal: AbortSignal) => Promise<T>): Described<T> {
  let known: { readonly at: number; readonly description: T } | undefined;

  async function description(signal: AbortSignal): Promise<T> {
    if (known !== undefined && performance.now() - known.at < DESCRIPTION_MS) return known.description;
    const now = await ask(signal);
    known = { at: performance.now(), description: now };
    return now;
  }

  return Object.assign(description, {
    forget: (since = 0) => {
      const isOlder = known !== undefined && known.at < since;
      known = undefined;
      return isOlder;
    },
  });
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
