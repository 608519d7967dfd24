// The caches that we are compared with, each on Redis as its own documentation recommends, without a tier in the process:
// a value there is not what Redis holds. All load through `load`, and all of theirs return parsed objects.

import KeyvRedis from '@keyv/redis';
import { createCache as createDedupe } from 'async-cache-dedupe';
import { BentoCache, bentostore } from 'bentocache';
import { redisDriver } from 'bentocache/drivers/redis';
import { createCache as createManager } from 'cache-manager';
import { Cacheable } from 'cacheable';
import { Redis } from 'ioredis';
import { Keyv } from 'keyv';
import type { Document } from '../src/core/ports.ts';
import { NO_DIRECTIVES } from '../src/core/read/policy.ts';
import { createBenchApp, sourceOf } from './app.ts';
import { versionOf } from './machine.ts';

export interface Cache {
  readonly name: string;
  readonly version: string;
  readonly read: (key: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** Told of every load of the source. */
export type Load = () => Promise<void>;
type Open = (url: string, document: Document, load: Load) => Promise<Cache>;

const TTL_MS = 3_600_000;

const warmfeed: Open = async (url, document, load) => {
  const app = createBenchApp(url, sourceOf(document, load), 'contender');
  await app.settled();
  const { entity, reader } = app;
  return {
    name: 'warmfeed',
    version: 'this',
    read: (key) => reader.read({ entity, key: [key], directives: NO_DIRECTIVES }),
    close: app.close,
  };
};

const asyncCacheDedupe: Open = async (url, document, load) => {
  const client = new Redis(url, { enableAutoPipelining: true });
  const cache = createDedupe({ ttl: TTL_MS / 1000, storage: { type: 'redis', options: { client } } });
  const widgets = cache.define('widget', async (_key: string) => {
    await load();
    return document;
  });
  return named(
    'async-cache-dedupe',
    (key) => widgets.widget(key),
    async () => client.disconnect(),
  );
};

const bentocache: Open = async (url, document, load) => {
  const connection = new Redis(url, { enableAutoPipelining: true });
  const cache = new BentoCache({
    default: 'redis',
    stores: { redis: bentostore().useL2Layer(redisDriver({ connection })) },
  });
  const factory = async () => {
    await load();
    return document;
  };
  return named(
    'bentocache',
    (key) => cache.getOrSet({ key, factory, ttl: TTL_MS }),
    () => cache.disconnectAll(),
  );
};

const cacheable: Open = async (url, document, load) => {
  const keyv = new Keyv({ store: new KeyvRedis(url) });
  const cache = new Cacheable({ primary: keyv, ttl: TTL_MS });
  const loaded = async () => {
    await load();
    return document;
  };
  return named(
    'cacheable',
    (key) => cache.getOrSet(key, loaded),
    () => cache.disconnect(),
  );
};

const cacheManager: Open = async (url, document, load) => {
  const cache = createManager({ stores: [new Keyv({ store: new KeyvRedis(url) })], ttl: TTL_MS });
  const loaded = async () => {
    await load();
    return document;
  };
  return named(
    'cache-manager',
    (key) => cache.wrap(key, loaded),
    async () => {
      await cache.disconnect();
    },
  );
};

/** Ours first. */
export const CONTENDERS: readonly Open[] = [warmfeed, asyncCacheDedupe, cacheable, cacheManager, bentocache];

function named(name: string, read: Cache['read'], close: () => Promise<void>): Cache {
  return { name, version: versionOf(name), read, close };
}
