// Whether a change feed still stands where its trigger left it: what identifies the leases of a container.

import type { Container } from '@azure/cosmos';
import type { FeedPositions } from '../core/sync/feed-watch.ts';
import { deadline } from './deadline.ts';

/** The marker that the trigger writes once its leases are there (`<prefix><host>_<dbRid>_<collRid>.info`). */
const QUERY = 'SELECT c.id, c._rid AS rid, c._ts AS ts FROM c WHERE STARTSWITH(c.id, @prefix)';
const NOT_FOUND = 404;
/** The .NET change feed processor takes either. */
const KEYS: readonly (string | undefined)[] = ['/id', '/partitionKey'];

/** Why there are no positions. The trigger sees some of it at its start only. */
const WHY = {
  noContainer:
    'there is no lease container: make it (WARMFEED_LEASE_CONTAINER) with the partition key /id, and restart the app',
  otherKey: 'the lease container has another partition key than /id: make it anew with that, and restart the app',
  noLeases: 'its trigger has no leases for this container: if they do not come, see its log, and restart the app',
};

/**
 * Others whenever positions may have been lost: other leases, another prefix, another container.
 * @param rid of the watched container
 * @returns a text that says why the trigger has no leases
 */
export async function positionsIn(
  leases: Container,
  prefix: string,
  rid: string,
  timeoutMs: number,
): Promise<FeedPositions | string> {
  const abortSignal = deadline(timeoutMs);
  try {
    const { resource } = await leases.read({ abortSignal });
    if (!KEYS.includes(resource?.partitionKey?.paths.join())) return WHY.otherKey;
    const parameters = [{ name: '@prefix', value: prefix }];
    const { resources } = await leases.items
      .query<{ id: string; rid: string; ts: number }>({ query: QUERY, parameters }, { abortSignal })
      .fetchAll();
    const marker = resources.find(({ id }) => id.endsWith(`_${rid}.info`));
    return marker ? { id: `${rid}|${prefix}|${marker.rid}`, since: marker.ts * 1000 } : WHY.noLeases;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) return WHY.noContainer;
    throw error;
  }
}
