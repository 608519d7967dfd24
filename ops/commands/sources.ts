/** `sources`, `stats`, `consistency`: how the app stands. */
import { UsageError } from '../../local/commands/command.ts';
import { type Call, expectWords, opsCommand, path } from '../command.ts';
import { columns, fields, safe } from '../output.ts';

interface Source extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly state: string;
  readonly remark: string | null;
  readonly commitToVisibleMs: { readonly p50: number | null; readonly p99: number | null };
  readonly deadLetters: { readonly count: number };
  readonly lastError: { readonly message: string; readonly remedy: string; readonly at: string } | null;
}

export const sources = opsCommand({
  usage: '[show <name> | pause <name> | resume <name>]',
  about:
    'Shows how the sources stand, or holds the changes of one and lets them go on. Exit code 1 if one is in trouble.',
  examples: ['npm run ops -- sources', 'npm run ops -- sources pause cosmos/COSMOS/shop/airports'],
  async run(call) {
    const [action = 'list', ...words] = call.input.words;
    if (action === 'list') return list(call, words);
    const [name = ''] = expectWords(words, 1, 'The name of a source');
    if (action === 'show') return one(call, name);
    if (action !== 'pause' && action !== 'resume') {
      throw new UsageError(`Sources cannot be asked to '${action}': show, pause, resume.`);
    }
    const source = await call.client.post<Source>(`sources/${path(name, action)}`);
    call.show(source, () => `${safe(source.name)}: ${safe(source.state)}`);
    return 0;
  },
});

async function all({ client }: Call) {
  return client.get<{ sources: readonly Source[]; unattributedDeadLetters: { count: number } }>('sources');
}

async function list(call: Call, words: readonly string[]): Promise<number> {
  expectWords(words, 0, '', 0);
  const answer = await all(call);
  const rows = answer.sources.map(({ name, state, commitToVisibleMs: { p50, p99 }, deadLetters, remark }) => {
    return [name, state, p50, p99, deadLetters.count, remark];
  });
  const errors = answer.sources.flatMap(({ name, lastError }) =>
    lastError === null
      ? []
      : [`${safe(name)} failed at ${safe(lastError.at)}: ${safe(lastError.message)}\n  ${safe(lastError.remedy)}`],
  );
  call.show(answer, () =>
    [columns(['source', 'state', 'p50 ms', 'p99 ms', 'dead', 'remark'], rows), ...errors].join('\n'),
  );
  return answer.sources.some(({ state }) => state === 'error' || state === 'warn') ? 1 : 0;
}

async function one(call: Call, name: string): Promise<number> {
  const source = (await all(call)).sources.find((each) => each.name === name);
  if (source === undefined) throw new UsageError(`There is no source '${name}'.`);
  call.show(source, () => fields(source));
  return source.state === 'error' || source.state === 'warn' ? 1 : 0;
}

interface Stats {
  readonly buckets: readonly {
    readonly reads: Readonly<Record<string, number>>;
    readonly refused: Readonly<Record<string, number>>;
  }[];
  readonly byEntity: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly sessions: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export const stats = opsCommand({
  about: 'Counts what was read in the last minutes, over all instances.',
  options: { minutes: { value: '<n>', help: 'of so many minutes, 15 at most (default 15)' } },
  async run({ input, client, show }) {
    const minutes = input.number('minutes', 1, 15) ?? 15;
    const answer = await client.get<Stats>(`stats?minutes=${minutes}`);
    show(answer, () => {
      const names = Object.keys(answer.buckets[0]?.reads ?? {});
      const rows = Object.entries(answer.byEntity).map(([entity, reads]) => {
        const total = Object.values(reads).reduce((sum, n) => sum + n, 0);
        const rate = total === 0 ? '-' : `${(((reads['hit'] ?? 0) / total) * 100).toFixed(1)} %`;
        return [entity, rate, ...names.map((name) => reads[name] ?? 0)];
      });
      const calls = Object.entries(answer.sessions);
      const outcomes = Object.keys(calls[0]?.[1] ?? {});
      const ofSessions = calls.map(([call, counts]) => [call, ...outcomes.map((outcome) => counts[outcome] ?? 0)]);
      const tables = [columns(['entity', 'hits', ...names], rows)];
      if (calls.length > 0) tables.push(columns(['sessions', ...outcomes], ofSessions));
      return tables.join('\n\n');
    });
    return 0;
  },
});

export const consistency = opsCommand({
  about: 'Shows what the auditor found. Exit code 1 if anything was stale.',
  async run({ client, show }) {
    const answer = await client.get<Readonly<Record<string, unknown>>>('consistency');
    show(answer, () => fields(answer));
    return Number(answer['stale']) > 0 ? 1 : 0;
  },
});
