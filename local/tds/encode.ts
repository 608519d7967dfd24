/** Values as they go out: from PostgreSQL's text to the bytes of a row. */
import { i32, u8, u16, u32, u64, ucs2, uint } from './bytes.ts';
import { type Moment, parseDay, parseMoment, parseTicks, roundTo } from './calendar.ts';
import { toCodepage } from './codepage.ts';
import { SqlError } from './errors.ts';
import type { SqlType } from './types.ts';

/** Latin1_General, CP1252, case folded: SQL_Latin1_General_CP1_CI_AS. */
export const collation = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

const chunked = 0xffff;
const timeBytes = (scale: number): number => (scale <= 2 ? 3 : scale <= 4 ? 4 : 5);
const decimalBytes = (precision: number): number =>
  precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17;

const fixedSizes = { tinyint: 1, smallint: 2, int: 4, bigint: 8 } as const;

function sized(id: number, type: SqlType, unit: number): Buffer {
  const length = type.length ?? -1;
  const size = length === -1 ? chunked : length * unit;
  const text = id === 0xa5 || id === 0xad ? Buffer.alloc(0) : collation;
  return Buffer.concat([u8(id), u16(size), text]);
}

/** TYPE_INFO. */
export function typeInfo(type: SqlType): Buffer {
  const { name, scale = 7, precision = 18 } = type;
  switch (name) {
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
      return Buffer.from([0x26, fixedSizes[name]]);
    case 'bit':
      return Buffer.from([0x68, 1]);
    case 'float':
      return Buffer.from([0x6d, 8]);
    case 'real':
      return Buffer.from([0x6d, 4]);
    case 'money':
      return Buffer.from([0x6e, 8]);
    case 'decimal':
    case 'numeric':
      return Buffer.from([name === 'decimal' ? 0x6a : 0x6c, decimalBytes(precision), precision, type.scale ?? 0]);
    case 'uniqueidentifier':
      return Buffer.from([0x24, 16]);
    case 'date':
      return Buffer.from([0x28]);
    case 'time':
      return Buffer.from([0x29, scale]);
    case 'datetime2':
      return Buffer.from([0x2a, scale]);
    case 'datetimeoffset':
      return Buffer.from([0x2b, scale]);
    case 'datetime':
      return Buffer.from([0x6f, 8]);
    case 'char':
      return sized(0xaf, type, 1);
    case 'varchar':
      return sized(0xa7, type, 1);
    case 'nchar':
      return sized(0xef, type, 2);
    case 'nvarchar':
      return sized(0xe7, type, 2);
    case 'varbinary':
      return sized(0xa5, type, 1);
    case 'rowversion':
      return sized(0xad, type, 1);
  }
}

const isSized = ({ name }: SqlType): boolean => /char|varbinary|rowversion/.test(name);

/** @param text PostgreSQL's, or null */
export function encodeValue(type: SqlType, text: string | null): Buffer {
  if (!isSized(type)) {
    if (text === null) return u8(0);
    const bytes = encodeFixed(type, text);
    return Buffer.concat([u8(bytes.length), bytes]);
  }
  const large = (type.length ?? -1) === -1;
  if (text === null) return large ? u64(0xffff_ffff_ffff_ffffn) : u16(chunked);
  const bytes = encodeSized(type, text);
  if (!large) return Buffer.concat([u16(bytes.length), bytes]);
  const chunk = bytes.length === 0 ? [] : [u32(bytes.length), bytes];
  return Buffer.concat([u64(BigInt(bytes.length)), ...chunk, u32(0)]);
}

function encodeSized({ name }: SqlType, text: string): Buffer {
  if (name === 'nchar' || name === 'nvarchar') return ucs2(text);
  if (name === 'char' || name === 'varchar') return toCodepage(text);
  return Buffer.from(text.replace(/^\\x/, ''), 'hex');
}

const encodeFixed = (type: SqlType, text: string): Buffer =>
  encoders[type.name]?.(text, type) ?? encodeInteger(text, type);

type Encoder = (text: string, type: SqlType) => Buffer;

const encoders: Partial<Record<SqlType['name'], Encoder>> = {
  bit: (text) => u8(['t', 'true', '1'].includes(text) ? 1 : 0),
  float: (text) => encodeFloat(text, true),
  real: (text) => encodeFloat(text, false),
  money: encodeMoney,
  decimal: encodeDecimal,
  numeric: encodeDecimal,
  uniqueidentifier: (text) => swapGuid(Buffer.from(text.replaceAll('-', ''), 'hex')),
  date: (text, type) => uint(BigInt(known(parseDay(text), type, text)), 3),
  time: (text, type) => {
    const { scale = 7 } = type;
    return encodeTime(roundTo({ day: 0, ticks: known(parseTicks(text), type, text) }, scale).ticks, scale);
  },
  datetime2: (text, type) => {
    const { scale = 7 } = type;
    return encodeMoment(roundTo(known(parseMoment(text), type, text), scale), scale);
  },
  datetimeoffset: encodeOffset,
  datetime: (text, type) => encodeDatetime(known(parseMoment(text), type, text)),
};

const encodeInteger: Encoder = (text, { name }) =>
  uint(BigInt.asUintN(64, BigInt(text)), fixedSizes[name as keyof typeof fixedSizes]);

/** The upper half comes first. */
function encodeMoney(text: string): Buffer {
  const units = BigInt.asUintN(64, scaledDigits(text, 4));
  return Buffer.concat([u32(Number(units >> 32n)), u32(Number(units & 0xffff_ffffn))]);
}

function encodeDecimal(text: string, { scale = 0, precision = 18 }: SqlType): Buffer {
  const digits = scaledDigits(text, scale);
  const magnitude = digits < 0n ? -digits : digits;
  return Buffer.concat([u8(digits < 0n ? 0 : 1), uint(magnitude, decimalBytes(precision) - 1)]);
}

const known = <T>(value: T | undefined, { name }: SqlType, text: string): T => {
  if (value === undefined) throw new SqlError(8114, `The emulator cannot send ${text} as ${name}.`);
  return value;
};

function encodeFloat(text: string, double: boolean): Buffer {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new SqlError(8115, `SQL Server has no ${text}.`);
  const buffer = Buffer.alloc(double ? 8 : 4);
  if (double) buffer.writeDoubleLE(value);
  else buffer.writeFloatLE(value);
  return buffer;
}

/** `-1.5` with scale 2 is -150n; digits beyond the scale are an error of ours, not rounded. */
function scaledDigits(text: string, scale: number): bigint {
  const parts = /^(-?)(\d*)\.?(\d*)$/.exec(text);
  const [, sign = '', whole = '', fraction = ''] = parts ?? [];
  if (!parts || /[1-9]/.test(fraction.slice(scale)))
    throw new SqlError(8114, `The emulator cannot send ${text} as decimal.`);
  const digits = BigInt(`${whole}${fraction.slice(0, scale).padEnd(scale, '0')}` || '0');
  return sign === '-' ? -digits : digits;
}

const encodeTime = (ticks: bigint, scale: number): Buffer => uint(ticks / 10n ** BigInt(7 - scale), timeBytes(scale));

const encodeMoment = ({ day, ticks }: Moment, scale: number): Buffer =>
  Buffer.concat([encodeTime(ticks, scale), uint(BigInt(day), 3)]);

/** Held as `(utc,minutes)`. */
function encodeOffset(text: string, type: SqlType): Buffer {
  const [, utc = '', minutes = ''] = /^\("?([^",]*)"?,(-?\d+)\)$/.exec(text) ?? [];
  const moment = known(parseMoment(utc), type, text);
  const scale = type.scale ?? 7;
  return Buffer.concat([encodeMoment(roundTo(moment, scale), scale), u16(Number(minutes) & 0xffff)]);
}

/** Days since 1900, and 1/300 s. */
function encodeDatetime({ day, ticks }: Moment): Buffer {
  const days = day - 693_595;
  const parts = Number((ticks * 300n + 5_000_000n) / 10_000_000n);
  return parts >= 25_920_000 ? Buffer.concat([i32(days + 1), u32(0)]) : Buffer.concat([i32(days), u32(parts)]);
}

/** The first three groups of a GUID travel little-endian. */
export function swapGuid(bytes: Buffer): Buffer {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Buffer.from(order.map((at) => bytes[at] ?? 0));
}
