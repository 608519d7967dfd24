// What is deployed, as it is deployed: the zip in an empty folder, with nothing of the project around it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CosmosClient } from '@azure/cosmos';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUNDLES } from '../../infra/tools/build.ts';
import { startCosmosEmulator } from '../../local/cosmos/emulator.ts';
import { type Host, startHost } from '../../local/host/host.ts';
import { startDatabases } from '../support/databases.ts';
import { startRedis } from '../support/redis-server.ts';
import { get, until } from '../support/stack.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'warmfeed-deployed-'));
const atEnd: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
let report = '';
let host: Host;

beforeAll(async () => {
  // Of the bundle that `npm test` has built; another build would write under the feet of other tests.
  if (!existsSync(join(ROOT, 'dist/main.cjs'))) execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  report = execFileSync(process.execPath, ['infra/tools/package.ts'], { cwd: ROOT }).toString();
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(join(ROOT, 'dist/warmfeed.zip'))))) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  const redis = await startRedis();
  atEnd.push(() => redis.stop());
  const emulator = await startCosmosEmulator({ ranges: 1 });
  atEnd.push(() => emulator.close());
  const client = new CosmosClient(emulator.connectionString);
  atEnd.push(() => client.dispose());
  const { database } = await client.databases.create({ id: 'warmfeed' });
  const { container } = await database.containers.create({ id: 'airports', partitionKey: '/country' });
  await database.containers.create({ id: 'leases', partitionKey: '/id', defaultTtl: -1 });
  await container.items.create({ id: 'CDG', country: 'FR', type: 'airport', internalNotes: 'x' });
  const databases = await startDatabases();
  atEnd.push(() => databases.stop());
  const settings = {
    ...databases.settings,
    COSMOS: emulator.connectionString,
    COSMOS_DATABASE: 'warmfeed',
    REDIS_URL: redis.url,
    WARMFEED_REPLICA_LAG: '0s',
    WARMFEED_FEED_POLL: '50ms',
    WARMFEED_FEED_ACQUIRE: '200ms',
  };
  host = await startHost({ root: folder, port: 0, settings, log: () => undefined });
  atEnd.push(() => host.close());
});

afterAll(async () => {
  for (const end of atEnd.toReversed()) await end();
});

it('is these files, and says how large it is and how long it loads', () => {
  expect(readdirSync(folder)).toEqual(['host.json', 'package.json', ...BUNDLES].toSorted());
  expect(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).not.toHaveProperty('dependencies');
  expect(report).toMatch(/bundle, loads in \d+ ms\ndist\/warmfeed\.zip: \d+ kB/);
});

it('serves from an empty folder, and follows changes', async () => {
  expect(host.loadError).toBeUndefined();
  await until(async () => ((await get(`${host.url}/api/health/ready`)).json['status'] === 'ok' ? true : undefined));
  const hit = await until(async () => {
    const answer = await get(`${host.url}/api/entities/airport/FR/CDG`);
    return answer.cacheStatus.includes('; hit') ? answer : undefined;
  });
  expect(hit.text).toBe('{"id":"CDG","country":"FR","type":"airport"}');
});

it('loads no SDK that nothing has asked for', () => {
  const plain = {
    COSMOS: 'AccountEndpoint=http://127.0.0.1:9/;AccountKey=eA==;',
    REDIS_URL: 'redis://127.0.0.1:9',
    POSTGRES: 'postgres://127.0.0.1:9/x',
    SQL: 'Server=127.0.0.1,9;Database=x',
    CONTENT: 'UseDevelopmentStorage=true',
  };
  expect(loaded(plain)).toEqual(['main.cjs']);
  // So that the test could fail: with an identity its library is there.
  const identity = { ...plain, REDIS_URL: 'rediss://127.0.0.1:9', REDIS_URL__credential: 'managedidentity' };
  expect(loaded(identity)).toEqual(['identity.cjs', 'main.cjs']);
});

/** Files of the package that were read half a second after the start. */
function loaded(settings: Record<string, string>): string[] {
  const script = `
    require('./main.cjs');
    setTimeout(() => {
      console.log(Object.keys(require.cache).map((file) => require('node:path').basename(file)).join());
      process.exit();
    }, 500);`;
  const env = { ...process.env, COSMOS_DATABASE: 'w', ...settings };
  const output = execFileSync(process.execPath, ['-e', script], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return (output.toString().trim().split('\n').at(-1) ?? '').split(',').toSorted();
}
