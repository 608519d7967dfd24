/** `npm run preview -- <entity>`: what the configuration makes of recent documents, and what deploying it would make old. */
import { type Command, helpText, type Input, readInput, UsageError } from '../local/commands/command.ts';
import { say } from '../local/commands/output.ts';
import { messageOf, StackError } from '../local/services/service.ts';
import definition from '../src/cache.config.ts';
import { parseDuration } from '../src/config/units.ts';
import { isWarmfeedError } from '../src/core/errors.ts';
import { openPreview } from './preview-run.ts';
import { previewText } from './preview-text.ts';
import { appSettings } from './settings.ts';

const INVOCATION = 'npm run preview --';

const preview: Command = {
  usage: '<entity>',
  about: `Shows key, tags and body of recent documents of an entity, as src/cache.config.ts makes them now, and compares with what
is cached in Redis: what a deployment of this configuration would make old, and what it would leave as it is although select,
match or tags give something else. Reads only. Settings come from the environment, from local.settings.json, or from the stack
that runs here (\`npm start\`, \`npm run services\`).`,
  options: {
    limit: { value: '<number>', help: 'so many documents, 500 at most (20)' },
    since: { value: '<time>', help: 'changed since, such as 15m or 2026-11-29T08:00Z (not for Azure SQL)' },
    full: { help: 'whole bodies' },
    json: { help: 'as JSON' },
  },
  examples: ['npm run preview -- airport', 'npm run preview -- airport --since 1h --limit 100 --json'],
  run,
};

async function run(input: Input): Promise<number> {
  const [name, ...rest] = input.words;
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0]}'.`);
  const limit = input.number('limit', 1, 500) ?? 20;
  const since = sinceOf(input.text('since'), Date.now());
  const opened = openPreview(definition, appSettings());
  try {
    const entity = opened.entities.find((one) => one.name === name);
    const known = opened.entities.map((one) => one.name).join(', ');
    if (name === undefined) throw new UsageError(`An entity is missing (${known}).`);
    if (entity === undefined) throw new UsageError(`Unknown entity '${name}'. There are: ${known}.`);
    const found = await opened.preview(entity, { limit, since });
    if (input.flag('json')) say(JSON.stringify(found, undefined, 2));
    else for (const line of previewText(found, input.flag('full'))) say(line);
    return 0;
  } finally {
    await opened.close();
  }
}

/** @returns milliseconds since the epoch */
function sinceOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  const at = ago === undefined ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : nowMs - ago;
  if (Number.isNaN(at) || at > nowMs) {
    throw new UsageError(`--since must be a duration such as 15m or a time such as 2026-11-29T08:00Z, not '${text}'.`);
  }
  return at;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const input = readInput(preview, args);
    if (input.help) {
      say(helpText(INVOCATION, preview));
      return 0;
    }
    return await run(input);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message} See: ${INVOCATION} --help\n`);
      return 2;
    }
    const isTold = error instanceof StackError || isWarmfeedError(error);
    process.stderr.write(`${isTold ? messageOf(error) : String((error as Error).stack ?? error)}\n`);
    return 1;
  }
}

process.stdout.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));
// Connections of SDKs that are closed may keep timers.
process.exit();
