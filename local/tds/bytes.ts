/** Little-endian reading and writing of what TDS consists of. */

export interface Reader {
  readonly left: number;
  bytes(length: number): Buffer;
  u8(): number;
  u16(): number;
  u32(): number;
  i32(): number;
  u64(): bigint;
  /** UCS-2 of so many characters. */
  ucs2(characters: number): string;
  /** With its length in front, in one byte (B_VARCHAR) or two (US_VARCHAR). */
  shortText(): string;
  longText(): string;
}

export function createReader(buffer: Buffer): Reader {
  let at = 0;
  const bytes = (length: number): Buffer => {
    if (at + length > buffer.length) throw new Error('The message ends too early.');
    at += length;
    return buffer.subarray(at - length, at);
  };
  const byte = (): number => bytes(1).readUInt8();
  const short = (): number => bytes(2).readUInt16LE();
  const text = (characters: number): string => bytes(characters * 2).toString('utf16le');
  return {
    get left() {
      return buffer.length - at;
    },
    bytes,
    u8: byte,
    u16: short,
    u32: () => bytes(4).readUInt32LE(),
    i32: () => bytes(4).readInt32LE(),
    u64: () => bytes(8).readBigUInt64LE(),
    ucs2: text,
    shortText: () => text(byte()),
    longText: () => text(short()),
  };
}

export const u8 = (value: number): Buffer => Buffer.from([value]);

export function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function i32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  return buffer;
}

export function u64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, value));
  return buffer;
}

/** An unsigned number in so many bytes. */
export function uint(value: bigint, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let at = 0, rest = value; at < length; at += 1, rest >>= 8n) buffer[at] = Number(rest & 255n);
  return buffer;
}

export const readUint = (bytes: Buffer): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

export const ucs2 = (text: string): Buffer => Buffer.from(text, 'utf16le');
export const shortText = (text: string): Buffer => Buffer.concat([u8(text.length), ucs2(text)]);
export const longText = (text: string): Buffer => Buffer.concat([u16(text.length), ucs2(text)]);
