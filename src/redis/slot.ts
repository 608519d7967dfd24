// Which of a cluster's 16,384 slots a key belongs to: CRC-16 (XMODEM) of its hash tag, or of all of it.

import { utf8 } from '../core/bytes.ts';

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

export const SLOTS = 16_384;

export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of utf8(tagOf(key))) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  return crc % SLOTS;
}

/** What stands in the first braces, unless there is nothing in them. */
function tagOf(key: string): string {
  const start = key.indexOf('{');
  const end = start === -1 ? -1 : key.indexOf('}', start);
  return end > start + 1 ? key.slice(start + 1, end) : key;
}
