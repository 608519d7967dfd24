// What is deployed, loaded as a Functions host does: the files that .funcignore lets through, after `npm run build` (which
// `npm test` runs first), with the settings of the sample.

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUNDLES } from '../../infra/tools/build.ts';
import { readSettingsFile } from '../../local/host/settings.ts';
import definition from '../../src/cache.config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { startDatabases } from '../support/databases.ts';
import { hostSchema, localSettingsSchema } from '../support/functions-schemas.ts';
import { type Answer, type Stack, startStack, until } from '../support/stack.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const json = (...path: string[]) => JSON.parse(readFileSync(join(ROOT, ...path), 'utf8')) as Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), 'warmfeed-package-'));

beforeAll(() => {
  const kept = readFileSync(join(ROOT, '.funcignore'), 'utf8').split('\n');
  const files = kept.flatMap((line) => (/^![^/]/.test(line) ? [line.slice(1)] : [])).filter((file) => file !== 'dist');
  expect(files.filter((file) => file.startsWith('dist/'))).toEqual(BUNDLES.map((name) => `dist/${name}`).toSorted());
  for (const file of files) cpSync(join(ROOT, file), join(folder, file));
  cpSync(join(ROOT, 'local.settings.sample.json'), join(folder, 'local.settings.json'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the files', () => {
  const ajv = new Ajv({ allErrors: true, strict: true });
  const isHost = ajv.compile(hostSchema);
  const isLocalSettings = ajv.compile(localSettingsSchema);

  it('package.json names an entry point that the build makes', () => {
    const { main } = json('package.json');
    expect(main).toBe('dist/main.cjs');
    expect(existsSync(join(folder, String(main)))).toBe(true);
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
  });

  it('host.json says what the host understands', () => {
    isHost(json('host.json'));
    expect(isHost.errors).toBeNull();
  });

  it.each([
    ['a version of another host', { version: '1.0' }],
    ['no bundle', { extensionBundle: undefined }],
    [
      'a bundle that is too old',
      { extensionBundle: { ...(json('host.json')['extensionBundle'] as object), version: '[3.*, 4.0.0)' } },
    ],
    ['a section that nobody reads', { extension: {} }],
    ['a prefix with a slash', { extensions: { http: { routePrefix: '/api' } } }],
    ['an option in another spelling', { extensions: { cosmosDb: { connectionMode: 'Gateway' } } }],
    ['a mode that is none', { extensions: { cosmosDB: { connectionMode: 'gateway' } } }],
    ['a level that is none', { logging: { logLevel: { default: 'Info' } } }],
    ['a time without seconds', { functionTimeout: '00:05' }],
  ])('and not %s', (_, change) => {
    expect(isHost(JSON.parse(JSON.stringify({ ...json('host.json'), ...change })))).toBe(false);
  });

  it('local.settings.sample.json, copied unchanged, is a complete configuration', () => {
    isLocalSettings(json('local.settings.sample.json'));
    expect(isLocalSettings.errors).toBeNull();
    expect(isLocalSettings({ IsEncrypted: false, Values: { FUNCTIONS_WORKER_RUNTIME: 'node', X: 1 } })).toBe(false);
    const values = json('local.settings.sample.json')['Values'] as Record<string, string>;
    const { containers } = resolveConfig(definition, values);
    expect(containers.map(({ source }) => source.database)).toEqual(['warmfeed']);
    // Nothing in it is misspelt, and nothing superfluous.
    const known = [
      'FUNCTIONS_WORKER_RUNTIME',
      'AzureWebJobsStorage',
      'COSMOS',
      'COSMOS_DATABASE',
      'CONTENT',
      'POSTGRES',
      'SQL',
      ...Object.keys(SETTINGS),
    ];
    expect(Object.keys(values).filter((name) => !known.includes(name))).toEqual([]);
    for (const name of ['COSMOS', 'COSMOS_DATABASE', 'REDIS_URL', 'POSTGRES', 'SQL', 'CONTENT']) {
      expect(() => resolveConfig(definition, { ...values, [name]: undefined })).toThrow(name);
    }
  });
});

describe('the package in a host', () => {
  let stack: Stack;
  let databases: Awaited<ReturnType<typeof startDatabases>>;
  beforeAll(async () => {
    databases = await startDatabases();
    stack = await startStack();
    const { container } = await stack.database.containers.create({ id: 'airports', partitionKey: '/country' });
    await container.items.create({ id: 'CDG', country: 'FR', type: 'airport', n: 1 });
    await container.items.create({ id: 'ab', country: 'x/y', type: 'airport', n: 2 });
    // The sample's own addresses may be those of somebody else's services.
    const { settings } = readSettingsFile(join(folder, 'local.settings.json'));
    const { COSMOS, COSMOS_DATABASE, REDIS_URL } = stack.settings;
    await stack.redis.flushall();
    const here = { COSMOS, COSMOS_DATABASE, REDIS_URL, ...databases.settings };
    await stack.restart({ root: folder, settings: { ...settings, ...here } });
  });
  afterAll(async () => {
    await stack?.close();
    await databases?.stop();
  });

  it('has all its functions, and is ready', async () => {
    expect(stack.host.loadError).toBeUndefined();
    expect(stack.host.functions.map(({ name }) => name).toSorted()).toEqual(
      [
        'audit',
        'batch',
        'changes-postgres-POSTGRES',
        'changes-shop-airports',
        'changes-sql-SQL',
        'content',
        'content-events',
        'entities',
        'health-live',
        'health-ready',
        'openapi',
        'ops-consistency',
        'ops-console',
        'ops-console-file',
        'ops-dead-letter',
        'ops-dead-letters',
        'ops-dead-letters-drop',
        'ops-dead-letters-replay',
        'ops-explain',
        'ops-explain-query',
        'ops-purge',
        'ops-source',
        'ops-sources',
        'ops-stats',
        'ops-warm',
        'ops-warm-job',
        'ops-warm-turn',
        'queries',
        'session',
        'session-touch',
        'sessions',
        'warm',
        'watch-failovers',
        'watch-feeds',
      ].toSorted(),
    );
    expect((await stack.get('health/ready')).json).toMatchObject({ status: 'ok' });
  });

  it('serves items, and follows the feed from the beginning, as the sample says', async () => {
    const answer = await until(async () => {
      const got = await stack.get('entities/airport/FR/CDG');
      return got.cacheStatus.includes('; hit') ? got : undefined;
    });
    expect(answer.json['n']).toBe(1);
    await stack.database.container('airports').items.upsert({ id: 'CDG', country: 'FR', type: 'airport', n: 2 });
    await until(async () => ((await stack.get('entities/airport/FR/CDG')).json['n'] === 2 ? true : undefined));
  });

  it('C29: %2F is part of a key, which only the raw path tells; %2f too; / separates', async () => {
    const found: [string, Answer][] = [];
    for (const path of ['x%2Fy/ab', 'x%2fy/ab']) found.push([path, await stack.get(`entities/airport/${path}`)]);
    for (const [path, answer] of found) expect([path, answer.status, answer.json['n']]).toEqual([path, 200, 2]);
    expect((await stack.get('entities/airport/x/y/ab')).status).toBe(400);
    expect((await stack.get('entities/airport/x%2Fy%2Fab')).status).toBe(400);
  });

  it('an upload without a length, whose body never arrives, is answered all the same', async () => {
    const status = await new Promise<number | undefined>((done, failed) => {
      const url = `${stack.host.url}/api/entities/airport/FR/CDG`;
      const upload = request(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, (response) => {
        response.resume();
        done(response.statusCode);
      });
      upload.on('error', failed);
      upload.write('{"a":');
      upload.end('1}');
    });
    expect(status).toBe(405);
  });
});
