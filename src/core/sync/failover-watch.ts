// Notices shards of the store that may have gone back in time: another server in their place (a replica that was
// promoted, a restart), or a heartbeat that was counted and is not there. Then everything cached becomes old, as an
// invalidation, a watermark or a generation may be among what was lost (protocol E).

import type { Observe } from '../ports.ts';
import type { Generations } from '../protocol/generations.ts';

/** A shard as it was found, its heartbeat of now counted. */
export interface Shard {
  /** Of the mark in it. */
  readonly name: string;
  /** Another one after each restart and promotion; undefined: it does not tell. */
  readonly id: string | undefined;
  /** The id that was last dealt with; undefined: none, or the shard was emptied since. */
  readonly marked: string | undefined;
  readonly beats: number;
}

export interface Shards {
  /** Counts a heartbeat in each shard that is there. Never rejects. */
  look(): Promise<readonly PromiseSettledResult<Shard>[]>;
  /** @throws WarmfeedError STORE_* */
  mark(name: string, id: string): Promise<void>;
}

export interface FailoverWatchDeps {
  readonly shards: Shards;
  readonly generations: Pick<Generations, 'bumpSources'>;
  readonly observe: Observe;
}

type Suspicion = 'id' | 'heartbeat';

/** What this process knows of a shard. What lies in the shard itself goes back with it. */
interface Known {
  readonly ids: Set<string>;
  id: string | undefined;
  beats: number;
  /** False: its ids come and go, so they are those of several servers behind one address. */
  isIdTrue: boolean;
  /** Until everything is old. */
  suspicion: Suspicion | undefined;
}

export function createFailoverWatch({ shards, generations, observe }: FailoverWatchDeps) {
  const known = new Map<string, Known>();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  /**
   * Looks at all shards, and makes everything old if one may have gone back. One at a time; idempotent, also when
   * several processes do it.
   * @throws WarmfeedError STORE_*: something could not be looked at or dealt with
   */
  function check(): Promise<void> {
    if (running === undefined) {
      running = once().finally(() => {
        running = undefined;
      });
      return running;
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return check();
      });
    return next;
  }

  async function once(): Promise<void> {
    const looks = await shards.look();
    const found = looks.flatMap((look) => (look.status === 'fulfilled' ? [look.value] : []));
    const others = new Set(Array.from(known.values(), ({ ids }) => [...ids]).flat());
    const isFirst = others.size === 0 && found.every(({ marked }) => marked === undefined);
    for (const shard of found) judge(shard, isFirst ? undefined : others);
    const suspects = Array.from(known).filter(([, { suspicion }]) => suspicion !== undefined);
    if (suspects.length > 0) {
      await generations.bumpSources();
      for (const by of ['id', 'heartbeat'] as const) {
        const names = suspects.flatMap(([name, { suspicion }]) => (suspicion === by ? [name] : []));
        if (names.length > 0) observe({ kind: 'failover', shards: names, by });
      }
      for (const [, memory] of suspects) memory.suspicion = undefined;
    }
    // In this order: a crash between the two makes everything old once more, and forgets nothing.
    await Promise.all(found.map(mark));
    const failed = looks.find((look) => look.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async function mark({ name, id, marked }: Shard): Promise<void> {
    if (id !== undefined && id !== marked && known.get(name)?.isIdTrue) await shards.mark(name, id);
  }

  /** @param others the ids that were known before the look; undefined: nobody has looked yet */
  function judge(shard: Shard, others: ReadonlySet<string> | undefined): void {
    const { name, id, marked, beats } = shard;
    const memory = known.get(name) ?? newcomer(shard);
    known.set(name, memory);
    const isBack = beats <= memory.beats;
    const comesAgain = id !== undefined && id !== memory.id && memory.ids.has(id);
    // An id never comes again; what has lost nothing all the same is several servers behind one address.
    if (comesAgain && !isBack && memory.isIdTrue) {
      memory.isIdTrue = false;
      observe({ kind: 'shard-anonymous', shard: name });
    }
    const wasEmptied = marked === undefined && id !== undefined && id === memory.id;
    if (isBack && !wasEmptied) memory.suspicion ??= 'heartbeat';
    // Slots move, and a mark with them; and one that was emptied has none. A stranger then may be a replica of one we knew.
    const isStranger = marked === undefined && id !== undefined && others?.has(id) === false;
    const isAnother = marked !== undefined && marked !== id;
    if (memory.isIdTrue && id !== undefined && (isAnother || isStranger)) memory.suspicion = 'id';
    if (id !== undefined) memory.ids.add(id);
    memory.id = id;
    memory.beats = beats;
  }

  function newcomer({ name, id }: Shard): Known {
    if (id === undefined) observe({ kind: 'shard-anonymous', shard: name });
    return { ids: new Set(), id, beats: 0, isIdTrue: true, suspicion: undefined };
  }

  return {
    check,
    /** Whether some shard's failovers show by heartbeats only, of which the last one before it must not be long ago. */
    needsHeartbeats: () => Array.from(known.values()).some(({ id, isIdTrue }) => id === undefined || !isIdTrue),
  };
}

export type FailoverWatch = ReturnType<typeof createFailoverWatch>;
