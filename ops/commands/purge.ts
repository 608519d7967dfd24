/** `purge`: by key, tags, entity or query. */
import { UsageError } from '../../local/commands/command.ts';
import { expectWords, opsCommand } from '../command.ts';
import { safe } from '../output.ts';

interface Purged {
  readonly purged: {
    readonly keys: number;
    readonly tags: readonly string[];
    readonly entity: string | null;
    readonly query: string | null;
  };
  readonly mode: string;
  readonly completeAt: string;
}

export const purge = opsCommand({
  usage: 'key <entity> <key…> | tags <tag…> | entity <name> | query <name>',
  about: 'Drops what is cached, and returns when that holds on every instance.',
  options: { soft: { help: 'serve it as stale until one load has brought it anew' } },
  examples: [
    'npm run ops -- purge key airport FR CDG',
    'npm run ops -- purge tags country:FR --soft',
    'npm run ops -- purge entity airport',
  ],
  async run({ input, client, show }) {
    const body = { ...bodyOf(input.words), mode: input.flag('soft') ? 'stale' : 'drop' };
    const answer = await client.post<Purged>('purge', body);
    show(answer, () => {
      const { keys, tags, entity, query } = answer.purged;
      const what = entity ?? query ?? (keys > 0 ? `${keys} key(s)` : tags.join(', '));
      return `${answer.mode === 'drop' ? 'dropped' : 'stale now'}: ${safe(what)}, complete at ${safe(answer.completeAt)}`;
    });
    return 0;
  },
});

function bodyOf([kind = '', ...words]: readonly string[]): object {
  switch (kind) {
    case 'key': {
      const [entity, ...segments] = expectWords(words, 2, 'An entity with its key', 20);
      return { keys: [[entity, segments]] };
    }
    case 'tags':
      return { tags: expectWords(words, 1, 'A tag', 100) };
    case 'entity':
    case 'query':
      return { [kind]: expectWords(words, 1, `The name of the ${kind}`)[0] };
    default:
      throw new UsageError(
        kind === ''
          ? 'What to purge is missing: key, tags, entity or query.'
          : `'${kind}' cannot be purged: key, tags, entity or query can.`,
      );
  }
}
