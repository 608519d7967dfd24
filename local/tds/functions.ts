/** Functions: which there are, with how many arguments, and what stands for each. The `tds.` ones are in `sql/functions.sql`. */
import { notEmulated, SqlError, syntaxError } from './errors.ts';
import type { TokenKind } from './lexer.ts';
import type { Scope } from './scope.ts';
import { joined, type Sql, sql } from './sql.ts';
import { isBinary, isText, parseType, pgType, type SqlType, typeText } from './types.ts';

interface Parsers {
  expression: (scope: Scope) => Sql;
  /** Of the token at hand. */
  type: TokenKind;
}

interface Definition {
  arguments: readonly [least: number, most: number];
  emit: (...given: Sql[]) => Sql;
}

const call =
  (name: string) =>
  (...given: Sql[]): Sql =>
    sql(`${name}(`, joined(given, ', '), ')');

const named = (least: number, most: number, names: string): Record<string, Definition> =>
  Object.fromEntries(names.split(/\s+/).map((name) => [name, { arguments: [least, most], emit: call(`tds.${name}`) }]));

/** As CAST has it, or refused: PostgreSQL writes dates, guids and bits in other ways. */
const asText = (value: Sql): Sql => sql('tds.text_of(', value, ', 0, -1)');

const scalars: Record<string, Definition> = {
  ...named(0, 0, 'getdate getutcdate sysdatetime sysutcdatetime sysdatetimeoffset change_tracking_current_version'),
  ...named(0, 0, 'suser_sname original_login'),
  ...named(0, 1, 'db_name db_id schema_name schema_id'),
  ...named(1, 1, 'upper lower ltrim rtrim trim len datalength reverse isjson object_name year month day floor ceiling'),
  ...named(1, 1, 'change_tracking_min_valid_version serverproperty'),
  ...named(1, 2, 'object_id'),
  ...named(2, 2, 'left right replicate isnull col_name databasepropertyex objectproperty'),
  ...named(2, 3, 'charindex'),
  ...named(3, 3, 'substring replace'),
  abs: { arguments: [1, 1], emit: call('abs') },
  newid: { arguments: [0, 0], emit: call('gen_random_uuid') },
  coalesce: { arguments: [2, 100], emit: call('coalesce') },
  nullif: { arguments: [2, 2], emit: call('nullif') },
  concat: { arguments: [2, 100], emit: (...given) => sql('concat(', joined(given.map(asText), ', '), ')::bpchar') },
  iif: {
    arguments: [3, 3],
    emit: (test = [], yes = [], no = []) => sql('CASE WHEN ', test, ' THEN ', yes, ' ELSE ', no, ' END'),
  },
};

const window = (name: string): Definition => ({ arguments: [0, 3], emit: call(name) });
const windows: Record<string, Definition> = {
  row_number: window('row_number'),
  rank: window('rank'),
  dense_rank: window('dense_rank'),
  lag: window('lag'),
  lead: window('lead'),
  first_value: window('first_value'),
};

/** What PostgreSQL calls it, and the type that T-SQL has for the result. */
const aggregates: Record<string, { name: string; cast?: string }> = {
  count: { name: 'count', cast: '::int4' },
  count_big: { name: 'count' },
  sum: { name: 'tds.sum' },
  avg: { name: 'tds.avg' },
  min: { name: 'min' },
  max: { name: 'max' },
};

/** Undefined if no function comes next. */
export function functionCall(scope: Scope, parsers: Parsers): Sql | undefined {
  const { cursor } = scope;
  if (parsers.type !== 'word') return undefined;
  const { value, text } = cursor.peek();
  if (value === 'current_timestamp') {
    cursor.next();
    return ['tds.getdate()'];
  }
  if (cursor.peek(1).text !== '(') return undefined;
  cursor.next();
  cursor.next();
  if (value in aggregates) return aggregate(scope, value, parsers);
  const special = specials[value];
  if (special) return special(scope, parsers);
  const definition = scalars[value] ?? windows[value];
  if (!definition)
    throw new SqlError(195, `'${text}' is not a recognized built-in function name. The emulator does not have it.`, {
      severity: 15,
    });
  const given = argumentList(scope, parsers);
  const [least, most] = definition.arguments;
  if (given.length < least || given.length > most) {
    throw new SqlError(174, `The ${value} function requires ${least} to ${most} argument(s).`, { severity: 15 });
  }
  const result = definition.emit(...given);
  if (!(value in windows)) return result;
  if (!cursor.at('over'))
    throw new SqlError(10_753, `The function '${value}' must have an OVER clause.`, { severity: 15 });
  return sql(result, over(scope, parsers));
}

function argumentList(scope: Scope, { expression }: Parsers): Sql[] {
  const given: Sql[] = [];
  if (scope.cursor.accept(')')) return given;
  do given.push(expression(scope));
  while (scope.cursor.accept(','));
  scope.cursor.expect(')');
  return given;
}

function aggregate(scope: Scope, name: string, parsers: Parsers): Sql {
  const { cursor } = scope;
  const { name: called, cast = '' } = aggregates[name] ?? { name };
  const distinct = cursor.accept('distinct') ? 'DISTINCT ' : '';
  if (cursor.accept('*')) {
    if (!name.startsWith('count')) throw syntaxError('*');
    cursor.expect(')');
    return sql('(', `${called}(*)`, over(scope, parsers), `)${cast}`);
  }
  const given = parsers.expression(scope);
  cursor.expect(')');
  return sql('(', `${called}(${distinct}`, given, ')', over(scope, parsers), `)${cast}`);
}

function over(scope: Scope, { expression }: Parsers): Sql {
  const { cursor } = scope;
  if (!cursor.accept('over')) return [];
  cursor.expect('(');
  const parts: Sql[] = [];
  if (cursor.accept('partition', 'by')) {
    const by: Sql[] = [];
    do by.push(expression(scope));
    while (cursor.accept(','));
    parts.push(sql('PARTITION BY ', joined(by, ', '), ' '));
  }
  if (cursor.accept('order', 'by')) parts.push(sql('ORDER BY ', orderList(scope, expression)));
  if (!cursor.accept(')')) throw notEmulated(cursor.peek().text);
  return sql(' OVER (', ...parts, ')');
}

/** NULLs are the least; guids have an order of their own, in `tds.sort_key`. */
export function orderList(scope: Scope, expression: (scope: Scope) => Sql, key = sortKey): Sql {
  const { cursor } = scope;
  const items: Sql[] = [];
  do {
    const item = expression(scope);
    const descending = !cursor.accept('asc') && cursor.accept('desc');
    items.push(sql(key(item), descending ? ' DESC NULLS LAST' : ' ASC NULLS FIRST'));
  } while (cursor.accept(','));
  return joined(items, ', ');
}

const sortKey = (item: Sql): Sql => sql('tds.sort_key(', item, ')');

/** Those whose arguments are not all expressions. */
const specials: Record<string, (scope: Scope, parsers: Parsers) => Sql> = {
  cast: (scope, parsers) => castOf(scope, parsers, false),
  try_cast: (scope, parsers) => castOf(scope, parsers, true),
  convert: (scope, parsers) => convertOf(scope, parsers, false),
  try_convert: (scope, parsers) => convertOf(scope, parsers, true),
  dateadd: (scope, parsers) => datePart(scope, parsers, 'tds.dateadd'),
  datediff: (scope, parsers) => datePart(scope, parsers, 'tds.datediff'),
  datepart: (scope, parsers) => datePart(scope, parsers, 'tds.datepart'),
};

/** Of text in a conversion; in a declaration it is 1. */
const unsaidLength = 30;

function castOf(scope: Scope, { expression }: Parsers, trying: boolean): Sql {
  const constant = scope.cursor.peek().kind === 'string' && scope.cursor.peek(1).value === 'as';
  const value = expression(scope);
  scope.cursor.expect('as');
  const type = parseType(scope.cursor, unsaidLength);
  scope.cursor.expect(')');
  return conversion(value, { type, trying, constant });
}

function convertOf(scope: Scope, { expression }: Parsers, trying: boolean): Sql {
  const { cursor } = scope;
  const type = parseType(cursor, unsaidLength);
  cursor.expect(',');
  const constant = cursor.peek().kind === 'string' && [')', ','].includes(cursor.peek(1).value);
  const value = expression(scope);
  const style = cursor.accept(',') ? expression(scope) : undefined;
  cursor.expect(')');
  return conversion(value, { type, trying, constant, style });
}

interface Conversion {
  type: SqlType;
  trying?: boolean;
  /** Text in quotes, which needs no function to be read. */
  constant?: boolean;
  style?: Sql | undefined;
}

export function conversion(value: Sql, { type, trying = false, constant = false, style }: Conversion): Sql {
  if (trying) throw notEmulated('TRY_CAST');
  const held = pgType(type);
  if (isText(type)) {
    const length = String(type.length ?? -1);
    const of = sql('tds.text_of(', value, ', ', style ?? ['0'], `, ${length})`);
    return sql('(', of, `)::${held}`);
  }
  if (style && !/^(date|time)/.test(type.name)) throw notEmulated(`CONVERT(${typeText(type)}, …, style)`);
  if (type.name.endsWith('int') && !constant) return sql('(tds.whole(', value, `))::${held}`);
  if (type.name === 'datetimeoffset') return sql('tds.datetimeoffset_of(', value, ')');
  if (isBinary(type)) return sql('tds.bytes_of(', value, `, ${type.length === -1 ? 2_147_483_647 : type.length})`);
  return sql('(', value, `)::${held}`);
}

const parts: Record<string, string> = {
  year: 'year',
  yy: 'year',
  yyyy: 'year',
  month: 'month',
  mm: 'month',
  m: 'month',
  day: 'day',
  dd: 'day',
  d: 'day',
  hour: 'hour',
  hh: 'hour',
  minute: 'minute',
  mi: 'minute',
  n: 'minute',
  second: 'second',
  ss: 'second',
  s: 'second',
  millisecond: 'millisecond',
  ms: 'millisecond',
};

function datePart(scope: Scope, parsers: Parsers, name: string): Sql {
  const { value, text } = scope.cursor.next();
  const part = parts[value];
  if (!part)
    throw new SqlError(155, `'${text}' is not a recognized datepart option. The emulator does not have it.`, {
      severity: 15,
    });
  scope.cursor.expect(',');
  return sql(`${name}('${part}', `, joined(argumentList(scope, parsers), ', '), ')');
}
