/** The Cosmos DB trigger: starts the change feed processor over HTTP, and tries again when it cannot. */
import { randomUUID } from 'node:crypto';
import type { LogLevel } from './core-types.ts';
import { type ContainerProperties, type CosmosContainer, databaseRid, openContainer } from './cosmos-container.ts';
import { CosmosError } from './cosmos-http.ts';
import { createLeaseStore } from './cosmos-leases.ts';
import { type FeedOptions, feedOptions } from './cosmos-options.ts';
import { type Processor, runProcessor } from './cosmos-processor.ts';
import { initialiseLeases } from './cosmos-ranges.ts';
import { createRouting } from './cosmos-routing.ts';
import { errorText } from './error-text.ts';
import { sleep } from './sleep.ts';
import type { Trigger, TriggerContext } from './trigger.ts';

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
      const processor = await startProcessor(context, options, monitored, leaseContainer, log);
      log('information', `Started the listener on container ${options.container}.`);
      const working = runProcessor(processor);
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
  log: Processor['log'],
): Promise<Processor> {
  const { signal } = context;
  const account = await monitored.http({ method: 'GET', path: '/', resourceType: '', resourceLink: '', signal });
  if (account.status !== 200) throw new CosmosError('Reading the account', account);
  const properties = await monitored.read(signal);
  const { _rid: rid } = properties;
  const leaseProperties = await leaseContainer.read(signal);
  const [keyPath] = leaseProperties.partitionKey?.paths ?? [];
  if (keyPath !== '/id') throw new Error('The lease container must have partition key equal to id.');

  const mode = options.allVersions ? 'Full-Fidelity Feed' : 'Incremental Feed';
  const owner = randomUUID();
  let ownProperties: ContainerProperties | undefined = leaseProperties;
  const leases = createLeaseStore({
    container: leaseContainer,
    // Read anew only after a range was gone; by then the container may be another one.
    routing: createRouting(async () => {
      const known = ownProperties ?? (await leaseContainer.read(signal));
      ownProperties = undefined;
      return leaseContainer.ranges(known, signal);
    }),
    prefix: `${options.leasePrefix}${options.account.host}_${databaseRid(rid)}_${rid}`,
    owner,
    mode,
  });
  const other = (await leases.list(signal)).find((lease) => (lease.Mode ?? 'Incremental Feed') !== mode);
  if (other) throw new Error(`The leases were made in mode '${other.Mode}'; switching to '${mode}' is not allowed.`);
  const routing = createRouting(() => monitored.ranges(properties, signal));
  await initialiseLeases({ leases, routing, signal }, options.intervals.initialisationDelay);
  const feed = { container: monitored, options, leases, routing, run: context.run, log: context.log };
  return { feed, owner, signal, log };
}
