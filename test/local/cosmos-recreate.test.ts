/** A container that is deleted and made again under its name: another rid, another feed, nothing of the old one. */
import { ChangeFeedStartFrom, type Container } from '@azure/cosmos';
import { expect, it } from 'vitest';
import { failure, system, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();

const ridOf = async (container: Container): Promise<string> => system((await container.read()).resource, '_rid');
const feed = (container: Container, headers: Record<string, string>) =>
  cosmos.raw('GET', `/dbs/shop/colls/${container.id}/docs`, {
    'a-im': 'Incremental Feed',
    'x-ms-documentdb-partitionkeyrangeid': '0',
    ...headers,
  });

const bySdk = async (container: Container): Promise<void> => {
  await container.delete();
  await cosmos.database.containers.create({ id: container.id, partitionKey: { paths: ['/pk'] }, defaultTtl: 60 });
};
const byControl = async (container: Container): Promise<void> => {
  cosmos.emulator.control.recreate({ database: 'shop', container: container.id });
};

it.each([
  ['the client', bySdk],
  ['the control', byControl],
])('is another container, recreated by %s', async (_name, recreate) => {
  const container = await cosmos.container({ defaultTtl: 60 });
  for (const id of ['a', 'b', 'c']) await container.items.create({ id, pk: 'x' });
  const old = await ridOf(container);
  const iterator = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
  const { continuationToken } = await iterator.readNext();
  const database = system((await cosmos.database.read()).resource, '_rid');

  await recreate(container);
  const rid = await ridOf(container);
  expect(rid).not.toBe(old);
  expect((await container.read()).resource?.defaultTtl).toBe(60);
  expect((await container.item('a', 'x').read()).statusCode).toBe(404);

  const key = { 'x-ms-documentdb-partitionkey': '["x"]' };
  for (const [path, headers] of [
    ['docs/a', key],
    ['pkranges', { 'A-IM': 'Incremental Feed' }],
    ['docs', { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0' }],
  ] as const) {
    const reply = await cosmos.raw('GET', `/dbs/${database}/colls/${old}/${path}`, headers);
    expect([path, reply.status, reply.headers.get('x-ms-substatus')]).toEqual([path, 404, '1003']);
  }

  const stale = await feed(container, { 'x-ms-documentdb-partitionkeyrangeid': `${old},0` });
  expect([stale.status, stale.headers.get('x-ms-substatus')]).toEqual([410, '1000']);
  expect((await feed(container, { 'x-ms-documentdb-partitionkeyrangeid': `${rid},0` })).status).toBe(304);
  expect((await feed(container, { 'if-none-match': '"4"' })).status).toBe(400);
  const resumed = container.items.getChangeFeedIterator({
    changeFeedStartFrom: ChangeFeedStartFrom.Continuation(continuationToken),
  });
  expect((await failure(resumed.readNext())).message).toContain('not for the current container');
  const { headers } = await container.items.create({ id: 'a', pk: 'x' });
  expect(headers['x-ms-session-token']).toBe('0:-1#2');
});
