/** The flow between the statements of a batch: branches, loops, TRY, and what an error ends. */
import { endsOnlyStatement, fromPostgres, SqlError } from './errors.ts';
import { type Execution, holds, perform, tellDone } from './perform.ts';
import type { Statement } from './statements.ts';
import { doneStatus, errorToken } from './tokens.ts';

export type Outcome = 'done' | 'returned' | 'failed';

const endlessTurns = 100_000;

/** Errors are told in the reply; only a cancelled request throws. */
export async function execute(statements: readonly Statement[], execution: Execution): Promise<Outcome> {
  for (const statement of statements) {
    const outcome = await executeOne(statement, execution);
    if (outcome !== 'done') return outcome;
  }
  return 'done';
}

async function executeOne(statement: Statement, execution: Execution): Promise<Outcome> {
  try {
    return await step(statement, execution);
  } catch (error) {
    if (execution.cancelled.aborted || execution.inTry) throw error;
    return tellError(fromPostgres(error), execution);
  }
}

async function step(statement: Statement, execution: Execution): Promise<Outcome> {
  execution.cancelled.throwIfAborted();
  if (statement.kind === 'block') return execute(statement.statements, execution);
  if (statement.kind === 'while') return loop(statement, execution);
  if (statement.kind === 'try') return attempt(statement, execution);
  if (statement.kind === 'return') return 'returned';
  if (statement.kind === 'if') {
    const chosen = (await holds(statement.condition, execution)) ? statement.yes : statement.otherwise;
    return chosen ? executeOne(chosen, execution) : 'done';
  }
  await perform(statement, execution);
  setError(0, execution);
  return 'done';
}

async function loop(statement: Extract<Statement, { kind: 'while' }>, execution: Execution): Promise<Outcome> {
  for (let turn = 0; await holds(statement.condition, execution); turn += 1) {
    if (turn > endlessTurns) throw new SqlError(40_000, 'The emulator ends loops of more than 100,000 turns.');
    const outcome = await executeOne(statement.body, execution);
    if (outcome !== 'done') return outcome;
  }
  return 'done';
}

/** Inside, the first error of any kind goes to the handler and is not told. */
async function attempt(statement: Extract<Statement, { kind: 'try' }>, execution: Execution): Promise<Outcome> {
  try {
    return await execute(statement.body, { ...execution, inTry: true });
  } catch (error) {
    if (execution.cancelled.aborted) throw error;
    const caught = fromPostgres(error);
    execution.reply.push(...execution.transaction.takeEnded());
    return execute(statement.handler, { ...execution, caught });
  }
}

async function tellError(failure: SqlError, execution: Execution): Promise<Outcome> {
  const { reply, transaction, options } = execution;
  reply.push(errorToken(failure));
  if (options.xact_abort && transaction.depth > 0) reply.push(...(await transaction.rollback()));
  reply.push(...transaction.takeEnded());
  setError(failure.number, execution);
  tellDone({ status: doneStatus.error }, execution);
  return !options.xact_abort && endsOnlyStatement(failure) ? 'done' : 'failed';
}

const setError = (number: number, { variables }: Execution): void =>
  void variables.set('@@error', { type: { name: 'int' }, text: String(number) });
