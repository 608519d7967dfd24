// Session tokens of Cosmos DB: `{range}:{version}#{lsn}#{region}={lsn}…`, or `{range}:{lsn}` in the simple form.
// The only place that knows their grammar.

import type { Position } from '../core/ports.ts';

export interface RangeToken {
  readonly range: string;
  readonly lsn: Position;
  /** What stands before and after the LSN: version and regions. */
  readonly prefix: string;
  readonly suffix: string;
}

const FORM = /^(\d{1,10}):(-?\d{1,20}#)?(\d{1,20})((?:#\d{1,10}=-?\d{1,20})*)$/;
const MAX_LSN = 2n ** 64n - 1n;
const MAX_LENGTH = 16_384;

/** The positions in a token, one for each range; undefined: not a session token. */
export function parseSessionToken(text: string): readonly RangeToken[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const highest = new Map<string, RangeToken>();
  for (const part of text.split(',')) {
    const token = parseRange(part.trim());
    if (token === undefined) return undefined;
    const other = highest.get(token.range);
    if (other === undefined || other.lsn < token.lsn) highest.set(token.range, token);
  }
  return [...highest.values()];
}

function parseRange(text: string): RangeToken | undefined {
  const [, range, version = '', digits, regions = ''] = FORM.exec(text) ?? [];
  if (range === undefined || digits === undefined || (regions !== '' && version === '')) return undefined;
  const lsn = BigInt(digits);
  return lsn > MAX_LSN ? undefined : { range, lsn, prefix: `${range}:${version}`, suffix: regions };
}

/** A token that asks for at least a position, formed as the range's last one was. */
export function tokenAtLeast(range: string, position: Position, seen: RangeToken | undefined): string {
  return seen === undefined ? `${range}:-1#${position}` : `${seen.prefix}${position}${seen.suffix}`;
}
