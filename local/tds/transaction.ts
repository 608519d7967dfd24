/**
 * The transaction of a session. PostgreSQL's begins with the first statement, as both then take their snapshot there, and each
 * statement has a savepoint, because an error of one does not end the transaction in T-SQL.
 */
import type pg from 'pg';
import { type Rows, run } from './database.ts';
import { endsTransaction, fromPostgres, SqlError } from './errors.ts';
import type { Isolation } from './statements.ts';
import { changed } from './tokens.ts';

export interface Transaction {
  /** @@TRANCOUNT */
  readonly depth: number;
  level: Isolation;
  begin(): Buffer[];
  commit(): Promise<Buffer[]>;
  rollback(): Promise<Buffer[]>;
  /** Runs a statement inside it, or by itself where none is open. @throws SqlError; the transaction may be gone then */
  run(text: string): Promise<Rows[]>;
  /** What an error has ended, to be told after it. */
  takeEnded(): Buffer[];
}

const isOurs = ({ command }: Rows): boolean => ['BEGIN', 'SAVEPOINT', 'RELEASE'].includes(command);
const pgLevels: Record<Isolation, string> = { snapshot: 'REPEATABLE READ', 'read committed': 'READ COMMITTED' };

export function createTransaction(client: pg.Client, nextDescriptor: () => bigint): Transaction {
  let depth = 0;
  let descriptor = 0n;
  let begun = false;
  let startedAs: Isolation = 'read committed';
  let level: Isolation = 'read committed';
  let ended: Buffer[] = [];

  const finish = async (command: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
    const open = begun;
    depth = 0;
    begun = false;
    if (open) await run(client, command);
  };
  const requireSnapshot = async (): Promise<void> => {
    const [answer] = await run(client, 'SELECT snapshot FROM tds.database');
    if (answer?.rows[0]?.[0] === 't') return;
    throw new SqlError(
      3952,
      'Snapshot isolation transaction failed accessing database because snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.',
    );
  };

  async function failed(error: unknown, started: boolean): Promise<SqlError> {
    const translated = fromPostgres(error);
    if (depth > 0 && endsTransaction(translated)) {
      ended.push(changed.rolledBack(descriptor));
      await finish('ROLLBACK').catch(() => {});
    } else if (depth > 0 && started) {
      await run(client, 'ROLLBACK TO SAVEPOINT statement').catch(() => {});
    }
    return translated;
  }

  return {
    get depth() {
      return depth;
    },
    get level() {
      return level;
    },
    set level(wanted) {
      if (depth > 0 && wanted === 'snapshot' && startedAs !== 'snapshot') {
        throw new SqlError(
          3951,
          'Transaction failed because the statement was run under snapshot isolation but the transaction did not start in snapshot isolation.',
        );
      }
      level = wanted;
    },
    begin() {
      depth += 1;
      if (depth > 1) return [];
      descriptor = nextDescriptor();
      startedAs = level;
      return [changed.began(descriptor)];
    },
    async commit() {
      if (depth === 0)
        throw new SqlError(3902, 'The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.');
      if (depth > 1) {
        depth -= 1;
        return [];
      }
      try {
        await finish('COMMIT');
        return [changed.committed(descriptor)];
      } catch (error) {
        ended.push(changed.rolledBack(descriptor));
        throw fromPostgres(error);
      }
    },
    async rollback() {
      if (depth === 0)
        throw new SqlError(3903, 'The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.');
      await finish('ROLLBACK');
      return [changed.rolledBack(descriptor)];
    },
    async run(text) {
      let started = begun;
      try {
        if (!begun && level === 'snapshot') await requireSnapshot();
        if (depth === 0) return (await run(client, text)).filter((result) => !isOurs(result));
        if (!begun) await run(client, `BEGIN ISOLATION LEVEL ${pgLevels[startedAs]}`);
        begun = true;
        started = true;
        const guarded = `SAVEPOINT statement; ${text}; RELEASE SAVEPOINT statement`;
        return (await run(client, guarded)).filter((result) => !isOurs(result));
      } catch (error) {
        throw await failed(error, started);
      }
    },
    takeEnded() {
      const told = ended;
      ended = [];
      return told;
    },
  };
}
