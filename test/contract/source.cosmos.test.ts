import { ChangeFeedStartFrom, type Container, CosmosClient, PartitionKeyKind } from '@azure/cosmos';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CosmosEmulator, type Operation, startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import type { WarmfeedError } from '../../src/core/errors.ts';
import { type Key, keyText } from '../../src/core/key.ts';
import { floorAt } from '../../src/core/protocol/watermark.ts';
import {
  type CosmosSource,
  cosmosKeyColumns,
  createCosmosClients,
  createCosmosSource,
} from '../../src/sources/cosmos.ts';
import { keyOf } from '../../src/sources/cosmos-key.ts';
import { send } from '../local/cosmos-fixture.ts';
import { sourceContract } from './source.contract.ts';

const BOUND_MS = 700;

interface World {
  readonly emulator: CosmosEmulator;
  readonly admin: CosmosClient;
  container(id: string, paths: readonly string[], defaultTtl?: number): Promise<Container>;
  source(
    container: string,
    partitionKey: readonly string[],
    options?: { connectionString?: string; database?: string; timeoutMs?: number },
  ): CosmosSource;
  end(): Promise<void>;
}

async function createWorld(): Promise<World> {
  const emulator = await startCosmosEmulator({ port: 0, ranges: 3 });
  const admin = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await admin.databases.create({ id: 'db' });
  const clients = createCosmosClients();
  return {
    emulator,
    admin,
    async container(id, paths, defaultTtl) {
      const kind = paths.length > 1 ? PartitionKeyKind.MultiHash : PartitionKeyKind.Hash;
      const { container } = await database.containers.create({
        id,
        partitionKey: { paths: [...paths], kind, version: 2 },
        ...(defaultTtl === undefined ? {} : { defaultTtl }),
      });
      return container;
    },
    source: (
      container,
      partitionKey,
      { connectionString = emulator.connectionString, database: id = 'db', timeoutMs = BOUND_MS } = {},
    ) =>
      createCosmosSource(
        {
          changeFeedMode: 'LatestVersion',
          leases: { container: 'leases', prefix: 'p-' },
          connection: { connectionString },
          connectionName: 'COSMOS',
          database: id,
          container,
          partitionKey,
          replicaLagMs: 0,
          requestTimeoutMs: timeoutMs,
        },
        clients,
      ),
    async end() {
      clients.dispose();
      admin.dispose();
      await emulator.close();
    },
  };
}

async function feedOf(container: Container): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  const pages = container.items.getChangeFeedIterator({
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
    maxItemCount: 1000,
  });
  for await (const { result, statusCode } of pages.getAsyncIterator()) {
    if (statusCode === 304) break;
    items.push(...(result as unknown[]));
  }
  return items;
}

const failure = (call: Promise<unknown>): Promise<WarmfeedError> =>
  call.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error as WarmfeedError,
  );

const failures = (calls: readonly Promise<unknown>[]): Promise<WarmfeedError[]> => Promise.all(calls.map(failure));

const textsOf = (answers: readonly { document: unknown }[]): string[] =>
  answers.map(({ document }) => JSON.stringify(document));

/** Written past the SDK, which refuses ids that the service takes. */
async function create(world: World, container: string, paths: readonly string[], document: Record<string, unknown>) {
  const partition = keyOf(paths, document, '').slice(0, paths.length);
  const header = JSON.stringify(partition.map((part) => (part === undefined ? {} : part)));
  const path = `/dbs/db/colls/${container}/docs`;
  const reply = await send(world.emulator, 'POST', path, { 'x-ms-documentdb-partitionkey': header }, document);
  expect(reply.status).toBe(201);
}

sourceContract({
  name: 'Cosmos DB',
  secrets: ['127.0.0.1', 'C2y6yDjf5', '-1#', 'localhost'],
  async create() {
    const world = await createWorld();
    const container = await world.container('items', ['/pk']);
    const { control } = world.emulator;
    return {
      source: world.source('items', ['/pk']),
      boundMs: BOUND_MS,
      key: (group, id) => [group, id],
      async write([pk, id], fields) {
        await container.items.upsert({ ...fields, id, pk });
      },
      async remove([pk, id]) {
        await container.item(String(id), pk as string).delete();
      },
      feed: () => feedOf(container),
      fail(how) {
        const faults = {
          down: { status: 503 },
          silent: { action: 'hang' },
          busy: { status: 429, substatus: 3200, retryAfterMs: 30_000 },
          refused: { status: 403 },
        } as const;
        control.fault(faults[how]);
      },
      freeze: () => control.replica('frozen'),
      restore: () => control.reset(),
      end: () => world.end(),
    };
  },
});

describe('Cosmos DB', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld();
  });
  beforeEach(() => {
    world.emulator.control.reset();
    world.emulator.control.record(true);
  });
  afterAll(() => world.end());

  const requests = (operation: Operation) =>
    world.emulator.control.requests().filter((one) => one.operation === operation);

  describe('404', () => {
    test('C92: 0: an absent item, with a position', async () => {
      await world.container('absent', ['/pk']);
      const read = await world.source('absent', ['/pk']).read(['p', 'a']);
      expect(read).toMatchObject({ document: undefined, asOf: 1n, version: 1n, partition: { ancestors: [] } });
      expect(read.partition.id).toMatch(/^[\w+-]{11}=\/[012]$/);
    });

    test('C92: 1002: a lagging replica, not an absent item', async () => {
      await world.container('lagging', ['/pk']);
      const source = world.source('lagging', ['/pk']);
      await source.read(['p', 'a']);
      world.emulator.control.fault({ status: 404, substatus: 1002, operation: 'read', times: 1 });
      expect(await failure(source.read(['p', 'a']))).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
    });

    test('1003, and any that tells no position: no such container or database, by name', async () => {
      for (const [source, place] of [
        [world.source('nowhere', ['/pk']), 'db/nowhere'],
        [world.source('items', ['/pk'], { database: 'nowhere' }), 'nowhere/items'],
      ] as const) {
        for (const error of await failures([
          source.read(['p', 'a']),
          source.readMany([
            ['p', 'a'],
            ['p', 'b'],
          ]),
          source.check(),
          source.floor('0:-1#5'),
        ])) {
          expect(error).toMatchObject({ code: 'SOURCE_REJECTED', retryable: false });
          expect(error.message).toContain(place);
        }
      }
      await world.container('bare', ['/pk']);
      world.emulator.control.fault({ status: 404, operation: 'read' });
      const bare = await failure(world.source('bare', ['/pk']).read(['p', 'a']));
      expect(bare).toMatchObject({ code: 'SOURCE_REJECTED', message: expect.stringContaining('does not exist') });
    });
  });

  describe('C96: throttles', () => {
    test('a long one is told at once, without asking again', async () => {
      await world.container('throttled', ['/pk']);
      world.emulator.control.fault({ status: 429, retryAfterMs: 30_000, operation: 'read' });
      const error = await failure(world.source('throttled', ['/pk']).read(['p', 'a']));
      expect(error).toMatchObject({ code: 'SOURCE_THROTTLED', retryable: true, retryAfterMs: 30_000 });
      expect(requests('read')).toHaveLength(1);
    });

    test('a short one is waited for', async () => {
      await world.container('throttled-shortly', ['/pk']);
      world.emulator.control.fault({ status: 429, retryAfterMs: 5, operation: 'read', times: 2 });
      expect((await world.source('throttled-shortly', ['/pk']).read(['p', 'a'])).document).toBeUndefined();
      expect(requests('read')).toHaveLength(3);
    });

    test('one that goes on is given up', async () => {
      await world.container('throttled-long', ['/pk']);
      world.emulator.control.fault({ status: 429, retryAfterMs: 5, operation: 'read' });
      expect(await failure(world.source('throttled-long', ['/pk']).read(['p', 'a']))).toMatchObject({
        code: 'SOURCE_THROTTLED',
      });
      expect(requests('read')).toHaveLength(4);
    });
  });

  test('C96: a refused connection fails within the bound, and names no host', async () => {
    const closed = await startCosmosEmulator();
    await closed.close();
    const source = world.source('items', ['/pk'], { connectionString: closed.connectionString });
    const started = performance.now();
    for (const error of await failures([
      source.read(['p', 'a']),
      source.readMany([
        ['p', 'a'],
        ['p', 'b'],
      ]),
      source.check(),
    ])) {
      expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
      expect(error.message).not.toMatch(/127\.0\.0\.1|AccountKey|C2y6/);
    }
    expect(performance.now() - started).toBeLessThan(BOUND_MS * 3);
  });

  test('so it does where regions are to be chosen, and the disposal does not wait', async () => {
    const closed = await startCosmosEmulator();
    await closed.close();
    const clients = createCosmosClients();
    const source = createCosmosSource(
      {
        changeFeedMode: 'LatestVersion',
        leases: { container: 'leases', prefix: 'p-' },
        connection: { connectionString: closed.connectionString },
        connectionName: 'COSMOS',
        database: 'db',
        container: 'items',
        partitionKey: ['/pk'],
        replicaLagMs: 0,
        requestTimeoutMs: 100,
        preferredLocations: ['South Central US'],
      },
      clients,
    );
    const started = performance.now();
    for (const error of await failures([source.read(['p', 'a']), source.check(), source.floor('0:-1#5')])) {
      expect(error).toMatchObject({ retryable: true });
    }
    clients.dispose();
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test('a cut connection fails within the bound', async () => {
    await world.container('cut', ['/pk']);
    world.emulator.control.fault({ action: 'reset', operation: 'read' });
    const started = performance.now();
    expect(await failure(world.source('cut', ['/pk']).read(['p', 'a']))).toMatchObject({ retryable: true });
    expect(performance.now() - started).toBeLessThan(BOUND_MS * 2);
  });

  test('refused credentials and unusable connection strings', async () => {
    const refused = `AccountEndpoint=${world.emulator.endpoint};AccountKey=${Buffer.from('secret').toString('base64')};`;
    const error = await failure(world.source('items', ['/pk'], { connectionString: refused }).read(['p', 'a']));
    expect(error).toMatchObject({ code: 'SOURCE_REJECTED', retryable: false });
    expect(error.message).not.toContain('c2VjcmV0');
    const nonsense = world.source('items', ['/pk'], { connectionString: 'AccountEndpoint=secret;AccountKey=' });
    for (const { code, message } of await failures([
      nonsense.read(['p', 'a']),
      nonsense.check(),
      nonsense.floor('0:1'),
    ])) {
      expect(code).toBe('SOURCE_REJECTED');
      expect(message).not.toContain('secret');
    }
  });

  test('C92: check tells a partition key that is not the configured one', async () => {
    await world.container('other-key', ['/country']);
    expect(await failure(world.source('other-key', ['/pk']).check())).toMatchObject({ code: 'SOURCE_REJECTED' });
    await world.source('other-key', ['/country']).check();
  });

  /** Writes, and reads back by read, by readMany and out of the feed: one value, whichever way. */
  async function expectSame(
    container: Container,
    paths: readonly string[],
    documents: readonly Record<string, unknown>[],
  ) {
    for (const document of documents) await create(world, container.id, paths, document);
    const source = world.source(container.id, paths);
    const changes = (await feedOf(container)).map((item) => source.change(item));
    const keys = changes.map(({ key }) => key);
    const expected = textsOf(changes);
    expect(expected.toSorted()).toEqual(documents.map((document) => JSON.stringify(document)).toSorted());
    expect(textsOf(await Promise.all(keys.map((key) => source.read(key))))).toEqual(expected);
    expect(textsOf(await source.readMany(keys))).toEqual(expected);
    return keys;
  }

  test('T29: six values of a partition key are six items, with one id', async () => {
    const container = await world.container('six', ['/pk']);
    const documents = [{}, { pk: null }, { pk: '' }, { pk: 0 }, { pk: false }, { pk: '0' }].map((pk, n) => ({
      id: 'a',
      ...pk,
      n,
    }));
    const keys = await expectSame(container, ['/pk'], documents);
    expect(new Set(keys.map(keyText)).size).toBe(6);
  });

  test('several items without a partition key are read by one query', async () => {
    const container = await world.container('none', ['/pk']);
    await expectSame(container, ['/pk'], [{ id: 'a' }, { id: 'b' }, { id: 'c', pk: null }, { id: 'd', pk: null }]);
    expect(new Set(requests('query').map(({ headers }) => headers['x-ms-documentdb-partitionkey']))).toEqual(
      new Set(['[{}]', '[null]']),
    );
    expect(requests('query')).toHaveLength(2);
  });

  test('T30: hierarchical keys, typed by value, with a part that is missing', async () => {
    const container = await world.container('tree', ['/tenant', '/address/zip', '/n']);
    const keys = await expectSame(
      container,
      ['/tenant', '/address/zip', '/n'],
      [
        { id: 'a', tenant: 't', address: { zip: '75001' }, n: 1 },
        { id: 'b', tenant: 't', address: { zip: '75001' }, n: 1 },
        { id: 'a', tenant: 't', address: { zip: 75001 }, n: '1' },
        { id: 'a', tenant: 't', address: {}, n: null },
      ],
    );
    expect(keys).toContainEqual(['t', undefined, null, 'a']);
    expect(await failure(world.source('tree', ['/tenant', '/address/zip', '/n']).read(['t', '75001']))).toMatchObject({
      code: 'BAD_KEY',
    });
  });

  test('the id as partition key, alone and in a hierarchy', async () => {
    const alone = await world.container('alone', ['/id']);
    expect(await expectSame(alone, ['/id'], [{ id: 'a' }, { id: 'b%c' }])).toContainEqual(['b%c']);
    expect(cosmosKeyColumns(['/id'])).toHaveLength(1);
    const under = await world.container('under', ['/tenant', '/id']);
    expect(
      await expectSame(
        under,
        ['/tenant', '/id'],
        [
          { id: 'a', tenant: 1 },
          { id: 'x y ', tenant: 1 },
        ],
      ),
    ).toContainEqual([1, 'x y ']);
  });

  describe('C34, C35, T26: ids', () => {
    const ids = [
      'kit 3/4',
      'q?x',
      'h#y',
      'b\\c',
      'ab/cd',
      'end ',
      'end',
      ' start',
      'tab\tx',
      'p%20q',
      'p q',
      'user@example.test',
      'del\u007f',
      'tête',
      '✈️',
      '.',
      '..',
      '...',
      "o'hare",
      'a+b',
      'a;b,c&d=e$f',
      '%',
      '%2F',
      '"quoted"',
      'é'.repeat(500),
    ];

    test('each is read as itself, single and grouped, and told apart from the rest', async () => {
      const container = await world.container('odd', ['/pk']);
      for (const id of ids) await create(world, 'odd', ['/pk'], { id, pk: 'p', own: id });
      const source = world.source('odd', ['/pk']);
      const keys: Key[] = ids.map((id) => ['p', id]);
      const expected = ids.map((id) => ({ id, pk: 'p', own: id }));
      for (const [n, key] of keys.entries()) {
        expect((await source.read(key)).document, JSON.stringify(key)).toEqual(expected[n]);
      }
      expect((await source.readMany(keys)).map(({ document }) => document)).toEqual(expected);
      expect((await feedOf(container)).map((item) => source.change(item).key)).toEqual(keys);
      const absent = await source.readMany(ids.map((id) => ['absent', id]));
      expect(absent.filter(({ document }) => document !== undefined)).toEqual([]);
    });
  });

  test('system properties are stripped, what looks like them is not', async () => {
    const container = await world.container('properties', ['/pk']);
    await expectSame(
      container,
      ['/pk'],
      [{ z: 1, id: 'a', pk: 'p', _type: 'x', nested: { _rid: 'mine' }, 10: 1, 2: 1, ttl: 60 }],
    );
  });

  test.each([
    ['off', undefined, [undefined, undefined, undefined]],
    ['on', -1, [60, undefined, undefined]],
    ['100 s', 100, [60, undefined, 100]],
  ] as const)('when an item will go: by its `ttl`, or by that of its container (%s)', async (name, byDefault, lives) => {
    const id = `life-${name}`;
    const container = await world.container(id, ['/pk'], byDefault);
    const ttls = [{ ttl: 60 }, { ttl: -1 }, {}];
    for (const [n, ttl] of ttls.entries()) await container.items.upsert({ id: String(n), pk: 'p', ...ttl });
    const source = world.source(id, ['/pk']);
    await source.ready();
    const items = (await feedOf(container)) as Record<string, number>[];
    const expected = lives.map((life, n) =>
      life === undefined ? undefined : ((items[n]?.['_ts'] ?? 0) + life) * 1000,
    );
    const keys = ttls.map((_, n): Key => ['p', String(n)]);
    const expiries = (answers: readonly { expiresAt?: number | undefined }[]) =>
      answers.map(({ expiresAt }) => expiresAt);
    expect(expiries(await Promise.all(keys.map((key) => source.read(key))))).toEqual(expected);
    expect(expiries(await source.readMany(keys))).toEqual(expected);
    expect(expiries(items.map((item) => source.change(item)))).toEqual(expected);
    const { keys: found, expiresAt } = (await source.query?.({
      text: 'SELECT * FROM c',
      values: {},
      partition: ['p'],
      maxRows: 9,
      continuation: undefined,
    })) ?? { keys: [] };
    expect(found).toHaveLength(3);
    const times = expected.flatMap((time) => time ?? []);
    expect(expiresAt).toBe(times.length === 0 ? undefined : Math.min(...times));
  });

  test('grouped reads: one query for a logical partition, point reads for single keys, at most 16 at once', async () => {
    await world.container('grouped', ['/pk']);
    const source = world.source('grouped', ['/pk']);
    await source.read(['p', 'a']);
    const { control } = world.emulator;
    control.clearRequests();
    control.latency(10);
    const single: Key[] = Array.from({ length: 40 }, (_, i) => [`p${i}`, 'a']);
    await source.readMany([...single, ['q', 'a'], ['q', 'b'], ['q', 'a']]);
    expect(requests('read')).toHaveLength(40);
    expect(requests('query')).toHaveLength(1);
    const spans = [...requests('read'), ...requests('query')];
    const most = Math.max(
      ...spans.map(({ at }) => spans.filter((one) => one.at <= at && at < one.at + one.durationMs).length),
    );
    expect(most).toBeLessThanOrEqual(16);
  });

  test("a caller's deadline ends a grouped read as a whole, not each of its groups", async () => {
    await world.container('bounded', ['/pk']);
    const source = world.source('bounded', ['/pk']);
    await source.read(['p', 'a']);
    world.emulator.control.clearRequests();
    world.emulator.control.latency(50);
    const keys = Array.from({ length: 320 }, (_, i): Key => [`p${i}`, 'a']);
    const error = await failure(source.readMany(keys, { signal: AbortSignal.timeout(200) }));
    expect(error.code).toBe('SOURCE_TIMEOUT');
    expect(requests('read').length).toBeLessThan(320);
  });

  test('why a feed has no positions: no lease container, another key, no leases of this container', async () => {
    const watched = await world.container('positions', ['/pk']);
    const source = world.source('positions', ['/pk']);
    const { database } = watched;
    expect(await source.feedPositions()).toContain('there is no lease container');
    const { container: wrong } = await database.containers.create({ id: 'leases', partitionKey: '/pk' });
    expect(await source.feedPositions()).toContain('another partition key than /id');
    await wrong.delete();
    for (const partitionKey of ['/partitionKey', '/id']) {
      const { container: leases } = await database.containers.create({ id: 'leases', partitionKey });
      expect(await source.feedPositions()).toContain('no leases for this container');
      await leases.items.create({ id: 'p-host_db_otherContainer.info', partitionKey: 'x' });
      expect(await source.feedPositions()).toContain('no leases for this container');
      const { resource } = await watched.read();
      const { _rid: rid } = resource ?? { _rid: '' };
      await leases.items.create({ id: `p-host_db_${rid}.info`, partitionKey: 'y' });
      const positions = await source.feedPositions();
      expect(positions).toMatchObject({
        id: expect.stringContaining(rid) as string,
        since: expect.any(Number) as number,
      });
      await leases.delete();
    }
    await watched.delete();
    expect((await failure(source.feedPositions())).code).toBe('SOURCE_REJECTED');
  });

  test('a query asks for a hundred ids at most', async () => {
    await world.container('hundreds', ['/pk']);
    const keys = Array.from({ length: 201 }, (_, i): Key => ['p', `i${i}`]);
    expect(await world.source('hundreds', ['/pk']).readMany(keys)).toHaveLength(201);
    expect([requests('query').length, requests('read').length]).toEqual([2, 1]);
  });

  test('several pages of one query', async () => {
    const container = await world.container('pages', ['/pk']);
    const keys: Key[] = [];
    for (let i = 0; i < 12; i++) {
      await container.items.create({ id: `i${i}`, pk: 'p', text: 'x'.repeat(900_000) });
      keys.push(['p', `i${i}`]);
    }
    const answers = await world.source('pages', ['/pk'], { timeoutMs: 15_000 }).readMany(keys);
    expect(answers.map(({ document }) => document?.['id'])).toEqual(keys.map(([, id]) => id));
    expect(new Set(answers.map(({ asOf }) => asOf)).size).toBe(1);
  });

  describe('declared queries', () => {
    const statement = { text: 'SELECT * FROM c WHERE c.pk = @pk', values: { pk: 'p' }, continuation: undefined };

    test('short pages together are no more than the limit, and the next one goes on after them', async () => {
      const container = await world.container('short', ['/pk']);
      const ids = Array.from({ length: 7 }, (_, i) => `i${i}`);
      for (const id of ids) await container.items.create({ id, pk: 'p', text: 'x'.repeat(900_000) });
      const { query } = world.source('short', ['/pk'], { timeoutMs: 15_000 });
      const asked = { ...statement, partition: ['p'], maxRows: 6 };
      const first = await query?.(asked);
      expect(first?.keys).toEqual(ids.slice(0, 6).map((id) => ['p', id]));
      const second = await query?.({ ...asked, continuation: first?.continuation });
      expect(second?.keys).toEqual([['p', 'i6']]);
      expect(second?.continuation).toBeUndefined();
    });

    test.each([
      { partition: ['p'] },
      { partition: undefined },
    ])('are tried again after a short throttle ($partition)', async ({ partition }) => {
      await world.container(`throttled-query-${String(partition)}`, ['/pk']);
      const { query } = world.source(`throttled-query-${String(partition)}`, ['/pk']);
      world.emulator.control.fault({ status: 429, retryAfterMs: 5, operation: 'query', times: 2 });
      expect((await query?.({ ...statement, partition, maxRows: 10 }))?.rows).toEqual([]);
    });

    test('are asked again until they reach the floor', async () => {
      const container = await world.container('query-floor', ['/pk']);
      const source = world.source('query-floor', ['/pk']);
      const { asOf, partition } = await source.read(['p', 'a']);
      const floor = floorAt(partition, asOf + 1n);
      const asked = source.query?.({ ...statement, partition: ['p'], maxRows: 10 }, { floor });
      await container.items.create({ id: 'a', pk: 'p' });
      expect((await asked)?.keys).toEqual([['p', 'a']]);
    });
  });

  test('a recreated container is another partition', async () => {
    const container = await world.container('again', ['/pk']);
    const source = world.source('again', ['/pk']);
    const first = await source.read(['p', 'a']);
    await container.delete();
    await world.container('again', ['/pk']);
    const second = await source.read(['p', 'a']);
    expect(second.partition.id).not.toBe(first.partition.id);
  });

  describe("a client's token", () => {
    test('tells its positions, and a read under it shows the write that it was given for', async () => {
      const container = await world.container('mine', ['/pk']);
      const source = world.source('mine', ['/pk']);
      const before = await source.read(['p', 'a']);
      const { headers } = await container.items.create({ id: 'a', pk: 'p' });
      const token = String(headers['x-ms-session-token']);
      const floor = await source.floor(`${token},9:-1#12345`);
      expect(floor.positions.get(before.partition.id)).toBe(before.asOf + 1n);
      expect(floor.positions.size).toBe(2);
      expect((await source.read(['p', 'a'], { floor })).document).toEqual({ id: 'a', pk: 'p' });
      expect(requests('read').at(-1)?.headers['x-ms-session-token']).toBe(`${token},9:-1#12345`);
    });

    test('its form is checked before anybody is asked', async () => {
      const nowhere = world.source('nowhere', ['/pk']);
      expect(await failure(nowhere.floor('0:-1#5;'))).toMatchObject({ code: 'BAD_REQUEST' });
      expect(requests('read-container')).toHaveLength(0);
    });

    test('that is never reached ends in time, and an answer below it is not taken', async () => {
      await world.container('never', ['/pk']);
      const source = world.source('never', ['/pk']);
      const { partition } = await source.read(['p', 'a']);
      const range = partition.id.split('/')[1] ?? '';
      const floor = await source.floor(`${range}:-1#999`);
      expect(await failure(source.read(['p', 'a'], { floor }))).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
      // As where the account does not honour session tokens.
      const ignored = { ...floor, token: '99:-1#1' };
      expect(await failure(source.read(['p', 'a'], { floor: ignored }))).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    });
  });

  test('a feed without usable _lsn is no feed of ours', () => {
    const source = world.source('items', ['/pk']);
    for (const lsn of [undefined, '5', 1.5, -1, 2 ** 60]) {
      expect(() => source.change({ id: 'a', pk: 'p', _lsn: lsn })).toThrow(
        expect.objectContaining({ code: 'SOURCE_REJECTED' }),
      );
    }
  });

  test('one client for each account, made at the first use, and new ones after the disposal', async () => {
    const clients = createCosmosClients();
    const connection = { connectionString: world.emulator.connectionString };
    const [first, second] = await Promise.all([clients.get(connection), clients.get({ ...connection })]);
    expect(second).toBe(first);
    clients.dispose();
    expect(await clients.get(connection)).not.toBe(first);
    clients.dispose();
  });

  test('preferred regions: the account is read once', async () => {
    await world.container('regions', ['/pk']);
    const clients = createCosmosClients();
    const connection = { connectionString: world.emulator.connectionString };
    await Promise.all([clients.get(connection, ['South Central US']), clients.get(connection, ['South Central US'])]);
    expect(requests('account')).toHaveLength(1);
    clients.dispose();
  });
});
