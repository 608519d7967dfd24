import { expect, test } from 'vitest';
import { createContainerLife, type DefaultTtl, expiryOf } from '../../src/sources/cosmos-life.ts';

const soon = { ttl: 10, _ts: 100 };
const plain = { _ts: 100 };

test.each<[DefaultTtl, Record<string, unknown>, number | undefined]>([
  ['off', soon, undefined],
  ['off', plain, undefined],
  [-1, soon, 110],
  [-1, plain, undefined],
  [20, soon, 110],
  [20, plain, 120],
  [20, { ttl: -1, _ts: 100 }, undefined],
  [20, { ttl: null, _ts: 100 }, 120],
  ['unknown', soon, 110],
  ['unknown', plain, undefined],
  [20, { ttl: 10 }, undefined],
  [20, { ttl: Number.NaN, _ts: 100 }, undefined],
])('a container whose default is %s, a document %j: it goes at %s', (byDefault, document, seconds) => {
  expect(expiryOf(document, byDefault)).toEqual(seconds === undefined ? {} : { expiresAt: seconds * 1000 });
});

test('the container is asked once for all, and what cannot be asked is unknown', async () => {
  let asked = 0;
  const life = createContainerLife(async () => {
    asked++;
    return { defaultTtl: 20 };
  });
  expect(life.known()).toBe('unknown');
  expect(await Promise.all([life.defaultTtl(), life.defaultTtl()])).toEqual([20, 20]);
  expect([life.known(), await life.defaultTtl(), asked]).toEqual([20, 20, 1]);
  const deaf = createContainerLife(() => Promise.reject(new Error('no answer')));
  expect(await deaf.defaultTtl()).toBe('unknown');
});
