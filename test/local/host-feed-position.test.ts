/** When the Cosmos DB trigger of the in-process host moves on, and what a failure, a stop or a fault leaves behind. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { until } from './fixtures/host/support/raw-request.ts';

let bench: FeedBench;
beforeEach(async () => {
  bench = await startFeedBench();
});
afterEach(() => bench.close());

const forEver = (seconds: number): string =>
  JSON.stringify({ strategy: 'fixedDelay', maxRetryCount: -1, delayInterval: { seconds } });

it('positions survive a restart', async () => {
  for (const id of ['a', 'b', 'c']) await bench.account.add('0', id);
  const first = await bench.start({ FEED_MAX: '2' });
  await bench.untilEnded('a', 'b', 'c');
  expect(bench.started().map(({ ids }) => ids)).toEqual([['a', 'b'], ['c']]);
  const { control } = bench.account.emulator;
  control.clearRequests();
  await until('the feed is drained', () =>
    control.requests().some(({ operation, status }) => operation === 'change-feed' && status === 304),
  );
  await first.close();
  expect([await bench.owner('0'), await bench.owner('1')]).toEqual([null, null]);
  await bench.account.add('0', 'd');
  await bench.start({ FEED_HOST: 'two' });
  await bench.untilEnded('d');
  expect(bench.ended('one')).toEqual(['a', 'b', 'c']);
  expect(bench.ended('two')).toEqual(['d']);
});

it('a failed batch is lost without a retry policy', async () => {
  bench.failing(true);
  await bench.account.add('0', 'a');
  await bench.start();
  await until('it failed', () => bench.logged('Lease 0 encountered an unhandled user exception during processing.'));
  bench.failing(false);
  await bench.account.add('0', 'b');
  await bench.untilEnded('b');
  expect(bench.ended()).toEqual(['b']);
});

it('with retries for ever a range stays where it is, and the other goes on', async () => {
  bench.failing(true);
  await bench.account.add('0', 'a');
  await bench.start({ FEED_RETRY: forEver(1) });
  await until('it was retried', () => bench.started().length >= 4);
  expect(await bench.position('0')).toBeNull();
  expect(bench.started()[0]?.retry).toEqual({ retryCount: 0, maxRetryCount: -1 });
  expect(bench.started()[2]?.retry).toMatchObject({ retryCount: 2, exception: { message: 'told to fail' } });
  await bench.account.add('1', 'other');
  await until('the other range runs', () => bench.started().some(({ ids }) => ids.includes('other')));
  bench.failing(false);
  await bench.untilEnded('a', 'other');
  expect(bench.ended().toSorted()).toEqual(['a', 'other']);
});

it('a batch is lost when its retries run out', async () => {
  bench.failing(true);
  await bench.account.add('0', 'a');
  const minimumInterval = { seconds: 1 };
  const maximumInterval = { seconds: 2 };
  const retry = { strategy: 'exponentialBackoff', maxRetryCount: 2, minimumInterval, maximumInterval };
  await bench.start({ FEED_RETRY: JSON.stringify(retry) });
  await until('it gave up', () => bench.logged('encountered an unhandled user exception'));
  expect(bench.started()).toHaveLength(3);
  await until('the checkpoint', async () => typeof (await bench.position('0')) === 'string');
});

it('a stop during the retry delay writes no position', async () => {
  bench.failing(true);
  await bench.account.add('0', 'a');
  const first = await bench.start({ FEED_RETRY: forEver(3600) });
  await until('it waits', () => bench.logged('retry 1 of -1'));
  await first.close();
  expect(await bench.account.lease('0')).toMatchObject({ ContinuationToken: null, Owner: null });
  bench.failing(false);
  await bench.start({ FEED_HOST: 'two' });
  await bench.untilEnded('a');
  expect(bench.ended('two')).toEqual(['a']);
});

it('a stop in the middle of a batch waits for it, and delivers it again', async () => {
  await bench.account.add('0', 'a');
  const first = await bench.start({ FEED_WORK_MS: '300' });
  await until('it works', () => bench.started().length === 1);
  await first.close();
  expect(bench.ended('one')).toEqual(['a']);
  expect(await bench.account.lease('0')).toMatchObject({ ContinuationToken: null, Owner: null });
  await bench.start({ FEED_HOST: 'two' });
  await until('it came again', () => bench.ended('two').includes('a'));
});

it('a batch whose position could not be written is delivered again', async () => {
  await bench.start();
  await until('it owns the range', async () => typeof (await bench.owner('0')) === 'string');
  const { control } = bench.account.emulator;
  control.fault({ method: 'PUT', path: '..0', status: 503 });
  await bench.account.add('0', 'a');
  await until('the lease was given up', () => bench.logged('Lease 0 stopped: Writing lease 0: 503'));
  control.clearFaults();
  await until('a came again', () => bench.ended().length >= 2);
  await until('the checkpoint', async () => typeof (await bench.position('0')) === 'string');
});

it('a position whose reply got lost is not moved back', async () => {
  // Without renewals in between: one that conflicts with the checkpoint would hide what is tested.
  await bench.start({}, { leaseRenewInterval: 60_000 });
  await until('it owns the range', async () => typeof (await bench.owner('0')) === 'string');
  const { control } = bench.account.emulator;
  control.fault({ method: 'PUT', path: '..0', status: 503, after: true });
  await bench.account.add('0', 'a');
  await until('the lease was given up', () => bench.logged('Lease 0 stopped'));
  const before = await bench.position('0');
  control.clearFaults();
  await bench.account.add('0', 'b');
  await bench.untilEnded('b');
  expect(before).toEqual(expect.any(String));
  expect(bench.ended()).toEqual(['a', 'b']);
});

it('feed reads that fail for a while lose nothing', async () => {
  await bench.start();
  const { control } = bench.account.emulator;
  control.fault({ operation: 'change-feed', action: 'reset', times: 2 });
  control.fault({ operation: 'change-feed', status: 429, retryAfterMs: 5, times: 5 });
  control.fault({ operation: 'change-feed', status: 503, times: 2 });
  for (const id of ['a', 'b']) await bench.account.add('0', id);
  await bench.account.add('1', 'c');
  await bench.untilEnded('a', 'b', 'c');
  expect(bench.ended().toSorted()).toEqual(['a', 'b', 'c']);
});
