/** One logged-in connection: its transaction, options and prepared statements, and the reply to each request. */
import type pg from 'pg';
import type { Hooks } from './control.ts';
import { createCursor } from './cursor.ts';
import type { Database } from './database.ts';
import type { Value } from './decode.ts';
import { fromPostgres, SqlError } from './errors.ts';
import { execute } from './execute.ts';
import { globalVariables } from './expression.ts';
import { tokenize } from './lexer.ts';
import { type Message, packetTypes } from './packets.ts';
import type { Execution } from './perform.ts';
import { type Call, type Parameter, parseBatch, parseCall, parseTransaction } from './rpc.ts';
import { parseStatements } from './statements.ts';
import { changed, done, doneStatus, errorToken, programName, returnStatus, returnValue } from './tokens.ts';
import { createTransaction } from './transaction.ts';
import { parseType, type SqlType } from './types.ts';

export interface SessionOptions {
  database: Database;
  client: pg.Client;
  hooks: Hooks;
  id: number;
  nextDescriptor: () => bigint;
}

export interface Session {
  /** The tokens of the reply; undefined if the connection is to end instead. */
  handle(message: Message): Promise<Buffer | undefined>;
  /** What runs is given up; its reply is what there is of it. */
  cancel(): void;
  close(): Promise<void>;
}

interface Prepared {
  text: string;
  declaration: string;
}

const snapshotIsolation = 5;

export function createSession({ database, client, hooks, id, nextDescriptor }: SessionOptions): Session {
  const transaction = createTransaction(client, nextDescriptor);
  let options = { nocount: false, xact_abort: false };
  let cancelled = new AbortController();
  let running = false;
  const prepared = new Map<string, Prepared>();
  let handles = 0;
  let killed = false;
  const last: Pick<Map<string, Value>, 'get' | 'set'> = new Map<string, Value>();

  const globals = (): [string, Value][] =>
    globalVariables.map((name) => [name, last.get(name) ?? { type: { name: 'int' }, text: '0' }]);

  async function runText(text: string, given: readonly Parameter[], reply: Buffer[], scope: 'batch' | 'call') {
    const before = await hooks.before({
      text,
      parameters: Object.fromEntries(given.map((one) => [one.name, one.text])),
    });
    if (before === 'kill') {
      killed = true;
      return undefined;
    }
    cancelled.signal.throwIfAborted();
    const variables = new Map<string, Value>([
      ...globals(),
      ...given.map((one) => [one.name.toLowerCase(), one] as const),
    ]);
    const declared = new Map<string, SqlType>(given.map((one) => [one.name.toLowerCase(), one.type]));
    const live = liveVariables(variables);
    const statements = parseStatements(text, declared, database.name);
    const execution: Execution = {
      database,
      client,
      transaction,
      variables: live,
      options: scope === 'call' ? { ...options } : options,
      reply,
      doneKind: scope === 'call' ? 'inProcedure' : 'done',
      cancelled: cancelled.signal,
    };
    const outcome = await execute(statements, execution);
    for (const name of ['@@rowcount', '@@error']) last.set(name, variables.get(name) as Value);
    if (before === 'killAfter') killed = true;
    return { outcome, variables };
  }

  /** Some of the @@ ones are what they are at the moment. */
  function liveVariables(variables: Map<string, Value>): Map<string, Value> {
    const now: Record<string, () => Value> = {
      '@@trancount': () => ({ type: { name: 'int' }, text: String(transaction.depth) }),
      '@@spid': () => ({ type: { name: 'smallint' }, text: String(id) }),
      '@@version': () => ({ type: { name: 'nvarchar', length: 300 }, text: programName }),
      '@@servername': () => ({ type: { name: 'nvarchar', length: 128 }, text: 'warmfeed-emulator' }),
      '@@max_precision': () => ({ type: { name: 'tinyint' }, text: '38' }),
    };
    const get = variables.get.bind(variables);
    variables.get = (name) => now[name]?.() ?? get(name);
    return variables;
  }

  async function batch(body: Buffer, reply: Buffer[]): Promise<void> {
    const start = reply.length;
    await runText(parseBatch(body), [], reply, 'batch');
    closeBatch(reply, start);
  }

  /** As procedures do: isolation and options are the caller's again when it ends. */
  async function executeText(
    { text, declaration }: Prepared,
    given: readonly Parameter[],
    reply: Buffer[],
  ): Promise<void> {
    const { depth, level } = transaction;
    const parameters = declaredParameters(declaration, given);
    const result = await runText(text, parameters, reply, 'call');
    if (transaction.depth === 0 || level === 'snapshot') transaction.level = level;
    if (!result) return;
    // An error that ended the transaction has been told.
    const left = result.outcome !== 'failed' && transaction.depth !== depth;
    if (left) reply.push(errorToken(unbalanced(depth, transaction.depth)));
    const failed = result.outcome === 'failed' || left;
    reply.push(returnStatus(0));
    parameters.forEach(({ name, output, type }, at) => {
      const value = output ? result.variables.get(name.toLowerCase()) : undefined;
      if (value) reply.push(returnValue(name, type, value.text, at));
    });
    reply.push(done({ kind: 'procedure', status: failed ? doneStatus.error : 0 }));
  }

  async function call({ procedure, parameters }: Call, reply: Buffer[]): Promise<void> {
    const [first, second, third] = parameters;
    const rest = parameters.slice(procedure === 'sp_execute' ? 1 : 2);
    if (procedure === 'sp_executesql') {
      return executeText({ text: first?.text ?? '', declaration: second?.text ?? '' }, rest, reply);
    }
    if (procedure === 'sp_execute') {
      const found = prepared.get(first?.text ?? '');
      if (!found) throw new SqlError(8179, `Could not find prepared statement with handle ${first?.text ?? ''}.`);
      return executeText(found, rest, reply);
    }
    if (procedure === 'sp_unprepare') prepared.delete(first?.text ?? '');
    else if (procedure === 'sp_prepare') {
      const statement = { declaration: second?.text ?? '', text: third?.text ?? '' };
      parseStatements(statement.text, typesOf(statement.declaration), database.name);
      handles += 1;
      prepared.set(String(handles), statement);
      reply.push(returnStatus(0), returnValue(first?.name ?? '', { name: 'int' }, String(handles), 0));
    } else throw new SqlError(2812, `Could not find stored procedure '${procedure}'.`);
    reply.push(done({ kind: 'procedure', status: 0 }));
  }

  async function transactionStep(body: Buffer, reply: Buffer[]): Promise<void> {
    const request = parseTransaction(body);
    if (request.step === 'begin') {
      if (request.isolation !== 0)
        transaction.level = request.isolation === snapshotIsolation ? 'snapshot' : 'read committed';
      if (request.isolation > 2 && request.isolation !== snapshotIsolation) {
        throw new SqlError(102, 'The emulator has the isolation levels READ COMMITTED and SNAPSHOT only.');
      }
      reply.push(...transaction.begin());
    } else reply.push(...(request.step === 'commit' ? await transaction.commit() : await transaction.rollback()));
    reply.push(done({ kind: 'done', status: 0 }));
  }

  async function dispatch({ type, body }: Message, reply: Buffer[]): Promise<void> {
    if (type === packetTypes.batch) return batch(body, reply);
    if (type === packetTypes.rpc) return call(parseCall(body), reply);
    if (type === packetTypes.transaction) return transactionStep(body, reply);
    throw new SqlError(102, 'The emulator has no bulk load.');
  }

  async function reset(reply: Buffer[]): Promise<void> {
    if (transaction.depth > 0) await transaction.rollback();
    transaction.level = 'read committed';
    options = { nocount: false, xact_abort: false };
    reply.push(changed.reset());
  }

  return {
    async handle(message) {
      const reply: Buffer[] = [];
      running = true;
      try {
        if (message.reset) await reset(reply);
        await dispatch(message, reply);
      } catch (error) {
        const failure = cancelled.signal.aborted ? undefined : fromPostgres(error);
        if (failure) reply.push(errorToken(failure), ...transaction.takeEnded());
        reply.push(done({ kind: message.type === packetTypes.rpc ? 'procedure' : 'done', status: doneStatus.error }));
        if (failure && failure.severity >= 20) killed = true;
      } finally {
        running = false;
        cancelled = new AbortController();
      }
      return killed ? undefined : Buffer.concat(reply);
    },
    cancel() {
      if (!running) return;
      cancelled.abort();
      // `processID` is not in the types of pg.
      const { processID } = client as unknown as { processID: number };
      database.admin.query('SELECT pg_cancel_backend($1)', [processID]).catch(() => {});
    },
    close: () => client.end().catch(() => {}),
  };
}

const unbalanced = (before: number, after: number): SqlError =>
  new SqlError(
    266,
    `Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. Previous count = ${before}, current count = ${after}.`,
  );

/** The last DONE of a batch says that nothing follows; without a statement there is one all the same. */
function closeBatch(reply: Buffer[], start: number): void {
  const final = reply.at(-1);
  if (reply.length > start && final?.[0] === 0xfd) final.writeUInt16LE(final.readUInt16LE(1) & ~doneStatus.more, 1);
  else reply.push(done({ kind: 'done', status: 0 }));
}

/** `@a int, @b nvarchar(50) OUTPUT` */
function typesOf(declaration: string): Map<string, SqlType> {
  const cursor = createCursor(tokenize(declaration));
  const types = new Map<string, SqlType>();
  while (!cursor.ended()) {
    const { value } = cursor.next();
    cursor.accept('as');
    types.set(value, parseType(cursor));
    if (!cursor.accept('output')) cursor.accept('out');
    if (!cursor.ended()) cursor.expect(',');
  }
  return types;
}

/** Values go by name or by position; their types are the declared ones. */
function declaredParameters(declaration: string, given: readonly Parameter[]): Parameter[] {
  const declared = [...typesOf(declaration)];
  return given.map((parameter, at) => {
    const byName = declared.find(([name]) => name === parameter.name.toLowerCase());
    const [name, type] = (parameter.name === '' ? declared[at] : byName) ?? [];
    if (name === undefined || type === undefined) {
      throw new SqlError(8145, `${parameter.name} is not a parameter for procedure .`);
    }
    return { ...parameter, name: parameter.name || name, type };
  });
}
