// What users of other caches and of the trigger met, tried on the whole app. Others are in test/unit/peers.test.ts.

import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startRecordingProxy, startSlowProxy } from '../support/proxies.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

let redis: RedisServer;
let proxy: Awaited<ReturnType<typeof startSlowProxy>>;
let admin: Redis;
let stack: Stack;
beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url);
  proxy = await startSlowProxy(redis.port, 0);
  stack = await startStack({
    settings: { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, WARMFEED_REDIS_TIMEOUT: '500ms' },
  });
});
afterEach(() => {
  stack.emulator.control.reset();
  proxy.refuse(false);
  proxy.letGo();
});
afterAll(async () => {
  await stack?.close();
  admin?.disconnect();
  proxy?.close();
  await redis?.kill();
});

const write = (id: string, n: number) => stack.widgets.items.upsert({ id, region: 'eu', n });
const read = (id: string, entity = 'widget') => stack.get(`entities/${entity}/eu/${id}`);
const IDS = ['p0', 'p1', 'p2', 'p3', 'p4'];

async function hitOf(id: string, n: number): Promise<void> {
  await until(async () => {
    const answer = await read(id);
    return answer.json['n'] === n && answer.cacheStatus.includes('; hit') ? true : undefined;
  }, 30_000);
}

const waits = () => stack.logs.filter((line) => line.includes('waits, and will be delivered again')).length;

describe('azure-webjobs-sdk-extensions', () => {
  it('#723, #716, #857: a page whose function throws, and throws again, is no page that is lost', async () => {
    for (const id of IDS) await write(id, 1);
    for (const id of IDS) await hitOf(id, 1);
    stack.logs.length = 0;
    proxy.refuse(true);
    proxy.cut();
    for (const id of IDS) await write(id, 2);
    await until(() => (waits() >= 3 ? true : undefined), 30_000);
    // A later page does not pass the one that waits.
    for (const id of IDS.slice(0, 2)) await write(id, 3);
    proxy.refuse(false);
    for (const [i, id] of IDS.entries()) await hitOf(id, i < 2 ? 3 : 2);
  });

  it('#837, #412: a host that is stopped in the middle of a page hands it on', async () => {
    for (const id of IDS) await write(id, 4);
    for (const id of IDS) await hitOf(id, 4);
    proxy.hold();
    stack.logs.length = 0;
    for (const id of IDS) await write(id, 5);
    await until(() => (waits() >= 1 ? true : undefined), 30_000);
    const restarted = stack.restart();
    proxy.letGo();
    await restarted;
    for (const id of IDS) await hitOf(id, 5);
  });
});

describe('invalidated while it was loaded', () => {
  let cosmos: Awaited<ReturnType<typeof startRecordingProxy>>;
  beforeAll(async () => {
    cosmos = await startRecordingProxy(new URL(stack.emulator.endpoint));
    const connection = stack.settings.COSMOS.replace(stack.emulator.endpoint, cosmos.endpoint);
    await stack.restart({ settings: { ...stack.settings, COSMOS: connection } });
  });
  afterAll(() => cosmos?.close());

  it.each([
    ['FusionCache #625', false],
    ['identity_cache, flush loses the marker', true],
  ])('%s: never a hit with what was before', async (_, flushes) => {
    const id = flushes ? 'flushed' : 'loaded';
    await write(id, 1);
    await hitOf(id, 1);
    await until(async () => {
      const answer = await read('other', 'open');
      return answer.cacheStatus.includes('detail=watermarked') ? true : undefined;
    });
    // The reader's answer is made, and on its way until the page of the next write has been applied.
    let count = 0;
    const letGo = cosmos.hold((path) => path.endsWith(`/docs/${id}`) && ++count === 1);
    const loading = read(id, 'open');
    await until(() => (cosmos.held() === 1 ? true : undefined));
    await write(id, 2);
    await hitOf(id, 2);
    if (flushes) await admin.flushall();
    letGo();
    await loading;
    for (let i = 0; i < 20; i++) {
      const answer = await read(id, 'open');
      expect([answer.status, answer.json['n']]).toEqual([200, 2]);
    }
  });
});
