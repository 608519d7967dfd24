/** `explain` and `explain-query`: why something is cached, stale or missing. */
import { UsageError } from '../../local/commands/command.ts';
import { expectWords, opsCommand, path } from '../command.ts';
import { fields, safe } from '../output.ts';

interface Explanation extends Readonly<Record<string, unknown>> {
  readonly entity: string;
  readonly key: string;
  readonly verdict: string;
  readonly reasons: readonly string[];
}

function text({ entity, key, verdict, reasons, ...rest }: Explanation): string {
  const why = reasons.map((reason) => `  ${safe(reason)}`);
  return [`${safe(entity)} ${safe(key)}: ${safe(verdict)}`, ...why, '', fields(rest)].join('\n');
}

export const explain = opsCommand({
  usage: '<entity> <key…>',
  about: 'Tells why an item is cached, stale or missing, with its record field by field.',
  options: { source: { help: 'read the source too, and compare' } },
  examples: ['npm run ops -- explain airport FR CDG --source'],
  async run({ input, client, show }) {
    const words = expectWords(input.words, 2, 'An entity with its key', 20);
    const answer = await client.get<Explanation>(
      `explain/${path(...words)}${input.flag('source') ? '?source=true' : ''}`,
    );
    show(answer, () => text(answer));
    return 0;
  },
});

export const explainQuery = opsCommand({
  usage: '<name> [parameter=value…]',
  about: 'Tells why the result of a query is cached, stale or missing.',
  examples: ['npm run ops -- explain-query airportsByCountry country=FR'],
  async run({ input, client, show }) {
    const [name = '', ...parameters] = expectWords(input.words, 1, 'The name of a query', 50);
    const pairs = parameters.map((word): [string, string] => {
      const at = word.indexOf('=');
      if (at < 1) throw new UsageError(`'${word}' is no parameter=value.`);
      return [word.slice(0, at), word.slice(at + 1)];
    });
    const answer = await client.get<Explanation>(
      `explain-query/${path(name)}?${new URLSearchParams(pairs).toString()}`,
    );
    show(answer, () => text(answer));
    return 0;
  },
});
