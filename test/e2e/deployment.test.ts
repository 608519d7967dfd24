import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startHost } from '../../local/host/host.ts';
import { buildApp } from '../support/app.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

const here = (file: string) => new URL(file, import.meta.url).pathname;

describe('old and new deployments on one Redis', () => {
  it('each serve their own form, follow changes, and a rollback works', async () => {
    const stack: Stack = await startStack();
    const next = await buildApp(here('./cache.next.config.ts'));
    // Both take changes from one feed, as during a rolling deployment: whoever gets a page serves for both.
    const other = await stack.start({ root: next });
    const both = async (path: string) => [await stack.get(path), await get(`${other.url}/api/${path}`)] as const;
    try {
      for (let n = 1; n <= 5; n++) {
        await stack.widgets.items.upsert({ id: 'x', region: 'eu', n });
        const [old, fresh] = await until(async () => {
          const answers = await both('entities/widget/eu/x');
          return answers.every(({ json }) => json['n'] === n) ? answers : undefined;
        });
        expect([old.text.includes('"form":2'), fresh.text.includes('"form":2')]).toEqual([false, true]);
        expect(old.headers.get('etag')).not.toBe(fresh.headers.get('etag'));
      }
      // Rolled back: the old one alone, on what both left.
      await other.close();
      await stack.widgets.items.upsert({ id: 'x', region: 'eu', n: 9 });
      const answer = await until(async () => {
        const got = await stack.get('entities/widget/eu/x');
        return got.json['n'] === 9 && got.cacheStatus.includes('; hit') ? got : undefined;
      });
      expect(answer.text).not.toContain('form');
    } finally {
      await other.close().catch(() => undefined);
      await stack.close();
    }
  });
});

describe('two apps, each with its own cache on one Redis', () => {
  it('C131: both get every change, and neither takes the positions of the other for lost ones', async () => {
    const lost: string[] = [];
    const warn = console.warn;
    console.warn = (...parts: unknown[]) => void lost.push(parts.join(' '));
    const stack: Stack = await startStack({ settings: { WEBSITE_SITE_NAME: 'blue' } });
    const green = { ...stack.settings, WEBSITE_SITE_NAME: 'green', WARMFEED_APP: 'green' };
    const other = await stack.start({ settings: green });
    try {
      for (let n = 1; n <= 3; n++) {
        await stack.widgets.items.upsert({ id: 'x', region: 'eu', n });
        await until(async () => {
          const answers = [await stack.get('entities/widget/eu/x'), await get(`${other.url}/api/entities/widget/eu/x`)];
          return answers.every((answer) => answer.json['n'] === n && answer.cacheStatus.includes('; hit')) || undefined;
        });
      }
      await stack.host.invoke('watch-feeds');
      await other.invoke('watch-feeds');
      await stack.host.invoke('watch-feeds');
      expect(lost.filter((line) => line.includes('lost its positions'))).toEqual([]);
      expect(await stack.redis.exists('wf:warmfeed:c:{widget/eu/x}', 'wf:green:c:{widget/eu/x}')).toBe(2);
    } finally {
      console.warn = warn;
      await other.close();
      await stack.close();
    }
  });
});

describe('a wrong configuration', () => {
  it.each([
    ['settings that are missing', './cache.config.ts', {}],
    ['a file that throws', './cache.broken.config.ts', { COSMOS: 'x' }],
  ])('%s: only health is there; ready says 503 and lists the problems', async (_, file, settings) => {
    const logs: string[] = [];
    const write = console.error;
    console.error = (...parts: unknown[]) => void logs.push(parts.join(' '));
    const host = await startHost({ root: await buildApp(here(file)), port: 0, settings, log: () => undefined });
    try {
      expect(host.functions.map(({ name }) => name).toSorted()).toEqual(['health-live', 'health-ready']);
      expect((await get(`${host.url}/api/health/live`)).status).toBe(200);
      const ready = await get(`${host.url}/api/health/ready`);
      expect(ready.status).toBe(503);
      expect(ready.json['problems']).not.toHaveLength(0);
      expect((await get(`${host.url}/api/entities/widget/eu/x`)).status).toBe(404);
      expect(logs.join('\n')).toMatch(/problem|broken/);
    } finally {
      console.error = write;
      await host.close();
    }
  });
});

describe('the package', () => {
  it('is the bundle, host.json and package.json, and needs no node_modules', async () => {
    const folder = await buildApp(here('./cache.config.ts'));
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
    const host = await startHost({ root: folder, port: 0, settings: {}, log: () => undefined });
    await host.close();
  });

  it('asks for keys where they are asked for', async () => {
    const stack = await startStack({ host: { enableAuth: true } });
    try {
      expect((await stack.get('entities/widget/eu/none')).status).toBe(401);
      const keyed = await stack.get('entities/widget/eu/none', {
        headers: { 'x-functions-key': stack.host.keys.default },
      });
      expect(keyed.status).toBe(404);
      expect((await stack.get('health/ready')).status).toBe(200);
    } finally {
      await stack.close();
    }
  });

  it('C134: starts without Redis or Cosmos DB, says so, and recovers', async () => {
    const settings = {
      COSMOS: 'AccountEndpoint=http://127.0.0.1:9/;AccountKey=YQ==;',
      COSMOS_DATABASE: 'shop',
      REDIS_URL: 'redis://127.0.0.1:9',
      WARMFEED_SOURCE_TIMEOUT: '500ms',
    };
    const host = await startHost({
      root: await buildApp(here('./cache.config.ts')),
      port: 0,
      settings,
      log: () => undefined,
    });
    try {
      const ready = await get(`${host.url}/api/health/ready`);
      expect(ready.status).toBe(503);
      expect(JSON.stringify(ready.json)).not.toContain('127.0.0.1');
      expect((await get(`${host.url}/api/entities/widget/eu/x`)).status).toBe(503);
    } finally {
      await host.close();
    }
  });
});
