/** `warm` and `jobs`: cache an entity ahead of its readers, and look after such jobs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../../local/commands/command.ts';
import type { Client } from '../client.ts';
import { expectWords, opsCommand, path } from '../command.ts';
import { bar, columns, fields, progress, safe } from '../output.ts';

interface Job extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly entity: string;
  readonly what: string;
  readonly state: string;
  readonly scanned: number;
  readonly filled: number;
  readonly skipped: number;
  readonly units: number;
  readonly total: number | null;
  readonly error: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

const POLL_MS = 500;

export const warm = opsCommand({
  usage: '<entity> [<key…>]',
  about: 'Caches an entity, all of it or one key, and follows the job until it ends. Ctrl-C leaves the job running.',
  options: {
    since: { value: '<time>', help: 'only what was written since (containers only), e.g. 2026-01-31T12:00:00Z' },
    rate: { value: '<n>', help: 'at most so many units (request units) a second' },
    detach: { help: 'do not follow the job' },
  },
  examples: ['npm run ops -- warm airport --rate 400', 'npm run ops -- warm airport FR CDG'],
  async run({ input, client, show }) {
    const [entity, ...key] = expectWords(input.words, 1, 'An entity', 20);
    const since = input.text('since');
    const unitsPerSecond = input.number('rate', 1, 999_999);
    const job = await client.post<Job>('warm', {
      entity,
      ...(key.length > 0 && { keys: [key] }),
      ...(since !== undefined && { since }),
      ...(unitsPerSecond !== undefined && { unitsPerSecond }),
    });
    const end = input.flag('detach') ? job : await follow(client, job);
    show(end, () => line(end));
    return end.state === 'failed' || end.state === 'cancelled' ? 1 : 0;
  },
});

async function follow(client: Client, begun: Job): Promise<Job> {
  let job = begun;
  while (job.endedAt === null && job.state !== 'paused') {
    progress(line(job));
    await sleep(POLL_MS);
    job = await client.get<Job>(`warm/${path(job.id)}`);
  }
  progress('');
  return job;
}

function line({ id, entity, state, scanned, filled, skipped, units, total, error }: Job): string {
  const drawn = total === null ? '' : `${bar(scanned, total)} `;
  const trouble = error === null ? '' : ` (${safe(error)})`;
  return `${safe(id)} ${safe(entity)} ${drawn}${safe(state)}: ${scanned} read, ${filled} cached, ${skipped} left, ${units} units${trouble}`;
}

const ACTIONS = ['pause', 'resume', 'cancel'];

export const jobs = opsCommand({
  usage: '[<id> [pause | resume | cancel]]',
  about: 'Lists the warm jobs, shows one, or pauses, resumes or cancels it.',
  examples: ['npm run ops -- jobs', 'npm run ops -- jobs w-20260131T120000-1f2e3d4c cancel'],
  async run({ input, client, show }) {
    const [id, action] = expectWords(input.words, 0, '', 2);
    if (id === undefined) {
      const answer = await client.get<{ jobs: readonly Job[] }>('warm');
      const rows = answer.jobs.map((job) => [
        job.id,
        job.entity,
        job.what,
        job.state,
        job.scanned,
        job.filled,
        job.createdAt,
        job.error,
      ]);
      show(answer, () => columns(['id', 'entity', 'what', 'state', 'read', 'cached', 'created', 'error'], rows));
      return 0;
    }
    if (action !== undefined && !ACTIONS.includes(action)) {
      throw new UsageError(`A job cannot be asked to '${action}': ${ACTIONS.join(', ')}.`);
    }
    const job = await (action === undefined
      ? client.get<Job>(`warm/${path(id)}`)
      : client.post<Job>(`warm/${path(id, action)}`));
    show(job, () => fields(job));
    return 0;
  },
});
