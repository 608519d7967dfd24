// The contract of a cache store: every rule of the protocol that a store is responsible for, one test each. Run by
// every store; what waits does so through `advance`, and every key is used by one test only.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBench, MINE, OTHERS, type StoreUnderTest } from './store.bench.ts';
import { fillContract } from './store.contract-fills.ts';
import { foreignContract } from './store.contract-foreign.ts';
import { invalidationContract } from './store.contract-invalidations.ts';
import { leaseContract } from './store.contract-leases.ts';
import { purgeContract } from './store.contract-purges.ts';
import { watermarkContract } from './store.contract-watermarks.ts';

export interface StoreContract {
  readonly name: string;
  readonly create: () => Promise<StoreUnderTest>;
}

export function storeContract({ name, create }: StoreContract): void {
  let tested: StoreUnderTest | undefined;
  const bench = createBench(() => {
    if (tested === undefined) throw new Error('the store is not there yet');
    return tested;
  });
  const { fresh, lease, fill, invalidate, load, entryOf } = bench;

  describe(`store contract: ${name}`, () => {
    beforeAll(async () => {
      tested = await create();
    });
    afterAll(() => tested?.end());

    leaseContract(bench);
    fillContract(bench);
    invalidationContract(bench);
    foreignContract(bench);
    watermarkContract(bench);
    purgeContract(bench);

    describe('ordering', () => {
      test('calls of one tick take effect in the order issued', async () => {
        if (!bench.store.ordered) return;
        const keys = Array.from({ length: 50 }, () => fresh());
        const replies = await Promise.all(
          keys.flatMap((key) => [
            lease(key),
            fill(key),
            invalidate(key, 11n, { own: 'always', token: MINE }),
            fill(key, { version: 11n }),
            bench.store.release(key, OTHERS),
          ]),
        );
        expect(replies).toEqual(keys.flatMap(() => [{ kind: 'granted' }, 'stored', 'leased', 'stored', undefined]));
      });

      test('a value handed out is the caller’s own', async () => {
        const key = fresh();
        await load(key);
        (await bench.store.get(key))?.fill(0);
        expect(await entryOf(key)).toMatchObject({ state: 'value' });
      });
    });

    test('what is remembered is recalled, and lasts', async () => {
      const key = fresh('feed');
      expect(await bench.store.recall(key)).toBeUndefined();
      await bench.store.remember(key, 'a=é');
      await bench.store.remember(key, 'b=é');
      expect(await bench.store.recall(key)).toBe('b=é');
      expect(await bench.tested.ttl(key)).toBe(-1);
    });

    test('a dead letter is taken', async () => {
      const letter = { source: 's', entity: 'e', key: 'k', version: '1', reason: 'too large' };
      expect(await bench.store.deadLetter(fresh('dead'), letter)).toBeUndefined();
    });
  });
}
