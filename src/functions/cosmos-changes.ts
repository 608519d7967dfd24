// One change-feed trigger per watched container: hands each page to the sync, and throws when nothing of it counts.

import { app, CosmosDBv4ChangeFeedMode, type InvocationContext } from '@azure/functions';
import { isWarmfeedError, messageOf } from '../core/errors.ts';
import type { Sync } from '../core/sync/sync.ts';

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

/** Longer than the longest pause between two deliveries of a page. */
const FORGOTTEN_MS = 90_000;
const LONGEST_PAUSE_S = 30;

/** @param ready awaited before each page @returns tells whether a page waits here because it cannot be handled */
export function registerCosmosChanges(
  sync: Sync,
  watched: WatchedContainer,
  ready: () => Promise<unknown>,
): () => string | undefined {
  const { handler, waits } = createHandler(sync, ready);
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
      maximumInterval: { seconds: LONGEST_PAUSE_S },
    },
    handler,
  });
  return waits;
}

function createHandler(sync: Sync, ready: () => Promise<unknown>) {
  /** When pages last failed, by `idOf`. */
  const waiting = new Map<string, number>();

  async function handler(page: unknown, context: InvocationContext): Promise<void> {
    try {
      await ready();
      await sync.apply(page as unknown[]);
      if (waiting.size > 0) waiting.delete(idOf(page));
    } catch (error) {
      const isPaused = isWarmfeedError(error) && error.code === 'PAUSED';
      if (isPaused) {
        context.info(`a page of the change feed waits: ${error.message}`);
        throw error;
      }
      waiting.set(idOf(page), performance.now());
      const code = isWarmfeedError(error) ? `${error.code} ` : '';
      context.error(`a page of the change feed waits, and will be delivered again: ${code}${messageOf(error)}`);
      throw error;
    }
  }

  function waits(): string | undefined {
    // A page whose lease moved to another process is delivered there.
    for (const [id, at] of waiting) if (performance.now() - at > FORGOTTEN_MS) waiting.delete(id);
    return waiting.size === 0
      ? undefined
      : 'a page cannot be handled, and is delivered again and again: the log says why';
  }

  return { handler, waits };
}

/** The same for every delivery of a page: its first item's end, where version and etag stand. */
function idOf(page: unknown): string {
  const [first] = Array.isArray(page) ? (page as unknown[]) : [page];
  return JSON.stringify([first]).slice(-400);
}
