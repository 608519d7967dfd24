/** Lease and monitored containers that vanish or are made again under a running Cosmos DB trigger. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { rawRequest, until } from './fixtures/host/support/raw-request.ts';

let bench: FeedBench;
beforeEach(async () => {
  bench = await startFeedBench();
});
afterEach(() => bench.close());

const control = () => bench.account.emulator.control;
const database = () => bench.account.database;

const errors = (): string[] => bench.entries.filter(({ level }) => level === 'error').map(({ message }) => message);
const countOf = (text: string): number => errors().filter((message) => message.includes(text)).length;
const prefixes = async (): Promise<string[]> => [
  ...new Set((await bench.account.documents()).map(({ id }) => id.split('..')[0]?.replace(/\.info$/, '') ?? '')),
];

/** Every lease query of this many rounds was answered. */
const rounds = async (count: number): Promise<void> => {
  control().clearRequests();
  await until('it looked for leases', () => {
    const asked = control()
      .requests()
      .filter(({ operation, path }) => operation === 'query' && path.includes('leases'));
    return asked.length >= count;
  });
};

it('without its lease container it logs errors, stops delivering and lives on; made again it is idle until a restart', async () => {
  const host = await bench.start();
  await bench.account.add('0', 'a');
  await bench.untilEnded('a');
  await database().container('leases').delete();
  await until('it noticed', () => countOf('Looking for leases failed') > 2);
  await until('both workers ended', () => [0, 1].every((range) => countOf(`Lease ${range} is gone`) === 1));
  expect((await rawRequest(host.port, '/api/alive')).text).toBe('alive');
  await bench.account.createLeases();
  await bench.account.add('0', 'b');
  await rounds(8);
  expect(await bench.account.documents()).toEqual([]);
  expect(bench.ended()).toEqual(['a']);

  await host.close();
  await bench.start({ FEED_HOST: 'two' });
  await bench.untilEnded('b');
  expect(bench.ended('two').toSorted()).toEqual(['a', 'b']);
});

it('a lease that someone deleted is not made again while the marker is there', async () => {
  await bench.start();
  await bench.account.add('0', 'a');
  await bench.untilEnded('a');
  const lease = await bench.account.lease('0');
  await database()
    .container('leases')
    .item(lease?.id ?? '', lease?.id)
    .delete();
  await until('the worker ended', () => countOf('Lease 0 is gone') === 1);
  await bench.account.add('1', 'b');
  await bench.untilEnded('b');
  expect(await bench.account.lease('0')).toBeUndefined();
});

it('without its monitored container it logs errors and tries again; if that comes back with its data all goes on', async () => {
  await bench.start();
  await bench.account.add('0', 'a');
  await bench.untilEnded('a');
  const fault = control().fault({ path: '/colls/items', status: 404, substatus: 1003 });
  await until('it tried again', () => countOf('Lease 0 stopped: Reading the feed of range 0: 404/1003') > 2);
  control().removeFault(fault);
  await bench.account.add('0', 'b');
  await bench.untilEnded('b');
  expect(bench.ended()).toEqual(['a', 'b']);
});

it('a monitored container that was made again keeps the old leases until the restart, which makes new ones', async () => {
  const host = await bench.start();
  for (const id of ['a', 'b', 'c']) await bench.account.add('0', id);
  await bench.untilEnded('a', 'b', 'c');
  const [old] = await prefixes();
  control().recreate({ database: 'db', container: 'items' });
  // Its position is ahead of the new feed.
  await until('it is refused', () => countOf('Lease 0 stopped: Reading the feed of range 0: 400') > 1);
  await bench.account.add('0', 'd');
  await sleep(200);
  expect(await prefixes()).toEqual([old]);
  expect(bench.ended()).toEqual(['a', 'b', 'c']);
  await host.close();

  await bench.start({ FEED_HOST: 'two' });
  await bench.untilEnded('d');
  expect(await prefixes()).toHaveLength(2);
  expect(bench.ended('two')).toEqual(['d']);
});
