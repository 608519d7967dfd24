/** The settings of the app that a command looks at: the environment, local.settings.json, the stack that runs here. */
import { join } from 'node:path';
import { runningStack } from '../local/commands/access.ts';
import { root } from '../local/commands/root.ts';
import { givenSettings, readValues } from '../local/services/given.ts';

/** Of what nobody gave, the sample's: an address on this machine. */
export function appSettings(): Record<string, string> {
  const stack = runningStack();
  const running = {
    COSMOS: stack?.cosmos,
    COSMOS_DATABASE: stack?.database,
    POSTGRES: stack?.postgres,
    SQL: stack?.sql,
    REDIS_URL: stack?.redis,
  };
  const known = Object.entries(running).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const environment = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...readValues(join(root, 'local.settings.sample.json')),
    ...(stack === undefined ? readValues(join(root, 'local.settings.json')) : {}),
    ...Object.fromEntries(known),
    ...givenSettings(root),
    ...Object.fromEntries(environment),
  };
}
