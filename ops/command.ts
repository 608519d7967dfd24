/** What the commands share: options, the client, and answers as text or as JSON. */
import { type Command, type Input, type Option, UsageError } from '../local/commands/command.ts';
import { type Client, createClient } from './client.ts';
import { say } from './output.ts';

export interface OpsCommand {
  usage?: string;
  about: string;
  options?: Record<string, Option>;
  examples?: readonly string[];
  readonly run: (call: Call) => Promise<number>;
}

export interface Call {
  input: Input;
  client: Client;
  /** The answer itself with `--json`, else as text. */
  readonly show: (answer: unknown, text: () => string) => void;
}

const COMMON: Record<string, Option> = {
  url: { value: '<url>', help: 'of the app, with /api (default: WARMFEED_OPS_URL, or http://127.0.0.1:7071/api)' },
  json: { help: 'print the answer as JSON' },
};

export function opsCommand({ usage, about, options = {}, examples, run }: OpsCommand): Command {
  return {
    ...(usage !== undefined && { usage }),
    about: `${about}\n\nThe admin key is read from the environment variable WARMFEED_OPS_KEY.`,
    options: { ...options, ...COMMON },
    ...(examples && { examples }),
    run: (input) => {
      const url = input.text('url') ?? process.env['WARMFEED_OPS_URL'] ?? 'http://127.0.0.1:7071/api';
      const show = (answer: unknown, text: () => string) =>
        say(input.flag('json') ? JSON.stringify(answer, null, 2) : text());
      return run({ input, client: createClient(url, process.env['WARMFEED_OPS_KEY'] || undefined), show });
    },
  };
}

/** The words of a command, of which there must be so many. */
export function expectWords(words: readonly string[], least: number, what: string, most = least): readonly string[] {
  if (words.length < least) throw new UsageError(`${what} is missing.`);
  if (words.length > most) throw new UsageError(`Unexpected argument '${words[most]}'.`);
  return words;
}

export const path = (...segments: readonly string[]): string => segments.map(encodeURIComponent).join('/');
