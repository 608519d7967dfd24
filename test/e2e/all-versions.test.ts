// changeFeedMode 'AllVersionsAndDeletes' through the whole app: what is served after creates, replaces, deletes and
// expiries, with lives so long that only the feed can have brought it.

import type { OperationInput } from '@azure/cosmos';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Stack, startStack, until } from '../support/stack.ts';

const WIDGETS = { database: 'shop', container: 'widgets' };
const configuration = new URL('./cache.all-versions.config.ts', import.meta.url).pathname;

describe('all versions and deletes', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ configuration, ranges: 2, host: { feed: { leaseAcquireInterval: 200 } } });
    // The feed starts now, so nothing may be written before it has asked both ranges.
    stack.emulator.control.record(true);
    const asked = () =>
      stack.emulator.control
        .requests()
        .filter(({ operation, status }) => operation === 'change-feed' && status === 304)
        .map(({ headers }) => headers['x-ms-documentdb-partitionkeyrangeid']);
    await until(() => (new Set(asked()).size === 2 ? true : undefined));
    stack.emulator.control.record(false);
  });
  afterEach(() => stack?.emulator.control.reset());
  afterAll(() => stack?.close());

  const get = (entity: string, region: string, id: string) => stack.get(`entities/${entity}/${region}/${id}`);
  /** Served out of the cache, so that it was the feed that brought it. */
  const served = (entity: string, region: string, id: string, is: (answer: Answer) => boolean, ms?: number) =>
    until(async () => {
      const answer = await get(entity, region, id);
      return answer.cacheStatus.includes('; hit') && is(answer) ? answer : undefined;
    }, ms);
  const gone = (entity: string, region: string, id: string, ms?: number) =>
    served(entity, region, id, ({ status }) => status === 404, ms);
  const at = (n: number) => (answer: Answer) => answer.status === 200 && answer.json['n'] === n;

  it('creates and replaces are cached as documents: no previous image, no metadata, no system property', async () => {
    await get('order', 'eu', 'a');
    await gone('order', 'eu', 'a');
    await stack.widgets.items.create({ id: 'a', region: 'eu', n: 1, only: 'first' });
    expect((await served('order', 'eu', 'a', at(1))).json).toEqual({ id: 'a', region: 'eu', n: 1, only: 'first' });
    await stack.widgets.items.upsert({ id: 'a', region: 'eu', n: 2 });
    const replaced = await served('order', 'eu', 'a', at(2));
    expect(replaced.text).toBe('{"id":"a","region":"eu","n":2}');
    expect(replaced.cacheStatus).toContain('detail=watermarked');
    await stack.redis.del('wf:warmfeed:c:{order/eu/a}');
    const read = await get('order', 'eu', 'a');
    expect([read.text, read.headers.get('etag')]).toEqual([replaced.text, replaced.headers.get('etag')]);
  });

  it('a hard delete is 404 out of the cache, and no replica that lags behind brings the item back', async () => {
    await stack.widgets.items.create({ id: 'b', region: 'eu', n: 1 });
    await served('order', 'eu', 'b', at(1));
    stack.emulator.control.replica('frozen');
    await stack.widgets.item('b', 'eu').delete();
    await gone('order', 'eu', 'b');
    for (let i = 0; i < 5; i++) {
      // The tombstone is lost; what the replica has is older than the watermark.
      await stack.redis.del('wf:warmfeed:c:{order/eu/b}');
      expect((await get('order', 'eu', 'b')).cacheStatus).not.toContain('stored');
    }
    stack.emulator.control.replica('none');
    expect((await get('order', 'eu', 'b')).status).toBe(404);
    await gone('order', 'eu', 'b');
    await stack.widgets.items.create({ id: 'b', region: 'eu', n: 2 });
    await served('order', 'eu', 'b', at(2));
  });

  it('an expiry is 404 out of the cache, and an item of the same id after it is served', async () => {
    await stack.widgets.items.create({ id: 'c', region: 'eu', n: 1, ttl: 2 });
    await served('order', 'eu', 'c', at(1));
    await gone('order', 'eu', 'c');
    await stack.widgets.items.create({ id: 'c', region: 'eu', n: 2 });
    await served('order', 'eu', 'c', at(2));
  });

  it('items deleted and made again within a second, or within a transaction: the last state is served', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `d${i}`);
    await Promise.all(
      ids.map(async (id, i) => {
        await stack.widgets.items.create({ id, region: 'eu', n: 1 });
        await stack.widgets.item(id, 'eu').delete();
        await stack.widgets.items.create({ id, region: 'eu', n: 2 });
        if (i % 2 === 1) await stack.widgets.item(id, 'eu').delete();
      }),
    );
    const step = (operationType: string, id: string, n?: number) =>
      ({ operationType, id, ...(n === undefined ? {} : { resourceBody: { id, region: 'eu', n } }) }) as OperationInput;
    const steps = [
      step('Create', 't1', 1),
      step('Replace', 't1', 2),
      step('Delete', 't1'),
      step('Create', 't1', 3),
      step('Create', 't2', 1),
      step('Delete', 't2'),
      step('Create', 't2', 2),
      step('Delete', 't2'),
    ];
    expect((await stack.widgets.items.batch(steps, 'eu')).code).toBe(200);
    for (const [i, id] of ids.entries()) {
      if (i % 2 === 1) await gone('order', 'eu', id);
      else await served('order', 'eu', id, at(2));
    }
    await served('order', 'eu', 't1', at(3));
    await gone('order', 'eu', 't2');
  });

  it('an item moved to another partition key: 404 under the old key, 200 under the new one', async () => {
    const regions = ['eu', 'us', 'asia', 'africa', 'oceania'];
    await stack.widgets.items.create({ id: 'e', region: 'eu', n: 0 });
    for (const [n, region] of regions.entries()) {
      await served('order', region, 'e', at(n));
      const to = regions[n + 1];
      if (to === undefined) break;
      await get('order', to, 'e');
      await stack.widgets.item('e', region).delete();
      await stack.widgets.items.create({ id: 'e', region: to, n: n + 1 });
      await gone('order', region, 'e');
    }
  });

  it('a document that leaves match is 404 in its entity and found in the other; each entity in its own way', async () => {
    await stack.widgets.items.create({ id: 'f', region: 'eu', n: 1, type: 'order' });
    await served('order', 'eu', 'f', at(1));
    for (const entity of ['note', 'any']) await get(entity, 'eu', 'f');
    await gone('note', 'eu', 'f');
    await served('any', 'eu', 'f', at(1));
    await stack.widgets.items.upsert({ id: 'f', region: 'eu', n: 2, type: 'note' });
    await gone('order', 'eu', 'f');
    await until(async () => (at(2)(await get('note', 'eu', 'f')) ? true : undefined));
    await served('any', 'eu', 'f', at(2));
    await stack.widgets.item('f', 'eu').delete();
    await until(async () => ((await get('note', 'eu', 'f')).status === 404 ? true : undefined));
    await gone('any', 'eu', 'f');
    // Evicted or never asked for: nothing was cached on its own account.
    await stack.widgets.items.create({ id: 'g', region: 'eu', n: 1, type: 'note' });
    await stack.widgets.items.create({ id: 'h', region: 'eu', n: 1 });
    await served('order', 'eu', 'h', at(1));
    expect(await stack.redis.exists('wf:warmfeed:c:{any/eu/g}')).toBe(0);
  });

  it('what was deleted and written while the app was down is served right after its start', async () => {
    await stack.widgets.items.create({ id: 'k', region: 'eu', n: 1 });
    await stack.widgets.items.create({ id: 'l', region: 'eu', n: 1 });
    await served('order', 'eu', 'k', at(1));
    await served('order', 'eu', 'l', at(1));
    await stack.host.close();
    await stack.widgets.item('k', 'eu').delete();
    await stack.widgets.item('l', 'eu').delete();
    await stack.widgets.items.create({ id: 'l', region: 'eu', n: 2 });
    await stack.restart();
    await gone('order', 'eu', 'k', 20_000);
    await served('order', 'eu', 'l', at(2), 20_000);
  }, 90_000);

  it('under reads, writes, deletes, a split and a merge every key ends up as it is in the source', async () => {
    const keys = ['eu', 'us', 'asia', 'africa'].flatMap((region) => ['x', 'y', 'z'].map((id) => ({ region, id })));
    const traffic = { isOn: true, writes: 0 };
    const statuses = new Set<number>();
    const write = async () => {
      while (traffic.isOn) {
        const n = ++traffic.writes;
        const { region, id } = keys[(n * 7) % keys.length] ?? { region: 'eu', id: 'x' };
        if (n % 3 === 0)
          await stack.widgets
            .item(id, region)
            .delete()
            .catch(() => undefined);
        else await stack.widgets.items.upsert({ id, region, n });
      }
    };
    const read = async () => {
      for (let i = 0; traffic.isOn; i++) {
        const { region, id } = keys[(i * 5) % keys.length] ?? { region: 'eu', id: 'x' };
        statuses.add((await get(i % 2 ? 'any' : 'order', region, id)).status);
      }
    };
    const load = Promise.all([write(), read()]);
    const during = (writes: number) => until(() => (traffic.writes >= writes ? true : undefined), 60_000);
    await during(80);
    const [first] = stack.emulator.control.ranges(WIDGETS);
    const [low, high] = stack.emulator.control.split({ ...WIDGETS, range: first?.id ?? '' });
    await during(160);
    stack.emulator.control.merge({ ...WIDGETS, ranges: [low.id, high.id] });
    await during(240);
    traffic.isOn = false;
    await load;
    expect(statuses).toEqual(new Set([200, 404]));
    for (const { region, id } of keys) {
      const { resource } = await stack.widgets.item(id, region).read<{ n: number }>();
      for (const entity of ['order', 'any']) {
        await served(
          entity,
          region,
          id,
          (answer) => (resource === undefined ? answer.status === 404 : at(resource.n)(answer)),
          30_000,
        );
      }
    }
  }, 180_000);
});
