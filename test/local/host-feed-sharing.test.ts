/** Several hosts on one feed: how they share the ranges, and what happens when one stops, hangs or dies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { accountOf } from '../../local/host/cosmos-account.ts';
import { selectLeases } from '../../local/host/cosmos-balance.ts';
import { openContainer } from '../../local/host/cosmos-container.ts';
import { createLeaseStore, type Lease, LeaseLostError, type LeaseStore } from '../../local/host/cosmos-leases.ts';
import { createRouting } from '../../local/host/cosmos-routing.ts';
import { type FeedAccount, startFeedAccount } from './fixtures/host/support/feed-account.ts';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { until } from './fixtures/host/support/raw-request.ts';

describe('which leases to take', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const lease = (token: string, owner: string | null, ageMs = 0): Lease => ({
    id: token,
    LeaseToken: token,
    Owner: owner,
    ContinuationToken: null,
    timestamp: new Date(now - ageMs).toISOString(),
    _etag: '',
    _ts: 0,
  });
  const taken = (leases: Lease[]): string[] => selectLeases(leases, 'me', 1000, now).map((one) => one.LeaseToken);

  it.each([
    ['all, when alone', [lease('0', null), lease('1', null)], ['0', '1']],
    ['half, next to another', [lease('0', null), lease('1', null), lease('2', 'you'), lease('3', null)], ['0', '1']],
    ['an expired one', [lease('0', 'you', 1001), lease('1', 'me')], ['0']],
    ['one of a host that has too many', [lease('0', 'you'), lease('1', 'you'), lease('2', 'you')], ['0']],
    ['none of a host that has its share', [lease('0', 'you'), lease('1', 'me')], []],
    ['none, with more hosts than ranges', [lease('0', 'you')], []],
    ['none, with enough', [lease('0', 'me'), lease('1', 'me'), lease('2', 'you')], []],
    ['none of none', [], []],
  ])('%s', (_name, leases, expected) => {
    expect(taken(leases)).toEqual(expected);
  });
});

describe('a lease', () => {
  let account: FeedAccount;
  afterEach(() => account.close());

  it('goes to one of two that want it, and takes positions from its owner only', async () => {
    account = await startFeedAccount();
    process.env['FEED_ACCOUNT'] = account.emulator.connectionString;
    const { signal } = new AbortController();
    const container = openContainer(accountOf('FEED_ACCOUNT'), 'db', 'leases');
    const routing = createRouting(async () => container.ranges(await container.read(signal), signal));
    const store = (owner: string): LeaseStore =>
      createLeaseStore({ container, routing, prefix: 'p', owner, mode: 'Incremental Feed' });
    const [one, two] = [store('one'), store('two')];
    expect(await one.createForRange({ id: '0', minInclusive: '', maxExclusive: 'FF' }, null)).toMatchObject({
      LeaseToken: '0',
    });
    expect(await two.createForRange({ id: '0', minInclusive: '', maxExclusive: 'FF' }, null)).toBeUndefined();
    const [free] = await two.list(signal);
    if (!free) throw new Error('The lease is not listed.');

    const results = await Promise.allSettled([one.acquire(free), two.acquire(free)]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const winner = results[0].status === 'fulfilled' ? one : two;
    const [held] = await one.list(signal);
    if (!held) throw new Error('The lease is gone.');
    // A renewal in between makes the first write of the position fail; the second one must succeed.
    await winner.renew(held);
    expect(await winner.checkpoint(held, '"5"')).toMatchObject({ ContinuationToken: '"5"', Owner: held.Owner });

    const loser = winner === one ? two : one;
    await loser.acquire((await loser.list(signal))[0] ?? held);
    await expect(winner.checkpoint(held, '"6"')).rejects.toThrow(LeaseLostError);
    expect((await one.list(signal))[0]).toMatchObject({ ContinuationToken: '"5"' });
  });
});

describe('hosts', () => {
  let bench: FeedBench;
  beforeEach(async () => {
    bench = await startFeedBench();
  });
  afterEach(() => bench.close());

  const owners = async (): Promise<unknown[]> => [await bench.owner('0'), await bench.owner('1')];

  it('share the ranges, and one takes over when the other stops', async () => {
    await bench.start();
    await until('one has both', async () => (await owners()).every((owner) => typeof owner === 'string'));
    const [one] = await owners();
    const second = await bench.start({ FEED_HOST: 'two' });
    await until('each has one', async () => {
      const now = await owners();
      return now.filter((owner) => owner === one).length === 1 && now.every((owner) => typeof owner === 'string');
    });
    // Until then the first host goes on with the range that was taken from it, as the real one does.
    await until('the first noticed', () => bench.logged('was lost to another host'));
    await bench.account.add('0', 'a');
    await bench.account.add('1', 'b');
    await bench.untilEnded('a', 'b');
    expect([bench.ended('one').length, bench.ended('two').length]).toEqual([1, 1]);
    await second.close();
    await until('one has both again', async () => (await owners()).every((owner) => owner === one));
    await bench.account.add('0', 'c');
    await bench.account.add('1', 'd');
    await bench.untilEnded('c', 'd');
    expect(bench.ended('one')).toHaveLength(3);
  });

  it('get the batch again in which another was killed', async () => {
    await bench.account.add('0', 'a');
    const child = bench.spawn({ FEED_WORK_MS: '60000', FEED_HOST: 'killed' });
    await until('it works on the batch', () => bench.started().length === 1);
    child.kill('SIGKILL');
    await bench.start();
    await bench.untilEnded('a');
    expect(bench.seen().map(({ host, at }) => `${host} ${at}`)).toEqual(['killed start', 'one start', 'one end']);
  });

  it('that start at once make the leases once', async () => {
    await bench.account.add('0', 'a');
    await Promise.all(['one', 'two', 'three'].map((name) => bench.start({ FEED_HOST: name })));
    await bench.untilEnded('a');
    const documents = await bench.account.documents();
    expect(documents.filter(({ LeaseToken }) => LeaseToken !== undefined)).toHaveLength(2);
  });

  it('stop retrying a batch whose lease another took over', async () => {
    bench.failing(true);
    await bench.account.add('0', 'a');
    const retry = JSON.stringify({ strategy: 'fixedDelay', maxRetryCount: -1, delayInterval: { seconds: 1 } });
    await bench.start({ FEED_RETRY: retry });
    await until('it retries', () => bench.started().length >= 2);
    // As if this host had been away for longer than its leases last.
    const lease = await bench.account.lease('0');
    await bench.account.replaceLease({
      ...lease,
      id: lease?.id ?? '',
      Owner: 'another',
      timestamp: new Date().toISOString(),
    });
    await until('it noticed', () => bench.logged('Lease 0 was lost to another host.'));
    const attempts = bench.started().length;
    await until('the lease came back', () => bench.started().length > attempts);
    expect(bench.started()[attempts]?.retry?.retryCount).toBe(0);
  });
});
