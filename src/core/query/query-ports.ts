// What cached query results need from the cache: for each entity an index of what is in them (protocol D).

/** The state of an index when a load began. */
export interface Capture {
  readonly incarnation: string;
  readonly seq: string;
  /** What an entry of these tags is valid under. */
  readonly marks: string;
}

export interface IndexedChange {
  readonly item: string;
  /** Of its new version; none where it is gone. */
  readonly tags: readonly string[];
}

/**
 * One index for each entity: which tag changed when, and which items are in lists of which tags. Every
 * method rejects with WarmfeedError STORE_*.
 */
export interface QueryStore {
  /** QCAP, before the load. */
  capture(index: string, tags: readonly string[]): Promise<Capture>;
  /** What an entry must be stored under to be valid now. */
  marks(index: string, tags: readonly string[]): Promise<string>;
  /** QEVENT, after the watermark was raised. @returns the tags that changed, or `all` */
  change(index: string, changes: readonly IndexedChange[], mostFields: number): Promise<readonly string[] | 'all'>;
  /** Makes results of these tags old, also those that are being loaded. */
  bump(index: string, tags: readonly string[]): Promise<void>;
  /** QFILL's check and memberships, before the entry is written. @returns whether it may be */
  admit(index: string, capture: Capture, tags: readonly string[], items: readonly string[]): Promise<boolean>;
  /** Makes every entry of the index invalid; always safe. */
  drop(index: string): Promise<void>;
  /** Notes that somebody asks for a query. */
  noteHot(list: string, query: string): Promise<void>;
  /** Queries asked for of late, newest first. */
  hot(list: string): Promise<readonly string[]>;
}
