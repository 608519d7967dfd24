/** How the Cosmos DB trigger of the in-process host starts, and what happens when it cannot. */
import { afterEach, expect, it } from 'vitest';
import { startFeedAccount } from './fixtures/host/support/feed-account.ts';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { rawRequest, until } from './fixtures/host/support/raw-request.ts';

let bench: FeedBench;
afterEach(() => bench.close());

const itemsPath = '/dbs/db/colls/items/docs';
const firstRead = (): Record<string, string> | undefined =>
  bench.account.emulator.control.requests().find(({ method, path }) => method === 'GET' && path === itemsPath)?.headers;

it('asks in the order of the real extension and writes leases in its form', async () => {
  bench = await startFeedBench();
  await bench.account.add('0', 'a');
  bench.account.emulator.control.clearRequests();
  await bench.start();
  await bench.untilEnded('a');

  const asked = bench.account.emulator.control.requests().map(({ method, path }) => `${method} ${path}`);
  const documents = await bench.account.documents();
  const info = documents.find(({ id }) => id.endsWith('.info'))?.id ?? '';
  const prefix = info.slice(0, -'.info'.length);
  expect(prefix).toMatch(/^127\.0\.0\.1_[\w+-]{6}==_[\w+-]{11}=$/);
  const [, databaseRid = '', rid = ''] = prefix.split('_');
  const leases = '/dbs/db/colls/leases/docs';
  let at = -1;
  for (const step of [
    'GET /',
    'GET /dbs/db/colls/items',
    'GET /dbs/db/colls/leases',
    // Query plan and query of the leases, the marker, the lock.
    `POST ${leases}`,
    `POST ${leases}`,
    `GET ${leases}/${info}`,
    `POST ${leases}`,
    `GET /dbs/${databaseRid}/colls/${rid}/pkranges`,
    `GET /dbs/${databaseRid}/colls/${rid}/pkranges`,
    `DELETE ${leases}/${prefix}.lock`,
    `PUT ${leases}/${prefix}..0`,
    `GET ${itemsPath}`,
  ]) {
    const next = asked.indexOf(step, at + 1);
    expect(next, `${step} after request ${at} of\n${asked.join('\n')}`).toBeGreaterThan(at);
    at = next;
  }
  expect(documents.map(({ id }) => id).toSorted()).toEqual([`${prefix}..0`, `${prefix}..1`, info]);
  expect(documents.find(({ LeaseToken }) => LeaseToken === '1')).toMatchObject({
    version: 0,
    FeedRange: { Range: { min: expect.any(String) as string, max: 'FF' } },
    ContinuationToken: null,
    Mode: 'Incremental Feed',
    properties: {},
  });
  expect(firstRead()).toMatchObject({
    'a-im': 'Incremental Feed',
    'x-ms-documentdb-partitionkeyrangeid': expect.any(String) as string,
  });
  for (const absent of ['if-none-match', 'if-modified-since', 'x-ms-max-item-count']) {
    expect(firstRead()).not.toHaveProperty(absent);
  }
  expect(bench.started()[0]).toMatchObject({ ids: ['a'], retry: null, metadata: {} });
});

it('starts from now by default', async () => {
  bench = await startFeedBench();
  await bench.account.add('0', 'before');
  // The header counts in whole seconds, and the extension steps one back.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  bench.account.emulator.control.clearRequests();
  await bench.start({ FEED_BEGINNING: 'false', FEED_MAX: '7' });
  await bench.account.add('0', 'after');
  await bench.untilEnded('after');
  expect(bench.ended()).toEqual(['after']);
  expect(Date.parse(firstRead()?.['if-modified-since'] ?? '')).toBeLessThan(Date.now());
  expect(firstRead()?.['x-ms-max-item-count']).toBe('7');
});

it('disables a function with an unknown connection; HTTP and the others work', async () => {
  bench = await startFeedBench();
  const host = await bench.start();
  expect(host.functions.map(({ name }) => name)).toEqual(['sync', 'alive']);
  expect(bench.logged("Cosmos DB connection configuration 'NO_SUCH_CONNECTION' does not exist")).toBe(true);
  expect((await rawRequest(host.port, '/api/alive')).text).toBe('alive');
});

it('takes endpoint and key as two settings', async () => {
  bench = await startFeedBench();
  const { endpoint, key } = bench.account.emulator;
  await bench.account.add('1', 'a');
  await bench.start({ COSMOS: '', COSMOS__accountEndpoint: endpoint, COSMOS__accountKey: key });
  await bench.untilEnded('a');
});

it('creates the lease container if asked to', async () => {
  bench = await startFeedBench({ leases: false });
  await bench.account.add('0', 'a');
  await bench.start({ FEED_CREATE: 'true' });
  await bench.untilEnded('a');
});

it('never recovers from a missing lease container until the restart', async () => {
  bench = await startFeedBench({ leases: false });
  await bench.account.add('0', 'a');
  const host = await bench.start();
  expect(bench.logged('Create the container and restart the host')).toBe(true);
  await bench.account.createLeases();
  const before = bench.entries.length;
  await until('it tried again', () => bench.entries.length >= before + 2);
  expect(bench.ended()).toEqual([]);
  expect((await rawRequest(host.port, '/api/alive')).text).toBe('alive');
  await host.close();
  await bench.start();
  await bench.untilEnded('a');
});

it('recovers when the endpoint was down at the start; with the creating option it stays disabled', async () => {
  bench = await startFeedBench();
  const { port } = bench.account.emulator;
  await bench.account.close();
  const waiting = await bench.start();
  const disabled = await bench.start({ FEED_CREATE: 'true', FEED_HOST: 'two' });
  expect(bench.logged('unable to start')).toBe(true);
  expect(disabled.functions.map(({ name }) => name)).toEqual(['alive']);
  expect((await rawRequest(waiting.port, '/api/alive')).text).toBe('alive');
  bench.replaceAccount(await startFeedAccount({ port }));
  await bench.account.add('1', 'a');
  // The account may have been seen before its containers were there.
  if (bench.logged('restart the host')) {
    await waiting.close();
    await bench.start();
  }
  await bench.untilEnded('a');
  expect(bench.ended('two')).toEqual([]);
});
