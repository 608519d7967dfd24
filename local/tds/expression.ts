/** Expressions and conditions: operands and what joins them, in T-SQL's order. What is not known here is error 102. */
import { notEmulated, SqlError, syntaxError } from './errors.ts';
import { functionCall } from './functions.ts';
import type { Token } from './lexer.ts';
import { isName, nameOf, type Scope } from './scope.ts';
import { identifier, joined, literal, quoted, requirePlainPattern, type Sql, sql, undeclared } from './sql.ts';
import { isText, pgCollation } from './types.ts';

const comparisons: Record<string, string> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
};
const arithmetic = ['+', '-', '*', '/', '%'];
const bitwise: Record<string, string> = { '&': '&', '|': '|', '^': '#' };

/** Whether a text constant comes next: two of them have no column whose collation would decide. */
function isTextConstant(scope: Scope, ahead = 0): boolean {
  const { kind, value } = scope.cursor.peek(ahead);
  const type = kind === 'variable' ? scope.variables.get(value) : undefined;
  return kind === 'string' || (type !== undefined && isText(type));
}

/** A scalar expression, or a condition where `conditions` are asked for. */
export function expression(scope: Scope): Sql {
  const { cursor } = scope;
  const parts: Sql[] = [];
  const used = { bitwise: false, sums: false };
  for (;;) {
    parts.push(...operandWithTests(scope));
    const { kind, value } = cursor.peek();
    if (kind === 'word' && (value === 'and' || value === 'or')) {
      cursor.next();
      parts.push([` ${value} `]);
      used.bitwise = false;
      used.sums = false;
    } else if (kind === 'operator' && value in comparisons) {
      cursor.next();
      parts.push([` ${comparisons[value]} `]);
      if (cursor.at('all') || cursor.at('any') || cursor.at('some')) throw notEmulated(cursor.peek().text);
    } else if (kind === 'operator' && (arithmetic.includes(value) || value in bitwise)) {
      cursor.next();
      used.bitwise ||= value in bitwise;
      used.sums ||= value === '+' || value === '-';
      // The same precedence in T-SQL, not in PostgreSQL.
      if (used.bitwise && used.sums) throw notEmulated(`${value} (without parentheses)`);
      parts.push([` ${bitwise[value] ?? value} `]);
    } else {
      return sql(...parts);
    }
  }
}

function operandWithTests(scope: Scope): Sql[] {
  const { cursor } = scope;
  if (cursor.accept('not')) return [['NOT '], ...operandWithTests(scope)];
  const isConstant = isTextConstant(scope);
  const first = operand(scope);
  const { value } = cursor.peek();
  const compared = isConstant && (value in comparisons || ['in', 'not', 'like', 'between'].includes(value));
  const parts: Sql[] = [compared && nextIsConstant(scope) ? sql('(', first, ')::bpchar COLLATE tds.ci') : first];
  for (let test = testAfter(scope); test; test = testAfter(scope)) parts.push(test);
  return parts;
}

function nextIsConstant(scope: Scope): boolean {
  let ahead = 1;
  while (['in', 'like', 'between', '('].includes(scope.cursor.peek(ahead).value)) ahead += 1;
  return isTextConstant(scope, ahead);
}

/** IS NULL, IN, BETWEEN, LIKE, COLLATE. */
function testAfter(scope: Scope): Sql | undefined {
  const { cursor } = scope;
  if (cursor.accept('collate')) return [` COLLATE ${pgCollation(cursor.next().text)}`];
  if (cursor.accept('is', 'not', 'null')) return [' IS NOT NULL'];
  if (cursor.accept('is', 'null')) return [' IS NULL'];
  const negated = cursor.at('not') && ['in', 'between', 'like'].includes(cursor.peek(1).value);
  if (negated) cursor.next();
  const not = negated ? ' NOT' : '';
  if (cursor.accept('in')) return sql(`${not} IN `, listOrQuery(scope));
  if (cursor.accept('between')) {
    const low = sum(scope);
    cursor.expect('and');
    return sql(`${not} BETWEEN `, low, ' AND ', sum(scope));
  }
  if (cursor.accept('like')) return sql(`${not} LIKE `, pattern(scope));
  return undefined;
}

/** Without AND, which is BETWEEN's. */
function sum(scope: Scope): Sql {
  const parts: Sql[] = [operand(scope)];
  while (scope.cursor.peek().kind === 'operator' && arithmetic.includes(scope.cursor.peek().value)) {
    parts.push([` ${scope.cursor.next().value} `], operand(scope));
  }
  return sql(...parts);
}

function pattern(scope: Scope): Sql {
  const token = scope.cursor.next();
  if (scope.cursor.at('escape') || scope.cursor.at('+')) throw notEmulated(scope.cursor.peek().text);
  if (token.kind === 'string') {
    requirePlainPattern(token.value);
    return [quoted(token.value)];
  }
  if (token.kind !== 'variable') throw notEmulated(`LIKE ${token.text}`);
  if (!scope.variables.has(token.value)) throw undeclared(token.text);
  return [{ variable: token.value, pattern: true }];
}

function listOrQuery(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('(');
  const inside = cursor.at('select') || cursor.at('with') ? scope.subquery(scope) : expressionList(scope);
  cursor.expect(')');
  return sql('(', inside, ')');
}

export function expressionList(scope: Scope): Sql {
  const items: Sql[] = [];
  do items.push(expression(scope));
  while (scope.cursor.accept(','));
  return joined(items, ', ');
}

function operand(scope: Scope): Sql {
  const { cursor } = scope;
  const { kind, value } = cursor.peek();
  if (kind === 'operator') return operatorOperand(scope, value);
  if (kind === 'word' && value === 'case') return caseExpression(scope);
  if (kind === 'word' && value === 'exists') {
    cursor.next();
    if (!cursor.at('(', 'select')) throw syntaxError(cursor.peek().text);
    return sql('EXISTS ', listOrQuery(scope));
  }
  if (kind === 'word' && value === 'null') {
    cursor.next();
    return ['NULL'];
  }
  const call = functionCall(scope, { expression, type: kind });
  if (call) return call;
  const token = cursor.next();
  return constant(scope, token) ?? column(scope, token);
}

function operatorOperand(scope: Scope, value: string): Sql {
  const { cursor } = scope;
  if (value === '(') return listOrQuery(scope);
  if (!['-', '+', '~'].includes(value)) throw syntaxError(cursor.peek().text);
  cursor.next();
  return sql(value === '+' ? '' : `${value} `, operand(scope));
}

function constant(scope: Scope, token: Token): Sql | undefined {
  const { kind, text, value } = token;
  if (kind === 'string') return [quoted(value)];
  if (kind === 'number') return [numberText(text)];
  if (kind === 'binary') return [literal({ type: { name: 'varbinary' }, text: binaryText(text) })];
  if (kind !== 'variable') return undefined;
  if (value.startsWith('@@')) return [{ variable: globalVariable(scope, token) }];
  if (!scope.variables.has(value)) throw undeclared(text);
  return [{ variable: value }];
}

/** Whole numbers that are too large for int are decimals, not bigint. */
function numberText(text: string): string {
  if (/e/i.test(text)) return `${text}::float8`;
  return /^\d+$/.test(text) && BigInt(text) > 2_147_483_647n ? `${text}::numeric(${text.length},0)` : text;
}

/** An odd number of digits gets a zero in front. */
const binaryText = (text: string): string => {
  const digits = text.slice(2);
  return `\\x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
};

export const globalVariables = [
  '@@rowcount',
  '@@trancount',
  '@@version',
  '@@spid',
  '@@error',
  '@@servername',
  '@@max_precision',
];

function globalVariable(_: Scope, { value, text }: Token): string {
  if (!globalVariables.includes(value))
    throw new SqlError(137, `The emulator does not have ${text}.`, { severity: 15 });
  return value;
}

/** `column`, `alias.column` or `schema.table.column`, of which the schema is left out. */
function column(scope: Scope, token: Token): Sql {
  if (!isName(token)) throw syntaxError(token.text);
  const parts = [nameOf(token)];
  while (scope.cursor.at('.') && scope.cursor.peek(1).value !== '*') {
    scope.cursor.next();
    const part = scope.cursor.next();
    if (part.kind !== 'name' && part.kind !== 'word') throw syntaxError(part.text);
    parts.push(nameOf(part));
  }
  const [name = '', table] = parts.toReversed();
  if (table === undefined) return [identifier(name)];
  const row = scope.inOutput ? outputRows[table.toLowerCase()] : undefined;
  return [`${row ?? identifier(table)}.${identifier(name)}`];
}

export const outputRows: Record<string, string> = { inserted: 'new', deleted: 'old' };

function caseExpression(scope: Scope): Sql {
  const { cursor } = scope;
  cursor.expect('case');
  const parts: Sql[] = [['CASE']];
  const simple = !cursor.at('when');
  if (simple) {
    const constantSubject = isTextConstant(scope);
    const subject = expression(scope);
    parts.push(constantSubject ? sql(' (', subject, ')::bpchar COLLATE tds.ci') : sql(' ', subject));
  }
  while (cursor.accept('when')) {
    parts.push(sql(' WHEN ', expression(scope)));
    cursor.expect('then');
    parts.push(sql(' THEN ', expression(scope)));
  }
  if (parts.length < 2) throw syntaxError(cursor.peek().text);
  if (cursor.accept('else')) parts.push(sql(' ELSE ', expression(scope)));
  cursor.expect('end');
  return sql(...parts, ' END');
}
