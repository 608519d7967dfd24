// What happens when the feed is not what it should be: readiness and log tell, what nobody follows is not served for its
// whole life, and all goes on once it is mended: at once where the real trigger can, else after a restart.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { get, type Stack, startStack, until } from '../support/stack.ts';

const SOURCE = 'cosmos/COSMOS/shop/widgets';

describe('a feed that is not what it should be', () => {
  let stack: Stack;
  const said: string[] = [];
  beforeEach(async () => {
    const feed = {
      leaseAcquireInterval: 200,
      leaseExpirationInterval: 1500,
      leaseRenewInterval: 300,
      startRetryDelay: 100,
    };
    stack = await startStack({ host: { feed }, settings: { WARMFEED_FEED_WATCH: '*/1 * * * * *' } });
    said.length = 0;
    for (const level of ['warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => void said.push(parts.join(' ')));
    }
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await stack?.close();
  });

  const write = (id: string, n: number) => stack.database.container('widgets').items.upsert({ id, region: 'eu', n });
  const makeLeases = (path: string) =>
    stack.database.containers.create({ id: 'leases', partitionKey: path, defaultTtl: -1 });
  const remake = async (name: 'widgets' | 'leases') => {
    await stack.database.container(name).delete();
    const partitionKey = name === 'leases' ? '/id' : '/region';
    await stack.database.containers.create({ id: name, partitionKey, defaultTtl: -1 });
  };
  const path = (id: string) => `api/entities/widget/eu/${id}`;
  const cached = (id: string, n: number, at: string = stack.host.url) =>
    until(async () => {
      const answer = await get(`${at}/${path(id)}`);
      return answer.json['n'] === n && answer.cacheStatus.includes('; hit') ? answer : undefined;
    }, 40_000);
  /** Of a dependency: state and detail. */
  async function readiness(name: string, at: string = stack.host.url) {
    const { status, json } = await get(`${at}/api/health/ready`);
    const all = json['dependencies'] as { name: string; state: string; detail?: string }[];
    const { state, detail = '' } = all.find((each) => each.name === name) ?? { state: 'missing' };
    return { status, state, detail };
  }
  const toldOf = (name: string, text: string, at?: string) =>
    until(async () => {
      const found = await readiness(name, at);
      return found.detail.includes(text) ? found : undefined;
    }, 20_000);
  /** Followed again: a change comes with the feed, without anything becoming old. */
  const followed = async (id: string) => {
    expect((await get(`${stack.host.url}/api/health/ready`)).json['status']).toBe('ok');
    for (const n of [101, 102]) {
      await write(id, n);
      await cached(id, n);
    }
  };

  it('C133: a lease container with another key than /id: told by host, readiness and log; nothing stays old', async () => {
    await stack.host.close();
    await stack.database.container('leases').delete();
    await makeLeases('/somethingElse');
    const host = await stack.start();
    try {
      await write('k', 1);
      await cached('k', 1, host.url);
      const { status, state } = await toldOf(`feed of ${SOURCE}`, 'another partition key than /id', host.url);
      expect([status, state]).toEqual([200, 'warn']);
      expect(stack.logs.join('\n')).toContain('The lease container must have partition key equal to id');
      await write('k', 2);
      await cached('k', 2, host.url);
      await until(() => (said.join('\n').includes('nobody follows the change feed') ? true : undefined), 30_000);
      expect(said.join('\n')).toContain('make it anew with that, and restart the app');
    } finally {
      await host.close();
    }
    await stack.database.container('leases').delete();
    await makeLeases('/id');
    await stack.restart();
    await followed('k');
  }, 90_000);

  it('a lease container that vanishes under the running host, and comes back empty: idle until the restart', async () => {
    await write('v', 1);
    await cached('v', 1);
    await stack.database.container('leases').delete();
    const { status, state, detail } = await toldOf(`feed of ${SOURCE}`, 'there is no lease container');
    expect([status, state]).toEqual([200, 'warn']);
    expect(detail).toContain('restart the app');
    // No page will ever tell of this.
    await write('v', 2);
    await cached('v', 2);
    await until(() => (said.join('\n').includes(`nobody follows the change feed of ${SOURCE}`) ? true : undefined));
    await until(() => (stack.logs.join('\n').includes('Looking for leases failed') ? true : undefined));
    await makeLeases('/id');
    await toldOf(`feed of ${SOURCE}`, 'no leases for this container');
    await write('v', 3);
    await cached('v', 3);
    await stack.restart();
    await followed('v');
  }, 90_000);

  it('a watched container that cannot be found for a while, and comes back with its data: on without a restart', async () => {
    await write('w', 1);
    await cached('w', 1);
    const fault = stack.emulator.control.fault({ path: '/colls/widgets', status: 404, substatus: 1003 });
    const { status, state } = await toldOf(SOURCE, 'the database or the container does not exist');
    expect([status, state]).toEqual([503, 'error']);
    // What is cached is served, what is not cannot be.
    expect((await get(`${stack.host.url}/${path('w')}`)).json['n']).toBe(1);
    const other = await get(`${stack.host.url}/${path('other')}`);
    expect([other.status, other.json['type']]).toEqual([502, 'urn:warmfeed:problem:source-rejected']);
    expect(await stack.redis.exists('wf:warmfeed:c:{widget/eu/other}')).toBe(0);
    await until(() => (stack.logs.join('\n').includes('cannot be looked after') ? true : undefined));
    stack.emulator.control.removeFault(fault);
    await until(async () => ((await readiness(SOURCE)).state === 'ok' ? true : undefined), 20_000);
    await followed('w');
  }, 90_000);

  it('a watched container that is made anew under the running host: nothing of the old one, and on after a restart', async () => {
    for (const id of ['r', 's']) {
      await write(id, 1);
      await cached(id, 1);
    }
    await remake('widgets');
    const { status, state } = await toldOf(`feed of ${SOURCE}`, 'no leases for this container');
    expect([status, state]).toEqual([200, 'warn']);
    await until(async () => ((await get(`${stack.host.url}/${path('r')}`)).status === 404 ? true : undefined), 20_000);
    await write('s', 2);
    await cached('s', 2);
    await write('s', 3);
    await cached('s', 3);
    await until(() => (said.join('\n').includes(`nobody follows the change feed of ${SOURCE}`) ? true : undefined));
    await stack.restart();
    await followed('r');
  }, 90_000);

  it('items that name no document: dead letters, everything cached is old, and the feed goes on', async () => {
    await write('u', 1);
    const { text } = await cached('u', 1);
    const [name = ''] = stack.host.functions.map((each) => each.name).filter((each) => each.startsWith('changes-'));
    const before = await stack.redis.xlen('wf:warmfeed:dead');
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    const whole = { current: { id: 'u', region: 'eu', n: 9 }, metadata: { operationType: 'replace', lsn: 7 } };
    await stack.host.invoke(name, [whole, 5, null, 'text', [], {}, { id: 7, region: 'eu', _lsn: 9 }]);
    const letters = await stack.redis.xrange('wf:warmfeed:dead', '-', '+');
    expect(letters.length - before).toBe(7);
    expect(letters.at(-1)?.[1]?.join(' ')).toContain('has no id');
    // Read anew from the source, not out of that page.
    expect((await cached('u', 1)).text).toBe(text);
    expect(stack.sourceReads()).toBeGreaterThan(0);
    stack.emulator.control.record(false);
    expect(said.join('\n')).toMatch(
      /everything cached of cosmos\S+ is old now, as 7 of its changes do not tell what changed: .*changeFeedMode/,
    );
    await followed('u');
  });

  it.each([
    ['no list', { Documents: [{ id: 'p', region: 'eu' }] }],
    ['documents without positions', [{ id: 'p', region: 'eu', n: 9 }]],
  ])(
    'a page that is %s waits: nothing of it is cached, readiness says so, the other pages go on',
    async (_, page) => {
      await write('p', 1);
      await cached('p', 1);
      const [name = ''] = stack.host.functions.map((each) => each.name).filter((each) => each.startsWith('changes-'));
      const delivered = stack.host.invoke(name, page).catch(() => undefined);
      const { status, state } = await toldOf(`feed of ${SOURCE}`, 'a page cannot be handled');
      expect([status, state]).toEqual([200, 'warn']);
      expect(stack.logs.join('\n')).toContain('a page of the change feed waits');
      expect((await get(`${stack.host.url}/${path('p')}`)).json['n']).toBe(1);
      for (const n of [2, 3]) {
        await write('p', n);
        await cached('p', n);
      }
      await stack.restart();
      await delivered;
      await followed('p');
    },
    60_000,
  );
});
