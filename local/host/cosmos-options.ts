/** The options of a Cosmos DB trigger binding, with the extension's defaults; anything missing is an indexing error. */
import type { Binding } from './core-types.ts';
import { accountOf, type CosmosAccount } from './cosmos-account.ts';
import type { FeedIntervals } from './trigger.ts';

export type FeedStart = { from: 'beginning' } | { from: 'time'; at: Date } | { from: 'now' };

export interface FeedOptions {
  account: CosmosAccount;
  database: string;
  container: string;
  leaseAccount: CosmosAccount;
  leaseDatabase: string;
  leaseContainer: string;
  leasePrefix: string;
  createLeases: boolean;
  leaseThroughput: number | undefined;
  maxItems: number | undefined;
  start: FeedStart;
  allVersions: boolean;
  intervals: Required<FeedIntervals>;
}

const text = (binding: Binding, name: string, fallback?: string): string => {
  const value = binding[name];
  if (typeof value === 'string' && value !== '') return value;
  if (fallback === undefined) throw new Error(`The Cosmos DB trigger needs '${name}'.`);
  return fallback;
};

const number = (binding: Binding, name: string): number | undefined => {
  const value = binding[name];
  if (value === undefined || value === null) return undefined;
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || parsed < 0) throw new Error(`'${name}' of the Cosmos DB trigger must be a number.`);
  return parsed;
};

const flag = (binding: Binding, name: string): boolean => binding[name] === true || binding[name] === 'true';

function startOf(binding: Binding, hostStart: Date, allVersions: boolean): FeedStart {
  const time = binding['startFromTime'];
  const beginning = flag(binding, 'startFromBeginning');
  if (beginning && time) throw new Error('Only one of StartFromBeginning or StartFromTime can be used.');
  if (allVersions && (beginning || time)) throw new Error('AllVersionsAndDeletes can only start from now.');
  if (beginning) return { from: 'beginning' };
  if (allVersions) return { from: 'now' };
  // The header counts in whole seconds and excludes its own second, so the SDK steps one back.
  if (!time) return { from: 'time', at: new Date(hostStart.getTime() - 1000) };
  const at = new Date(typeof time === 'string' ? time : Number.NaN);
  if (Number.isNaN(at.getTime()))
    throw new Error(`The specified StartFromTime '${JSON.stringify(time)}' is not in the ISO 8601 UTC format.`);
  return { from: 'time', at };
}

export function feedOptions(binding: Binding, hostStart: Date, overrides: FeedIntervals): FeedOptions {
  const connection = text(binding, 'connection', 'CosmosDB');
  const database = text(binding, 'databaseName');
  const allVersions = binding['changeFeedMode'] === 'AllVersionsAndDeletes';
  const options: FeedOptions = {
    account: accountOf(connection),
    database,
    container: text(binding, 'containerName'),
    leaseAccount: accountOf(text(binding, 'leaseConnection', connection)),
    leaseDatabase: text(binding, 'leaseDatabaseName', database),
    leaseContainer: text(binding, 'leaseContainerName', 'leases'),
    leasePrefix: text(binding, 'leaseContainerPrefix', ''),
    createLeases: flag(binding, 'createLeaseContainerIfNotExists'),
    leaseThroughput: number(binding, 'leasesContainerThroughput'),
    maxItems: number(binding, 'maxItemsPerInvocation'),
    start: startOf(binding, hostStart, allVersions),
    allVersions,
    intervals: {
      feedPollDelay: overrides.feedPollDelay ?? number(binding, 'feedPollDelay') ?? 5000,
      leaseAcquireInterval: overrides.leaseAcquireInterval ?? number(binding, 'leaseAcquireInterval') ?? 13_000,
      leaseRenewInterval: overrides.leaseRenewInterval ?? number(binding, 'leaseRenewInterval') ?? 17_000,
      leaseExpirationInterval:
        overrides.leaseExpirationInterval ?? number(binding, 'leaseExpirationInterval') ?? 60_000,
      initialisationDelay: overrides.initialisationDelay ?? 15_000,
      startRetryDelay: overrides.startRetryDelay ?? 1000,
    },
  };
  if (
    options.account.endpoint === options.leaseAccount.endpoint &&
    options.database === options.leaseDatabase &&
    options.container === options.leaseContainer
  ) {
    throw new Error('The monitored container cannot be the same as the container storing the leases.');
  }
  return options;
}
