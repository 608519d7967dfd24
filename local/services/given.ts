/**
 * The app settings that the user gave: the environment first, then local.settings.json, as with `func start`. A value there
 * that is still the sample's, or an address on this machine, means "the local default": copying the sample changes nothing,
 * and neither do the ports that `npm run services` once had to take. A server of one's own here is named in the environment.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, StackError } from './service.ts';

export type Given = Record<string, string>;

/** Settings that decide about a service; an empty one counts as not set. */
const deciding = ['COSMOS', 'COSMOS_DATABASE', 'REDIS_URL', 'POSTGRES', 'SQL', 'AzureWebJobsStorage', 'CONTENT'];
const isDeciding = (name: string): boolean => deciding.includes(name);
const onThisMachine = /(\/\/([^/@]*@)?|(server|data source)\s*=\s*(tcp:)?)(127\.0\.0\.1|localhost|\[::1\])([:/;,]|$)/i;

export function givenSettings(root: string, environment: NodeJS.ProcessEnv = process.env): Given {
  const sample = readValues(join(root, 'local.settings.sample.json'));
  const own = Object.entries(readValues(join(root, 'local.settings.json')));
  const given: Given = Object.fromEntries(
    own.filter(([name, value]) => sample[name] !== value && !(isDeciding(name) && onThisMachine.test(value))),
  );
  for (const [name, value] of Object.entries(environment)) {
    const known = isDeciding(name) || (name.startsWith('WARMFEED_') && !name.startsWith('WARMFEED_LOCAL_'));
    if (known && value !== undefined && value !== '') given[name] = value;
  }
  if (!given['COSMOS'] && (environment['COSMOS__accountEndpoint'] || given['COSMOS__accountEndpoint'])) {
    throw new StackError('The local stack needs a connection string in COSMOS; COSMOS__accountEndpoint is for Azure.');
  }
  return given;
}

export function readValues(file: string): Record<string, string> {
  if (!existsSync(file)) return {};
  try {
    const { Values = {} } = JSON.parse(readFileSync(file, 'utf8')) as { Values?: Record<string, unknown> };
    return Object.fromEntries(Object.entries(Values).map(([name, value]) => [name, String(value)]));
  } catch (error) {
    throw new StackError(`${file} cannot be read: ${messageOf(error)}`);
  }
}
