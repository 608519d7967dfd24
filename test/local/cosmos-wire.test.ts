/** The requests that the real Functions trigger makes (platform facts, section 12), by hand; and refusals. */
import { describe, expect, it } from 'vitest';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { effectiveKey } from '../../local/cosmos/partition-key.ts';
import { send, system, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();

const setUp = async () => {
  const container = await cosmos.container({ partitionKey: { paths: ['/id'] } });
  const { resource } = await container.read();
  const path = `/dbs/shop/colls/${container.id}`;
  return { container, path, docs: `${path}/docs`, rid: system(resource, '_rid'), self: system(resource, '_self') };
};

const key = (id: string) => ({ 'x-ms-documentdb-partitionkey': JSON.stringify([id]) });

describe('what the trigger asks', () => {
  it('the account, with locations at the address that was used', async () => {
    const { json } = await cosmos.raw('GET', '/');
    const location = { name: 'Local', databaseAccountEndpoint: cosmos.emulator.endpoint };
    expect(json).toMatchObject({ writableLocations: [location], readableLocations: [location] });
  });

  it('partition key ranges by rid, until 304', async () => {
    const { rid, self, path } = await setUp();
    expect(Buffer.from(rid.replaceAll('-', '/'), 'base64')).toHaveLength(8);
    const headers = { 'A-IM': 'Incremental Feed', 'x-ms-max-item-count': '-1' };
    const first = await cosmos.raw('GET', `/${self}pkranges`, headers);
    expect(first.status).toBe(200);
    expect(first.json).toMatchObject({
      _rid: rid,
      PartitionKeyRanges: [{ id: '0', minInclusive: '', maxExclusive: 'FF', parents: [] }],
    });
    const etag = first.headers.get('etag') ?? '';
    const second = await cosmos.raw('GET', `/${self}pkranges`, { ...headers, 'if-none-match': etag });
    expect([second.status, second.headers.get('etag'), second.text]).toEqual([304, etag, '']);
    expect((await cosmos.raw('GET', `${path}/pkranges`)).status).toBe(200);
  });

  it('leases: two POSTs to list them, conditional PUTs without a body back', async () => {
    const { docs } = await setUp();
    const lease = { id: 'px_shop==..0', version: 0, LeaseToken: '0', Owner: null, ContinuationToken: null };
    const created = await cosmos.raw('POST', docs, { ...key(lease.id), prefer: 'return=minimal' }, lease);
    expect([created.status, created.text]).toEqual([201, '']);
    const etag = created.headers.get('etag') ?? '';
    await cosmos.raw('POST', docs, key('px_shop==.lock'), { id: 'px_shop==.lock', ttl: 30 });
    expect((await cosmos.raw('POST', docs, key('px_shop==.lock'), { id: 'px_shop==.lock', ttl: 30 })).status).toBe(409);

    const spec = { query: "SELECT * FROM c WHERE STARTSWITH(c.id, 'px_shop==..')" };
    const type = { 'content-type': 'application/query+json' };
    const plan = await cosmos.raw('POST', docs, { ...type, 'x-ms-cosmos-is-query-plan-request': 'True' }, spec);
    expect(plan.json).toMatchObject({
      queryInfo: { distinctType: 'None', orderBy: [], aggregates: [], rewrittenQuery: '' },
      queryRanges: [{ min: '', max: 'FF', isMinInclusive: true, isMaxInclusive: false }],
    });
    const headers = {
      ...type,
      'x-ms-documentdb-isquery': 'True',
      'x-ms-documentdb-partitionkeyrangeid': '0',
      'x-ms-documentdb-query-enablecrosspartition': 'True',
    };
    const list = await cosmos.raw('POST', docs, headers, spec);
    expect(list.json).toMatchObject({ _count: 1, Documents: [{ ...lease, _etag: etag }] });

    const put = (owner: string) =>
      cosmos.raw(
        'PUT',
        `${docs}/${encodeURIComponent(lease.id)}`,
        { ...key(lease.id), 'if-match': etag, prefer: 'return=minimal' },
        { ...lease, Owner: owner },
      );
    const first = await put('me');
    expect([first.status, first.text]).toEqual([200, '']);
    expect(first.headers.get('etag')).not.toBe(etag);
    expect((await put('you')).status).toBe(412);
    const lock = `${docs}/px_shop==.lock`;
    expect((await cosmos.raw('DELETE', lock, { ...key('px_shop==.lock'), 'if-match': '"x"' })).status).toBe(412);
    expect((await cosmos.raw('DELETE', lock, key('px_shop==.lock'))).status).toBe(204);
  });

  it('the feed: from the beginning, from a time, on from an etag; a 304 carries one too', async () => {
    const { container, docs } = await setUp();
    const headers = { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0' };
    const empty = await cosmos.raw('GET', docs, headers);
    expect([empty.status, empty.headers.get('etag')]).toEqual([304, '"1"']);
    for (const id of ['a', 'b', 'c']) await container.items.create({ id });
    const all = await cosmos.raw('GET', docs, { ...headers, 'x-ms-max-item-count': '2' });
    expect(all.json).toMatchObject({
      _count: 2,
      Documents: [
        { id: 'a', _lsn: 2 },
        { id: 'b', _lsn: 3 },
      ],
    });
    const rest = await cosmos.raw('GET', docs, { ...headers, 'if-none-match': all.headers.get('etag') ?? '' });
    expect(rest.json).toMatchObject({ Documents: [{ id: 'c', _lsn: 4 }] });
    expect(rest.headers.get('x-ms-session-token')).toBe('0:-1#4');
    const drained = await cosmos.raw('GET', docs, { ...headers, 'if-none-match': rest.headers.get('etag') ?? '' });
    expect([drained.status, drained.headers.get('etag'), drained.text]).toEqual([304, '"4"', '']);
    const since = (ms: number) => ({ ...headers, 'if-modified-since': new Date(Date.now() + ms).toUTCString() });
    expect((await cosmos.raw('GET', docs, since(-5000))).json['_count']).toBe(3);
    expect((await cosmos.raw('GET', docs, since(5000))).status).toBe(304);
    expect((await cosmos.raw('GET', docs, { ...headers, 'if-none-match': '*' })).headers.get('etag')).toBe('"4"');
  });
});

describe('refusals', () => {
  it('of requests that make no sense have a code and a message', async () => {
    const { docs } = await setUp();
    const expectations: [string, string, Record<string, string>, unknown, number][] = [
      ['POST', docs, key('a'), '{"id":', 400],
      ['POST', docs, key('a'), '[]', 400],
      ['POST', docs, {}, { id: 'a' }, 400],
      ['POST', docs, { 'x-ms-documentdb-partitionkey': 'nonsense' }, { id: 'a' }, 400],
      ['POST', docs, key('b'), { id: 'a' }, 400],
      ['GET', '/nothing/here', {}, undefined, 404],
      ['PATCH', '/dbs', {}, {}, 404],
      ['POST', '/dbs', {}, {}, 400],
      ['GET', '/dbs/none/colls/none/docs/a', key('a'), undefined, 404],
    ];
    for (const [method, path, headers, body, status] of expectations) {
      const reply = await cosmos.raw(method, path, headers, body);
      expect(reply.status).toBe(status);
      expect(reply.json).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    }
    expect((await cosmos.raw('GET', '/dbs/none/colls/none/docs/a', key('a'))).headers.get('x-ms-substatus')).toBe(
      '1003',
    );
  });

  it('of strangers: no signature, a wrong one, a token where none is taken', async () => {
    const plain = await fetch(cosmos.emulator.endpoint);
    expect(plain.status).toBe(401);
    const wrong = { ...cosmos.emulator, key: Buffer.from('wrong').toString('base64') };
    expect((await send(wrong, 'GET', '/dbs')).status).toBe(401);
    const token = { authorization: encodeURIComponent('type=aad&ver=1.0&sig=abc') };
    expect((await send(cosmos.emulator, 'GET', '/dbs', token)).status).toBe(401);
    const open = await startCosmosEmulator({ acceptAad: true });
    expect((await send(open, 'GET', '/dbs', token)).status).toBe(200);
    const made = await send(open, 'POST', '/dbs', token, { id: 'x' });
    expect([made.status, made.headers.get('x-ms-substatus')]).toEqual([403, '5300']);
    await open.close();
  });
});

it('hashes partition keys as the SDKs do', () => {
  const definition = { paths: ['/a'], kind: 'Hash' as const, version: 2 as const };
  const known: [undefined | null | string | number | boolean, string][] = [
    [undefined, '11622DAA78F835834610ABE56EFF5CB5'],
    [null, '378867E4430E67857ACE5C908374FE16'],
    ['', '32E9366E637A71B4E710384B2F4970A0'],
    [0, '155B95BEDAC4B1E9EC1CDC9BB0DDDE58'],
    [false, '2FE1BE91E90A3439635E0E9E37361EF2'],
    ['0', '3D01E4E92759C445D3386C5E4C22ED93'],
    ['a longer string with more than sixteen bytes', '2A95963B98BB012A0A8FC1ADAFC3F97B'],
  ];
  for (const [value, expected] of known) expect(effectiveKey([value], definition)).toBe(expected);
});
