// What no emulator does on demand: pages of different replicas, splits in the middle, answers that are not the
// item asked for. The SDK is a fake that answers as told.

import type { CosmosClient } from '@azure/cosmos';
import { describe, expect, test } from 'vitest';
import { createCosmosSource } from '../../src/sources/cosmos.ts';

const RID = 'Sl8fALN4sw4=';

interface Page {
  readonly token?: string;
  readonly documents?: readonly object[];
  readonly path?: string;
}

interface Asked {
  readonly partitionKey?: unknown;
  readonly parameters?: unknown;
  readonly sessionToken?: unknown;
  readonly id?: string;
}

const headersOf = ({ token = '0:-1#5', path = RID }: Page) => ({
  'x-ms-session-token': token,
  ...(path === '' ? {} : { 'x-ms-content-path': path }),
});

/** A source whose n-th point read and whose queries are answered as told. */
function setUp(told: {
  reads?: readonly (Page & { status?: number })[];
  pages?: readonly Page[];
  rows?: readonly object[];
  /** Short where the test is about running out of it. */
  timeoutMs?: number;
}) {
  const asked: Asked[] = [];
  const reads = [...(told.reads ?? [])];
  const container = {
    item: (id: string, partitionKey: unknown) => ({
      read: async ({ sessionToken }: Asked) => {
        asked.push({ id, partitionKey, sessionToken });
        const answer = reads.length > 1 ? reads.shift() : reads[0];
        const [resource] = answer?.documents ?? [];
        const statusCode = answer?.status ?? (resource === undefined ? 404 : 200);
        return { statusCode, resource, headers: headersOf(answer ?? {}) };
      },
    }),
    items: {
      query: ({ parameters }: Asked, { partitionKey, sessionToken }: Asked) => {
        asked.push({ parameters, partitionKey, sessionToken });
        const pages = [...(told.pages ?? [])];
        return {
          fetchNext: async () => {
            const page = pages.shift() ?? {};
            return { resources: page.documents, headers: headersOf(page) };
          },
          hasMoreResults: () => pages.length > 0,
        };
      },
    },
    read: async () => ({ resource: { _rid: RID, partitionKey: { paths: ['/pk'] } } }),
    readPartitionKeyRanges: () => ({
      fetchAll: async () => ({ resources: told.rows ?? [{ id: '0' }, { id: '1', parents: ['7'] }] }),
    }),
  };
  const client = { database: () => ({ container: () => container }) } as unknown as CosmosClient;
  const source = createCosmosSource(
    {
      changeFeedMode: 'LatestVersion',
      leases: { container: 'leases', prefix: 'p-' },
      connection: { connectionString: '' },
      connectionName: 'COSMOS',
      database: 'db',
      container: 'items',
      partitionKey: ['/pk'],
      replicaLagMs: 0,
      requestTimeoutMs: told.timeoutMs ?? 4000,
    },
    { get: async () => client, dispose: () => undefined },
  );
  return { source, asked };
}

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error,
  );

describe('queries', () => {
  test('pages reflect together what the least of them does', async () => {
    const pages = [
      { token: '0:-1#9', documents: [{ id: 'a' }] },
      { token: '0:-1#7', documents: [{ id: 'b' }] },
      { token: '0:-1#8' },
    ];
    const answers = await setUp({ pages }).source.readMany([
      ['p', 'a'],
      ['p', 'b'],
      ['p', 'c'],
    ]);
    expect(answers.map(({ document, asOf }) => [document, asOf])).toEqual([
      [{ id: 'a' }, 7n],
      [{ id: 'b' }, 7n],
      [undefined, 7n],
    ]);
  });

  test('a split between two pages is asked again, then given up', async () => {
    const { source, asked } = setUp({ timeoutMs: 80, pages: [{ token: '0:-1#9' }, { token: '1:-1#9' }] });
    const error = await failure(
      source.readMany([
        ['p', 'a'],
        ['p', 'b'],
      ]),
    );
    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true });
    expect(asked.length).toBeGreaterThan(1);
  });

  test.each([
    'kit 3/4',
    'q?x',
    'h#y',
    'a\\b',
    '..',
    'end ',
  ])('C34, T26: %j is found by query, as a bound value', async (id) => {
    const { source, asked } = setUp({ pages: [{ documents: [{ id, n: 1 }] }] });
    expect((await source.read([undefined, id])).document).toEqual({ id, n: 1 });
    expect(asked).toEqual([
      { parameters: [{ name: '@ids', value: [id] }], partitionKey: [{}], sessionToken: undefined },
    ]);
  });
});

describe('point reads', () => {
  test.each([
    [null, [null]],
    [undefined, [{}]],
    ['', ['']],
    [0, [0]],
    [false, [false]],
  ])('partition key %j is sent as %j', async (pk, sent) => {
    const { source, asked } = setUp({ reads: [{}] });
    await source.read([pk, 'a']);
    expect(asked[0]?.partitionKey).toEqual(sent);
  });

  test.each(['', 'nonsense', '0:-1#5,1:-1#6'])('an answer with the token %j tells no position', async (token) => {
    for (const documents of [[], [{ id: 'a' }]]) {
      const { source } = setUp({ reads: [{ token, documents }] });
      expect(await failure(source.read(['p', 'a']))).toMatchObject({ code: 'SOURCE_REJECTED' });
    }
  });

  test('an answer that is not the item asked for is not taken', async () => {
    const { source } = setUp({ reads: [{ documents: [{ id: 'items', indexingPolicy: {} }] }] });
    expect(await failure(source.read(['p', 'a']))).toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('the rid of the container, from wherever it can be had', async () => {
    const fromDocument = setUp({ reads: [{ path: '', documents: [{ id: 'a', _rid: 'Sl8fALN4sw4CAAAAAAAAAA==' }] }] });
    expect((await fromDocument.source.read(['p', 'a'])).partition.id).toBe(`${RID}/0`);
    const absent = setUp({ reads: [{ path: '' }] });
    expect((await absent.source.read(['p', 'a'])).partition.id).toBe(`${RID}/0`);
  });
});

describe('floors', () => {
  const parent = { positions: new Map([[`${RID}/7`, 10n]]) };

  test('one of the parent holds for the child', async () => {
    const behind = { token: '1:-1#9' };
    const { source } = setUp({ reads: [behind, behind, { token: '1:-1#10' }] });
    const read = await source.read(['p', 'a'], { floor: parent });
    expect(read).toMatchObject({ asOf: 10n, partition: { id: `${RID}/1`, ancestors: [`${RID}/7`] } });
  });

  test('an account that ignores session tokens never gets an older answer accepted', async () => {
    const { source } = setUp({ timeoutMs: 80, reads: [{ token: '1:-1#9', documents: [{ id: 'a' }] }] });
    expect(await failure(source.read(['p', 'a'], { floor: parent }))).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });

  test('the token asked with keeps version and regions of the last one seen', async () => {
    const { source, asked } = setUp({ reads: [{ token: '0:4#9#1=8#2=7' }, { token: '0:4#20#1=8#2=7' }] });
    await source.read(['p', 'a']);
    await source.read(['p', 'a'], { floor: { positions: new Map([[`${RID}/0`, 20n]]) } });
    expect(asked.map(({ sessionToken }) => sessionToken)).toEqual([undefined, '0:4#20#1=8#2=7']);
  });

  test('a partition that is not listed yet is waited for', async () => {
    const rows: object[] = [{ id: '0' }];
    const { source } = setUp({ reads: [{ token: '5:-1#9' }], rows });
    setTimeout(() => rows.push({ id: '5', parents: ['0'] }), 15);
    expect((await source.read(['p', 'a'])).partition).toEqual({ id: `${RID}/5`, ancestors: [`${RID}/0`] });
  });
});
