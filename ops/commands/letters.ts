/** `letters`: dead letters, to look at, replay or drop. */
import { UsageError } from '../../local/commands/command.ts';
import { type Call, expectWords, opsCommand, path } from '../command.ts';
import { columns, fields, progress, safe } from '../output.ts';

interface Letter extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly at: string;
  readonly entity: string;
  readonly key: string;
  readonly reason: string;
}
interface Replay {
  readonly replayed: number;
  readonly failing: number;
  readonly skipped: number;
  readonly gone: number;
  readonly cursor: string | null;
  readonly results: readonly { readonly id: string; readonly outcome: string; readonly reason: string | null }[];
}

export const letters = opsCommand({
  usage: '[show <id> | replay <id…> | drop <id…>]',
  about:
    'Lists dead letters, shows one, replays some or all (reads the items anew), or drops them. Exit code 1 if a replay fails.',
  options: {
    all: { help: 'replay or drop all of them' },
    limit: { value: '<n>', help: 'list so many, 200 at most (default 50)' },
  },
  examples: [
    'npm run ops -- letters',
    'npm run ops -- letters replay --all',
    'npm run ops -- letters drop 1732885200000-0',
  ],
  run(call) {
    const [action = 'list', ...ids] = call.input.words;
    if (action !== 'replay' && action !== 'drop' && call.input.flag('all'))
      throw new UsageError('--all is for replay and drop.');
    switch (action) {
      case 'list':
        return list(call);
      case 'show':
        return one(call, ids);
      case 'replay':
        return replay(call, asked(call, ids));
      case 'drop':
        return drop(call, asked(call, ids));
      default:
        throw new UsageError(`Letters cannot be asked to '${action}': show, replay, drop.`);
    }
  },
});

function asked({ input }: Call, ids: readonly string[]): { ids: readonly string[] } | { all: true } {
  if (input.flag('all') === ids.length > 0) throw new UsageError('Give ids, or --all.');
  return input.flag('all') ? { all: true } : { ids };
}

async function list({ input, client, show }: Call): Promise<number> {
  const limit = input.number('limit', 1, 200) ?? 50;
  const answer = await client.get<{ letters: readonly Letter[]; total: number }>(`dead-letters?limit=${limit}`);
  const rows = answer.letters.map(({ id, at, entity, key, reason }) => [id, at, entity, key, reason]);
  show(
    answer,
    () => `${columns(['id', 'written', 'entity', 'key', 'reason'], rows)}\n${rows.length} of ${answer.total}`,
  );
  return 0;
}

async function one({ client, show }: Call, words: readonly string[]): Promise<number> {
  const [id = ''] = expectWords(words, 1, 'The id of a letter');
  const letter = await client.get<Letter>(`dead-letters/${path(id)}`);
  show(letter, () => fields(letter));
  return 0;
}

async function replay({ client, show }: Call, body: object): Promise<number> {
  const sum = { replayed: 0, failing: 0, skipped: 0, gone: 0, results: [] as Replay['results'][number][] };
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Replay = await client.post<Replay>('dead-letters/replay', {
      ...body,
      ...(cursor !== undefined && { cursor }),
    });
    for (const name of ['replayed', 'failing', 'skipped', 'gone'] as const) sum[name] += page[name];
    sum.results.push(...page.results);
    cursor = page.cursor;
    progress(`${sum.results.length} letters`);
  }
  progress('');
  const left = sum.results.filter(({ outcome }) => outcome !== 'replayed').slice(0, 50);
  show(sum, () =>
    [
      `${sum.replayed} replayed, ${sum.failing} failing, ${sum.skipped} skipped, ${sum.gone} gone`,
      ...left.map(({ id, outcome, reason }) => `  ${safe(id)} ${safe(outcome)}: ${safe(reason)}`),
    ].join('\n'),
  );
  return sum.failing > 0 ? 1 : 0;
}

async function drop({ client, show }: Call, body: object): Promise<number> {
  const answer = await client.post<{ dropped: number; gone: number }>('dead-letters/drop', body);
  show(answer, () => `${answer.dropped} dropped, ${answer.gone} gone`);
  return 0;
}
