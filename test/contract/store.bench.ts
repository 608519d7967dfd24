// What the parts of the store contract share: requests with usual values, and looks at what lies under a key.

import { expect } from 'vitest';
import { concat, hash64, hex, utf8 } from '../../src/core/bytes.ts';
import type { FillRequest, InvalidateRequest, Store } from '../../src/core/ports.ts';
import { decodeControl, decodeEntry } from '../../src/core/record.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets time pass: the clock's, or real time. */
  advance(ms: number): Promise<void>;
  /** What lies under a key, past the store. */
  peek(key: string): Promise<Uint8Array | undefined>;
  poke(key: string, content: Uint8Array | 'list', ttlMs?: number): Promise<void>;
  /** As `PTTL`: -2 without a key, -1 without a TTL. */
  ttl(key: string): Promise<number>;
  end(): Promise<void>;
}

export const LONG = 3_600_000;
export const MINE = utf8('mine....');
export const OTHERS = utf8('other...');
export const NONE = new Uint8Array(8);
export const HERE = hash64('rid/0');
export const ELSEWHERE = hash64('rid/1');
export const STAMP = concat(utf8('genone..'), utf8('finger..'));
export const NEXT_STAMP = concat(utf8('gentwo..'), utf8('finger..'));
export const G1 = '1700000000000000aaaaaaaa';
export const G2 = '1700000000000001aaaaaaaa';
/** Neighbours where doubles, signed numbers and comparisons by locale go wrong. */
export const EDGES = [
  0n,
  1n,
  0x5an,
  0x61n,
  0x7fn,
  0x80n,
  0xffn,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 32n + 1n,
  0x41_00000061n,
  0x61_00000041n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 63n + 1n,
  0xe900000000000000n,
  2n ** 64n - 1n,
];

/** A TTL that was set a moment ago. */
export const around = (ttlMs: number) => expect.toSatisfy((ttl: number) => ttl > ttlMs - 60_000 && ttl <= ttlMs);
export const EDGE_PAIRS = EDGES.slice(1).map((edge, i) => [EDGES[i] ?? 0n, edge] as const);

/** Past its soft expiry at once. */
export const soft = { softMs: 0 };

export type Bench = ReturnType<typeof createBench>;

/** `tested` is there only once the tests run. */
export function createBench(tested: () => StoreUnderTest) {
  let count = 0;

  /** A key that no other test uses. */
  const fresh = (kind = 'c') => `wf:t:${kind}:{item/${++count}}`;
  const lease = (key: string, token = MINE, { force = false, stamp = STAMP, leaseMs = LONG } = {}) =>
    tested().store.lease(key, { token, leaseMs, stamp, force });
  const fill = (key: string, change: Partial<FillRequest> = {}) =>
    tested().store.fill(key, {
      token: MINE,
      identity: HERE,
      stamp: STAMP,
      version: 10n,
      asOf: 20n,
      guarantee: 'watermarked',
      value: value('{"a":1}'),
      softMs: LONG,
      hardMs: 2 * LONG,
      ...change,
    });
  const load = async (key: string, change: Partial<FillRequest> = {}, force = false) => {
    const stamp = change.stamp ?? STAMP;
    expect(await lease(key, MINE, { force, stamp })).toEqual({ kind: 'granted' });
    expect(await fill(key, change)).toBe('stored');
  };
  const invalidate = (key: string, version: bigint | undefined, change: Partial<InvalidateRequest> = {}) =>
    tested().store.invalidate(key, {
      version,
      identity: HERE,
      stamp: STAMP,
      own: 'never',
      token: OTHERS,
      leaseMs: LONG,
      fenceMs: LONG,
      ...change,
    });
  const entryOf = async (key: string) => {
    const bytes = await tested().store.get(key);
    return bytes && decodeEntry(bytes);
  };
  const controlOf = async (key: string) => {
    const control = decodeControl((await tested().store.get(key)) ?? NONE);
    return control && { fence: control.fence, token: hex(control.leaseToken), identity: hex(control.identity) };
  };
  const isLeased = async (key: string, token = MINE) => (await controlOf(key))?.token === hex(token);
  const nonceOf = async (key: string, generation = G1) => {
    const mark = await tested().store.watermark(key, generation);
    return mark.state === 'unknown' ? mark.nonce : mark.state;
  };
  const known = async (key: string, asOf: bigint, generation = G1) =>
    expect(await tested().store.seed(key, await nonceOf(key, generation), asOf)).toBe(asOf);
  const textOf = async (key: string) => {
    const bytes = await tested().peek(key);
    return bytes && new TextDecoder().decode(bytes);
  };

  return {
    get tested() {
      return tested();
    },
    get store() {
      return tested().store;
    },
    fresh,
    lease,
    fill,
    load,
    invalidate,
    entryOf,
    controlOf,
    isLeased,
    nonceOf,
    known,
    textOf,
  };
}

export function value(json: string) {
  return { state: 'value', body: utf8(json), etag: utf8('etag12bytes!'), tags: [] as string[] } as const;
}

export function replaced(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[at] = byte;
  return changed;
}
