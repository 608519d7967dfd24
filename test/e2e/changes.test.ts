import { ChangeFeedStartFrom } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Recorded, startRecordingProxy } from '../support/proxies.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

describe('the change feed', () => {
  let stack: Stack;
  let proxy: Awaited<ReturnType<typeof startRecordingProxy>>;
  beforeAll(async () => {
    // A lease whose release was cut off is only taken again when it has expired: 60 s by default.
    const feed = { leaseExpirationInterval: 1500, leaseRenewInterval: 300 };
    stack = await startStack({ ranges: 3, host: { feed } });
    proxy = await startRecordingProxy(new URL(stack.emulator.endpoint));
    const COSMOS = stack.settings.COSMOS.replace(stack.emulator.endpoint, proxy.endpoint);
    await stack.restart({ settings: { ...stack.settings, COSMOS } });
  });
  afterAll(async () => {
    await stack?.close();
    proxy?.close();
  });

  const isFeed = ({ method, path, headers }: Recorded) =>
    method === 'GET' && path.endsWith('/docs') && headers['a-im'] !== undefined;

  it('is read over HTTP from the address in COSMOS, and nowhere else', async () => {
    await stack.widgets.items.upsert({ id: 'p1', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/p1')).cacheStatus.includes('; hit') ? true : undefined,
    );
    const feeds = proxy.requests.filter(isFeed);
    expect(feeds.length).toBeGreaterThan(0);
    expect(new Set(feeds.map(({ headers }) => headers['x-ms-documentdb-partitionkeyrangeid']))).toEqual(
      new Set(['0', '1', '2']),
    );
    // With that address cut off, a change cannot become known.
    proxy.cut(true);
    await stack.widgets.items.upsert({ id: 'p1', region: 'eu', n: 2 });
    const asked = proxy.requests.length;
    await until(() => (proxy.requests.length > asked + 3 ? true : undefined));
    expect((await stack.get('entities/widget/eu/p1')).json['n']).toBe(1);
    proxy.cut(false);
    await until(async () => ((await stack.get('entities/widget/eu/p1')).json['n'] === 2 ? true : undefined));
  });

  it('follows several partition ranges, and C91: only the last of many versions counts', async () => {
    const regions = ['eu', 'us', 'asia', 'africa', 'oceania', 'antarctica'];
    for (let n = 1; n <= 20; n++) {
      await Promise.all(regions.map((region) => stack.widgets.items.upsert({ id: 'm', region, n })));
    }
    for (const region of regions) {
      const seen: number[] = [];
      await until(async () => {
        const n = Number((await stack.get(`entities/widget/${region}/m`)).json['n']);
        seen.push(n);
        return n === 20 ? true : undefined;
      });
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
  });

  it('C83: a page delivered again changes nothing', async () => {
    await stack.widgets.items.upsert({ id: 'again', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/again')).cacheStatus.includes('; hit') ? true : undefined,
    );
    const [name] = stack.host.functions.map((each) => each.name).filter((each) => each.startsWith('changes-'));
    const feed = stack.widgets.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning('eu'),
    });
    const { result: resources } = await feed.readNext();
    const before = await stack.redis.getBuffer('wf:warmfeed:c:{widget/eu/again}');
    const documents = resources.filter((each) => (each as { id?: string }).id === 'again');
    expect(documents).toHaveLength(1);
    await stack.host.invoke(name ?? '', [...documents, ...documents, ...documents]);
    expect(await stack.redis.getBuffer('wf:warmfeed:c:{widget/eu/again}')).toEqual(before);
  });

  it('a poison document is evicted and put with the dead letters, and the feed goes on', async () => {
    await stack.widgets.items.upsert({ id: 'bad', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/bad')).cacheStatus.includes('; hit') ? true : undefined,
    );
    await stack.widgets.items.upsert({ id: 'bad', region: 'eu', poison: true });
    await stack.widgets.items.upsert({ id: 'good', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/good')).cacheStatus.includes('; hit') ? true : undefined,
    );
    const answer = await until(async () => {
      const got = await stack.get('entities/widget/eu/bad');
      return got.json['n'] === 1 ? undefined : got;
    });
    expect([answer.status, answer.json['type']]).toEqual([502, 'urn:warmfeed:problem:row-invalid']);
    expect(answer.text).not.toContain('poison');
    const [letter] = await stack.redis.xrange('wf:warmfeed:dead', '-', '+');
    const fields = letter?.[1] ?? [];
    expect(fields[fields.indexOf('key') + 1]).toBe('eu/bad');
    expect(fields[fields.indexOf('reason') + 1]).toContain('this document is poison');
  });

  it('a document that leaves match is evicted', async () => {
    await stack.widgets.items.upsert({ id: 'moves', region: 'eu', type: 'widget' });
    await until(async () => ((await stack.get('entities/widget/eu/moves')).status === 200 ? true : undefined));
    await stack.widgets.items.upsert({ id: 'moves', region: 'eu', type: 'note' });
    await until(async () => ((await stack.get('entities/widget/eu/moves')).status === 404 ? true : undefined));
  });
});

describe('a first start', () => {
  it('from the beginning, with an empty Redis, 5,000 documents and no readers: all of them end up cached', async () => {
    const stack = await startStack({ ranges: 2, settings: { WARMFEED_FEED_FROM_BEGINNING: 'true' } });
    try {
      await stack.host.close();
      const documents = Array.from({ length: 5000 }, (_, i) => ({ id: `d${i}`, region: `r${i % 40}`, n: i }));
      await stack.widgets.items.executeBulkOperations(
        documents.map(
          (resourceBody) => ({ operationType: 'Upsert', resourceBody, partitionKey: resourceBody.region }) as never,
        ),
      );
      await stack.redis.flushall();
      // The app has seen this container before: another prefix is another reader of the feed.
      await stack.restart({ settings: { ...stack.settings, WARMFEED_LEASE_PREFIX: 'fresh-' } });
      await until(async () => ((await stack.redis.dbsize()) >= 5000 ? true : undefined), 60_000);
      const answers = await until(async () => {
        const all = await Promise.all(
          documents
            .filter((_, i) => i % 50 === 0)
            .map(({ id, region }) => stack.get(`entities/widget/${region}/${id}`)),
        );
        return all.every(({ cacheStatus }) => cacheStatus.includes('; hit')) ? all : undefined;
      }, 60_000);
      expect(answers.every(({ cacheStatus }) => cacheStatus.includes('detail=watermarked'))).toBe(true);
    } finally {
      await stack.close();
    }
  }, 120_000);
});
