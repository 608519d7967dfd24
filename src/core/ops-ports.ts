// What operating the cache needs from the store, besides the cache itself: notes that are kept for a while, counts, and
// a look at things without touching them.

import type { Position } from './ports.ts';

/** A watermark as it stands, looked at without making one. */
export type SeenWatermark =
  | { readonly state: 'known'; readonly position: Position; readonly generation: string }
  | { readonly state: 'unknown'; readonly pending: Position; readonly ageMs: number }
  | { readonly state: 'closed' }
  | { readonly state: 'absent' };

/** Every method rejects with WarmfeedError STORE_*. */
export interface OpsStore {
  watermark(key: string): Promise<SeenWatermark>;
  /** Keeps texts, each under its own key, for so long. */
  note(texts: ReadonlyMap<string, string>, keepMs: number): Promise<void>;
  noted(key: string): Promise<string | undefined>;
  /** A hash of texts. */
  fields(key: string): Promise<ReadonlyMap<string, string>>;
  /** @param keepMs from now on, of the whole hash */
  setFields(key: string, fields: ReadonlyMap<string, string>, keepMs: number): Promise<void>;
}
