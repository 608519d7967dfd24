/** Positions of answers, session tokens, the lagging replica, and the control surface. */
import { type Container, CosmosClient } from '@azure/cosmos';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { failure, send, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();
/** Does not retry 404/1002 with the token dropped, as a client with endpoint discovery does. */
let plain: CosmosClient;

beforeAll(() => {
  const { endpoint, key } = cosmos.emulator;
  plain = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
});
afterAll(() => plain.dispose());
afterEach(() => cosmos.emulator.control.reset());

const over = (container: Container): Container => plain.database('shop').container(container.id);
const tokenOf = ({ headers }: { headers: Record<string, unknown> }): string => String(headers['x-ms-session-token']);
const control = async (method: string, path: string, body?: unknown) =>
  send(cosmos.emulator, method, `/_control${path}`, {}, body);

describe('positions', () => {
  it('tells range and LSN with every answer, also of what is not there', async () => {
    const container = await cosmos.container();
    const first = await container.items.create({ id: 'a', pk: 'x' });
    const second = await container.items.create({ id: 'b', pk: 'x' });
    expect([tokenOf(first), tokenOf(second)]).toEqual(['0:-1#2', '0:-1#3']);
    const read = await container.item('a', 'x').read();
    expect(read.headers).toMatchObject({
      'x-ms-session-token': '0:-1#3',
      lsn: '3',
      'x-ms-item-lsn': '2',
      'x-ms-documentdb-partitionkeyrangeid': '0',
      'x-ms-alt-content-path': `dbs/shop/colls/${container.id}`,
    });
    const missing = await container.item('zz', 'x').read();
    expect(missing.statusCode).toBe(404);
    expect(tokenOf(missing)).toBe('0:-1#3');
    const conflicting = await failure(container.items.create({ id: 'a', pk: 'x' }));
    expect(tokenOf(conflicting as never)).toBe('0:-1#3');
    const query = await container.items.query('SELECT * FROM c', { partitionKey: 'x' }).fetchNext();
    expect(tokenOf(query as never)).toBe('0:-1#3');
  });
});

describe('a replica that stands still', () => {
  it('answers as of its own position, and 1002 to sessions that are ahead', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x', n: 1 });
    cosmos.emulator.control.replica('frozen');
    const written = await container.item('a', 'x').replace({ id: 'a', pk: 'x', n: 2 });
    await container.items.create({ id: 'b', pk: 'x' });

    const reader = over(container);
    const stale = await reader.item('a', 'x').read({ sessionToken: '0:-1#1' });
    expect(stale.resource).toMatchObject({ n: 1 });
    expect(tokenOf(stale)).toBe('0:-1#2');
    expect(stale.headers['x-ms-item-lsn']).toBe('2');
    const absent = await reader.item('b', 'x').read({ sessionToken: '0:-1#1' });
    expect([absent.statusCode, absent.substatus, tokenOf(absent)]).toEqual([404, undefined, '0:-1#2']);

    const ahead = { sessionToken: tokenOf(written) };
    expect(await reader.item('a', 'x').read(ahead)).toMatchObject({ statusCode: 404, substatus: 1002 });
    const query = reader.items.query('SELECT * FROM c', { partitionKey: 'x', ...ahead });
    expect(await failure(query.fetchAll())).toMatchObject({ code: 404, substatus: 1002 });

    // Feed and writes are the primary's.
    expect((await container.items.getChangeFeedIterator({}).readNext()).statusCode).toBe(304);
    const feed = await cosmos.raw('GET', `/dbs/shop/colls/${container.id}/docs`, {
      'a-im': 'Incremental Feed',
      'x-ms-documentdb-partitionkeyrangeid': '0',
    });
    expect(feed.json['_count']).toBe(2);
    cosmos.emulator.control.replica('none');
    expect((await reader.item('a', 'x').read(ahead)).resource).toMatchObject({ n: 2 });
  });

  it('still shows what was deleted since', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    cosmos.emulator.control.replica({ lagMs: 60_000 });
    expect((await over(container).item('a', 'x').read({ sessionToken: '0:-1#1' })).statusCode).toBe(404);
    cosmos.emulator.control.replica('frozen');
    await container.item('a', 'x').delete();
    const count = over(container).items.query('SELECT VALUE COUNT(1) FROM c', {
      partitionKey: 'x',
      sessionToken: '0:-1#1',
    });
    expect((await count.fetchAll()).resources).toEqual([1]);
  });

  it('is retried without a token by a client with endpoint discovery, which then reads stale', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x', n: 1 });
    cosmos.emulator.control.replica('frozen');
    await container.items.upsert({ id: 'a', pk: 'x', n: 2 });
    expect((await container.item('a', 'x').read()).resource).toMatchObject({ n: 1 });
  });
});

describe('the control surface over HTTP', () => {
  it('sets the replica, latency and faults, and resets them', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    expect((await control('PUT', '/replica', { lagMs: 5 })).json['replica']).toEqual({ lagMs: 5 });
    expect((await control('PUT', '/replica', { mode: 'sideways' })).status).toBe(400);
    expect((await control('PUT', '/latency', { ms: 1 })).json['latencyMs']).toBe(1);
    const fault = { operation: 'read', status: 429, retryAfterMs: 1, times: 2 };
    expect((await control('POST', '/faults', fault)).status).toBe(201);
    expect((await container.item('a', 'x').read()).headers['x-ms-throttle-retry-count']).toBe(2);
    expect((await control('GET', '')).json['faults']).toMatchObject([{ hits: 2 }]);
    await control('POST', '/reset');
    expect((await control('GET', '')).json).toMatchObject({ replica: 'none', latencyMs: 0, faults: [] });
    expect((await control('GET', '/nothing')).status).toBe(404);
  });

  it('counts what was asked', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    await control('PUT', '/requests', { record: true });
    await container.item('a', 'x').read();
    await container.item('b', 'x').read();
    await container.items.query('SELECT * FROM c', { partitionKey: 'x' }).fetchAll();
    expect((await control('GET', '/counts')).json).toMatchObject({ read: 2, query: 1 });
    const log = (await control('GET', '/requests')).json as unknown as Record<string, unknown>[];
    const reads = log.filter(({ operation }) => operation === 'read');
    expect(reads).toMatchObject([
      {
        method: 'GET',
        path: `/dbs/shop/colls/${container.id}/docs/a`,
        status: 200,
        headers: { 'x-ms-documentdb-partitionkey': '["x"]' },
      },
      { status: 404, substatus: 0 },
    ]);
  });

  it('resets connections, loses replies after the effect, fails with 503', async () => {
    const container = await cosmos.container();
    const path = `/dbs/shop/colls/${container.id}/docs`;
    const key = { 'x-ms-documentdb-partitionkey': '["x"]' };
    const { control: hand } = cosmos.emulator;
    hand.fault({ method: 'POST', path: container.id, action: 'reset', after: true, times: 1 });
    await expect(cosmos.raw('POST', path, key, { id: 'a', pk: 'x' })).rejects.toThrow('fetch failed');
    expect((await cosmos.raw('GET', `${path}/a`, key)).status).toBe(200);
    hand.fault({ operation: 'read', status: 503, times: 1 });
    expect((await cosmos.raw('GET', `${path}/a`, key)).status).toBe(503);
    const id = hand.fault({ operation: 'read', action: 'hang' });
    const signal = AbortSignal.timeout(50);
    await expect(fetch(new URL(`${path}/a`, cosmos.emulator.endpoint), { signal })).rejects.toThrow();
    hand.removeFault(id);
    expect((await cosmos.raw('GET', `${path}/a`, key)).status).toBe(200);
  });
});

it('closes with connections open and requests pending', async () => {
  const emulator = await startCosmosEmulator();
  await send(emulator, 'GET', '/');
  emulator.control.fault({ action: 'hang' });
  const pending = failure(send(emulator, 'GET', '/dbs'));
  emulator.control.latency(10_000);
  const delayed = failure(send(emulator, 'GET', '/dbs'));
  await emulator.close();
  expect(await Promise.all([pending, delayed])).toHaveLength(2);
});
