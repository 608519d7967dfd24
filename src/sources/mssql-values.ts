// JSON forms of Azure SQL values (docs/values.md): how each type is asked for, so that no digit is lost on the way, and
// what the driver's value becomes. No date passes through a JavaScript Date.

import { parseExactly } from './exact-json.ts';

interface ValueForm {
  /** The expression that is selected. @param column already quoted */
  readonly select: (column: string) => string;
  readonly decode: (value: unknown) => unknown;
}

const asIs = (value: unknown): unknown => value;
const text = (length: string): ValueForm => ({
  select: (column) => `CAST(${column} AS nvarchar(${length}))`,
  decode: asIs,
});
const plain: ValueForm = { select: (column) => column, decode: asIs };
const bytes: ValueForm = {
  select: (column) => column,
  decode: (value) => Buffer.from(value as Uint8Array).toString('base64'),
};

/** `2026-11-25 10:00:00.1234567 +01:00` → `2026-11-25T10:00:00.1234567+01:00` */
const time: ValueForm = {
  select: (column) => `CONVERT(nvarchar(40), ${column}, 121)`,
  decode: (value) =>
    String(value)
      .replace(/^(\d+-\d\d-\d\d) /, '$1T')
      .replace(' ', ''),
};

/** A `real` is a 32-bit number: the shortest digits that name it. */
function shortest(value: unknown): unknown {
  if (typeof value !== 'number') return value;
  for (let digits = 6; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

const FORMS: ReadonlyMap<string, ValueForm> = new Map<string, ValueForm>([
  ...['tinyint', 'smallint', 'int', 'bit', 'float'].map((type): [string, ValueForm] => [type, plain]),
  ['real', { ...plain, decode: shortest }],
  ['bigint', text('20')],
  ['decimal', text('60')],
  ['numeric', text('60')],
  ...['money', 'smallmoney'].map((type): [string, ValueForm] => [
    type,
    { select: (column) => `CONVERT(nvarchar(60), ${column}, 2)`, decode: asIs },
  ]),
  ...['date', 'time', 'datetime', 'datetime2', 'smalldatetime', 'datetimeoffset'].map((type): [string, ValueForm] => [
    type,
    time,
  ]),
  ['uniqueidentifier', { select: (column) => `LOWER(CAST(${column} AS nvarchar(36)))`, decode: asIs }],
  ...['char', 'varchar', 'nchar', 'nvarchar', 'text', 'ntext'].map((type): [string, ValueForm] => [type, plain]),
  ...['binary', 'varbinary', 'image', 'timestamp', 'rowversion'].map((type): [string, ValueForm] => [type, bytes]),
  ['json', { ...text('max'), decode: (value) => parseExactly(String(value)) }],
]);

/** Every other type (xml, hierarchyid, sql_variant, vector, …) is served as the server's text of it. */
const OTHER = text('max');

/** @param type the server's name of the type, as INFORMATION_SCHEMA.COLUMNS has it */
export function formOf(type: string): ValueForm {
  const form = FORMS.get(type) ?? OTHER;
  return { ...form, decode: (value) => (value === null || value === undefined ? null : form.decode(value)) };
}

/**
 * A value of a statement whose columns only it knows, out of what the driver makes of it. Digits of `decimal` and
 * `money` beyond a JavaScript number are lost by then: such a statement casts them to text.
 * @param type as the driver names it
 */
export function valueOfDriver(type: string, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return dateText(type, value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (type === 'uniqueidentifier' && typeof value === 'string') return value.toLowerCase();
  return type === 'real' ? shortest(value) : value;
}

/** The driver keeps what is finer than a millisecond in a property of its own, in seconds. */
function dateText(type: string, value: Date & { nanosecondsDelta?: number }): string {
  const iso = value.toISOString();
  if (type === 'date') return iso.slice(0, 10);
  const finer = Math.round((value.nanosecondsDelta ?? 0) * 1e7);
  const digits = finer === 0 ? '' : String(finer).padStart(4, '0').replace(/0+$/, '');
  const precise = iso.replace('Z', digits);
  if (type === 'time') return precise.slice(11);
  return type === 'datetimeoffset' ? `${precise}Z` : precise;
}
