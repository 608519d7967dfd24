// Parts of records, for tests that put one together.

import { u64 } from '../../src/core/bytes.ts';
import type { FillRequest } from '../../src/core/ports.ts';
import { encodeFill } from '../../src/core/record.ts';

/** The scripts write what is before it. */
const HEAD_BYTES = 60;

type Part = Pick<FillRequest, 'guarantee' | 'stamp' | 'version' | 'asOf' | 'value'>;

/** What the filler alone decides: the header from byte 60 on, tags, body. */
export function tailOf(part: Part): Uint8Array {
  const rest = { token: u64(0n), identity: u64(0n), softMs: 0, hardMs: 1 };
  return encodeFill({ ...rest, ...part }).subarray(HEAD_BYTES);
}
