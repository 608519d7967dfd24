// Cache-Status (RFC 9211) as `structured-headers` parses it, which is kept, and held to what the RFC says of it.

import { parseList, Token } from 'structured-headers';
import { expect } from 'vitest';

const FORWARDS = ['bypass', 'method', 'uri-miss', 'vary-miss', 'miss', 'request', 'stale', 'partial'];
const PARAMETERS = ['hit', 'fwd', 'fwd-status', 'ttl', 'stored', 'collapsed', 'key', 'detail'];

/** The parameters of the one cache that the field names; tokens are their text. */
export function cacheStatusOf(field: string): Record<string, unknown> {
  const members = parseList(field);
  expect(members).toHaveLength(1);
  const [name, parameters] = members[0] as [unknown, Map<string, unknown>];
  expect(name).toEqual(new Token('Warmfeed'));
  const found = Object.fromEntries(parameters);
  expect(PARAMETERS).toEqual(expect.arrayContaining(Object.keys(found)));
  const { hit, fwd, ttl, stored, collapsed, detail } = found;
  // One of the two, and never both.
  expect(hit === undefined).not.toBe(fwd === undefined);
  expect([undefined, true]).toContain(hit);
  if (fwd !== undefined) {
    expect(fwd).toBeInstanceOf(Token);
    expect(FORWARDS).toContain((fwd as Token).toString());
  } else expect([found['fwd-status'], stored, collapsed]).toEqual([undefined, undefined, undefined]);
  for (const number of [ttl, found['fwd-status']]) expect(number === undefined || Number.isInteger(number)).toBe(true);
  for (const flag of [stored, collapsed]) expect([undefined, true]).toContain(flag);
  expect(detail === undefined || typeof detail === 'string' || detail instanceof Token).toBe(true);
  return Object.fromEntries(
    Object.entries(found).map(([key, value]) => [key, value instanceof Token ? value.toString() : value]),
  );
}
