/**
 * The running change feed processor: takes its share of the leases, works on each in parallel, follows splits and merges, and
 * gives everything back on stop. It learns of changes from the feed only.
 */
import type { LogLevel } from './core-types.ts';
import { selectLeases } from './cosmos-balance.ts';
import { type FeedContext, RangeGoneError, runFeed, runRenewal } from './cosmos-feed.ts';
import { CosmosError } from './cosmos-http.ts';
import { type Lease, LeaseLostError } from './cosmos-leases.ts';
import { succeed } from './cosmos-ranges.ts';
import { errorText } from './error-text.ts';
import { sleep } from './sleep.ts';

export interface Processor {
  feed: FeedContext;
  owner: string;
  signal: AbortSignal;
  log: (level: LogLevel, message: string) => void;
}

type Take = (lease: Lease) => Promise<void>;

/** Takes leases until the signal, then waits until all have been worked off and given back. */
export async function runProcessor(processor: Processor): Promise<void> {
  const { feed, owner, signal, log } = processor;
  const { leaseAcquireInterval, leaseExpirationInterval } = feed.options.intervals;
  const working = new Map<string, Promise<void>>();
  const take: Take = async (lease) => {
    if (signal.aborted || working.has(lease.LeaseToken)) return;
    try {
      const acquired = await feed.leases.acquire(lease);
      const work = workOn(processor, acquired, take).finally(() => working.delete(lease.LeaseToken));
      working.set(lease.LeaseToken, work);
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  };
  while (!signal.aborted) {
    try {
      const all = await feed.leases.list(signal);
      for (const lease of selectLeases(all, owner, leaseExpirationInterval, Date.now())) await take(lease);
    } catch (error) {
      if (!signal.aborted) log(levelOf(error), `Looking for leases failed: ${errorText(error, 'message')}`);
    }
    await sleep(leaseAcquireInterval, signal);
  }
  await Promise.all(working.values());
}

async function workOn(processor: Processor, acquired: Lease, take: Take): Promise<void> {
  const { feed, signal, log } = processor;
  const token = acquired.LeaseToken;
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  let lease = acquired;
  const renewing = runRenewal(feed, acquired, ended.signal).finally(() => ended.abort());
  // Renewal goes on while a batch is being finished after a stop, else another host might take the range too early.
  const feeding = runFeed(feed, acquired, both, (next) => {
    lease = next;
  }).finally(() => ended.abort());
  const results = await Promise.allSettled([feeding, renewing]);
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const lost = errors.find((error) => error instanceof LeaseLostError);
  if (lost) {
    if (lost.gone) log('error', `Lease ${token} is gone: ${lost.message}`);
    else log('information', `Lease ${token} was lost to another host.`);
    return;
  }
  const gone = errors.find((error) => error instanceof RangeGoneError);
  if (gone) {
    log('information', gone.message);
    if (await handOver(processor, lease, gone.continuation, take)) return;
  } else if (errors.length > 0 && !signal.aborted) {
    const [level = 'error'] = errors.map(levelOf);
    log(level, `Lease ${token} stopped: ${errors.map((error) => errorText(error, 'message')).join('; ')}`);
  }
  await feed.leases.release(lease).catch((error: unknown) => {
    if (!(error instanceof LeaseLostError))
      log(levelOf(error), `Lease ${token} was not released: ${errorText(error, 'message')}`);
  });
}

/** True if others go on in place of this lease. Those created here are taken at once, beyond this host's share for now. */
async function handOver(
  { feed, log }: Processor,
  lease: Lease,
  continuation: string | null,
  take: Take,
): Promise<boolean> {
  const token = lease.LeaseToken;
  try {
    const { created, replaced } = await succeed(feed, lease, continuation);
    if (!replaced) return false;
    log('information', `Lease ${token} is followed by ${created.map((one) => one.LeaseToken).join(', ')}.`);
    for (const one of created) await take(one);
    return true;
  } catch (error) {
    log(levelOf(error), `Range ${token} could not be replaced: ${errorText(error, 'message')}`);
    return false;
  }
}

const transient = new Set([408, 429, 449, 500, 503]);

/** What passes by itself is a warning; so is a connection that broke. */
function levelOf(error: unknown): LogLevel {
  return error instanceof CosmosError && !transient.has(error.status) ? 'error' : 'warning';
}
