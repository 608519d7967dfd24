/** What each kind of statement does, and the tokens that tell of it; the flow between statements is in `execute.ts`. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Change } from './changes.ts';
import { type Database, describe, type Rows } from './database.ts';
import type { Value } from './decode.ts';
import { SqlError } from './errors.ts';
import { conversion } from './functions.ts';
import type { Hint, Query } from './query.ts';
import { joined, render, type Sql, sql } from './sql.ts';
import type { Statement } from './statements.ts';
import { columnMetadata, type DoneKind, done, doneStatus, infoToken, row } from './tokens.ts';
import type { Transaction } from './transaction.ts';
import type { SqlType } from './types.ts';

export interface Execution {
  database: Database;
  client: pg.Client;
  transaction: Transaction;
  /** Of this batch; with those that begin with @@. */
  variables: Map<string, Value>;
  options: { nocount: boolean; xact_abort: boolean };
  /** Tokens go here. */
  reply: Buffer[];
  doneKind: DoneKind;
  cancelled: AbortSignal;
  /** Errors go to a CATCH block instead of the client. */
  inTry?: boolean;
  /** The error that a CATCH block handles. */
  caught?: SqlError | undefined;
}

const commands = { select: 0xc1, insert: 0xc3, delete: 0xc4, update: 0xc5 } as const;

type Leaf = Exclude<Statement, { kind: 'if' | 'while' | 'block' | 'try' | 'return' }>;

export async function perform(statement: Leaf, execution: Execution): Promise<void> {
  const { transaction, reply, options } = execution;
  switch (statement.kind) {
    case 'query':
      return select(statement.query, execution);
    case 'change':
      return change(statement, execution);
    case 'define':
      return define(statement, execution);
    case 'declare':
      return assign(statement.variable, { type: statement.type, value: statement.value }, execution);
    case 'assign': {
      const { type } = execution.variables.get(statement.variable) ?? {};
      return type && assign(statement.variable, { type, value: statement.value }, execution);
    }
    case 'begin':
      return void reply.push(...transaction.begin());
    case 'commit':
      return void reply.push(...(await transaction.commit()));
    case 'rollback':
      return void reply.push(...(await transaction.rollback()));
    case 'isolation':
      transaction.level = statement.level;
      return;
    case 'option':
      options[statement.name] = statement.on;
      return;
    case 'print':
      return void reply.push(infoToken((await valueOf(statement.value, execution)) ?? ''));
    case 'raise':
      return raise(statement, execution);
    case 'rethrow':
      throw (
        execution.caught ??
        new SqlError(10_704, 'To rethrow an error, a THROW statement must be used inside a CATCH block.')
      );
    case 'wait':
      await sleep(statement.milliseconds, undefined, { signal: execution.cancelled });
      return;
    case 'execute':
      throw new SqlError(2812, `Could not find stored procedure '${statement.procedure}'.`);
    case 'nothing':
      return;
  }
}

/** The first column of the first row. */
export async function valueOf(value: Sql, { transaction, variables }: Execution): Promise<string | null> {
  const [result] = await transaction.run(`SELECT ${render(value, variables)}`);
  return result?.rows[0]?.[0] ?? null;
}

export const holds = async (condition: Sql, execution: Execution): Promise<boolean> =>
  (await valueOf(sql('(', condition, ') IS TRUE'), execution)) === 't';

interface Assignment {
  type: SqlType;
  value: Sql | undefined;
}

async function assign(variable: string, { type, value }: Assignment, execution: Execution): Promise<void> {
  const text = value === undefined ? null : await valueOf(storable(value, type), execution);
  execution.variables.set(variable, { type, text });
}

/** As text that a literal of the type can be made of. */
const storable = (value: Sql, type: SqlType): Sql =>
  type.name === 'datetimeoffset'
    ? sql('tds.text_of(', conversion(value, { type }), ', 0, -1)')
    : conversion(value, {
        type,
        constant: value.length === 1 && typeof value[0] === 'string' && value[0].startsWith("'"),
      });

async function select(query: Query, execution: Execution): Promise<void> {
  if (query.assigned.length > 0) return selectInto(query, execution);
  const [result] = await execution.transaction.run(render(query.sql, execution.variables));
  if (result) await answer(result, { hints: query.hints, command: commands.select }, execution);
}

/** `SELECT @a = …`: the last row stays; without one nothing changes. */
async function selectInto({ sql: text, assigned }: Query, execution: Execution): Promise<void> {
  const types = assigned.map((name) => execution.variables.get(name)?.type ?? { name: 'int' as const });
  const values = types.map((type, at) => storable([`q.c${at}`], type));
  const names = types.map((_, at) => `c${at}`).join(', ');
  const wrapped = sql('SELECT ', joined(values, ', '), ' FROM (', text, `) AS q(${names})`);
  const [result] = await execution.transaction.run(render(wrapped, execution.variables));
  const last = result?.rows.at(-1);
  assigned.forEach((name, at) => {
    if (last) execution.variables.set(name, { type: types[at] ?? { name: 'int' }, text: last[at] ?? null });
  });
  tellDone({ command: commands.select, rows: result?.rows.length ?? 0 }, execution);
}

async function change({ command, sql: text, hints }: Change, execution: Execution): Promise<void> {
  const [result] = await execution.transaction.run(render(text, execution.variables));
  if (!result) return;
  if (hints) return answer(result, { hints, command: commands[command] }, execution);
  tellDone({ command: commands[command], rows: result.rowCount ?? 0 }, execution);
}

async function define({ sql: text, alone }: { sql: Sql; alone: boolean }, execution: Execution): Promise<void> {
  const { transaction, database } = execution;
  if (alone && transaction.depth > 0) {
    throw new SqlError(226, 'ALTER DATABASE statement not allowed within multi-statement transaction.');
  }
  await transaction.run(render(text, execution.variables));
  database.declared.clear();
  tellDone({}, execution);
}

interface Answer {
  hints: readonly Hint[];
  command: number;
}

async function answer(result: Rows, { hints, command }: Answer, execution: Execution): Promise<void> {
  const columns = await describe(execution.database, execution.client, result, hints);
  const rows = result.rows.map((values) => row(columns, values));
  execution.reply.push(columnMetadata(columns), ...rows);
  tellDone({ command, rows: rows.length }, execution);
}

interface Finished {
  status?: number;
  command?: number;
  rows?: number;
}

export function tellDone({ status = 0, command = 0, rows }: Finished, execution: Execution): void {
  const { reply, doneKind, options, variables } = execution;
  if (rows !== undefined) variables.set('@@rowcount', { type: { name: 'int' }, text: String(rows) });
  const counted = options.nocount ? undefined : rows;
  reply.push(done({ kind: doneKind, status: status | doneStatus.more, command, rows: counted }));
}

async function raise(statement: Extract<Statement, { kind: 'raise' }>, execution: Execution): Promise<void> {
  const number = Number(await valueOf(statement.number, execution));
  const severity = Number(await valueOf(statement.severity, execution));
  const message = (await valueOf(statement.message, execution)) ?? '';
  if (statement.ends && number < 50_000) {
    throw new SqlError(35_100, `Error number ${number} in the THROW statement is outside the valid range.`);
  }
  if (severity > 10) throw new SqlError(number, message, { severity, ends: statement.ends });
  execution.reply.push(infoToken(message, number, severity));
}
