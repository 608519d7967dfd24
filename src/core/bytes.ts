// Fixed-width bytes: what records, scripts and comparisons are made of.

/** Of UTF-8 for a unit of UTF-16. */
const MOST_BYTES = 3;
const POOL_BYTES = 65_536;
/** What is longer is not worth holding the others of its pool for. */
const POOLED_BYTES = 8192;
const encoder = new TextEncoder();
let pool = new Uint8Array(POOL_BYTES);
let used = 0;

export function utf8(text: string): Uint8Array {
  const most = text.length * MOST_BYTES;
  if (most > POOLED_BYTES) return encoder.encode(text);
  const { written } = encoder.encodeInto(text, room(most));
  used += written;
  return pool.subarray(used - written, used);
}

/** Bytes to be written, all 0. Short ones are parts of one allocation, which would be most of what they cost. */
export function zeros(length: number): Uint8Array {
  if (length > POOLED_BYTES) return new Uint8Array(length);
  const part = room(length);
  used += length;
  return part;
}

function room(length: number): Uint8Array {
  if (used + length > POOL_BYTES) {
    pool = new Uint8Array(POOL_BYTES);
    used = 0;
  }
  return pool.subarray(used, used + length);
}

/** Whether a text has at most so many bytes of UTF-8. */
export function fitsUtf8(text: string, most: number): boolean {
  return text.length * MOST_BYTES <= most || utf8(text).length <= most;
}

/**
 * 64-bit FNV-1a of a text as 8 bytes, big-endian: identity only, never security. In four parts of 16 bits, whose products
 * with the prime 2 ** 40 + 0x1b3 are exact: a bigint would be most of the time of a hit of a query.
 */
export function hash64(text: string): Uint8Array {
  let [a, b, c, d] = [0xcbf2, 0x9ce4, 0x8422, 0x2325];
  for (const byte of utf8(text)) {
    d ^= byte;
    const low = d * 0x1b3;
    const second = c * 0x1b3 + (low >>> 16);
    const third = b * 0x1b3 + (d << 8) + (second >>> 16);
    a = (a * 0x1b3 + (c << 8) + (third >>> 16)) & 0xffff;
    [b, c, d] = [third & 0xffff, second & 0xffff, low & 0xffff];
  }
  return Uint8Array.of(a >> 8, a, b >> 8, b, c >> 8, c, d >> 8, d);
}

/** An unsigned 64-bit number as 8 bytes, big-endian, so that scripts compare it in two exact halves. */
export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && equalAt(a, 0, b);
}

/** Whether `part` stands in `bytes` at `offset`. */
export function equalAt(bytes: Uint8Array, offset: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[offset + i] !== part[i]) return false;
  return true;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
