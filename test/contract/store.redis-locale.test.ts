import { describe } from 'vitest';
import { hasLocale, LOCALE } from '../support/redis-server.ts';
import { storeContract } from './store.contract.ts';
import { storeOnRedis } from './store.on-redis.ts';

// Redis compares strings by locale: a script that did so would be wrong here only.
describe.skipIf(!hasLocale())('another locale', () => {
  storeContract({ name: `redis under ${LOCALE}`, create: () => storeOnRedis({ env: { LC_ALL: LOCALE } }) });
});
