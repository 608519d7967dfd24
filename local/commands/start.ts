/** `npm start`: the whole stack in the foreground, and commands to try. */
import { createCleanup } from '../services/cleanup.ts';
import { givenSettings } from '../services/given.ts';
import type { HostKind, Stack } from '../services/stack.ts';
import { removeState, stackFolder, writeState } from '../services/state.ts';
import { type Command, type Input, table, UsageError } from './command.ts';
import { stopAll, unlessEnded, watchForEnd } from './foreground.ts';
import { bold, createReporter, dim, say } from './output.ts';
import { root } from './root.ts';

export const start: Command = {
  about: `Starts the local stack: Redis, the Cosmos DB emulator with airports in it, PostgreSQL with countries, an emulator of SQL
Server with cities, storage, and a Functions host that runs the built app (dist/main.cjs). Stays in the foreground; Ctrl-C
stops everything. REDIS_URL, COSMOS, POSTGRES, SQL and AzureWebJobsStorage, in the environment or in local.settings.json,
replace a part by another.`,
  options: {
    port: { value: '<number>', help: 'HTTP port of the app, else the next free one (7071)' },
    warm: { help: 'cache every document from the start: the change feed begins with the oldest change' },
    ranges: { value: '<number>', help: 'partition ranges of the emulated containers (1)' },
    host: { value: 'func', help: 'run `func start` of the Azure Functions Core Tools instead of the embedded host' },
    'enable-auth': { help: 'ask for function keys, as in Azure; the key is printed' },
    verbose: { help: 'show what host and app log; without it, warnings and errors' },
  },
  examples: ['npm start', 'npm start -- --warm --ranges 4', 'REDIS_URL=redis://127.0.0.1:6379 npm start'],
  run,
};

async function run(input: Input): Promise<number> {
  const host = hostKind(input.text('host'));
  const port = input.number('port', 0, 65_535) ?? 7071;
  const ranges = input.number('ranges', 1, 256);
  const given = givenSettings(root);
  const { startStack } = await import('../services/stack.ts');
  const { report, warn, seconds } = createReporter();
  const cleanup = createCleanup(warn);
  const foreground = watchForEnd();
  // Without --warm only what is asked for gets cached, so that the first read below is a MISS.
  const fromBeginning = input.flag('warm')
    ? true
    : given['WARMFEED_FEED_FROM_BEGINNING'] === undefined
      ? false
      : undefined;

  const starting = startStack({
    root,
    given,
    host,
    ports: { http: port, cosmos: 8081, redis: 6399, postgres: 5439, sql: 1439, storage: [10_000, 10_001, 10_002] },
    ranges,
    fromBeginning,
    enableAuth: input.flag('enable-auth'),
    verbose: input.flag('verbose'),
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
  const { host: running } = stack;
  if (!running) throw new Error('The host did not start.');
  const folder = stackFolder(root);
  writeState(folder, {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    command: 'start',
    api: running.api,
    key: running.key,
    cosmos: stack.emulator,
    postgres: stack.postgres.server && stack.postgres.url,
    sql: stack.sql.port === undefined ? undefined : stack.sql.connectionString,
    redis: stack.redis.port === undefined ? undefined : stack.settings['REDIS_URL'],
    database: stack.database,
    services: [...stack.services, { name: 'host', ...running }].map(({ name, what, pid }) => ({
      name,
      what,
      ...(pid === undefined ? {} : { pid }),
    })),
  });
  report('ready', `in ${seconds()} s`);
  say(guide(stack, running.api, running.key, stack.settings['WARMFEED_FEED_FROM_BEGINNING'] === 'true'));
  const reason = await foreground.ended;
  removeState(folder);
  await stopAll(cleanup, reason);
  return 0;
}

function hostKind(text: string | undefined): HostKind {
  if (text === undefined || text === 'embedded') return 'embedded';
  if (text === 'func') return 'func';
  throw new UsageError(`--host must be 'func' or 'embedded', not '${text}'.`);
}

/** Each line is true when tried in this order. */
function guide(stack: Stack, api: string, key: string | undefined, warm: boolean): string {
  const auth = key === undefined ? '' : ` -H 'x-functions-key: ${key}'`;
  const curl = (path: string): string => `  curl -i${auth} ${api}/entities/airport/${path}`;
  const cache = dim('# look at Cache-Status');
  const first: (readonly [string, string])[] = warm
    ? [
        ['HIT', 'the change feed has cached every document already'],
        ['', curl('FR/CDG')],
        ['MISS', 'an airport that does not exist: 404, which is cached too'],
        ['', curl('FR/XXX')],
      ]
    : [
        ['MISS', `read from Cosmos DB, and kept  ${cache}`],
        ['', curl('FR/CDG')],
        ['HIT', 'the same again, now from Redis'],
        ['', curl('FR/CDG')],
      ];
  const then: (readonly [string, string])[] = [
    ['WRITE', 'to Cosmos DB; the change feed refreshes Redis, and the lag is printed'],
    ['', '  npm run local -- write airport FR CDG name="Paris CDG"'],
    ['HIT', 'the changed document, from Redis'],
    ['', curl('FR/CDG')],
    ['DELETE', 'and the same read is 404'],
    ['', '  npm run local -- delete airport FR CDG'],
    ['LIST', 'a query; it follows every change of its items'],
    ['', `  curl -i${auth} '${api}/queries/airportsByCountry?country=LU'`],
    ['BATCH', 'many at a time'],
    [
      '',
      `  curl${auth} ${api}/batch/airport -H 'content-type: application/json' -d '{"keys":[["DE","FRA"],["FR","XXX"]]}'`,
    ],
    ['TABLES', 'PostgreSQL and SQL, followed in the same way'],
    ['', `  curl -i${auth} ${api}/entities/country/LU`],
    ['', '  npm run local -- write country LU capital=Lëtzebuerg'],
    ['', `  curl -i${auth} ${api}/entities/city/1`],
    ['FLAG', 'static content of the storage, through Redis too'],
    ['', `  curl -i ${api}/content/flags/fra.svg`],
    ['PAGE', 'all of it in a browser, with a session'],
    ['', `  ${api}/content/page/`],
    ['OPS', 'the console of operators, in a browser; the key is any word here'],
    ['', `  ${api}/ops/console`],
  ];
  const lines = [...first, ...then].map(([name, text]) => (name === '' ? text : `${bold(name.padEnd(6))} ${text}`));
  const parts = stack.services.map(({ name, what }) => [name, what] as const);
  return [
    '',
    ...table([...parts, ['app', `${api}  (health: ${api}/health/ready)`]]),
    '',
    'Try, in another terminal:',
    '',
    ...lines,
    '',
    'Also: npm run demo (all this, by itself), npm run local -- --help. Ctrl-C stops everything.',
  ].join('\n');
}
