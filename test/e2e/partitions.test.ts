import { ChangeFeedStartFrom } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSlowProxy } from '../support/proxies.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

const WIDGETS = { database: 'shop', container: 'widgets' };
const REGIONS = Array.from({ length: 24 }, (_, i) => `r${i}`);

describe('partitions', () => {
  let stack: Stack;
  beforeAll(async () => {
    // Frozen replicas are those of the leases too: what is lost meanwhile has to expire, after 60 s by default.
    const feed = { leaseAcquireInterval: 200, leaseExpirationInterval: 1500, leaseRenewInterval: 300 };
    stack = await startStack({ host: { feed } });
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

  it('a token of before a split and a merge is honoured after them: nothing older than its write, or 503', async () => {
    const { control } = stack.emulator;
    const path = 'entities/widget/r1/token';
    const rangeOf = ({ headers }: { headers: object }) =>
      String((headers as Record<string, unknown>)['x-ms-session-token']).split(':')[0] ?? '';
    await stack.widgets.items.upsert({ id: 'token', region: 'r1', n: 1 });
    await until(async () => ((await stack.get(path)).cacheStatus.includes('; hit') ? true : undefined));
    // From here on neither the feed nor any replica brings what is written.
    const held = control.fault({ operation: 'change-feed', status: 503 });
    control.replica('frozen');
    const written = await stack.widgets.items.upsert({ id: 'token', region: 'r1', n: 2 });
    const mine = { headers: { 'x-ms-session-token': String(written.headers['x-ms-session-token']) } };
    /** The others may see what is cached; whoever has the token sees its write, or that it cannot be seen yet. */
    const look = async () => {
      expect((await stack.get(path)).json['n']).toBe(1);
      return stack.get(path, mine);
    };
    const notYet = async () => {
      const answer = await look();
      expect([answer.status, answer.headers.has('retry-after'), answer.json['n']]).toEqual([503, true, undefined]);
    };
    await notYet();
    const [low, high] = control.split({ ...WIDGETS, range: rangeOf(written) });
    await notYet();
    control.replica('none');
    expect((await look()).json['n']).toBe(2);
    control.merge({ ...WIDGETS, ranges: [low.id, high.id] });
    expect((await look()).json['n']).toBe(2);
    // Of before the merge, and ahead of what the merged range's replica has.
    control.replica('frozen');
    const merged = await stack.widgets.items.upsert({ id: 'token', region: 'r1', n: 3 });
    mine.headers['x-ms-session-token'] = String(merged.headers['x-ms-session-token']);
    await notYet();
    control.split({ ...WIDGETS, range: rangeOf(merged) });
    await notYet();
    control.replica('none');
    expect((await look()).json['n']).toBe(3);
    // A token that nothing will ever reach.
    const [range = '', ...rest] = mine.headers['x-ms-session-token'].split('#');
    mine.headers['x-ms-session-token'] = [range, String(BigInt(rest.at(-1) ?? '0') + 1000n)].join('#');
    await notYet();
    control.removeFault(held);
    await until(async () => ((await stack.get(path)).json['n'] === 3 ? true : undefined), 20_000);
  }, 60_000);

  it('tokens of both halves of a merge, and of their parent, are positions of the merged range', async () => {
    const { control } = stack.emulator;
    const written = await stack.widgets.items.upsert({ id: 'first', region: 'r5', n: 1 });
    const tokenOf = ({ headers }: { headers: object }) =>
      String((headers as Record<string, unknown>)['x-ms-session-token']);
    const parent = tokenOf(written).split(':')[0] ?? '';
    const [low, high] = control.split({ ...WIDGETS, range: parent });
    const tokens = [tokenOf(written)];
    const halves = new Map<string, string>();
    for (const region of REGIONS) {
      const token = tokenOf(await stack.widgets.items.upsert({ id: 'half', region, n: 1 }));
      halves.set(token.split(':')[0] ?? '', region);
      tokens.push(token);
    }
    expect([halves.has(low.id), halves.has(high.id)]).toEqual([true, true]);
    control.merge({ ...WIDGETS, ranges: [low.id, high.id] });
    const region = halves.get(low.id) ?? '';
    for (const token of [...tokens, tokens.slice(-4).join(',')]) {
      const answer = await stack.get(`entities/widget/${region}/half`, { headers: { 'x-ms-session-token': token } });
      expect([token, answer.status, answer.json['n']]).toEqual([token, 200, 1]);
    }
  }, 60_000);

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
