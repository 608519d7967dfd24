/** A batch as a list of statements. All of it is read before any of it runs, so an error of syntax runs nothing. */

import { alterDatabase, alterTable } from './alterations.ts';
import { type Change, insert, remove, truncate, update } from './changes.ts';
import { createCursor } from './cursor.ts';
import { create, drop } from './definitions.ts';
import { notEmulated, SqlError, syntaxError } from './errors.ts';
import { expression } from './expression.ts';
import { tokenize } from './lexer.ts';
import { type Query, query, subquery } from './query.ts';
import type { Scope } from './scope.ts';
import { type Sql, sql, undeclared } from './sql.ts';
import { parseType, type SqlType } from './types.ts';

export type Isolation = 'read committed' | 'snapshot';

export type Statement =
  | { kind: 'query'; query: Query }
  | Change
  /** `alone`: not inside a transaction. */
  | { kind: 'define'; sql: Sql; alone: boolean }
  | { kind: 'declare'; variable: string; type: SqlType; value: Sql | undefined }
  | { kind: 'assign'; variable: string; value: Sql }
  | { kind: 'if'; condition: Sql; yes: Statement; otherwise: Statement | undefined }
  | { kind: 'while'; condition: Sql; body: Statement }
  | { kind: 'block'; statements: Statement[] }
  | { kind: 'try'; body: Statement[]; handler: Statement[] }
  | { kind: 'begin' | 'commit' | 'rollback' | 'rethrow' | 'nothing' }
  | { kind: 'return' }
  | { kind: 'isolation'; level: Isolation }
  | { kind: 'option'; name: 'nocount' | 'xact_abort'; on: boolean }
  | { kind: 'print'; value: Sql }
  | { kind: 'raise'; number: Sql; message: Sql; severity: Sql; ends: boolean }
  | { kind: 'wait'; milliseconds: number }
  | { kind: 'execute'; procedure: string };

export function parseStatements(text: string, declared: ReadonlyMap<string, SqlType>, database: string): Statement[] {
  const cursor = createCursor(tokenize(text));
  const scope: Scope = { cursor, variables: new Map(declared), database, common: new Set(), inOutput: false, subquery };
  const statements: Statement[] = [];
  while (!cursor.ended()) {
    if (cursor.accept(';')) continue;
    statements.push(statement(scope));
  }
  return statements;
}

/** Statements up to END. */
function until(scope: Scope, ...end: string[]): Statement[] {
  const statements: Statement[] = [];
  while (!scope.cursor.accept(...end)) {
    if (scope.cursor.accept(';')) continue;
    if (scope.cursor.ended()) throw syntaxError('end of file');
    statements.push(statement(scope));
  }
  return statements;
}

function statement(scope: Scope): Statement {
  const { cursor } = scope;
  const { kind, value, text } = cursor.peek();
  const parse = kind === 'word' ? parsers[value] : undefined;
  if (!parse) {
    if (['merge', 'save', 'bulk', 'backup', 'grant', 'deny', 'revoke', 'goto', 'use'].includes(value))
      throw notEmulated(text);
    throw syntaxError(text);
  }
  return parse(scope);
}

const define = (text: Sql, alone = false): Statement => ({ kind: 'define', sql: text, alone });

const parsers: Record<string, (scope: Scope) => Statement> = {
  select: (scope) => ({ kind: 'query', query: query(scope) }),
  with: (scope) => ({ kind: 'query', query: query(scope) }),
  insert,
  update,
  delete: remove,
  truncate: (scope) => define(truncate(scope)),
  create: (scope) => define(create(scope)),
  drop: (scope) => define(drop(scope)),
  alter: (scope) => {
    scope.cursor.expect('alter');
    if (scope.cursor.accept('database')) return define(alterDatabase(scope), true);
    if (!scope.cursor.accept('table')) throw notEmulated(`ALTER ${scope.cursor.peek().text}`);
    return define(alterTable(scope));
  },
  begin: beginStatement,
  commit: (scope) => transactionEnd(scope, 'commit'),
  rollback: (scope) => transactionEnd(scope, 'rollback'),
  declare,
  set: setStatement,
  if: ifStatement,
  while: (scope) => {
    scope.cursor.expect('while');
    return { kind: 'while', condition: expression(scope), body: statement(scope) };
  },
  print: (scope) => {
    scope.cursor.expect('print');
    return { kind: 'print', value: expression(scope) };
  },
  throw: throwStatement,
  raiserror: raiseError,
  waitfor: waitFor,
  return: ({ cursor }) => {
    cursor.expect('return');
    return { kind: 'return' };
  },
  exec: execute,
  execute,
};

function beginStatement(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('begin');
  if (cursor.accept('tran') || cursor.accept('transaction')) {
    transactionName(scope);
    return { kind: 'begin' };
  }
  if (!cursor.accept('try')) return { kind: 'block', statements: until(scope, 'end') };
  const body = until(scope, 'end', 'try');
  cursor.accept(';');
  cursor.expect('begin', 'catch');
  return { kind: 'try', body, handler: until(scope, 'end', 'catch') };
}

function transactionEnd(scope: Scope, kind: 'commit' | 'rollback'): Statement {
  const { cursor } = scope;
  cursor.expect(kind);
  if (cursor.accept('tran') || cursor.accept('transaction')) transactionName(scope);
  else cursor.accept('work');
  return { kind };
}

/** Names say nothing where there are no savepoints. */
function transactionName({ cursor }: Scope): void {
  const { kind, value } = cursor.peek();
  if (kind === 'name' || (kind === 'word' && !(value in parsers) && value !== 'end' && value !== 'else')) cursor.next();
}

function declare(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('declare');
  const statements: Statement[] = [];
  do {
    const { kind, value: variable, text } = cursor.next();
    if (kind !== 'variable') throw syntaxError(text);
    cursor.accept('as');
    if (cursor.at('table') || cursor.at('cursor')) throw notEmulated(cursor.peek().text);
    const type = parseType(cursor);
    if (scope.variables.has(variable)) {
      throw new SqlError(134, `The variable name '${text}' has already been declared.`, { severity: 15 });
    }
    const value = cursor.accept('=') ? expression(scope) : undefined;
    scope.variables.set(variable, type);
    statements.push({ kind: 'declare', variable, type, value });
  } while (cursor.accept(','));
  return { kind: 'block', statements };
}

/** Options of a session that change nothing here, with the only values that are true. */
const accepted: Record<string, string[]> = {
  ansi_nulls: ['on'],
  ansi_null_dflt_on: ['on'],
  ansi_padding: ['on'],
  ansi_warnings: ['on'],
  arithabort: ['on', 'off'],
  concat_null_yields_null: ['on'],
  cursor_close_on_commit: ['off'],
  implicit_transactions: ['off'],
  numeric_roundabort: ['off'],
  quoted_identifier: ['on'],
  language: ['us_english'],
  dateformat: ['mdy'],
};

function setStatement(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('set');
  const token = cursor.next();
  if (token.kind === 'variable') {
    if (!scope.variables.has(token.value)) throw undeclared(token.text);
    const operator = cursor.next().text;
    if (operator === '=') return { kind: 'assign', variable: token.value, value: expression(scope) };
    if (!/^[-+*/%]=$/.test(operator)) throw syntaxError(operator);
    const old = { variable: token.value };
    const value = sql([old], ` ${operator[0] ?? ''} (`, expression(scope), ')');
    return { kind: 'assign', variable: token.value, value };
  }
  if (token.value === 'transaction') return isolation(scope);
  const { value, text } = cursor.next();
  if (token.value === 'nocount' || token.value === 'xact_abort') {
    if (value !== 'on' && value !== 'off') throw syntaxError(text);
    return { kind: 'option', name: token.value, on: value === 'on' };
  }
  if (token.value === 'textsize' || token.value === 'datefirst') return { kind: 'nothing' };
  if (!accepted[token.value]?.includes(value)) throw notEmulated(`SET ${token.text} ${text}`);
  return { kind: 'nothing' };
}

function isolation({ cursor }: Scope): Statement {
  cursor.expect('isolation', 'level');
  if (cursor.accept('snapshot')) return { kind: 'isolation', level: 'snapshot' };
  if (cursor.accept('read', 'committed')) return { kind: 'isolation', level: 'read committed' };
  throw notEmulated(`ISOLATION LEVEL ${cursor.peek().text}`);
}

function ifStatement(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('if');
  const condition = expression(scope);
  const yes = statement(scope);
  while (cursor.at(';') && (cursor.peek(1).value === 'else' || cursor.peek(1).value === ';')) cursor.next();
  const otherwise = cursor.accept('else') ? statement(scope) : undefined;
  return { kind: 'if', condition, yes, otherwise };
}

function throwStatement(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('throw');
  if (cursor.ended() || cursor.at(';') || cursor.at('end')) return { kind: 'rethrow' };
  const number = expression(scope);
  cursor.expect(',');
  const message = expression(scope);
  cursor.expect(',');
  expression(scope);
  return { kind: 'raise', number, message, severity: ['16'], ends: true };
}

function raiseError(scope: Scope): Statement {
  const { cursor } = scope;
  cursor.expect('raiserror', '(');
  const message = expression(scope);
  cursor.expect(',');
  const severity = expression(scope);
  cursor.expect(',');
  expression(scope);
  if (cursor.at(',')) throw notEmulated('RAISERROR with arguments');
  cursor.expect(')');
  if (cursor.at('with')) throw notEmulated('WITH');
  return { kind: 'raise', number: ['50000'], message, severity, ends: false };
}

function waitFor({ cursor }: Scope): Statement {
  cursor.expect('waitfor', 'delay');
  const { kind, value, text } = cursor.next();
  const [, hours, minutes, seconds = '0'] = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,3})?))?$/.exec(value) ?? [];
  if (kind !== 'string' || hours === undefined) throw notEmulated(`WAITFOR DELAY ${text}`);
  return { kind: 'wait', milliseconds: ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 };
}

/** There are no procedures, so the rest does not matter: it would not be found. */
function execute({ cursor }: Scope): Statement {
  cursor.next();
  const parts = [cursor.next()];
  while (cursor.accept('.')) parts.push(cursor.next());
  if (parts[0]?.kind === 'operator' || parts[0]?.kind === 'string') throw notEmulated('EXEC (text)');
  while (!cursor.ended() && !cursor.at(';')) cursor.next();
  return { kind: 'execute', procedure: parts.map(({ value }) => value).join('.') };
}
