/** What a client of SQL Server is told when something fails, and which number PostgreSQL's errors have there. */

/** An error as SQL Server reports it. Class 16 is for what the user can correct, 14 for permissions and keys, 20 ends the connection. */
export class SqlError extends Error {
  override name = 'SqlError';
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  /** THROW ends the batch, whatever the number. */
  readonly ends: boolean;

  constructor(number: number, message: string, { severity = 16, state = 1, ends = false } = {}) {
    super(message);
    this.ends = ends;
    this.number = number;
    this.severity = severity;
    this.state = state;
  }
}

export const syntaxError = (near: string): SqlError =>
  new SqlError(102, `Incorrect syntax near '${near}'.`, { severity: 15 });

/** SQL Server may well have it; the emulator has not. */
export const notEmulated = (what: string): SqlError =>
  new SqlError(102, `Incorrect syntax near '${what}'. The emulator does not have it.`, { severity: 15 });

export const conversionError = (from: string, to: string): SqlError =>
  new SqlError(8114, `Error converting data type ${from} to ${to}.`);

/** The parts of PostgreSQL's error that are used. */
export interface PostgresError {
  code?: string;
  message: string;
  table?: string;
  schema?: string;
  column?: string;
  constraint?: string;
  detail?: string;
}

type Mapping = (error: PostgresError) => SqlError;

const quotedIn = ({ message }: PostgresError): string[] =>
  [...message.matchAll(/"((?:[^"]|"")*)"/g)].map(([, text]) => text ?? '');

const where = ({ schema, table }: PostgresError): string => `${schema ?? 'dbo'}.${table ?? '?'}`;

const truncated: Mapping = (error) =>
  new SqlError(2628, `String or binary data would be truncated in table '${where(error)}'.`);

const undefinedColumn: Mapping = (error) => {
  const name = /column "?([\w$. ]+?)"? does not exist/.exec(error.message)?.[1] ?? quotedIn(error)[0] ?? '?';
  return new SqlError(207, `Invalid column name '${name.split('.').at(-1) ?? name}'.`);
};

const undefinedTable: Mapping = (error) => {
  if (/missing FROM-clause/.test(error.message)) {
    return new SqlError(4104, `The multi-part identifier "${quotedIn(error)[0] ?? '?'}" could not be bound.`);
  }
  return new SqlError(208, `Invalid object name '${quotedIn(error)[0] ?? '?'}'.`);
};

const undefinedFunction: Mapping = (error) => {
  const tracked = /tds_ct\."?([^"#(]+)/.exec(error.message)?.[1];
  if (tracked) return new SqlError(22_105, `Change tracking is not enabled on table '${tracked}'.`);
  return new SqlError(402, `The emulator cannot combine these types: ${error.message}.`);
};

const invalidText: Mapping = (error) => {
  if (/type json/.test(error.message)) return new SqlError(13_609, 'JSON text is not properly formatted.');
  if (/record literal/.test(error.message)) {
    return new SqlError(241, 'The emulator takes text as datetimeoffset only with CAST.');
  }
  const [value] = quotedIn(error);
  const type = /type (\w+)/.exec(error.message)?.[1] ?? '?';
  if (type === 'uuid') {
    return new SqlError(8169, 'Conversion failed when converting from a character string to uniqueidentifier.');
  }
  if (/^(numeric|double|real|bigint)$/.test(type)) return conversionError('nvarchar', sqlName[type] ?? type);
  return new SqlError(
    245,
    `Conversion failed when converting the nvarchar value '${value ?? ''}' to data type ${sqlName[type] ?? type}.`,
  );
};

const sqlName: Record<string, string> = {
  integer: 'int',
  boolean: 'bit',
  double: 'float',
  timestamp: 'datetime2',
};

const duplicate: Mapping = (error) => {
  const values = /=\((.*)\) already exists/.exec(error.detail ?? '')?.[1] ?? '';
  const { constraint = '?' } = error;
  return new SqlError(
    2627,
    `Violation of PRIMARY KEY or UNIQUE KEY constraint '${constraint}'. Cannot insert duplicate key in object '${where(error)}'. The duplicate key value is (${values}).`,
    { severity: 14 },
  );
};

const overflow: Mapping = (error) =>
  new SqlError(8115, `Arithmetic overflow error converting expression. (${error.message})`);

const check: Mapping = (error) =>
  error.constraint?.startsWith('len$')
    ? truncated(error)
    : /tinyint/.test(`${error.constraint ?? ''} ${error.message}`)
      ? new SqlError(220, 'Arithmetic overflow error for data type tinyint.')
      : new SqlError(
          547,
          `The statement conflicted with the CHECK constraint "${error.constraint ?? '?'}". The conflict occurred in table "${where(error)}".`,
        );

const dateFailed: Mapping = () =>
  new SqlError(241, 'Conversion failed when converting date and/or time from character string.');

const mappings: Record<string, Mapping> = {
  '22001': truncated,
  '22003': overflow,
  '22007': dateFailed,
  '22008': () => new SqlError(242, 'The conversion resulted in an out-of-range value.'),
  '22012': () => new SqlError(8134, 'Divide by zero error encountered.'),
  '22P02': invalidText,
  '22P05': () => new SqlError(13_609, 'JSON text is not properly formatted.'),
  '22021': () => new SqlError(8114, 'The emulator cannot hold the character U+0000.'),
  '23502': (error) =>
    new SqlError(
      515,
      `Cannot insert the value NULL into column '${error.column ?? '?'}', table '${where(error)}'; column does not allow nulls.`,
    ),
  '23503': (error) =>
    new SqlError(
      547,
      `The statement conflicted with the FOREIGN KEY constraint "${error.constraint ?? '?'}". The conflict occurred in table "${where(error)}".`,
    ),
  '23505': duplicate,
  '23514': check,
  '25006': () => new SqlError(3906, 'Failed to update the database because it is read-only.'),
  '40001': () =>
    new SqlError(3960, 'Snapshot isolation transaction aborted due to update conflict. Retry the transaction.'),
  '40P01': () =>
    new SqlError(1205, 'Transaction was deadlocked on lock resources with another process. Rerun the transaction.', {
      severity: 13,
    }),
  '428C9': () => new SqlError(544, 'Cannot insert explicit value for identity column when IDENTITY_INSERT is OFF.'),
  '42601': (error) => syntaxError(quotedIn(error)[0] ?? '?'),
  '42702': (error) => new SqlError(209, `Ambiguous column name '${quotedIn(error)[0] ?? '?'}'.`),
  '42703': undefinedColumn,
  '42P01': undefinedTable,
  '42883': undefinedFunction,
  '42P07': (error) =>
    new SqlError(2714, `There is already an object named '${quotedIn(error)[0] ?? '?'}' in the database.`),
  '42803': (error) => new SqlError(8120, `Column is invalid in the select list. (${error.message})`),
  '3F000': (error) => new SqlError(2760, `The specified schema name "${quotedIn(error)[0] ?? '?'}" does not exist.`),
  '55P03': () => new SqlError(1222, 'Lock request time out period exceeded.'),
  '57P01': () =>
    new SqlError(596, 'Cannot continue the execution because the session is in the kill state.', { severity: 21 }),
};

/** @returns the SQL Server error that stands for one of PostgreSQL's; 40000 and its text where there is none. */
export function fromPostgres(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  const failed = error as PostgresError;
  const mapping = mappings[failed.code ?? ''];
  if (mapping) return mapping(failed);
  // Raised by the functions of `sql/`: "number|message".
  const raised = /^(\d+)\|(.*)$/s.exec(failed.message);
  if (raised) return new SqlError(Number(raised[1]), raised[2] ?? '');
  const what = failed.code === undefined ? 'The emulator failed' : 'The emulator cannot run this statement';
  return new SqlError(40_000, `${what}: ${failed.message}`);
}

/** Errors that end only their statement; the batch goes on, and a transaction stays open (XACT_ABORT OFF). */
const statementOnly = new Set([220, 515, 544, 547, 2601, 2627, 2628, 8115, 8134, 3902, 3903, 50_000]);
export const endsOnlyStatement = ({ number, ends }: SqlError): boolean => !ends && statementOnly.has(number);

/** Errors after which nothing of the transaction is left. */
const transactionToo = new Set([241, 242, 245, 1205, 3960, 8114, 8169]);
export const endsTransaction = ({ number, severity }: SqlError): boolean =>
  transactionToo.has(number) || severity >= 20;
