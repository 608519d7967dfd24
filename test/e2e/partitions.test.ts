import { ChangeFeedStartFrom } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSlowProxy } from '../support/proxies.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

const WIDGETS = { database: 'shop', container: 'widgets' };
const REGIONS = Array.from({ length: 24 }, (_, i) => `r${i}`);

describe('partitions', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ host: { feed: { leaseAcquireInterval: 200 } } });
  });
  afterAll(() => stack?.close());

  /** Everything that is cached is what the source has now. */
  async function expectAllCurrent(ids: readonly string[]): Promise<void> {
    for (const region of REGIONS) {
      for (const id of ids) {
        const { resource } = await stack.widgets.item(id, region).read<{ n: number }>();
        await until(async () => {
          const answer = await stack.get(`entities/widget/${region}/${id}`);
          return answer.json['n'] === resource?.n && answer.cacheStatus.includes('; hit') ? true : undefined;
        }, 20_000);
      }
    }
  }

  it('are split and merged under reads and writes, and every key is what the source has', async () => {
    const ids = ['a', 'b'];
    for (const region of REGIONS) for (const id of ids) await stack.widgets.items.upsert({ id, region, n: 0 });
    let n = 0;
    const traffic = { isOn: true };
    const statuses = new Map<number, number>();
    const load = Promise.all([
      (async () => {
        while (traffic.isOn) {
          n++;
          const region = REGIONS[n % REGIONS.length] ?? 'r0';
          await stack.widgets.items.upsert({ id: ids[n % 2] ?? 'a', region, n });
        }
      })(),
      (async () => {
        for (let i = 0; traffic.isOn; i++) {
          const answer = await stack.get(`entities/widget/${REGIONS[(i * 7) % REGIONS.length]}/${ids[i % 2]}`);
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        }
      })(),
    ]);
    const during = (writes: number) => until(() => (n >= writes ? true : undefined), 30_000);
    await during(100);
    stack.emulator.control.split({ ...WIDGETS, range: '0' });
    await during(300);
    const ranges = async () => (await stack.widgets.readPartitionKeyRanges().fetchAll()).resources.map(({ id }) => id);
    const [first = '', second = ''] = await ranges();
    stack.emulator.control.split({ ...WIDGETS, range: first });
    await during(500);
    expect(await ranges()).toHaveLength(3);
    const [, left = '', right = second] = await ranges();
    stack.emulator.control.merge({ ...WIDGETS, ranges: [left, right] });
    await during(700);
    traffic.isOn = false;
    await load;
    expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
    await expectAllCurrent(ids);
  }, 120_000);

  it('a token of before a split still reads your own write after it', async () => {
    const written = await stack.widgets.items.upsert({ id: 'token', region: 'r1', n: 1 });
    const token = String(written.headers['x-ms-session-token']);
    const [range = ''] = token.split(':');
    stack.emulator.control.split({ ...WIDGETS, range });
    const answer = await stack.get('entities/widget/r1/token', { headers: { 'x-ms-session-token': token } });
    expect([answer.status, answer.json['n']]).toEqual([200, 1]);
  });

  it('a late worker of the parent, held up until the child’s batch is done, brings nothing old back', async () => {
    await stack.widgets.items.upsert({ id: 'late', region: 'r2', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/r2/late')).cacheStatus.includes('; hit') ? true : undefined,
    );
    const feed = stack.widgets.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Now('r2') });
    await feed.readNext();
    await stack.widgets.items.upsert({ id: 'late', region: 'r2', n: 2 });
    const { result: page } = await feed.readNext();
    expect(page).toHaveLength(1);

    // Another instance got the page; its Redis answers nothing for a long while, after its first step.
    const proxy = await startSlowProxy(Number(new URL(stack.redisServer.url).port), 0);
    const slow = await stack.start({
      settings: {
        ...stack.settings,
        REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
        WARMFEED_REDIS_TIMEOUT: '30s',
        WARMFEED_LEASE_PREFIX: 'elsewhere-',
      },
    });
    try {
      const [name = ''] = slow.functions.map((each) => each.name).filter((each) => each.startsWith('changes-'));
      await get(`${slow.url}/api/entities/widget/r2/late`);
      proxy.hold();
      const late = slow.invoke(name, page);

      const range =
        String((await stack.widgets.item('late', 'r2').read()).headers['x-ms-session-token']).split(':')[0] ?? '';
      stack.emulator.control.split({ ...WIDGETS, range });
      await stack.widgets.items.upsert({ id: 'late', region: 'r2', n: 3 });
      await until(async () => {
        const answer = await stack.get('entities/widget/r2/late');
        return answer.json['n'] === 3 && answer.cacheStatus.includes('; hit') ? true : undefined;
      }, 30_000);
      proxy.letGo();
      await late;
      for (let i = 0; i < 20; i++) expect((await stack.get('entities/widget/r2/late')).json['n']).toBe(3);
    } finally {
      await slow.close();
      proxy.close();
    }
  }, 60_000);

  it('a container that was made anew: nothing of the old one is served', async () => {
    await stack.widgets.items.upsert({ id: 'anew', region: 'r3', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/r3/anew')).cacheStatus.includes('; hit') ? true : undefined,
    );
    await stack.widgets.delete();
    await stack.database.containers.create({ id: 'widgets', partitionKey: '/region', defaultTtl: -1 });
    await stack.widgets.items.upsert({ id: 'anew', region: 'r3', n: 2 });
    // The trigger goes on with the new container at its next start at the latest.
    await stack.restart();
    await until(async () => ((await stack.get('entities/widget/r3/anew')).json['n'] === 2 ? true : undefined), 20_000);
    await stack.widgets.items.upsert({ id: 'anew', region: 'r3', n: 3 });
    await until(async () => ((await stack.get('entities/widget/r3/anew')).json['n'] === 3 ? true : undefined), 20_000);
  }, 60_000);
});

describe('lost positions', () => {
  it('leases that were deleted while the app was down: what changed meanwhile is not served from before', async () => {
    const stack = await startStack();
    try {
      await stack.widgets.items.upsert({ id: 'p', region: 'eu', n: 1 });
      await until(async () =>
        (await stack.get('entities/widget/eu/p')).cacheStatus.includes('; hit') ? true : undefined,
      );
      await stack.host.close();
      await stack.widgets.items.upsert({ id: 'p', region: 'eu', n: 2 });
      const leases = stack.database.container('leases');
      const { resources } = await leases.items.query<{ id: string }>('SELECT c.id FROM c').fetchAll();
      for (const { id } of resources) await leases.item(id, id).delete();
      // A feed from now on, in another second than the write: the change is never delivered.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      await stack.restart();
      expect((await stack.get('entities/widget/eu/p')).json['n']).toBe(2);
    } finally {
      await stack.close();
    }
  }, 60_000);

  it('another prefix is another reader: the same', async () => {
    const stack = await startStack();
    try {
      await stack.widgets.items.upsert({ id: 'q', region: 'eu', n: 1 });
      await until(async () =>
        (await stack.get('entities/widget/eu/q')).cacheStatus.includes('; hit') ? true : undefined,
      );
      await stack.host.close();
      await stack.widgets.items.upsert({ id: 'q', region: 'eu', n: 2 });
      await new Promise((resolve) => setTimeout(resolve, 2100));
      await stack.restart({ settings: { ...stack.settings, WARMFEED_LEASE_PREFIX: 'other-' } });
      expect((await stack.get('entities/widget/eu/q')).json['n']).toBe(2);
    } finally {
      await stack.close();
    }
  }, 60_000);
});
