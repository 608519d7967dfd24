import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHostProcess } from '../support/host-process.ts';
import { startSlowProxy } from '../support/proxies.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

const BARE_BYTES = 36;

const spawnHost = (stack: Stack, settings: Record<string, string>) =>
  startHostProcess({ root: stack.root, settings: { ...stack.settings, ...settings } });

describe('a process', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ host: { feed: { leaseExpirationInterval: 1500, leaseRenewInterval: 300 } } });
  });
  afterAll(() => stack?.close());

  it('C81: killed between invalidating and refreshing: its successor completes the page', async () => {
    const ids = Array.from({ length: 30 }, (_, i) => `x${i}`);
    const record = (id: string) => `wf:warmfeed:c:{widget/eu/${id}}`;
    await Promise.all(ids.map((id) => stack.widgets.items.upsert({ id, region: 'eu', n: 1 })));
    await until(async () => ((await stack.redis.exists(...ids.map(record))) === ids.length ? true : undefined));
    await stack.host.close();

    // Its replies come late, so that there is a long moment between a page's steps.
    const slow = await startSlowProxy(Number(new URL(stack.redisServer.url).port), 400);
    const child = await spawnHost(stack, {
      REDIS_URL: `redis://127.0.0.1:${slow.port}`,
      WARMFEED_REDIS_TIMEOUT: '5s',
      WARMFEED_REDIS_CONNECT_TIMEOUT: '10s',
    });
    await Promise.all(ids.map((id) => stack.widgets.items.upsert({ id, region: 'eu', n: 2 })));
    await until(async () => {
      const sizes = await Promise.all(ids.map((id) => stack.redis.strlen(record(id))));
      return sizes.some((size) => size === BARE_BYTES) ? true : undefined;
    }, 20_000);
    await child.end('SIGKILL');
    slow.close();

    await stack.restart();
    for (const id of ids) {
      await until(async () => {
        const answer = await stack.get(`entities/widget/eu/${id}`);
        return answer.json['n'] === 2 && answer.cacheStatus.includes('; hit') ? true : undefined;
      }, 20_000);
    }
  });

  it('stops cleanly on SIGTERM: leases are given back and the next one goes on at once', async () => {
    await stack.host.close();
    const child = await spawnHost(stack, {});
    expect(await child.end('SIGTERM')).toBe(0);
    await stack.restart();
    await stack.widgets.items.upsert({ id: 'after', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/after')).cacheStatus.includes('; hit') ? true : undefined,
    );
  });
});
