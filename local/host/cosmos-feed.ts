/**
 * Works through the feed of one range, one page at a time: read, run the function, checkpoint, read again. A page whose
 * function failed for good is checkpointed too, as in the real extension; a page during which the host was stopped is not.
 */
import type { Log } from './core-types.ts';
import type { CosmosContainer } from './cosmos-container.ts';
import { CosmosError, type CosmosReply } from './cosmos-http.ts';
import { intervalOf, isIntervalLease, type Lease, LeaseLostError, type LeaseStore } from './cosmos-leases.ts';
import type { FeedOptions } from './cosmos-options.ts';
import type { Routing } from './cosmos-routing.ts';
import { errorText } from './error-text.ts';
import { sleep } from './sleep.ts';
import type { TriggerContext } from './trigger.ts';

/** The range was split or merged; `continuation` is where its feed had come to. */
export class RangeGoneError extends Error {
  readonly continuation: string | null;
  constructor(message: string, continuation: string | null) {
    super(message);
    this.continuation = continuation;
  }
}

export interface FeedContext {
  container: CosmosContainer;
  options: FeedOptions;
  leases: LeaseStore;
  /** Of the monitored container. */
  routing: Routing;
  run: TriggerContext['run'];
  log: Log;
}

/** PartitionKeyRangeGone and CompletingSplit; any other 410 is an error. */
const goneSubStatus = new Set(['1002', '1007']);
const transient = new Set([408, 429, 449, 500, 503]);
const readRetries = 9;

function resume({ start }: FeedOptions, continuation: string | null): Record<string, string> {
  if (continuation !== null) return { 'if-none-match': continuation };
  if (start.from === 'now') return { 'if-none-match': '*' };
  return start.from === 'time' ? { 'if-modified-since': start.at.toUTCString() } : {};
}

/** The range that a lease reads, or the part of one; undefined where its interval no longer lies in a single range. */
async function address(routing: Routing, lease: Lease): Promise<Record<string, string> | undefined> {
  const byId = 'x-ms-documentdb-partitionkeyrangeid';
  if (!isIntervalLease(lease)) return { [byId]: lease.LeaseToken };
  const { min, max } = intervalOf(lease);
  const [range, other] = await routing.overlapping(min, max);
  if (!range || other) return undefined;
  if (range.minInclusive === min && range.maxExclusive === max) return { [byId]: range.id };
  return {
    [byId]: range.id,
    'x-ms-read-key-type': 'EffectivePartitionKeyRange',
    'x-ms-start-epk': min,
    'x-ms-end-epk': max,
  };
}

/** Runs until the signal or an error; `onLease` is told of every new state of the lease. */
export async function runFeed(
  context: FeedContext,
  acquired: Lease,
  signal: AbortSignal,
  onLease: (lease: Lease) => void,
): Promise<void> {
  const { container, options, leases, log } = context;
  let lease = acquired;
  let continuation = lease.ContinuationToken;
  let sessionToken: string | undefined;
  let failures = 0;

  const gone = (why: string) => new RangeGoneError(`Range ${lease.LeaseToken} is gone (${why}).`, continuation);

  const readPage = async (): Promise<CosmosReply> => {
    const range = await address(context.routing, lease);
    if (!range) throw gone('it lies in several ranges');
    return container.http({
      method: 'GET',
      path: `/dbs/${encodeURIComponent(options.database)}/colls/${encodeURIComponent(options.container)}/docs`,
      resourceType: 'docs',
      resourceLink: container.link,
      headers: {
        'a-im': options.allVersions ? 'Full-Fidelity Feed' : 'Incremental Feed',
        ...(options.allVersions && { 'x-ms-cosmos-changefeed-wire-format-version': '2021-09-15' }),
        ...range,
        ...(options.maxItems !== undefined && { 'x-ms-max-item-count': String(options.maxItems) }),
        ...(sessionToken !== undefined && { 'x-ms-session-token': sessionToken }),
        ...resume(options, continuation),
      },
      signal,
    });
  };

  const dispatch = async (documents: unknown[]): Promise<void> => {
    const outcome = await context.run(
      {
        data: { json: JSON.stringify(documents) },
        reason: `New changes on container ${options.container} at ${new Date().toISOString()}`,
      },
      signal,
    );
    if (outcome.ok) return;
    log({
      level: 'warning',
      category: 'Host.Triggers.CosmosDB',
      message: `Lease ${lease.LeaseToken} encountered an unhandled user exception during processing.`,
    });
  };

  while (!signal.aborted) {
    let reply: CosmosReply | undefined;
    try {
      reply = await readPage();
    } catch (error) {
      // The connection broke: as with the SDK, a few tries more before the lease is given up.
      if (signal.aborted || error instanceof RangeGoneError || failures >= readRetries) throw error;
    }
    if (reply === undefined || transient.has(reply.status)) {
      failures += 1;
      if (failures > readRetries && reply)
        throw new CosmosError(`Reading the feed of range ${lease.LeaseToken}`, reply);
      await sleep(options.intervals.feedPollDelay, signal);
      continue;
    }
    failures = 0;
    if (reply.status === 410 && goneSubStatus.has(reply.subStatus)) throw gone(`410/${reply.subStatus}`);
    if (reply.status !== 200 && reply.status !== 304) {
      throw new CosmosError(`Reading the feed of range ${lease.LeaseToken}`, reply);
    }
    sessionToken = reply.headers.get('x-ms-session-token') ?? sessionToken;
    continuation = reply.etag ?? continuation;
    if (reply.status === 304) {
      await sleep(options.intervals.feedPollDelay, signal);
      continue;
    }
    const { Documents: documents = [] } = reply.body as { Documents?: unknown[] };
    if (documents.length > 0) await dispatch(documents);
    // Whether the function came to its end or not, after a stop the page is delivered again.
    if (signal.aborted) return;
    if (continuation === null) throw new Error(`The feed of range ${lease.LeaseToken} sends no etag.`);
    lease = await leases.checkpoint(lease, continuation);
    onLease(lease);
  }
}

/** Renews until the signal; rejects when the lease is lost. Any other failure is tried again after the interval. */
export async function runRenewal(context: FeedContext, acquired: Lease, signal: AbortSignal): Promise<void> {
  const { leases, options, log } = context;
  const interval = options.intervals.leaseRenewInterval;
  let lease = acquired;
  let wait = interval / 2;
  while (await sleep(wait, signal)) {
    wait = interval;
    try {
      lease = await leases.renew(lease);
    } catch (error) {
      if (error instanceof LeaseLostError) throw error;
      log({
        level: 'warning',
        category: 'Host.Triggers.CosmosDB',
        message: `Lease ${lease.LeaseToken} was not renewed: ${errorText(error, 'message')}`,
      });
    }
  }
}
