/** The command line of the local stack: finds the command, and turns what it throws into messages and exit codes. */
import { type Command, helpText, readInput, table, UsageError } from './commands/command.ts';
import { messageOf, StackError } from './services/service.ts';

interface Entry {
  summary: string;
  /** How a user calls it. */
  invocation: string;
  load: () => Promise<Command>;
}

const commands: Record<string, Entry> = {
  start: {
    summary: 'start everything and stay in the foreground',
    invocation: 'npm start --',
    load: async () => (await import('./commands/start.ts')).start,
  },
  demo: {
    summary: 'show miss, hit, change, delete and outage live, then exit',
    invocation: 'npm run demo --',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  services: {
    summary: 'start everything but the host, for `func start`',
    invocation: 'npm run services --',
    load: async () => (await import('./commands/services.ts')).services,
  },
  write: {
    summary: 'change or add an item in its database, and measure when reads show it',
    invocation: 'npm run local -- write',
    load: async () => (await import('./commands/write.ts')).write,
  },
  delete: {
    summary: 'delete an item, as its change feed tells of it',
    invocation: 'npm run local -- delete',
    load: async () => (await import('./commands/delete.ts')).remove,
  },
  get: {
    summary: 'read an item from the running app',
    invocation: 'npm run local -- get',
    load: async () => (await import('./commands/get.ts')).read,
  },
  doctor: {
    summary: 'what the app finds of its databases, and what mends it',
    invocation: 'npm run doctor',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  status: {
    summary: 'what runs, and whether it answers',
    invocation: 'npm run local -- status',
    load: async () => (await import('./commands/status.ts')).status,
  },
};

const overview = (): string =>
  [
    'The local stack of Warmfeed.',
    '',
    'npm run local -- <command> [options]',
    '',
    ...table(Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)),
    '',
    '`npm run local -- <command> --help` tells the rest; docs/local-stack.md explains the parts.',
  ].join('\n');

async function main(args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  if (['--help', '-h', 'help'].includes(name)) {
    const entry = commands[rest[0] ?? ''];
    console.log(entry ? helpText(entry.invocation, await entry.load()) : overview());
    return 0;
  }
  if (name === '') {
    console.error(overview());
    return 2;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) {
    const near = Object.keys(commands).find((known) => close(known, name));
    const hint = near ? `Did you mean '${near}'?` : `There are: ${Object.keys(commands).join(', ')}.`;
    console.error(`Unknown command '${name}'. ${hint}`);
    return 2;
  }
  return runCommand(entry, rest);
}

async function runCommand(entry: Entry, args: readonly string[]): Promise<number> {
  try {
    const command = await entry.load();
    const input = readInput(command, args);
    if (input.help) {
      console.log(helpText(entry.invocation, command));
      return 0;
    }
    return await command.run(input);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message} See: ${entry.invocation} --help`);
      return 2;
    }
    console.error(error instanceof StackError ? messageOf(error) : error);
    return 1;
  }
}

/** The text with each one of its letters left out. */
const without = (text: string): string[] => Array.from(text, (_, at) => text.slice(0, at) + text.slice(at + 1));

/** The same start, or the same letters but for one. */
function close(known: string, given: string): boolean {
  if (given.length < 2) return false;
  if (known.startsWith(given) || given.startsWith(known)) return true;
  const variants = new Set([given, ...without(given)]);
  return [known, ...without(known)].some((variant) => variants.has(variant));
}

// A reader that went away (`| head`) must not keep the stack from being stopped in order.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));
// Agents and timers of clients that were closed must not hold the command line back.
process.exit();
