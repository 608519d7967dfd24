/** The Cosmos DB trigger in the all-versions-and-deletes mode: what is delivered, how it starts, what its leases say. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Host } from '../../local/host/host.ts';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { until } from './fixtures/host/support/raw-request.ts';

const allVersions = { FEED_MODE: 'AllVersionsAndDeletes', FEED_BEGINNING: 'false' };

interface Change {
  current: { id?: string; n?: number };
  previous?: { n?: number };
  metadata: { operationType: string; lsn: number; id?: string; [name: string]: unknown };
}

let bench: FeedBench;
beforeEach(async () => {
  bench = await startFeedBench();
});
afterEach(() => bench.close());

const items = () => bench.account.database.container('items');
const changes = (): Change[] => bench.seen().flatMap(({ documents = [] }) => documents as Change[]);
const told = (): string[] =>
  changes().map(({ current, metadata }) => `${metadata.operationType} ${current.id ?? metadata.id ?? ''}`);

/** It starts now, so that nothing may be written before it has asked. */
const start = async (): Promise<Host> => {
  bench.account.emulator.control.clearRequests();
  const host = await bench.start(allVersions);
  const asked = () =>
    bench.account.emulator.control
      .requests()
      .filter(({ operation, status }) => operation === 'change-feed' && status === 304)
      .map(({ headers }) => headers['x-ms-documentdb-partitionkeyrangeid']);
  await until('it asked both ranges', () => new Set(asked()).size === 2);
  return host;
};

it('delivers creates, replaces and deletes with metadata, from now on', async () => {
  await items().items.create({ id: 'before', pk: 'x' });
  await start();
  const { control } = bench.account.emulator;
  const [first] = control.requests().filter(({ operation }) => operation === 'change-feed');
  expect(first?.headers).toMatchObject({ 'a-im': 'Full-Fidelity Feed', 'if-none-match': '*' });

  await items().items.create({ id: 'a', pk: 'x', n: 1 });
  await items().items.upsert({ id: 'a', pk: 'x', n: 2 });
  await items().item('a', 'x').delete();
  await items().items.create({ id: 'a', pk: 'x', n: 3 });
  await until('all came', () => changes().length === 4);
  expect(told()).toEqual(['create a', 'replace a', 'delete a', 'create a']);
  const [create, replace, remove] = changes();
  expect(create).toMatchObject({ current: { id: 'a', n: 1, _etag: expect.any(String) as string } });
  expect(create?.current).not.toHaveProperty('_lsn');
  expect(replace).toMatchObject({ current: { n: 2 }, previous: { n: 1 } });
  expect(remove).toMatchObject({
    current: {},
    previous: { n: 2 },
    metadata: { id: 'a', partitionKey: { pk: 'x' }, crts: expect.any(Number) as number },
  });
  expect(await bench.account.lease('0')).toMatchObject({ Mode: 'Full-Fidelity Feed' });
});

it('keeps its position over a restart', async () => {
  const host = await start();
  await items().items.create({ id: 'a', pk: 'x' });
  await items().items.create({ id: 'b', pk: 'y' });
  await items().items.create({ id: 'c', pk: 'z' });
  await until('all came', () => changes().length === 3);
  const positions = async () => [await bench.position('0'), await bench.position('1')];
  const [low, high] = await positions();
  const range = low === null ? '1' : '0';
  expect([low, high].some((position) => typeof position === 'string')).toBe(true);
  await host.close();
  await bench.account.add(range, 'd');
  await bench.start({ ...allVersions, FEED_HOST: 'two' });
  await until('it came', () => told().includes('create d'));
  expect(changes()).toHaveLength(4);
});

it('follows splits and merges', async () => {
  await start();
  const { control } = bench.account.emulator;
  const name = { database: 'db', container: 'items' };
  const expected: string[] = [];
  const write = async (from: number) => {
    for (let n = from; n < from + 10; n += 1) {
      await items().items.create({ id: `i${n}`, pk: `p${n}` });
      await items().item(`i${n}`, `p${n}`).delete();
      expected.push(`create i${n}`, `delete i${n}`);
    }
  };
  await write(0);
  control.split({ ...name, range: '0' });
  await write(10);
  control.merge({ ...name, ranges: ['3', '1'] });
  await write(20);
  await until('all came', () => new Set(told()).size === expected.length);
  expect(told().toSorted()).toEqual(expected.toSorted());
});

it('refuses a start from the beginning, and leases of the other mode', async () => {
  await bench.start({ ...allVersions, FEED_BEGINNING: 'true' });
  expect(bench.logged('AllVersionsAndDeletes can only start from now.')).toBe(true);
  await bench.start({ FEED_HOST: 'two' });
  await until('it has its leases', async () => typeof (await bench.owner('0')) === 'string');
  await bench.start({ ...allVersions, FEED_HOST: 'three' });
  expect(bench.logged("The leases were made in mode 'Incremental Feed'")).toBe(true);
});
