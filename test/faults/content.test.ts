// Content when its storage or Redis fails.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askRaw, startAzurite } from '../support/azurite.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

let azurite: Awaited<ReturnType<typeof startAzurite>>;
let stack: Stack;

beforeAll(async () => {
  azurite = await startAzurite();
  stack = await startStack({
    configuration: new URL('../e2e/content-faults.config.ts', import.meta.url).pathname,
    settings: {
      CONTENT: azurite.connection,
      WARMFEED_SOURCE_CONCURRENCY: '4',
      WARMFEED_SOURCE_QUEUE: '4',
      WARMFEED_SOURCE_TIMEOUT: '2s',
      WARMFEED_BREAKER_RESET: '200ms',
      WARMFEED_REDIS_TIMEOUT: '500ms',
      WARMFEED_CONTENT_LARGE_CONCURRENCY: '1',
    },
  });
});
afterAll(async () => {
  await stack?.close();
  await azurite?.stop();
});

const ask = (path: string, headers: Record<string, string> = {}) =>
  askRaw(`${stack.host.url}/api/content/${path}`, headers);

const deliver = (name: string) =>
  fetch(`${stack.host.url}/runtime/webhooks/eventgrid?functionName=content-events`, {
    method: 'POST',
    headers: { 'aeg-event-type': 'Notification' },
    body: JSON.stringify([
      {
        eventType: 'Microsoft.Storage.BlobCreated',
        subject: `/blobServices/default/containers/content/blobs/${name}`,
        data: {},
      },
    ]),
  });

describe('the storage', () => {
  it('down: what is cached is served and says so, all else is 503; back: it is fresh again', async () => {
    await azurite.put('a.png', 'one');
    await azurite.put('l.png', randomBytes(100_000));
    await ask('a.png');
    await ask('l.png');
    azurite.proxy.cut(true);
    const stale = await until(async () => {
      const answer = await ask('a.png');
      return answer.headers['cache-status']?.includes('fwd=stale') ? answer : undefined;
    });
    expect([stale.status, stale.body.toString()]).toEqual([200, 'one']);
    expect(stale.headers['cache-status']).toContain('fwd-status=503');
    const cold = await ask('cold.png');
    expect([cold.status, cold.headers['content-type']]).toEqual([503, 'application/problem+json; charset=utf-8']);
    expect(Number(cold.headers['retry-after'])).toBeGreaterThan(0);
    // Its description is cached, its bytes are not.
    expect((await ask('l.png')).status).toBe(503);
    const ready = await stack.get('health/ready');
    expect(ready.status).toBe(503);
    expect(ready.json['dependencies']).toContainEqual({ name: 'content', state: 'error', detail: 'does not answer' });
    await azurite.put('a.png', 'two');
    azurite.proxy.cut(false);
    await until(async () => ((await ask('a.png')).body.toString() === 'two' ? true : undefined));
    expect((await ask('cold.png')).status).toBe(404);
  });

  it('that hangs is given up in time: stale, or 503', async () => {
    await azurite.put('hang.png', 'one');
    await ask('hang.png');
    const letGo = azurite.proxy.hold();
    const stale = await until(async () => {
      const answer = await ask('hang.png');
      return answer.headers['cache-status']?.includes('fwd=stale') ? answer : undefined;
    });
    expect(stale.body.toString()).toBe('one');
    expect((await ask('hang-cold.png')).status).toBe(503);
    letGo();
    await until(async () => ((await ask('hang-cold.png')).status === 404 ? true : undefined));
  });

  it('without its container is 503, not 404', async () => {
    await azurite.container.delete();
    const gone = await until(async () => {
      const answer = await ask('missing.png');
      return answer.status === 404 ? undefined : answer;
    });
    expect(gone.status).toBe(503);
    expect((await ask('missing.svg', { 'accept-encoding': 'br' })).status).toBe(503);
    await azurite.container.createIfNotExists();
    await until(async () => ((await ask('missing.png')).status === 404 ? true : undefined));
  });

  it('changed in the middle of an answer never gives bytes of two versions', async () => {
    await azurite.put('big.png', Buffer.alloc(100_000, 'a'));
    await ask('big.png');
    const letGo = azurite.proxy.hold();
    const answers = Array.from({ length: 5 }, () => ask('big.png', { range: 'bytes=0-9,50000-50009' }));
    // The first part has been read, the second not yet.
    await until(() => (azurite.proxy.held() > 0 ? true : undefined));
    await azurite.put('big.png', Buffer.alloc(100_000, 'b'));
    letGo();
    const all = await Promise.all(answers);
    expect(all.some(({ status }) => status === 206)).toBe(true);
    for (const { status, body } of all) {
      expect([206, 503]).toContain(status);
      const text = body.toString().match(/\b(a{10}|b{10})\b/g) ?? [];
      expect(new Set(text).size).toBeLessThanOrEqual(1);
    }
  });

  it('C126: asked for large blobs reads one after the other, and refuses no one whose turn comes', async () => {
    await azurite.put('many.png', randomBytes(100_000));
    await ask('many.png');
    azurite.taken();
    const letGo = azurite.proxy.hold();
    const answers = Array.from({ length: 5 }, () => ask('many.png'));
    await until(() => (azurite.proxy.requests.length > 0 ? true : undefined));
    expect(azurite.proxy.requests.length).toBe(1);
    letGo();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });
});

describe('Redis', () => {
  it('C58: down: the storage answers, so many at a time, and 503 beyond; an event is to be delivered again', async () => {
    await azurite.put('r.png', 'one');
    await ask('r.png');
    await stack.redisServer.stop();
    const through = await until(async () => {
      const answer = await ask('r.png');
      return answer.status === 200 ? answer : undefined;
    });
    expect(through.headers['cache-status']).toContain('fwd=bypass');
    expect((await deliver('r.png')).status).toBe(500);
    azurite.taken();
    const letGo = azurite.proxy.hold();
    let done = 0;
    const answers = Array.from({ length: 50 }, (_, i) => ask(`r${i}.png`).finally(() => done++));
    await until(() => (done >= 42 ? true : undefined));
    expect(azurite.proxy.requests.length).toBe(4);
    letGo();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 404).length).toBe(8);
    expect(statuses.filter((status) => status === 503).length).toBe(42);
    await stack.redisServer.start();
    await until(async () => ((await ask('r.png')).headers['cache-status']?.includes('; hit') ? true : undefined));
    expect((await deliver('r.png')).status).toBe(202);
  });
});
