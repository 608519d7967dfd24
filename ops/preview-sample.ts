/** Which documents a preview looks at: the newest where the source can tell, else the first. */
import { UsageError } from '../local/commands/command.ts';
import { type Key, keyText } from '../src/core/key.ts';
import type { ChangeLog, Position, Source } from '../src/core/ports.ts';

export interface Recent {
  readonly keys: readonly Key[];
  readonly chosen: string;
}

interface Wanted {
  readonly limit: number;
  /** Milliseconds since the epoch. */
  readonly since: number | undefined;
  /** A table's own record of changes, where that has times. */
  readonly log: ChangeLog | undefined;
}

const LOG_PAGE = 1000;

export async function recentKeys(source: Source, { limit, since, log }: Wanted): Promise<Recent> {
  if (source.changesHold === 'documents') return newestDocuments(source, limit, since);
  if (since === undefined) return firstRows(source, limit);
  if (log === undefined)
    throw new UsageError(`${source.name} does not tell when a row was changed: leave out --since.`);
  return changedRows(source, log, limit, since);
}

async function newestDocuments(source: Source, limit: number, since: number | undefined): Promise<Recent> {
  const from = Math.floor((since ?? 0) / 1000);
  const text = `SELECT TOP ${limit} * FROM c WHERE c._ts >= @since ORDER BY c._ts DESC`;
  const statement = { text, values: { since: from }, partition: undefined, maxRows: limit, continuation: undefined };
  const read = await source.query?.(statement);
  const keys = (read?.keys ?? []).filter((key): key is Key => key !== undefined);
  const when = since === undefined ? '' : `, changed since ${new Date(since).toISOString()}`;
  return { keys, chosen: `the newest documents of the container${when}` };
}

async function firstRows(source: Source, limit: number): Promise<Recent> {
  const { keys } = await source.scan({ limit });
  return { keys: keys.slice(0, limit), chosen: 'the first rows of the table (it does not tell which are the newest)' };
}

async function changedRows(source: Source, log: ChangeLog, limit: number, since: number): Promise<Recent> {
  const newest = new Map<string, Key>();
  let from: Position = 0n;
  for (;;) {
    const page = await log.poll(from, LOG_PAGE, []);
    const changes = [...page.items, ...page.early.map(({ item }) => item)].map((item) => source.change(item));
    for (const { key, committedAt } of changes) {
      if (committedAt === undefined || committedAt < since) continue;
      newest.delete(keyText(key));
      newest.set(keyText(key), key);
    }
    if (!page.hasMore) break;
    from = page.end;
  }
  const when = new Date(since).toISOString();
  return {
    keys: [...newest.values()].toReversed().slice(0, limit),
    chosen: `rows changed since ${when}, as the outbox has them`,
  };
}
