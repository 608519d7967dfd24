// One change-feed trigger per watched container: hands each page to the sync, and throws when nothing of it counts.

import { app, CosmosDBv4ChangeFeedMode } from '@azure/functions';
import type { Sync } from '../core/sync.ts';

export interface WatchedContainer {
  readonly connection: string;
  readonly database: string;
  readonly container: string;
  readonly leaseContainer: string;
  readonly leasePrefix: string;
  readonly pollMs: number;
  readonly acquireMs: number;
  readonly batch: number;
  readonly fromBeginning: boolean;
  readonly mode: 'LatestVersion' | 'AllVersionsAndDeletes';
}

export function registerCosmosChanges(sync: Sync, watched: WatchedContainer): void {
  app.cosmosDB(`changes-${watched.database}-${watched.container}`.replace(/[^\w-]/g, '-'), {
    connection: watched.connection,
    databaseName: watched.database,
    containerName: watched.container,
    leaseContainerName: watched.leaseContainer,
    leaseContainerPrefix: watched.leasePrefix,
    // With an identity the trigger could not start, and a container made here would have the wrong throughput.
    createLeaseContainerIfNotExists: false,
    feedPollDelay: watched.pollMs,
    leaseAcquireInterval: watched.acquireMs,
    maxItemsPerInvocation: watched.batch,
    ...(watched.mode === 'LatestVersion'
      ? { startFromBeginning: watched.fromBeginning }
      : { changeFeedMode: CosmosDBv4ChangeFeedMode.AllVersionsAndDeletes }),
    // Without end: the host checkpoints a page whose retries have run out, and its changes are lost.
    retry: {
      strategy: 'exponentialBackoff',
      maxRetryCount: -1,
      minimumInterval: { seconds: 1 },
      maximumInterval: { seconds: 30 },
    },
    handler: async (documents: unknown[]) => {
      await sync.apply(documents);
    },
  });
}
