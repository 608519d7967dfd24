/** `npm run services`: everything but the host, on the ports of local.settings.sample.json, for `func start` or another host. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCleanup } from '../services/cleanup.ts';
import { givenSettings, readValues } from '../services/given.ts';
import { removeState, stackFolder, writeState } from '../services/state.ts';
import { type Command, type Input, table } from './command.ts';
import { stopAll, unlessEnded, watchForEnd } from './foreground.ts';
import { bold, createReporter, say, yellow } from './output.ts';
import { root } from './root.ts';

const sampleFile = join(root, 'local.settings.sample.json');
const ownFile = join(root, 'local.settings.json');

export const services: Command = {
  about: `Starts Redis, the Cosmos DB emulator with airports in it, PostgreSQL with countries, an emulator of SQL Server with
cities, and storage, and stays in the foreground; no host. Meant for \`func start\`: the ports are those of
local.settings.sample.json, so copying that file to local.settings.json is enough.`,
  options: {
    'write-settings': { help: 'write local.settings.json if there is none' },
    ranges: { value: '<number>', help: 'partition ranges of the emulated containers (1)' },
  },
  examples: ['npm run services -- --write-settings', 'npm run build && func start'],
  run,
};

async function run(input: Input): Promise<number> {
  const ranges = input.number('ranges', 1, 256);
  const given = givenSettings(root);
  const { startStack } = await import('../services/stack.ts');
  const { report, warn } = createReporter();
  const cleanup = createCleanup(warn);
  const foreground = watchForEnd();
  const starting = startStack({
    root,
    given,
    host: 'none',
    ports: { http: 0, cosmos: 8081, redis: 6399, postgres: 5439, sql: 1439, storage: [10_000, 10_001, 10_002] },
    ranges,
    fromBeginning: undefined,
    enableAuth: false,
    verbose: false,
    report,
    warn,
    cleanup,
  });
  const stack = await unlessEnded(starting, foreground);
  if ('ended' in stack) {
    starting.catch(() => {});
    await stopAll(cleanup, stack.ended);
    return 0;
  }
  const folder = stackFolder(root);
  writeState(folder, {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    command: 'services',
    cosmos: stack.emulator,
    postgres: stack.postgres.server && stack.postgres.url,
    sql: stack.sql.port === undefined ? undefined : stack.sql.connectionString,
    redis: stack.redis.port === undefined ? undefined : stack.settings['REDIS_URL'],
    database: stack.database,
    services: stack.services.map(({ name, what, pid }) => ({ name, what, ...(pid === undefined ? {} : { pid }) })),
  });
  tellSettings(stack.settings, given, input.flag('write-settings'));
  const reason = await foreground.ended;
  removeState(folder);
  await stopAll(cleanup, reason);
  return 0;
}

/** What differs from the settings that a host in this folder would read. */
function tellSettings(settings: Record<string, string>, given: Record<string, string>, write: boolean): void {
  const decided = Object.entries(settings).filter(([name]) => !(name in given) && !name.startsWith('WARMFEED_'));
  const sample = readValues(sampleFile);
  const moved = decided.filter(([name, value]) => !equal(sample[name], value));
  say();
  if (moved.length > 0) {
    say(yellow('A port of local.settings.sample.json is taken by something else; these settings differ from it:'));
    say(table(moved.map(([name, value]) => [name, value] as const)).join('\n'));
  } else {
    say('The settings of local.settings.sample.json fit as they are.');
  }
  if (existsSync(ownFile)) {
    const own = readValues(ownFile);
    const stale = decided.filter(([name, value]) => !equal(own[name], value));
    if (stale.length > 0) {
      say(yellow('local.settings.json is there and was left alone; set in it:'));
      say(table(stale.map(([name, value]) => [name, value] as const)).join('\n'));
    }
  } else if (write) {
    writeSettings(Object.fromEntries(moved));
    say('local.settings.json was written.');
  } else {
    const copy = 'cp local.settings.sample.json local.settings.json';
    say(
      moved.length > 0
        ? 'Start again with --write-settings to get a local.settings.json with them.'
        : `Use them: ${copy}`,
    );
  }
  say();
  say(`Then, in another terminal: ${bold('npm run build && func start')}`);
  say('npm run local -- write airport FR CDG name="Paris CDG" changes a document. Ctrl-C stops everything.');
}

function writeSettings(changes: Record<string, string>): void {
  if (Object.keys(changes).length === 0) {
    copyFileSync(sampleFile, ownFile);
    return;
  }
  const settings = JSON.parse(readFileSync(sampleFile, 'utf8')) as { Values: Record<string, string> };
  Object.assign(settings.Values, changes);
  writeFileSync(ownFile, `${JSON.stringify(settings, undefined, 2)}\n`);
}

/** Connection strings with and without a last semicolon are the same. */
const equal = (a: string | undefined, b: string): boolean => a?.replace(/;$/, '') === b.replace(/;$/, '');
