/** The settings of the app that a command looks at: the environment, the stack that runs here, local.settings.json. */
import { join } from 'node:path';
import { runningStack } from '../local/commands/access.ts';
import { root } from '../local/commands/root.ts';
import { readValues } from '../local/services/given.ts';

/** Of what nobody gave, the sample's: an address on this machine. */
export function appSettings(): Record<string, string> {
  const sample = readValues(join(root, 'local.settings.sample.json'));
  const own = readValues(join(root, 'local.settings.json'));
  const stack = runningStack();
  // Only what the stack runs itself: of the rest it uses what was given.
  const running = defined({
    COSMOS: stack?.cosmos,
    COSMOS_DATABASE: stack?.database,
    POSTGRES: stack?.postgres,
    SQL: stack?.sql,
    REDIS_URL: stack?.redis,
  });
  const environment = defined(process.env);
  for (const name of Object.keys({ ...own, ...environment })) {
    // An identity (`COSMOS__accountEndpoint`) is instead of a connection string.
    const [connection = '', part] = name.split('__');
    if (part !== undefined) delete sample[connection];
  }
  return { ...sample, ...own, ...running, ...environment };
}

function defined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
