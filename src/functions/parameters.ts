// The parameters in a request's address, strictly: what a parser would drop, join or replace is refused with its name.

import type { HttpRequest } from '@azure/functions';
import { WarmfeedError } from '../core/errors.ts';

/** The function key may come in the address. */
const OF_THE_HOST = ['code', 'clientId'];

/**
 * Decoded as in forms: `+` is a space.
 * @param names those that there are
 * @throws WarmfeedError BAD_REQUEST for one that is unknown, given twice, or no percent-encoded UTF-8
 */
export function parametersOf(request: HttpRequest, names: readonly string[]): ReadonlyMap<string, string> {
  const { search, searchParams } = new URL(request.url);
  for (const pair of search.slice(1).split('&'))
    if (!isDecodable(pair)) throw bad(pair, 'is not valid percent-encoded UTF-8');
  const found = new Map<string, string>();
  for (const [name, value] of searchParams) {
    if (!names.includes(name)) {
      if (OF_THE_HOST.includes(name)) continue;
      const those = names.join(', ') || 'none';
      throw new WarmfeedError(
        'BAD_REQUEST',
        `there is no parameter ${JSON.stringify(name.slice(0, 60))}; there are ${those}`,
      );
    }
    if (found.has(name)) throw bad(name, 'is repeated');
    found.set(name, value);
  }
  return found;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function bad(pair: string, problem: string): WarmfeedError {
  const [name = ''] = pair.split('=', 1);
  return new WarmfeedError('BAD_REQUEST', `the parameter ${name.slice(0, 60)} ${problem}`);
}
