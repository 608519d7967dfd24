// What `azd up` would deploy, as the Bicep CLI predicts it, held against rules and against the app itself.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildBicep, findBicep, type PredictedResource, predictBicep } from '../../infra/tools/bicep.ts';
import { startHost } from '../../local/host/host.ts';
import definition from '../../src/cache.config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { buildApp } from '../support/app.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ME = '11111111-1111-4111-8111-111111111111';
const given = { environmentName: 'test', location: 'westeurope', principalId: ME, principalName: 'me' };
const everything = { useSql: true, usePostgres: true, useContent: true };

const bicep = findBicep();
if ('missing' in bicep) {
  if (process.env['CI'] && !bicep.missing.startsWith('no bicep and no dotnet')) throw new Error(bicep.missing);
  process.stderr.write(`The infrastructure is not tested here: ${bicep.missing}\n`);
}
const cli = 'missing' in bicep ? undefined : bicep;
const it = test.skipIf(cli === undefined);

const byText = (a: unknown, b: unknown) => (String(a) < String(b) ? -1 : 1);
const predictions = new Map<string, PredictedResource[]>();

function predict(more: Record<string, unknown> = {}): PredictedResource[] {
  if (cli === undefined) throw new Error('no Bicep');
  const id = JSON.stringify(more);
  const known = predictions.get(id) ?? predictBicep(cli, { ...given, ...more });
  predictions.set(id, known);
  return known;
}

let built: ReturnType<typeof buildBicep> | undefined;

function compiled(): ReturnType<typeof buildBicep> {
  if (cli === undefined) throw new Error('no Bicep');
  built ??= buildBicep(cli);
  return built;
}

const ofType = (type: string, more?: Record<string, unknown>) =>
  predict(more).filter((resource) => resource.type.toLowerCase() === type.toLowerCase());
const one = (type: string, more?: Record<string, unknown>): PredictedResource => {
  const found = ofType(type, more);
  expect(found, type).toHaveLength(1);
  return found[0] as PredictedResource;
};
const settingsOf = (more?: Record<string, unknown>) =>
  one('Microsoft.Web/sites/config', more).properties as Record<string, string>;

const plan = (more?: Record<string, unknown>) =>
  one('Microsoft.Web/sites', more).properties?.['functionAppConfig'] as {
    runtime: object;
    scaleAndConcurrency: { alwaysReady: { name: string; instanceCount: number }[] };
    deployment: { storage: { authentication: object } };
  };

/** What stands where Azure answers: endpoints by resource type. */
function answered(text: string): string {
  if (!text.startsWith('[')) return text;
  if (text.includes('redisEnterprise')) return 'rediss://r.westeurope.redis.azure.net:10000';
  if (/\.(documentEndpoint|primaryEndpoints\.blob)\b/.test(text)) return 'https://name.example.net/';
  return 'some-id';
}

it('compiles and lints without a word', () => {
  expect(compiled().findings).toBe('');
});

test('alerts and workbook ask for metrics that there are', () => {
  const [page = '', ...asking] = ['docs/telemetry.md', 'infra/modules/alerts.bicep', 'infra/workbook.json'].map(
    (file) => readFileSync(join(ROOT, file), 'utf8'),
  );
  const asked = asking.flatMap((text) => [...text.matchAll(/warmfeed\.[a-z_.]+/g)].map(([name]) => name));
  expect(asked.length).toBeGreaterThan(10);
  for (const name of asked) expect(page).toContain(`| \`${name}\` |`);
  const queries = asking.flatMap((text) => text.match(/customMetrics.*/g) ?? []);
  const dimensions = queries.flatMap((query) => {
    const [, metric = ''] = /(warmfeed\.[a-z_.]+)/.exec(query) ?? [];
    return [...query.matchAll(/customDimensions\[\\?"(\w+)/g)].map(
      ([, dimension = '']) => [metric, dimension] as const,
    );
  });
  expect(dimensions.length).toBeGreaterThan(8);
  for (const [metric, dimension] of dimensions) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${metric}\` |`));
    expect([metric, row?.split('|')[3]]).toEqual([metric, expect.stringContaining(`\`${dimension}\``)]);
  }
});

it('somebody is told of what is stale, and of what made everything old', () => {
  const rules = ofType('Microsoft.Insights/scheduledQueryRules').map(({ properties }) => properties ?? {});
  const named = (name: string) => JSON.stringify(rules.find(({ displayName }) => displayName === name));
  expect(named('stale-found')).toContain('warmfeed.audits');
  expect(named('stale-found')).toContain('\\"stale\\"');
  expect(named('redis-failed-over')).toContain('warmfeed.failovers');
  expect(rules.length).toBeGreaterThanOrEqual(7);
});

it('its parameter file names parameters that there are', () => {
  const template = JSON.parse(compiled().template) as { parameters: object };
  const file = JSON.parse(readFileSync(join(ROOT, 'infra/main.parameters.json'), 'utf8')) as { parameters: object };
  expect(Object.keys(template.parameters)).toEqual(expect.arrayContaining(Object.keys(file.parameters)));
});

it('makes, reads and puts out no secret', () => {
  const { template } = compiled();
  expect(template).not.toMatch(
    /listKeys|listSecrets|listConnectionStrings|listAccountSas|getSecret|secure(string|object)/i,
  );
  for (const [name, value] of Object.entries(settingsOf(everything))) {
    expect(`${name}=${value}`).not.toMatch(/AccountKey|SharedAccess|password|\.primaryKey|InstrumentationKey=/i);
  }
});

it('has no keys and no passwords anywhere, identities only', () => {
  expect(one('Microsoft.DocumentDB/databaseAccounts').properties).toMatchObject({ disableLocalAuth: true });
  expect(one('Microsoft.Cache/redisEnterprise/databases').properties).toMatchObject({
    accessKeysAuthentication: 'Disabled',
  });
  for (const account of ofType('Microsoft.Storage/storageAccounts', everything)) {
    expect(account.properties).toMatchObject({ allowSharedKeyAccess: false, allowBlobPublicAccess: false });
  }
  expect(one('Microsoft.Sql/servers', everything).properties).toMatchObject({
    administrators: { azureADOnlyAuthentication: true, sid: ME },
  });
  expect(one('Microsoft.DBforPostgreSQL/flexibleServers', everything).properties).toMatchObject({
    authConfig: { activeDirectoryAuth: 'Enabled', passwordAuth: 'Disabled' },
  });
  expect(one('Microsoft.Insights/components').properties).toMatchObject({ DisableLocalAuth: true });
  expect(plan().deployment.storage.authentication).toMatchObject({ type: 'UserAssignedIdentity' });
  for (const policy of ofType('Microsoft.Web/sites/basicPublishingCredentialsPolicies')) {
    expect(policy.properties).toEqual({ allow: false });
  }
});

it('speaks TLS 1.2 at least, and nothing else', () => {
  expect(one('Microsoft.Web/sites').properties).toMatchObject({
    httpsOnly: true,
    siteConfig: { minTlsVersion: '1.2' },
  });
  expect(one('Microsoft.Cache/redisEnterprise').properties).toMatchObject({ minimumTlsVersion: '1.2' });
  expect(one('Microsoft.Cache/redisEnterprise/databases').properties).toMatchObject({
    clientProtocol: 'Encrypted',
    port: 10000,
  });
  expect(one('Microsoft.DocumentDB/databaseAccounts').properties).toMatchObject({ minimalTlsVersion: 'Tls12' });
  for (const account of ofType('Microsoft.Storage/storageAccounts', everything)) {
    expect(account.properties).toMatchObject({ minimumTlsVersion: 'TLS1_2', supportsHttpsTrafficOnly: true });
  }
  expect(one('Microsoft.Sql/servers', everything).properties).toMatchObject({ minimalTlsVersion: '1.2' });
  expect(one('Microsoft.DBforPostgreSQL/flexibleServers/configurations', everything)).toMatchObject({
    name: expect.stringMatching(/\/ssl_min_protocol_version$/) as string,
    properties: { value: 'TLSv1.2' },
  });
});

it('watermarks survive a full Redis', () => {
  expect(one('Microsoft.Cache/redisEnterprise/databases').properties).toMatchObject({ evictionPolicy: 'VolatileLRU' });
});

it('the leases are as the trigger wants them', () => {
  const leases = ofType('Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers').find(({ name }) =>
    name.endsWith(`/${SETTINGS.WARMFEED_LEASE_CONTAINER.fallback}`),
  );
  expect(leases?.properties).toMatchObject({
    resource: { partitionKey: { paths: ['/id'], kind: 'Hash' }, defaultTtl: -1 },
  });
});

it('the app may do what it needs, and no more', () => {
  const assignments = ofType('Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments', {
    principalId: '',
    // They have an administrator from the start.
    useSql: false,
    usePostgres: false,
  });
  const granted = assignments.map(({ properties }) => [
    String(properties?.['roleDefinitionId']).slice(-1),
    /\/dbs\/.*/.exec(String(properties?.['scope']))?.[0],
  ]);
  // 1 reads, 2 reads and writes.
  expect(granted.toSorted(byText)).toEqual([
    ['1', '/dbs/warmfeed'],
    ['2', '/dbs/warmfeed/colls/leases'],
  ]);
  const roles = ofType('Microsoft.Authorization/roleAssignments', everything).map(({ id, properties }) => [
    /providers\/(?:Microsoft\.)(\w+\/\w+)\/[\w-]+'/.exec(id)?.[1],
    String(properties?.['roleDefinitionId']).split('/').at(-1),
    properties?.['principalType'],
  ]);
  expect(roles.toSorted(byText)).toEqual([
    ['Insights/components', '3913510d-42f4-4e42-8a64-420c390055eb', 'ServicePrincipal'],
    ['Storage/storageAccounts', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1', 'ServicePrincipal'],
    ['Storage/storageAccounts', 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b', 'ServicePrincipal'],
  ]);
  expect(ofType('Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments')).toHaveLength(1);
});

it('in private mode no data service is public, and each has its endpoint and its zone', () => {
  const all = { ...everything, privateNetwork: true };
  const services = [
    ...ofType('Microsoft.Storage/storageAccounts', all),
    ...ofType('Microsoft.DocumentDB/databaseAccounts', all),
    ...ofType('Microsoft.Cache/redisEnterprise', all),
    ...ofType('Microsoft.Sql/servers', all),
    ...ofType('Microsoft.DBforPostgreSQL/flexibleServers', all),
  ];
  for (const { type, properties } of services) {
    const { publicNetworkAccess } = (properties?.['network'] as Record<string, unknown>) ?? properties ?? {};
    expect([type, publicNetworkAccess ?? properties?.['publicNetworkAccess']]).toEqual([type, 'Disabled']);
  }
  expect(ofType('Microsoft.Sql/servers/firewallRules', all)).toEqual([]);
  expect(ofType('Microsoft.DBforPostgreSQL/flexibleServers/firewallRules', all)).toEqual([]);
  const endpoints = ofType('Microsoft.Network/privateEndpoints', all).map(({ properties }) => {
    const [connection] = (properties?.['privateLinkServiceConnections'] ?? []) as {
      properties: { groupIds: string[] };
    }[];
    return connection?.properties.groupIds[0];
  });
  expect(endpoints.toSorted(byText)).toEqual([
    'Sql',
    'blob',
    'blob',
    'postgresqlServer',
    'redisEnterprise',
    'sqlServer',
  ]);
  // A zone of another cloud has another name, which only Azure knows.
  const zones = ofType('Microsoft.Network/privateDnsZones', all).map(({ name }) => name.replace(/^\[|\]$/g, ''));
  for (const group of ofType('Microsoft.Network/privateEndpoints/privateDnsZoneGroups', all)) {
    expect(zones.filter((zone) => JSON.stringify(group.properties).includes(zone))).toHaveLength(1);
  }
  expect(one('Microsoft.Web/sites', all).properties).toMatchObject({
    publicNetworkAccess: 'Enabled',
    virtualNetworkSubnetId: expect.stringMatching(/subnets\/app$/) as string,
  });
  expect(one('Microsoft.Web/sites', { ...all, privateHttp: true }).properties).toMatchObject({
    publicNetworkAccess: 'Disabled',
  });
  expect(ofType('Microsoft.Network/privateEndpoints')).toEqual([]);
});

it('gives the app the settings that it reads, and it starts with them', () => {
  const settings = settingsOf(everything);
  const own = Object.keys(settings).filter((name) => /^(WARMFEED|REDIS)_/.test(name));
  expect(Object.keys(SETTINGS)).toEqual(expect.arrayContaining(own));
  const environment = Object.fromEntries(Object.entries(settings).map(([name, text]) => [name, answered(text)]));
  // Throws with every setting that is missing or wrong.
  const resolved = resolveConfig(definition, environment);
  expect(resolved.settings).toMatchObject({ REDIS_URL: 'rediss://r.westeurope.redis.azure.net:10000' });
  const [watched] = ofType('Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers').filter(
    ({ name }) => !name.endsWith('/leases'),
  );
  expect(watched?.name).toMatch(
    new RegExp(`/${resolved.containers[0]?.source.database}/${resolved.containers[0]?.source.container}$`),
  );
  expect(watched?.properties).toMatchObject({
    resource: { partitionKey: { paths: resolved.containers[0]?.source.partitionKey } },
  });
});

it('keeps one instance ready for HTTP and for each change function that the bundle registers', async () => {
  const environment = Object.fromEntries(
    Object.entries(settingsOf()).map(([name, text]) => [name, answered(text)] as const),
  );
  const host = await startHost({
    root: await buildApp(join(ROOT, 'src/cache.config.ts')),
    port: 0,
    settings: {
      ...environment,
      // Functions are registered whether or not anybody is there.
      COSMOS: 'AccountEndpoint=http://127.0.0.1:9/;AccountKey=eA==;',
      REDIS_URL: 'redis://127.0.0.1:9',
      REDIS_URL__credential: '',
    },
    log: () => undefined,
  });
  onTestFinished(() => host.close());
  const changes = host.functions.filter(({ name }) => name.startsWith('changes-')).map(({ name }) => name);
  expect(changes).not.toEqual([]);
  const { alwaysReady } = plan().scaleAndConcurrency;
  expect(alwaysReady.map(({ name }) => name).toSorted(byText)).toEqual(
    ['http', ...changes.map((name) => `function:${name}`)].toSorted(byText),
  );
  for (const { instanceCount } of alwaysReady) expect(instanceCount).toBeGreaterThanOrEqual(1);
  expect(plan().runtime).toEqual({ name: 'node', version: '22' });
});
