/** Documents through the real client: writing, reading, conditions, partition keys, batches, time to live. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type JSONObject, type OperationInput, type PartitionKey, PartitionKeyKind } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { failure, system, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();

describe('one document', () => {
  it('is created, read, replaced, patched, upserted and deleted', async () => {
    const container = await cosmos.container();
    const created = await container.items.create({ id: 'a', pk: 'x', z: 1, b: { y: 2, a: 3 } });
    expect(created.statusCode).toBe(201);
    expect(Object.keys(created.resource ?? {})).toEqual([
      'id',
      'pk',
      'z',
      'b',
      '_rid',
      '_self',
      '_etag',
      '_attachments',
      '_ts',
    ]);
    const item = container.item('a', 'x');
    const first = await item.read();
    expect(first.resource).toEqual(created.resource);
    expect(first.resource).not.toHaveProperty('_lsn');

    const replaced = await item.replace({ id: 'a', pk: 'x', z: 2, list: ['p'] });
    expect(replaced.statusCode).toBe(200);
    expect(replaced.etag).not.toBe(created.etag);
    expect(replaced.resource).toMatchObject({ z: 2, _rid: system(first.resource, '_rid') });

    const patched = await item.patch({
      condition: 'FROM c WHERE c.z = 2',
      operations: [
        { op: 'incr', path: '/z', value: 5 },
        { op: 'add', path: '/list/-', value: 'q' },
        { op: 'set', path: '/n', value: null },
      ],
    });
    expect(patched.resource).toMatchObject({ z: 7, list: ['p', 'q'], n: null });
    const condition = { condition: 'FROM c WHERE c.z = 2', operations: [{ op: 'remove' as const, path: '/z' }] };
    expect((await failure(item.patch(condition))).code).toBe(412);

    expect((await container.items.upsert({ id: 'a', pk: 'x' })).statusCode).toBe(200);
    expect((await container.items.upsert({ id: 'b', pk: 'x' })).statusCode).toBe(201);
    expect((await item.delete()).statusCode).toBe(204);
    expect((await item.read()).statusCode).toBe(404);
    expect((await failure(item.delete())).code).toBe(404);
  });

  it('is not created twice, and gets a new rid when created again after deletion', async () => {
    const container = await cosmos.container();
    const { resource } = await container.items.create({ id: 'a', pk: 'x' });
    expect((await failure(container.items.create({ id: 'a', pk: 'x' }))).code).toBe(409);
    await container.item('a', 'x').delete();
    const again = await container.items.create({ id: 'a', pk: 'x' });
    expect(system(again.resource, '_rid')).not.toBe(system(resource, '_rid'));
  });

  it('is written only under the etag that the writer knows', async () => {
    const container = await cosmos.container();
    const { etag } = await container.items.create({ id: 'a', pk: 'x', n: 1 });
    const item = container.item('a', 'x');
    const ifMatch = { accessCondition: { type: 'IfMatch', condition: etag } };
    expect((await item.replace({ id: 'a', pk: 'x', n: 2 }, ifMatch)).statusCode).toBe(200);
    expect((await failure(item.replace({ id: 'a', pk: 'x', n: 3 }, ifMatch))).code).toBe(412);
    expect((await failure(container.items.upsert({ id: 'a', pk: 'x', n: 3 }, ifMatch))).code).toBe(412);
    expect((await failure(item.delete(ifMatch))).code).toBe(412);
    const read = await item.read();
    expect(read.resource).toMatchObject({ n: 2 });
    const ifNoneMatch = { accessCondition: { type: 'IfNoneMatch', condition: read.etag } };
    expect((await item.read(ifNoneMatch)).statusCode).toBe(304);
  });

  it('keeps any id and text', async () => {
    const container = await cosmos.container();
    const id = 'a b+c%2F é:@&=雪';
    await container.items.create({ id, pk: '“ü”', text: '\u2028"\\\u0000' });
    expect((await container.item(id, '“ü”').read()).resource).toMatchObject({ id, text: '\u2028"\\\u0000' });
  });

  it('is refused where it is malformed', async () => {
    const container = await cosmos.container();
    const refused = (body: JSONObject) => failure(container.items.create(body, { disableAutomaticIdGeneration: true }));
    expect((await refused({ pk: 'x' })).code).toBe(400);
    expect((await refused({ id: 'a', pk: 'x', big: 'x'.repeat(2 * 1024 * 1024) })).code).toBe(413);
    await container.items.create({ id: 'a', pk: 'x' });
    expect((await failure(container.item('a', 'x').replace({ id: 'b', pk: 'x' }))).code).toBe(400);
    expect((await failure(container.item('a', 'x').replace({ id: 'a', pk: 'y' }))).code).toBe(400);
  });
});

describe('databases and containers', () => {
  it('are made, listed, changed and deleted; what they lack is told by sub-status', async () => {
    const { database } = await cosmos.client.databases.createIfNotExists({ id: 'other' });
    const again = await cosmos.client.databases.createIfNotExists({ id: 'other' });
    expect(again.statusCode).toBe(200);
    expect((await failure(cosmos.client.databases.create({ id: 'other' }))).code).toBe(409);
    const { container } = await database.containers.createIfNotExists({ id: 'things', partitionKey: '/a/b' });
    expect((await failure(database.containers.create({ id: 'things', partitionKey: '/a/b' }))).code).toBe(409);
    const { resource } = await container.read();
    expect(resource).toMatchObject({ partitionKey: { paths: ['/a/b'], kind: 'Hash', version: 2 } });
    await container.replace({ id: 'things', partitionKey: { paths: ['/a/b'] }, defaultTtl: 60 });
    expect((await container.read()).resource?.defaultTtl).toBe(60);
    const { resources } = await database.containers.readAll().fetchAll();
    expect(resources.map(({ id }) => id)).toEqual(['things']);
    const named = await cosmos.client.databases.query("SELECT VALUE d.id FROM d WHERE d.id = 'other'").fetchAll();
    expect(named.resources).toEqual(['other']);
    await container.items.create({ id: 'a', a: { b: 1 } });
    expect((await container.item('a', 1).read()).statusCode).toBe(200);

    await container.delete();
    expect(await container.item('a', 1).read()).toMatchObject({ statusCode: 404, substatus: 1003 });
    expect(await failure(container.read())).toMatchObject({ code: 404 });
    await database.delete();
    expect(await failure(container.read())).toMatchObject({ code: 404, substatus: 1003 });
  });
});

describe('partition keys', () => {
  it('tells undefined, null, "", 0, false and "0" apart', async () => {
    const container = await cosmos.container();
    const keys = [undefined, null, '', 0, false, '0'];
    for (const pk of keys)
      await container.items.create({ id: 'same', of: String(pk), ...(pk === undefined ? {} : { pk }) });
    for (const pk of keys) {
      const { resource } = await container.item('same', pk as PartitionKey).read();
      expect(resource).toMatchObject({ of: String(pk) });
    }
    expect((await container.items.query('SELECT * FROM c').fetchAll()).resources).toHaveLength(6);
  });

  it('answers a read under another key with 404', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    expect((await container.item('a', 'y').read()).statusCode).toBe(404);
  });

  it('may be hierarchical', async () => {
    const partitionKey = { paths: ['/tenant', '/user/name'], kind: PartitionKeyKind.MultiHash };
    const container = await cosmos.container({ partitionKey });
    await container.items.create({ id: '1', tenant: 't', user: { name: 'u' } });
    await container.items.create({ id: '1', tenant: 't', user: { name: 'v' } });
    await container.items.create({ id: '1', tenant: 's' });
    expect((await container.item('1', ['t', 'v']).read()).resource).toMatchObject({ user: { name: 'v' } });
    expect((await container.item('1', ['s', undefined as never]).read()).statusCode).toBe(200);
    expect((await container.item('1', ['t', 'w']).read()).statusCode).toBe(404);
    expect((await failure(container.item('1', ['t']).delete())).code).toBe(400);
    const under = await container.items.query('SELECT * FROM c', { partitionKey: ['t'] }).fetchAll();
    expect(under.resources).toHaveLength(2);
  });
});

const create = (id: string): OperationInput => ({ operationType: 'Create', resourceBody: { id, pk: 'x' } });

describe('several operations in a request', () => {
  it('a transactional batch is all or nothing', async () => {
    const container = await cosmos.container();
    const good = await container.items.batch([create('a'), create('b'), { operationType: 'Read', id: 'a' }], 'x');
    expect(good.code).toBe(200);
    expect(good.result?.map(({ statusCode }) => statusCode)).toEqual([201, 201, 200]);
    const bad = await container.items.batch([create('c'), create('a'), create('d')], 'x');
    expect(bad.code).toBe(207);
    expect(bad.result?.map(({ statusCode }) => statusCode)).toEqual([424, 409, 424]);
    expect((await container.item('c', 'x').read()).statusCode).toBe(404);
  });

  it('bulk seeds 5,000 documents', async () => {
    const container = await cosmos.container();
    const operations = Array.from({ length: 5000 }, (_, n) => ({
      operationType: 'Create' as const,
      partitionKey: `p${n % 40}`,
      resourceBody: { id: `i${n}`, pk: `p${n % 40}`, n },
    }));
    const results = await container.items.executeBulkOperations(operations);
    expect(results.every(({ response }) => response?.statusCode === 201)).toBe(true);
    const again = await container.items.executeBulkOperations(operations.slice(0, 3));
    expect(again.map(({ error }) => error?.code)).toEqual([409, 409, 409]);
    const { resources } = await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll();
    expect(resources).toEqual([5000]);
  });
});

describe('time to live', () => {
  it('ends documents for reads, queries and feed', async () => {
    const container = await cosmos.container({ defaultTtl: -1 });
    await container.items.create({ id: 'short', pk: 'x', ttl: 1 });
    await container.items.create({ id: 'long', pk: 'x' });
    const lasting = await cosmos.container();
    await lasting.items.create({ id: 'short', pk: 'x', ttl: 1 });
    expect((await container.item('short', 'x').read()).statusCode).toBe(200);
    await sleep(1050);
    expect((await container.item('short', 'x').read()).statusCode).toBe(404);
    const { resources } = await container.items.query('SELECT VALUE c.id FROM c').fetchAll();
    expect(resources).toEqual(['long']);
    const feed = await container.items.getChangeFeedIterator({}).readNext();
    expect(feed.statusCode).toBe(304);
    expect((await container.items.create({ id: 'short', pk: 'x' })).statusCode).toBe(201);
    // Without a default of the container a document's own ttl means nothing.
    expect((await lasting.item('short', 'x').read()).statusCode).toBe(200);
    expect((await failure(container.items.create({ id: 'z', pk: 'x', ttl: 0 }))).code).toBe(400);
  });
});
