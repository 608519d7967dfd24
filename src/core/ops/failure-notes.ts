// The last failure of each source, kept for a week, with what mends such a thing.

import { type ErrorCode, isWarmfeedError } from '../errors.ts';
import type { RedisKeys } from '../key.ts';
import type { CacheEvent } from '../ports.ts';
import type { OpsStore } from './ops-ports.ts';

export interface Failure {
  readonly message: string;
  readonly remedy: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const KEEP_MS = 7 * 86_400_000;
const LOOK = 'the log of the app says what happened';
const REMEDIES: Partial<Record<ErrorCode, string>> = {
  SOURCE_THROTTLED:
    'give the database more throughput (request units), or load less at a time: WARMFEED_SOURCE_CONCURRENCY, unitsPerSecond of a warm job',
  SOURCE_UNAVAILABLE: 'see whether the database runs and its network lets the app in; the app tries again by itself',
  SOURCE_TIMEOUT: 'see what slows the database down; WARMFEED_SOURCE_TIMEOUT is how long a read may take',
  SOURCE_BUSY:
    'more reads were asked for than may run at a time: WARMFEED_SOURCE_CONCURRENCY and WARMFEED_SOURCE_QUEUE bound them',
  SOURCE_REJECTED:
    'the database refuses what is asked: npm run doctor, or /api/health/ready, tells which setting or grant is wrong',
  ROW_INVALID:
    'a document cannot be represented: mend it, or the functions in cache.config.ts; dead letters tell which',
  STORE_UNAVAILABLE: 'see whether Redis runs and its network lets the app in; the feed waits and goes on by itself',
  STORE_REFUSED: 'Redis refuses writes: it is out of memory or read-only; the feed waits and goes on by itself',
};

/** @param nowMs milliseconds since the epoch */
export function createFailureNotes(deps: { ops: OpsStore; keys: RedisKeys; nowMs: () => number }) {
  const { ops, keys, nowMs } = deps;
  let fresh = new Map<string, Failure>();

  function observe(event: CacheEvent): void {
    if (event.kind === 'source-failed') note(`e:${event.entity}`, event.error);
    if (event.kind === 'poll-failed') failed(event.source, event.error);
  }

  /** The changes of a source could not be applied. */
  function failed(source: string, error: unknown): void {
    if (!(isWarmfeedError(error) && error.code === 'PAUSED')) note(`s:${source}`, error);
  }

  function note(name: string, error: unknown): void {
    // The message of anything else may name hosts, or worse.
    const message = isWarmfeedError(error) ? `${error.code}: ${error.message}` : 'something failed inside the app';
    fresh.set(name, { message, remedy: (isWarmfeedError(error) && REMEDIES[error.code]) || LOOK, at: nowMs() });
  }

  /** Writes what was noted since. @throws WarmfeedError STORE_* */
  async function flush(): Promise<void> {
    const noted = fresh;
    fresh = new Map();
    await ops.setFields(
      keys.failures,
      new Map(Array.from(noted, ([name, failure]) => [name, JSON.stringify(failure)])),
      KEEP_MS,
    );
  }

  /** Of all sources. @throws WarmfeedError STORE_* */
  async function all(): Promise<LastFailures> {
    await flush();
    const texts = await ops.fields(keys.failures);
    return (source, entities) => {
      const failures = [`s:${source}`, ...entities.map((entity) => `e:${entity}`)].flatMap((name) => {
        const text = texts.get(name);
        return text === undefined ? [] : [JSON.parse(text) as Failure];
      });
      return failures.toSorted((a, b) => b.at - a.at)[0];
    };
  }

  return { observe, failed, flush, all };
}

/** The last failure of a source, or of a read of one of its entities; undefined: none of late. */
export type LastFailures = (source: string, entities: readonly string[]) => Failure | undefined;

export type FailureNotes = ReturnType<typeof createFailureNotes>;
