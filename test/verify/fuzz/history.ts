// What was seen to happen. Everything is told in ticks of one counter: what has the lower tick happened before.
// Positions are whole numbers, and those of a key have one order.

export interface Written {
  readonly key: string;
  readonly position: number;
  readonly absent: boolean;
  readonly tick: number;
}

/** A change of a page that a worker has finished: nothing older may be served from the cache any more. */
export interface Applied {
  readonly key: string;
  readonly position: number;
  readonly tick: number;
  /** When its page was begun; undefined: by somebody whose calls are not recorded. */
  readonly begun?: number;
}

/** A load of a reader, but for those that pass by the cache. */
export interface Load {
  /** Of the record. */
  readonly key: string;
  readonly process: number;
  /** By the harness' clock. */
  readonly begunMs: number;
}

export interface ReadSeen {
  readonly key: string;
  readonly begun: number;
  readonly ended: number;
  /** `joined`: from the source, by a load that another reader had begun. */
  readonly from: 'cache' | 'source' | 'joined';
  /** Served as provisional: known to be stale for a bounded time. */
  readonly isProvisional: boolean;
  /** Of the write that was served; undefined: absent. */
  readonly position: number | undefined;
  /** What the record says it reflects; undefined where the cache does not say. */
  readonly asOf: number | undefined;
  /** What the reader asked for at least. */
  readonly floor: number | undefined;
  /** When the record ends, ms of the wall clock, as Redis has it. */
  readonly hardAt: number | undefined;
  /** By the same clock. */
  readonly endedAtMs: number;
}

/** A read that failed. */
export interface Failed {
  readonly key: string;
  readonly tick: number;
  readonly reason: string;
}

/** A call of the store by the core, on a record or a watermark. Times by the harness' clock, ms. */
export interface StoreCall {
  readonly process: number;
  readonly call: 'lease' | 'fill' | 'invalidate' | 'release' | 'drop' | 'watermark';
  /** In Redis. */
  readonly key: string;
  readonly begun: number;
  readonly ended: number;
  readonly begunMs: number;
  readonly endedMs: number;
  /** Undefined: no reply came, so it may or may not have happened. */
  readonly reply: string | undefined;
  readonly token: string;
  readonly version: number | undefined;
  /** Of the partition whose positions the version is of; empty: it has none. */
  readonly identity: string;
  /** Of a lease or a fence that was asked for, ms. */
  readonly ms: number;
  /** A lease although the value is fresh. */
  readonly isForced: boolean;
}

/**
 * Takes away what the store had, or makes it old: one record, the watermarks, or everything. `acknowledged`: a failover
 * may have put back what there was before, until it was noticed and everything was made old.
 */
export type Taken = { readonly record: string } | 'watermarks' | 'everything' | 'acknowledged';

export interface Loss {
  readonly taken: Taken;
  readonly begun: number;
  readonly ended: number;
}

/** A failover that no process has noticed. */
export interface Unnoticed {
  readonly what: string;
  readonly tick: number;
}

/** What is cached once all is quiet. */
export interface Quiet {
  readonly key: string;
  readonly how: 'absent' | 'cached' | 'never cached';
  readonly position: number | undefined;
}

/** A key of Redis at the end. */
export interface Kept {
  readonly key: string;
  /** As PTTL. */
  readonly ttlMs: number;
}

/** Generations that a process asked for. Times as those of calls. */
export interface GenerationsAsked {
  readonly process: number;
  readonly begunMs: number;
  readonly endedMs: number;
  readonly isAnswered: boolean;
}

/** What the core goes by, ms. */
export interface Times {
  /** How long readers wait for another's load. */
  readonly waitMs: number;
  /** How long a watermark is unknown before a read may make it known. */
  readonly replicaLagMs: number;
}

export interface History {
  readonly writes: readonly Written[];
  readonly applied: readonly Applied[];
  readonly reads: readonly ReadSeen[];
  readonly failed: readonly Failed[];
  readonly loads: readonly Load[];
  readonly generations: readonly GenerationsAsked[];
  readonly times: Times;
  readonly calls: readonly StoreCall[];
  readonly losses: readonly Loss[];
  readonly unnoticed: readonly Unnoticed[];
  readonly quiet: readonly Quiet[];
  readonly kept: readonly Kept[];
}

export function createRecorder(times: Times) {
  let ticks = 0;
  const history = {
    writes: [] as Written[],
    applied: [] as Applied[],
    reads: [] as ReadSeen[],
    failed: [] as Failed[],
    loads: [] as Load[],
    generations: [] as GenerationsAsked[],
    times,
    calls: [] as StoreCall[],
    losses: [] as Loss[],
    unnoticed: [] as Unnoticed[],
    quiet: [] as Quiet[],
    kept: [] as Kept[],
  };

  /** Notes a loss that lasts until what it returns is called. */
  function lose(taken: Taken, begun = ++ticks): () => void {
    const loss = { taken, begun, ended: Number.POSITIVE_INFINITY };
    history.losses.push(loss);
    return () => {
      loss.ended = ++ticks;
    };
  }

  return {
    history,
    /** What processes said of failovers: when everything had been made old, for which shards. */
    noticed: [] as { readonly tick: number; readonly shards: readonly string[] }[],
    tick: () => ++ticks,
    lose,
    /** Notes a loss from before it is asked for until it was answered. */
    losing<T>(taken: Taken | undefined, work: () => Promise<T>): Promise<T> {
      return work().finally(taken === undefined ? undefined : lose(taken));
    },
  };
}

export type Recorder = ReturnType<typeof createRecorder>;
