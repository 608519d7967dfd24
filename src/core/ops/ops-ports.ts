// What operating the cache needs from the store, besides the cache itself: notes that are kept for a while, counts, and
// a look at things without touching them.

import type { DeadLetter, Position } from '../ports.ts';

/** A watermark as it stands, looked at without making one. */
export type SeenWatermark =
  | { readonly state: 'known'; readonly position: Position; readonly generation: string }
  | { readonly state: 'unknown'; readonly pending: Position; readonly ageMs: number }
  | { readonly state: 'closed' }
  | { readonly state: 'absent' };

/** A dead letter with its id, which tells when it was written. */
export interface KeptLetter extends DeadLetter {
  readonly id: string;
}

/** Every method rejects with WarmfeedError STORE_*. */
export interface OpsStore {
  watermark(key: string): Promise<SeenWatermark>;
  /** Keeps texts, each under its own key, for so long. */
  note(texts: ReadonlyMap<string, string>, keepMs: number): Promise<void>;
  noted(key: string): Promise<string | undefined>;
  /** A hash of texts. */
  fields(key: string): Promise<ReadonlyMap<string, string>>;
  /** @param keepMs from now on, of the whole hash; undefined: for ever */
  setFields(key: string, fields: ReadonlyMap<string, string>, keepMs?: number): Promise<void>;
  removeField(key: string, field: string): Promise<void>;
  /** Adds to numbers of a hash. */
  count(key: string, counts: ReadonlyMap<string, number>, keepMs: number): Promise<void>;
  /** Dead letters, newest first. @param before an id: only older ones */
  letters(key: string, page: { readonly before?: string; readonly limit: number }): Promise<readonly KeptLetter[]>;
  letter(key: string, id: string): Promise<KeptLetter | undefined>;
  letterCount(key: string): Promise<number>;
  /** @returns how many there were */
  removeLetters(key: string, ids: readonly string[]): Promise<number>;
  /** Those up to this one, itself too. @returns how many there were */
  removeLettersUpTo(key: string, id: string): Promise<number>;
}
