/** `npm run ops`: operates a local or remote app over its /ops. Exit codes: 0 well, 1 not well or refused, 2 wrong words. */
import { type Command, helpText, readInput, table, UsageError } from '../local/commands/command.ts';
import { OpsError } from './client.ts';
import { safe, say } from './output.ts';

interface Entry {
  summary: string;
  load: () => Promise<Command>;
}

const commands: Record<string, Entry> = {
  explain: {
    summary: 'why an item is cached, stale or missing',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  'explain-query': {
    summary: 'the same of a query',
    load: async () => (await import('./commands/explain.ts')).explainQuery,
  },
  purge: {
    summary: 'drop what is cached, or make it stale',
    load: async () => (await import('./commands/purge.ts')).purge,
  },
  warm: {
    summary: 'cache an entity ahead of its readers',
    load: async () => (await import('./commands/warm.ts')).warm,
  },
  jobs: {
    summary: 'list, pause, resume and cancel warm jobs',
    load: async () => (await import('./commands/warm.ts')).jobs,
  },
  letters: {
    summary: 'list, replay and drop dead letters',
    load: async () => (await import('./commands/letters.ts')).letters,
  },
  sources: {
    summary: 'how the sources stand; pause and resume',
    load: async () => (await import('./commands/sources.ts')).sources,
  },
  stats: { summary: 'reads of the last minutes', load: async () => (await import('./commands/sources.ts')).stats },
  consistency: {
    summary: 'what the auditor found',
    load: async () => (await import('./commands/sources.ts')).consistency,
  },
};

const overview = (): string =>
  [
    'Operates a Warmfeed app.',
    '',
    'npm run ops -- <command> [options]',
    '',
    ...table(Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)),
    '',
    'The app is that of --url or WARMFEED_OPS_URL, else http://127.0.0.1:7071/api; its admin key is in WARMFEED_OPS_KEY.',
    '`npm run ops -- <command> --help` tells the rest; docs/operations.md explains the answers.',
  ].join('\n');

async function main([name = '', ...rest]: readonly string[]): Promise<number> {
  if (['--help', '-h', 'help'].includes(name)) {
    const entry = Object.hasOwn(commands, rest[0] ?? '') ? commands[rest[0] ?? ''] : undefined;
    say(entry ? helpText(`npm run ops -- ${rest[0]}`, await entry.load()) : overview());
    return 0;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    console.error(
      name === '' ? overview() : `Unknown command '${safe(name)}'. There are: ${Object.keys(commands).join(', ')}.`,
    );
    return 2;
  }
  const invocation = `npm run ops -- ${name}`;
  try {
    const command = await entry.load();
    const input = readInput(command, rest);
    if (!input.help) return await command.run(input);
    say(helpText(invocation, command));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message} See: ${invocation} --help`);
      return 2;
    }
    console.error(error instanceof OpsError ? safe(error.message) : error);
    return 1;
  }
}

// A reader that went away (`| head`) is no failure.
process.stdout.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));
