// What the core needs from outside. Positions (versions, as-ofs, watermarks) are unsigned 64-bit and only
// compared within one partition identity.

import type { Key, KeyPart } from './key.ts';

export type Position = bigint;

/** Time of this process. */
export interface Clock {
  /** Milliseconds, monotonic, of no particular origin. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Aborts after so many milliseconds. */
  deadline(ms: number): AbortSignal;
}

export interface Entropy {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** 8 random bytes that name a lease holder. */
  readonly token: () => Uint8Array;
  /** A collision-resistant 12-byte digest: the strong ETag of a body. */
  readonly digest: (bytes: Uint8Array) => Uint8Array;
}

/** A lineage of positions: a Cosmos DB container rid and range id, say. */
export interface Partition {
  readonly id: string;
  /** Partitions that this one descends from (splits), as far as known. */
  readonly ancestors: readonly string[];
}

export type Document = Readonly<Record<string, unknown>>;

/** One answer of a source. `asOf`: it reflects every change of the partition up to here. */
export interface SourceRead {
  readonly document: Document | undefined;
  readonly asOf: Position;
  /** The item's own version where the source has one, else `asOf`. */
  readonly version: Position;
  readonly partition: Partition;
  /** When the source itself will drop the item (Cosmos DB `ttl`), milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** What the read cost (request units); of a grouped read the first answer has it all. */
  readonly units?: number;
  /** False: no feed tells of changes, so the item is cached under its lease and its lifetime only (`leased`). */
  readonly isTracked?: boolean;
  /** False: it stands under another key than it was asked by (a collation that folds case), so it is never stored. */
  readonly isStorable?: boolean;
}

/** What a read must reflect at least: positions by partition id, and the source's own text for it. */
export interface Floor {
  readonly positions: ReadonlyMap<string, Position>;
  readonly token?: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
  readonly floor?: Floor;
}

/** A change as a source's feed delivers it. */
export interface Change {
  readonly key: Key;
  readonly version: Position;
  readonly document: Document | undefined;
  readonly expiresAt?: number;
  /** When it was committed, milliseconds since the epoch, where the source tells. */
  readonly committedAt?: number;
  /** What the ids of its container's partitions begin with, where the source tells. */
  readonly container?: string;
}

/** A declared parameter's value, in the canonical form of its type. */
export type QueryValue = Exclude<KeyPart, undefined>;

export interface QueryStatement {
  readonly text: string;
  /** By the names that the text has behind `@`. */
  readonly values: Readonly<Record<string, QueryValue>>;
  /** Cosmos DB: the one logical partition that it stays in; undefined: all of them. */
  readonly partition: Key | undefined;
  /** Rows at most; of a source that can go on after them, a page. */
  readonly maxRows: number;
  /** Where the page before ended. */
  readonly continuation: string | undefined;
}

export interface QueryRead {
  readonly rows: readonly Document[];
  /** The key of each row, where rows are items; undefined for a row that lacks it. */
  readonly keys: readonly (Key | undefined)[];
  /** Undefined: it was answered by several partitions, whose positions have no common order. */
  readonly at: { readonly asOf: Position; readonly partition: Partition } | undefined;
  /** See SourceRead. */
  readonly isTracked: boolean;
  readonly continuation: string | undefined;
  /** When the first of its rows will be dropped by the source itself, milliseconds since the epoch. */
  readonly expiresAt?: number;
}

/** @throws WarmfeedError SOURCE_*; QUERY_TOO_LARGE for more rows than the statement may have */
export type RunQuery = (statement: QueryStatement, options?: ReadOptions) => Promise<QueryRead>;

/** A database container, table, … that answers point reads with truthful positions. */
export interface Source {
  /** Stable name: part of the names of its watermarks and of its generation. */
  readonly name: string;
  /** How far a read may lag behind a write, in ms; 0 where reads go to a primary. */
  readonly replicaLagMs: number;
  /** Whether its changes bring the new documents along, or only name keys, to be read again. */
  readonly changesHold: 'documents' | 'keys';
  /** @throws WarmfeedError SOURCE_* */
  read(key: Key, options?: ReadOptions): Promise<SourceRead>;
  /** Grouped read: answers in the order of the keys. @throws WarmfeedError SOURCE_* when any key cannot be read */
  readMany(keys: readonly Key[], options?: ReadOptions): Promise<readonly SourceRead[]>;
  /** Keys from end to end, in pages: every item that is there during the whole of it. @throws WarmfeedError SOURCE_* */
  scan(page: ScanRequest): Promise<ScannedPage>;
  /** Undefined: it runs no queries. */
  readonly query?: RunQuery;
  /** Whether its changes are told; undefined: always. @throws WarmfeedError SOURCE_* */
  readonly isTracked?: (options?: ReadOptions) => Promise<boolean>;
  /** Rejects where the source cannot be used at all. @throws WarmfeedError SOURCE_* */
  check(): Promise<void>;
  /** A client's read-your-writes token. @throws WarmfeedError BAD_REQUEST */
  floor(token: string): Promise<Floor>;
  /** @throws WarmfeedError ROW_INVALID for something that is no change of this source */
  change(item: unknown): Change;
}

/** A database's own record of changes, read in the order of their positions. */
export interface ChangeLog {
  /** What makes the database record changes, where nobody does. */
  readonly remedy: string;
  /**
   * What was committed from a position on, up to `limit` changes and the rest of the last one's transaction.
   * @param from undefined: nothing but the state
   * @param seen early transactions not to tell again
   * @throws WarmfeedError SOURCE_*
   */
  poll(from: Position | undefined, limit: number, seen: readonly string[]): Promise<LogPage>;
  /** Forgets changes that are older than the retention. @throws WarmfeedError SOURCE_* */
  prune(): Promise<void>;
}

export interface LogPage {
  /** Who recorded the changes: under another name some may be missing. Undefined: nobody records them. */
  readonly lineage: string | undefined;
  readonly partition: Partition;
  /** Every later read reflects all changes up to here. */
  readonly horizon: Position;
  /** Changes from the given position on are no longer there, or everything changed at once (TRUNCATE). */
  readonly isLost: boolean;
  /** Changes in order, as the source's `change` takes them. */
  readonly items: readonly unknown[];
  /** From where to poll once the items are applied. */
  readonly end: Position;
  readonly hasMore: boolean;
  /**
   * Committed already, while an older transaction keeps their place in the order open: all changes of each
   * transaction. They come again.
   */
  readonly early: readonly { readonly transaction: string; readonly item: unknown }[];
}

export interface ScanRequest {
  readonly continuation?: string;
  readonly limit: number;
  /** Only what was written since, milliseconds since the epoch; sources that do not know give everything. */
  readonly since?: number;
}

export interface ScannedPage {
  readonly keys: readonly Key[];
  /** Undefined: that was the last page. */
  readonly continuation: string | undefined;
  readonly units: number;
}

/** Every script's view of "same generation and same fingerprint": 8 bytes each. */
export type Stamp = Uint8Array;

export interface LeaseRequest {
  readonly token: Uint8Array;
  readonly leaseMs: number;
  readonly stamp: Stamp;
  /** Grant although the value is fresh (reload, early refresh). */
  readonly force: boolean;
}

export type LeaseReply =
  | { readonly kind: 'granted' }
  /** Somebody else loads this key. */
  | { readonly kind: 'held' }
  /** Fresh already: the record. */
  | { readonly kind: 'live'; readonly record: Uint8Array };

export interface FillRequest {
  readonly token: Uint8Array;
  /** 8 bytes: hash of the partition id. */
  readonly identity: Uint8Array;
  readonly stamp: Stamp;
  readonly version: Position;
  readonly asOf: Position;
  readonly guarantee: Guarantee;
  readonly value: Representation;
  readonly softMs: number;
  readonly hardMs: number;
  /** When its load had not begun yet, ms of the store's time as generations tell it: purges count from there. Default: now. */
  readonly begunAt?: number;
}

export type FillReply = 'stored' | 'lease' | 'fence' | 'older' | 'live';

export type Guarantee = 'provisional' | 'leased' | 'fenced' | 'watermarked';

/** What is cached of a document: `absent` for one that does not exist, is deleted or does not match. */
export type Representation =
  | { readonly state: 'absent' }
  | {
      readonly state: 'value';
      readonly body: Uint8Array;
      readonly etag: Uint8Array;
      readonly tags: readonly string[];
    };

export interface InvalidateRequest {
  /** Undefined: whatever is there is dropped and the fence stays, for a change whose place in the order is open yet. */
  readonly version: Position | undefined;
  readonly identity: Uint8Array;
  readonly stamp: Stamp;
  /** Whose lease follows: the caller's always, only if a live value was dropped, or nobody's. */
  readonly own: 'always' | 'cached' | 'never';
  readonly token: Uint8Array;
  readonly leaseMs: number;
  readonly fenceMs: number;
}

/** `leased`: dropped, and the caller may fill; `dropped`: not cached any more; `ignored`: nothing older was there. */
export type InvalidateReply = 'leased' | 'dropped' | 'ignored';

export type Watermark =
  | { readonly state: 'known'; readonly position: Position }
  | { readonly state: 'unknown'; readonly nonce: string; readonly ageMs: number; readonly pending: Position }
  /** Its generation is newer than the caller's. */
  | { readonly state: 'newer'; readonly generation: string }
  /** The partition has descendants: nothing may be filled under it any more. */
  | { readonly state: 'closed' }
  /** No feed raises one. */
  | { readonly state: 'untracked' };

export interface DeadLetter {
  readonly source: string;
  readonly entity: string;
  readonly key: string;
  readonly version: string;
  readonly reason: string;
}

export interface GenerationsReply {
  readonly values: readonly string[];
  readonly timeMs: number;
  /** '' where there never was one. */
  readonly purgesVersion: string;
  /** Lines of `dropAt staleAt until name`; undefined: the caller has this version. */
  readonly purges: string | undefined;
}

export interface PurgeRequest {
  /** `t:<tag>` or `k:<entity, content or query/name>`. */
  readonly names: readonly string[];
  readonly mode: PurgeMode;
  /** A time that was told before, ms: the purge is later. */
  readonly seen: number;
  /** How long what was filled before may live. */
  readonly keepMs: number;
}

/** `drop`: it is a miss. `stale`: it is served as stale until one load has brought it anew. */
export type PurgeMode = 'drop' | 'stale';

/**
 * The cache. Calls issued in one tick make one round trip; where `ordered`, they take effect in the order issued.
 * Every method rejects with WarmfeedError STORE_UNAVAILABLE or STORE_REFUSED.
 */
export interface Store {
  readonly ordered: boolean;
  /** Resolves when the calls made so far are on their way; undefined: they are at once. */
  readonly sent?: () => Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  lease(key: string, request: LeaseRequest): Promise<LeaseReply>;
  /** Clears the lease if it is the token's. */
  release(key: string, token: Uint8Array): Promise<void>;
  fill(key: string, request: FillRequest): Promise<FillReply>;
  invalidate(key: string, request: InvalidateRequest): Promise<InvalidateReply>;
  /** Forgets a record whatever is in it, its lease too: no load that has begun can fill it any more. */
  drop(key: string): Promise<void>;
  /** HWADV: raises the watermark, or what is pending while it is unknown. */
  advance(key: string, position: Position): Promise<void>;
  /** HWGET: creates an unknown watermark where there is none. */
  watermark(key: string, generation: string): Promise<Watermark>;
  /** SEED: makes an unknown watermark known, iff the nonce is the current one; undefined: refused. */
  seed(key: string, nonce: string, asOf: Position): Promise<Position | undefined>;
  /** Closes the watermark of a partition that has descendants. */
  close(key: string): Promise<void>;
  /** Makes a value be served as stale until it is loaded anew, and takes the lease away. @returns whether there was one */
  soften(key: string): Promise<boolean>;
  /**
   * Reads generations, creating those that are missing; with the store's time in ms, which is later than every purge.
   * @param known version of the purges that the caller has
   */
  generations(key: string, fields: readonly string[], known?: string): Promise<GenerationsReply>;
  /** Lists a purge, later than everything told before. @returns when it was, ms of the store's time; undefined: the list is full */
  purge(key: string, request: PurgeRequest): Promise<number | undefined>;
  /** A new generation, later than the stored and the seen one. */
  bump(key: string, field: string, seen: string): Promise<string>;
  deadLetter(key: string, letter: DeadLetter): Promise<void>;
  /** A text kept without a TTL; undefined: never remembered. */
  recall(key: string): Promise<string | undefined>;
  remember(key: string, text: string): Promise<void>;
}

/** Of an audited change. `superseded`: it had changed again; `stale`: older than a change that was applied; `provisional`: filled as that. */
export type AuditVerdict = 'match' | 'superseded' | 'stale' | 'provisional';

/** Things worth counting or logging. Only `recordKey` has a key in it, and is never logged. */
export type CacheEvent =
  | {
      readonly kind: 'fill';
      readonly entity: string;
      readonly by: 'read' | 'change';
      readonly outcome: FillOutcome;
      readonly recordKey: string;
    }
  | { readonly kind: 'store-failed'; readonly during: string; readonly error: unknown }
  | { readonly kind: 'source-failed'; readonly entity: string; readonly error: unknown }
  | { readonly kind: 'dead-letter'; readonly entity: string; readonly reason: string; readonly written: boolean }
  | { readonly kind: 'seeded'; readonly source: string; readonly partition: string; readonly position: Position }
  | { readonly kind: 'healed'; readonly source: string }
  /** Shards of the store may have lost what they had acknowledged: everything cached has become old. */
  | { readonly kind: 'failover'; readonly shards: readonly string[]; readonly by: 'id' | 'heartbeat' }
  /** A shard does not tell who it is: a failover of it shows by its heartbeat only. */
  | { readonly kind: 'shard-anonymous'; readonly shard: string }
  /** A change was looked at some time after it was applied. What was stale is evicted. */
  | { readonly kind: 'audit'; readonly entity: string; readonly delayS: number; readonly verdict: AuditVerdict }
  | { readonly kind: 'audit-failed'; readonly entity: string; readonly error: unknown }
  /** A change source could not be polled, or its page not applied; it will be tried again. */
  | { readonly kind: 'poll-failed'; readonly source: string; readonly error: unknown }
  /** A session's durable copy is behind Redis for now. */
  | { readonly kind: 'session-not-copied'; readonly reason: string; readonly error?: unknown }
  /** New positions of a feed, or lost ones: everything cached of the source has become old. */
  | { readonly kind: 'feed-positions'; readonly source: string; readonly are: 'new' | 'lost' }
  /** A feed that nobody follows, and why: everything cached of the source has become old. */
  | { readonly kind: 'feed-unfollowed'; readonly source: string; readonly remark: string }
  /** A feed told of changes without saying of what, in the source's words: everything cached of the source has become old. */
  | { readonly kind: 'nameless'; readonly source: string; readonly changes: number; readonly reason: string }
  /** Its changes are visible from now on. */
  | {
      readonly kind: 'batch';
      readonly source: string;
      /** Undefined: nothing of the page was a change. */
      readonly partition: string | undefined;
      readonly report: BatchReport;
      /** Of the changes of the page, as far as they are known. */
      readonly committedAt: readonly number[];
    };

/** `stored…` or why a fill was refused. */
export type FillOutcome =
  | 'stored'
  | 'stored-provisionally'
  | 'too-large'
  | 'other-key'
  /** Something of a query's result changed while it was loaded. */
  | 'tags'
  | 'watermark'
  | 'generation'
  | 'closed'
  | Exclude<FillReply, 'stored'>;

export interface BatchReport {
  readonly changes: number;
  readonly refreshed: number;
  readonly evicted: number;
  readonly ignored: number;
  readonly deadLettered: number;
  readonly reread: number;
}

export type Observe = (event: CacheEvent) => void;
