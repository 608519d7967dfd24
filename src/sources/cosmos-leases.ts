// Whether a change feed still stands where its trigger left it: what identifies the leases of a container.

import type { Container } from '@azure/cosmos';
import type { FeedPositions } from '../core/feed-watch.ts';
import { deadline } from './deadline.ts';

/** The marker that the trigger writes once its leases are there (`<prefix><host>_<dbRid>_<collRid>.info`). */
const QUERY = 'SELECT c.id, c._rid AS rid, c._ts AS ts FROM c WHERE STARTSWITH(c.id, @prefix)';

/**
 * Others whenever positions may have been lost: other leases, another prefix, another container.
 * @param rid of the watched container
 * @returns undefined while the trigger has no leases
 */
export async function positionsIn(
  leases: Container,
  prefix: string,
  rid: string,
  timeoutMs: number,
): Promise<FeedPositions | undefined> {
  const parameters = [{ name: '@prefix', value: prefix }];
  const { resources } = await leases.items
    .query<{ id: string; rid: string; ts: number }>({ query: QUERY, parameters }, { abortSignal: deadline(timeoutMs) })
    .fetchAll();
  const marker = resources.find(({ id }) => id.endsWith(`_${rid}.info`));
  return marker && { id: `${rid}|${prefix}|${marker.rid}`, since: marker.ts * 1000 };
}
