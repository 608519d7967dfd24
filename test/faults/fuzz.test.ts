// A short bound of `npm run verify`: the shipped core under random faults of a real Redis and of a cluster, and two that must be caught.

import { describe, expect, it } from 'vitest';
import { campaign } from '../verify/fuzz/campaign.ts';
import { KNOCK_OUTS } from '../verify/fuzz/knock-outs.ts';

const SEED = 1;
const quiet = { seed: SEED, onProgress: () => undefined };

describe('the fuzz', () => {
  it.each(['single', 'cluster'] as const)('finds nothing in what is shipped: %s', async (stage) => {
    const { failures, afterInvalidation, stale } = await campaign({ ...quiet, stage, budgetMs: 12_000 });
    expect(failures).toEqual([]);
    expect(stale).toBe(0);
    expect(afterInvalidation).toBeGreaterThan(0);
  });

  it('finds stale reads of naive cache-aside', async () => {
    const { stale } = await campaign({ ...quiet, budgetMs: 30_000, naive: 'delete', untilFound: true });
    expect(stale).toBeGreaterThan(0);
  });

  it('finds that an invalidation drops nothing any more', async () => {
    const knockOut = KNOCK_OUTS['invalidation'];
    if (knockOut === undefined) throw new Error('there is no such rule');
    const { failures } = await campaign({ ...quiet, stage: 'single', budgetMs: 60_000, knockOut, untilFound: true });
    expect(failures).toHaveLength(1);
  });
});
