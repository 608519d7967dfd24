/** All versions and deletes: the full-fidelity feed, through the real client and raw. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChangeFeedIteratorOptions,
  ChangeFeedMode,
  ChangeFeedStartFrom,
  type Container,
  type OperationInput,
  PartitionKeyKind,
} from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { send, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();

interface Change {
  current: Record<string, unknown>;
  previous?: Record<string, unknown>;
  metadata: { operationType: string; lsn: number; [name: string]: unknown };
}

/** Everything since the last call; the first call only takes the position. */
const follow = async (container: Container, options: ChangeFeedIteratorOptions = {}) => {
  const iterator = container.items.getChangeFeedIterator<Change>({
    changeFeedMode: ChangeFeedMode.AllVersionsAndDeletes,
    changeFeedStartFrom: ChangeFeedStartFrom.Now(),
    ...options,
  });
  const changes = async (): Promise<Change[]> => {
    const all: Change[] = [];
    for (;;) {
      const page = await iterator.readNext();
      if (page.statusCode === 304) return all;
      all.push(...page.result);
    }
  };
  await changes();
  return changes;
};

const operations = (changes: Change[]): string[] => changes.map(({ metadata }) => metadata.operationType);

const headers = {
  'a-im': 'Full-Fidelity Feed',
  'x-ms-cosmos-changefeed-wire-format-version': '2021-09-15',
  'x-ms-documentdb-partitionkeyrangeid': '0',
};

describe('the full-fidelity feed', () => {
  it('tells every create, replace and delete, with what was there before', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'before', pk: 'x' });
    const changes = await follow(container);
    const created = await container.items.create({ id: 'a', pk: 'x', n: 1 });
    await container.items.upsert({ id: 'a', pk: 'x', n: 2 });
    await container.item('a', 'x').patch([{ op: 'incr', path: '/n', value: 1 }]);
    await container.item('a', 'x').delete();
    const [create, replace, patch, remove, ...more] = await changes();
    expect(more).toEqual([]);
    expect(create).toEqual({
      current: created.resource,
      metadata: { operationType: 'create', lsn: 3, crts: expect.any(Number) as number },
    });
    expect(replace).toMatchObject({
      current: { n: 2 },
      previous: { n: 1 },
      metadata: { operationType: 'replace', lsn: 4, previousImageLSN: 3 },
    });
    expect(patch).toMatchObject({ current: { n: 3 }, metadata: { operationType: 'replace', previousImageLSN: 4 } });
    expect(remove).toEqual({
      current: {},
      previous: patch?.current,
      metadata: {
        operationType: 'delete',
        lsn: 6,
        crts: expect.any(Number) as number,
        previousImageLSN: 5,
        id: 'a',
        partitionKey: { pk: 'x' },
      },
    });
    expect(Math.abs((remove?.metadata['crts'] as number) - Date.now() / 1000)).toBeLessThan(5);
    expect(await changes()).toEqual([]);
  });

  it('tells a deletion and a creation in the same second apart, and an item that moved to another key', async () => {
    const container = await cosmos.container();
    const changes = await follow(container);
    await container.items.create({ id: 'a', pk: 'x', n: 1 });
    await container.item('a', 'x').delete();
    await container.items.create({ id: 'a', pk: 'x', n: 2 });
    await container.items.create({ id: 'a', pk: 'y', n: 2 });
    await container.item('a', 'x').delete();
    const all = await changes();
    expect(operations(all)).toEqual(['create', 'delete', 'create', 'create', 'delete']);
    expect(all[2]).not.toHaveProperty('previous');
    expect(all[4]?.metadata).toMatchObject({ id: 'a', partitionKey: { pk: 'x' } });
  });

  it('keeps the steps of a transaction, under one LSN and on one page', async () => {
    const container = await cosmos.container();
    const changes = await follow(container, { maxItemCount: 1 });
    const step = (operationType: string, n: number) =>
      ({ operationType, id: 'a', resourceBody: { id: 'a', pk: 'x', n } }) as OperationInput;
    const steps = [step('Create', 1), step('Replace', 2), step('Upsert', 3), { operationType: 'Delete', id: 'a' }];
    expect((await container.items.batch(steps as OperationInput[], 'x')).code).toBe(200);
    const all = await changes();
    expect(operations(all)).toEqual(['create', 'replace', 'replace', 'delete']);
    expect(new Set(all.map(({ metadata }) => metadata.lsn)).size).toBe(1);
    expect(all[3]).toMatchObject({ previous: { n: 3 } });
  });

  it('tells what expired from what was deleted', async () => {
    const container = await cosmos.container({ defaultTtl: -1 });
    const changes = await follow(container);
    await container.items.create({ id: 'a', pk: 'x', ttl: 1 });
    await sleep(2100);
    const [, expired] = await changes();
    expect(expired).toMatchObject({
      current: {},
      previous: { id: 'a', ttl: 1 },
      metadata: { operationType: 'delete', timeToLiveExpired: true, id: 'a', partitionKey: { pk: 'x' } },
    });
  });

  it('names all levels of a hierarchical key that the document had', async () => {
    const partitionKey = { paths: ['/tenant', '/user', '/room'], kind: PartitionKeyKind.MultiHash };
    const container = await cosmos.container({ partitionKey });
    const changes = await follow(container);
    await container.items.create({ id: '1', tenant: 't', room: null });
    await container.item('1', ['t', undefined as never, null]).delete();
    expect((await changes())[1]?.metadata['partitionKey']).toEqual({ tenant: 't', room: null });
  });

  it('goes on over a split and a merge without a gap', async () => {
    const container = await cosmos.container();
    const { control } = cosmos.emulator;
    const name = { database: 'shop', container: container.id };
    const changes = await follow(container);
    const write = async (from: number) => {
      for (let n = from; n < from + 10; n += 1) await container.items.create({ id: `i${n}`, pk: `p${n}` });
      for (let n = from; n < from + 10; n += 2) await container.item(`i${n}`, `p${n}`).delete();
    };
    await write(0);
    const seen = await changes();
    await write(10);
    control.split({ ...name, range: '0' });
    await write(20);
    seen.push(...(await changes()));
    await write(30);
    control.merge({ ...name, ranges: ['1', '2'] });
    await write(40);
    seen.push(...(await changes()));
    const told = seen.map(
      ({ current, metadata }) => `${metadata.operationType} ${String(current['id'] ?? metadata['id'])}`,
    );
    const expected = Array.from({ length: 50 }, (_, n) =>
      n % 2 ? [`create i${n}`] : [`create i${n}`, `delete i${n}`],
    );
    expect(told.toSorted()).toEqual(expected.flat().toSorted());
  });
});

describe('the full-fidelity feed, raw', () => {
  it('starts now or from a continuation, nowhere else, and in one wire format', async () => {
    const container = await cosmos.container();
    const path = `/dbs/shop/colls/${container.id}/docs`;
    const status = async (extra: Record<string, string>) =>
      (await cosmos.raw('GET', path, { ...headers, ...extra })).status;
    expect(await status({})).toBe(400);
    expect(await status({ 'if-modified-since': new Date().toUTCString() })).toBe(400);
    expect(await status({ 'if-none-match': '"9"' })).toBe(400);
    expect(await status({ 'if-none-match': '*', 'x-ms-cosmos-changefeed-wire-format-version': '' })).toBe(400);
    const now = await cosmos.raw('GET', path, { ...headers, 'if-none-match': '*' });
    expect([now.status, now.headers.get('etag'), now.headers.get('x-ms-session-token')]).toEqual([
      304,
      '"1"',
      '0:-1#1',
    ]);
    await container.items.create({ id: 'a', pk: 'x' });
    const next = await cosmos.raw('GET', path, { ...headers, 'if-none-match': '"1"' });
    expect(next.json).toMatchObject({ _count: 1, Documents: [{ metadata: { operationType: 'create', lsn: 2 } }] });
    expect(next.headers.get('etag')).toBe('"2"');
    const latest = await cosmos.raw('GET', path, { ...headers, 'a-im': 'Incremental feed', 'if-none-match': '"1"' });
    expect(latest.json).toMatchObject({ Documents: [{ id: 'a', _lsn: 2 }] });
  });

  it('shows no previous images where they were not opted in', async () => {
    const emulator = await startCosmosEmulator({ previousImages: false });
    const key = { 'x-ms-documentdb-partitionkey': '["x"]' };
    await send(emulator, 'POST', '/dbs', {}, { id: 'd' });
    await send(emulator, 'POST', '/dbs/d/colls', {}, { id: 'c', partitionKey: { paths: ['/pk'], kind: 'Hash' } });
    await send(emulator, 'POST', '/dbs/d/colls/c/docs', key, { id: 'a', pk: 'x' });
    await send(emulator, 'DELETE', '/dbs/d/colls/c/docs/a', key);
    const { json } = await send(emulator, 'GET', '/dbs/d/colls/c/docs', { ...headers, 'if-none-match': '"1"' });
    const [, remove] = json['Documents'] as Change[];
    expect(remove?.metadata).toMatchObject({ operationType: 'delete', id: 'a' });
    expect(remove).not.toHaveProperty('previous');
    await emulator.close();
  });
});
