// Sources whose changes are held: nothing of them is applied, and their feeds stay where they are, until somebody lets
// them go on. What is cached is served meanwhile, so it falls behind the database by as long as the pause lasts.

import { WarmfeedError } from '../errors.ts';
import type { RedisKeys } from '../key.ts';
import type { OpsStore } from '../ops/ops-ports.ts';
import type { Clock } from '../ports.ts';

export interface Pause {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly by: string;
}

/** A process asks so often at most. */
const CACHED_MS = 500;
/** An invocation waits so long for the end of a pause, then its page is given back to the feed. */
const HELD_MS = 20_000;

export function createPauses(deps: { ops: OpsStore; keys: RedisKeys; clock: Clock }) {
  const { ops, keys, clock } = deps;
  let known: { readonly at: number; readonly pauses: Promise<ReadonlyMap<string, Pause>> } | undefined;

  /** @throws WarmfeedError STORE_* */
  async function all(): Promise<ReadonlyMap<string, Pause>> {
    const texts = await ops.fields(keys.paused);
    return new Map(Array.from(texts, ([source, text]) => [source, JSON.parse(text) as Pause]));
  }

  /** As of half a second ago at most. @throws WarmfeedError STORE_* */
  async function of(source: string): Promise<Pause | undefined> {
    if (known === undefined || clock.now() - known.at >= CACHED_MS) {
      const pauses = all();
      pauses.catch(() => {
        known = undefined;
      });
      known = { at: clock.now(), pauses };
    }
    return (await known.pauses).get(source);
  }

  /**
   * Waits while a source is held.
   * @param stop aborted: waits no longer
   * @throws WarmfeedError PAUSED if it still is after some time, STORE_*
   */
  async function hold(source: string, stop: AbortSignal): Promise<void> {
    const end = clock.now() + HELD_MS;
    for (let found = await of(source); found !== undefined; found = await of(source)) {
      if (clock.now() >= end || stop.aborted) {
        throw new WarmfeedError('PAUSED', `${source} is paused, by ${found.by}`, { retryable: true });
      }
      await clock.sleep(CACHED_MS);
    }
  }

  /** Idempotent: the first pause counts. @throws WarmfeedError STORE_* */
  async function pause(source: string, by: string, at: number): Promise<void> {
    if ((await all()).has(source)) return;
    await ops.setFields(keys.paused, new Map([[source, JSON.stringify({ at, by } satisfies Pause)]]));
    known = undefined;
  }

  /** @throws WarmfeedError STORE_* */
  async function resume(source: string): Promise<void> {
    await ops.removeField(keys.paused, source);
    known = undefined;
  }

  return { all, of, hold, pause, resume };
}

export type Pauses = ReturnType<typeof createPauses>;
