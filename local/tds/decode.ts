/** Values as they come in: from the bytes of a parameter to text that PostgreSQL reads. */
import { type Reader, readUint } from './bytes.ts';
import { dayText, momentText, shift, ticksText } from './calendar.ts';
import { fromCodepage } from './codepage.ts';
import { swapGuid } from './encode.ts';
import { SqlError } from './errors.ts';
import type { SqlType } from './types.ts';

export interface Value {
  type: SqlType;
  /** PostgreSQL's text, or null. */
  text: string | null;
}

const integers: Record<number, SqlType['name']> = { 1: 'tinyint', 2: 'smallint', 4: 'int', 8: 'bigint' };
const texts: Record<number, SqlType['name']> = { 0xa7: 'varchar', 0xaf: 'char', 0xe7: 'nvarchar', 0xef: 'nchar' };

/** Reads TYPE_INFO and the value after it. */
export function decodeValue(reader: Reader): Value {
  const id = reader.u8();
  if (id in texts || id === 0xa5 || id === 0xad) return decodeSized(id, reader);
  const [type, read] = fixedType(id, reader);
  const length = reader.u8();
  return { type, text: length === 0 ? null : read(reader.bytes(length)) };
}

type Read = (bytes: Buffer) => string;

function fixedType(id: number, reader: Reader): [SqlType, Read] {
  switch (id) {
    case 0x26: {
      const name = integers[reader.u8()] ?? 'int';
      return [{ name }, (bytes) => integerText(bytes, name === 'tinyint')];
    }
    case 0x68:
      reader.u8();
      return [{ name: 'bit' }, (bytes) => (bytes[0] === 0 ? 'false' : 'true')];
    case 0x6d:
      return [{ name: reader.u8() === 8 ? 'float' : 'real' }, floatText];
    case 0x6e:
      reader.u8();
      return [{ name: 'money' }, moneyText];
    case 0x6a:
    case 0x6c: {
      const [, precision = 18, scale = 0] = reader.bytes(3);
      return [{ name: id === 0x6a ? 'decimal' : 'numeric', precision, scale }, (bytes) => decimalText(bytes, scale)];
    }
    case 0x24:
      reader.u8();
      return [{ name: 'uniqueidentifier' }, (bytes) => guidText(bytes)];
    default:
      return dateType(id, reader);
  }
}

function dateType(id: number, reader: Reader): [SqlType, Read] {
  if (id === 0x28) return [{ name: 'date' }, (bytes) => dayText(Number(readUint(bytes)))];
  if (id === 0x6f) {
    reader.u8();
    return [{ name: 'datetime' }, datetimeText];
  }
  if (id < 0x29 || id > 0x2b) {
    throw new SqlError(8016, `The emulator cannot read a parameter of type 0x${id.toString(16)}.`);
  }
  const scale = reader.u8();
  const ticksOf = (bytes: Buffer): bigint => readUint(bytes) * 10n ** BigInt(7 - scale);
  if (id === 0x29) return [{ name: 'time', scale }, (bytes) => ticksText(ticksOf(bytes))];
  const moment = (bytes: Buffer) => ({
    day: Number(readUint(bytes.subarray(-3))),
    ticks: ticksOf(bytes.subarray(0, -3)),
  });
  if (id === 0x2a) return [{ name: 'datetime2', scale }, (bytes) => momentText(moment(bytes))];
  const read = (bytes: Buffer): string => {
    const minutes = bytes.readInt16LE(bytes.length - 2);
    const local = shift(moment(bytes.subarray(0, -2)), minutes);
    const sign = minutes < 0 ? '-' : '+';
    const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    return `${momentText(local)} ${sign}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
  };
  return [{ name: 'datetimeoffset', scale }, read];
}

function decodeSized(id: number, reader: Reader): Value {
  const size = reader.u16();
  const name = texts[id];
  if (name) reader.bytes(5);
  const large = size === 0xffff;
  const wide = name === 'nvarchar' || name === 'nchar';
  const length = large ? -1 : Math.max(1, wide ? size / 2 : size);
  const type: SqlType = { name: name ?? 'varbinary', length };
  const bytes = large ? readChunks(reader) : readShort(reader);
  if (bytes === null) return { type, text: null };
  if (!name) return { type, text: `\\x${bytes.toString('hex')}` };
  return { type, text: wide ? bytes.toString('utf16le') : fromCodepage(bytes) };
}

function readShort(reader: Reader): Buffer | null {
  const length = reader.u16();
  return length === 0xffff ? null : reader.bytes(length);
}

function readChunks(reader: Reader): Buffer | null {
  if (reader.u64() === 0xffff_ffff_ffff_ffffn) return null;
  const chunks: Buffer[] = [];
  for (let length = reader.u32(); length > 0; length = reader.u32()) chunks.push(reader.bytes(length));
  return Buffer.concat(chunks);
}

const integerText = (bytes: Buffer, unsigned: boolean): string =>
  String(unsigned ? readUint(bytes) : BigInt.asIntN(bytes.length * 8, readUint(bytes)));

function floatText(bytes: Buffer): string {
  const value = bytes.length === 8 ? bytes.readDoubleLE() : bytes.readFloatLE();
  if (!Number.isFinite(value)) {
    throw new SqlError(8023, 'The supplied value is not a valid instance of data type float.');
  }
  return bytes.length === 8 || value === 0 ? String(value) : String(Number(value.toPrecision(9)));
}

function decimalText(bytes: Buffer, scale: number): string {
  return withPoint(readUint(bytes.subarray(1)), scale, bytes[0] === 0);
}

function moneyText(bytes: Buffer): string {
  const high = BigInt(bytes.length === 8 ? bytes.readInt32LE() : 0);
  const units = bytes.length === 8 ? (high << 32n) | BigInt(bytes.readUInt32LE(4)) : BigInt(bytes.readInt32LE());
  return withPoint(units < 0n ? -units : units, 4, units < 0n);
}

function withPoint(magnitude: bigint, scale: number, negative: boolean): string {
  const digits = String(magnitude).padStart(scale + 1, '0');
  const at = digits.length - scale;
  return `${negative ? '-' : ''}${digits.slice(0, at)}${scale > 0 ? `.${digits.slice(at)}` : ''}`;
}

function guidText(bytes: Buffer): string {
  const hex = swapGuid(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** 1/300 s are 3, 7 or 10 ms. */
function datetimeText(bytes: Buffer): string {
  const milliseconds = Math.round((bytes.readUInt32LE(4) * 10) / 3);
  return momentText({ day: bytes.readInt32LE() + 693_595, ticks: BigInt(milliseconds) * 10_000n });
}
