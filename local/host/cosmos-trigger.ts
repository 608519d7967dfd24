/**
 * The Cosmos DB trigger: starts the change feed processor over HTTP, takes its share of the leases, works on each in parallel
 * and gives them back on stop. It learns of changes from the feed only.
 */
import { randomUUID } from 'node:crypto';
import type { LogLevel } from './core-types.ts';
import { selectLeases } from './cosmos-balance.ts';
import { type CosmosContainer, databaseRid, openContainer } from './cosmos-container.ts';
import { type FeedContext, RangeGoneError, runFeed, runRenewal } from './cosmos-feed.ts';
import { CosmosError } from './cosmos-http.ts';
import { createLeaseStore, type Lease, LeaseLostError, type LeaseStore } from './cosmos-leases.ts';
import { type FeedOptions, feedOptions } from './cosmos-options.ts';
import { initialiseLeases, type RangeOptions, replaceGoneRange } from './cosmos-ranges.ts';
import { errorText } from './error-text.ts';
import { sleep } from './sleep.ts';
import type { Trigger, TriggerContext } from './trigger.ts';

interface Processor {
  leases: LeaseStore;
  ranges: RangeOptions;
  feed: FeedContext;
  owner: string;
}

const longestRetryMs = 30_000;

/**
 * Reads the options, and with `createLeaseContainerIfNotExists` makes the lease container: what fails here is an indexing
 * error and disables the function until the next start of the host.
 */
export async function startCosmosTrigger(context: TriggerContext): Promise<Trigger> {
  const options = feedOptions(context.binding, context.startedAt, context.feed);
  const monitored = openContainer(options.account, options.database, options.container);
  const leaseContainer = openContainer(options.leaseAccount, options.leaseDatabase, options.leaseContainer);
  if (options.createLeases) {
    await leaseContainer.http({ method: 'GET', path: '/', resourceType: '', resourceLink: '', signal: context.signal });
    await leaseContainer.create(context.signal, options.leaseThroughput);
  }
  const first = Promise.withResolvers<void>();
  const stopped = run(context, options, monitored, leaseContainer, first.resolve).finally(first.resolve);
  return { firstAttempt: first.promise, stopped };
}

async function run(
  context: TriggerContext,
  options: FeedOptions,
  monitored: CosmosContainer,
  leaseContainer: CosmosContainer,
  attempted: () => void,
): Promise<void> {
  const { signal } = context;
  const log = (level: LogLevel, message: string): void =>
    context.log({ level, category: 'Host.Triggers.CosmosDB', message: `${context.name}: ${message}` });
  let delay = options.intervals.startRetryDelay;
  // A missing lease container stays missing to the extension until the host restarts, even if someone creates it meanwhile.
  let fatal: string | undefined;
  while (!signal.aborted) {
    try {
      if (fatal !== undefined) throw new Error(fatal);
      const processor = await startProcessor(context, options, monitored, leaseContainer);
      log('information', `Started the listener on container ${options.container}.`);
      const working = balance(processor, options, signal, log);
      attempted();
      return await working;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CosmosError && error.status === 404) {
        fatal = `${error.message}. Create the container and restart the host.`;
      }
      log('error', `The listener was unable to start: ${fatal ?? errorText(error, 'message')}`);
      attempted();
    }
    await sleep(delay, signal);
    delay = Math.min(delay * 2, longestRetryMs);
  }
}

/** The order of these requests is the real extension's (platform facts, section 12). */
async function startProcessor(
  context: TriggerContext,
  options: FeedOptions,
  monitored: CosmosContainer,
  leaseContainer: CosmosContainer,
): Promise<Processor> {
  const { signal } = context;
  const account = await monitored.http({ method: 'GET', path: '/', resourceType: '', resourceLink: '', signal });
  if (account.status !== 200) throw new CosmosError('Reading the account', account);
  const properties = await monitored.read(signal);
  const { _rid: rid } = properties;
  const leaseProperties = await leaseContainer.read(signal);
  const [keyPath] = leaseProperties.partitionKey?.paths ?? [];
  if (keyPath !== '/id') throw new Error('The lease container must have partition key equal to id.');

  const owner = randomUUID();
  const mode = options.allVersions ? 'Full-Fidelity Feed' : 'Incremental Feed';
  const leases = createLeaseStore({
    container: leaseContainer,
    containerRanges: await leaseContainer.ranges(leaseProperties, signal),
    prefix: `${options.leasePrefix}${options.account.host}_${databaseRid(rid)}_${rid}`,
    owner,
    mode,
  });
  const other = (await leases.list(signal)).find((lease) => (lease.Mode ?? mode) !== mode);
  if (other) throw new Error(`The leases were made in mode '${other.Mode}'; switching to '${mode}' is not allowed.`);
  const ranges: RangeOptions = { leases, signal, readRanges: () => monitored.ranges(properties, signal) };
  await initialiseLeases(ranges, options.intervals.initialisationDelay);
  return { leases, ranges, owner, feed: { container: monitored, options, leases, run: context.run, log: context.log } };
}

type Say = (level: LogLevel, message: string) => void;

/** Takes leases until the signal, then waits until all have been worked off and given back. */
async function balance(processor: Processor, options: FeedOptions, signal: AbortSignal, log: Say): Promise<void> {
  const { leases, owner } = processor;
  const { leaseAcquireInterval, leaseExpirationInterval } = options.intervals;
  const working = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    try {
      const all = await leases.list(signal);
      for (const lease of selectLeases(all, owner, leaseExpirationInterval, Date.now())) {
        if (signal.aborted) break;
        if (working.has(lease.LeaseToken)) continue;
        try {
          const acquired = await leases.acquire(lease);
          const work = workOn(processor, acquired, signal, log).finally(() => working.delete(lease.LeaseToken));
          working.set(lease.LeaseToken, work);
        } catch (error) {
          if (!(error instanceof LeaseLostError)) throw error;
        }
      }
    } catch (error) {
      if (!signal.aborted) log('warning', `Looking for leases failed: ${errorText(error, 'message')}`);
    }
    await sleep(leaseAcquireInterval, signal);
  }
  await Promise.all(working.values());
}

async function workOn(processor: Processor, acquired: Lease, signal: AbortSignal, log: Say): Promise<void> {
  const { leases, feed, ranges } = processor;
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
  if (errors.some((error) => error instanceof LeaseLostError)) {
    log('information', `Lease ${token} was lost to another host.`);
    return;
  }
  const gone = errors.find((error) => error instanceof RangeGoneError);
  if (gone) {
    log('warning', gone.message);
    try {
      const children = await replaceGoneRange(ranges, lease);
      if (children.length > 0) return log('information', `Lease ${token} split into ${children.join(', ')}.`);
      log('error', `Range ${token} has no children; merges are not followed here.`);
    } catch (error) {
      log('warning', `Range ${token} could not be replaced: ${errorText(error, 'message')}`);
    }
  } else if (errors.length > 0 && !signal.aborted) {
    log('warning', `Lease ${token} stopped: ${errors.map((error) => errorText(error, 'message')).join('; ')}`);
  }
  await leases.release(lease).catch((error: unknown) => {
    if (!(error instanceof LeaseLostError))
      log('warning', `Lease ${token} was not released: ${errorText(error, 'message')}`);
  });
}
