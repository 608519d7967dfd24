/** What a command is, and how its words are read: options and help text come from one table. */
import { parseArgs } from 'node:util';

export interface Option {
  /** Name of the value in the help text; a flag has none. */
  value?: string;
  help: string;
}

export interface Input {
  words: readonly string[];
  flag(name: string): boolean;
  text(name: string): string | undefined;
  /** A whole number within bounds. */
  number(name: string, least: number, most: number): number | undefined;
}

export interface Command {
  /** After the command's name, e.g. `<entity> <key…>`. */
  usage?: string;
  about: string;
  options: Record<string, Option>;
  examples?: readonly string[];
  /** Resolves to the exit code. */
  run(input: Input): Promise<number>;
}

/** The words were wrong: exit code 2, with a hint. */
export class UsageError extends Error {
  override name = 'UsageError';
}

export function readInput(command: Command, args: readonly string[]): Input & { help: boolean } {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [
      name,
      { type: option.value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { values, positionals } = parse(args, { ...options, help: { type: 'boolean', short: 'h' } });
  if (command.usage === undefined && positionals.length > 0 && values['help'] !== true) {
    throw new UsageError(`Unexpected argument '${positionals[0]}'.`);
  }
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    help: values['help'] === true,
    words: positionals,
    flag: (name) => values[name] === true,
    text,
    number(name, least, most) {
      const given = text(name);
      if (given === undefined) return undefined;
      const number = /^\d{1,6}$/.test(given) ? Number(given) : -1;
      if (number < least || number > most) {
        throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not '${given}'.`);
      }
      return number;
    },
  };
}

function parse(args: readonly string[], options: Record<string, { type: 'boolean' | 'string'; short?: string }>) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // Node goes on about positional arguments, which is no help here.
    throw new UsageError(message.replace(/ To specify a positional argument.*$/s, '').replace(/\.?$/, '.'));
  }
}

export function helpText(invocation: string, command: Command): string {
  const rows = Object.entries({ ...command.options, help: { help: 'show this' } }).map(
    ([name, option]: [string, Option]): [string, string] => [
      `--${name}${option.value === undefined ? '' : ` ${option.value}`}`,
      option.help,
    ],
  );
  const examples = command.examples ?? [];
  return [
    `${invocation}${command.usage === undefined ? '' : ` ${command.usage}`}`,
    '',
    command.about,
    '',
    ...table(rows),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((example) => `  ${example}`)]),
  ].join('\n');
}

export function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
