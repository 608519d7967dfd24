// Random histories, run on the memory store and on real Redis: same replies, same records. The durations are either
// over at once or far away, and time passes after each that is short, so no comparison depends on speed.

import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { concat, hash64, hex, utf8 } from '../../src/core/bytes.ts';
import type { Position, Store } from '../../src/core/ports.ts';
import { decodeControl, decodeEntry } from '../../src/core/record.ts';
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts';
import { type StoreOnRedis, storeOnRedis } from './store.on-redis.ts';

const LONG = 3_600_000;
const SHORT = 2;
const G = ['1700000000000000aaaaaaaa', '1700000000000000f0000000', '170000000000000100000000'];
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const pick = <const T>(...values: readonly T[]) => fc.constantFrom(...values);
const key = pick('wf:h:c:{1}', 'wf:h:c:{2}');
const mark = pick('wf:h:hw:{s}:1', 'wf:h:hw:{s}:2');
const token = pick(utf8('token..1'), utf8('token..2'));
const identity = pick(hash64('1'), hash64('2'));
const stamp = pick(utf8('generat1finger..'), utf8('generat2finger..'));
const ms = fc.oneof({ weight: 4, arbitrary: fc.constant(LONG) }, { weight: 1, arbitrary: fc.constant(SHORT) });
const position = pick<Position>(
  0n,
  1n,
  0x61n,
  0x80n,
  0xe9n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 1n,
);
const representation = fc.oneof(
  fc.constant({ state: 'absent' } as const),
  fc.record({
    state: fc.constant('value' as const),
    body: fc.uint8Array({ maxLength: 40 }),
    etag: fc.uint8Array({ minLength: 12, maxLength: 12 }),
    tags: fc.array(pick('a', 'é', 'b/c'), { maxLength: 3 }),
  }),
);

interface Tested {
  readonly store: Store;
  readonly poke: (key: string, bytes: Uint8Array | 'list', ttlMs: number) => Promise<void>;
}

/** One call, and whether a duration in it is short. */
interface Step {
  readonly name: string;
  readonly waits: boolean;
  run(on: Tested): Promise<unknown>;
}

const lease = fc
  .record({ key, token, leaseMs: ms, stamp, force: fc.boolean() })
  .map(
    (r): Step => ({ name: `lease ${show(r)}`, waits: r.leaseMs === SHORT, run: ({ store }) => store.lease(r.key, r) }),
  );
const release = fc
  .record({ key, token })
  .map((r): Step => ({ name: `release ${show(r)}`, waits: false, run: ({ store }) => store.release(r.key, r.token) }));
const soften = key.map((k): Step => ({ name: `soften ${k}`, waits: false, run: ({ store }) => store.soften(k) }));
const fill = fc
  .record({
    key,
    token,
    identity,
    stamp,
    version: position,
    asOf: position,
    guarantee: pick('provisional', 'leased', 'fenced', 'watermarked'),
    value: representation,
    softMs: ms,
    hardMs: ms,
  })
  .map(
    (r): Step => ({
      name: `fill ${show(r)}`,
      waits: r.softMs === SHORT || r.hardMs === SHORT,
      run: ({ store }) => store.fill(r.key, r),
    }),
  );
const invalidate = fc
  .record({
    key,
    token,
    identity,
    stamp,
    version: fc.option(position, { nil: undefined, freq: 4 }),
    own: pick('always', 'cached', 'never'),
    leaseMs: ms,
    fenceMs: ms,
  })
  .map(
    (r): Step => ({
      name: `invalidate ${show(r)}`,
      waits: r.leaseMs === SHORT || r.fenceMs === SHORT,
      run: ({ store }) => store.invalidate(r.key, r),
    }),
  );
const spoil = fc
  .record({ key, bytes: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant('list' as const)) })
  .map((r): Step => ({ name: `poke ${r.key}`, waits: false, run: ({ poke }) => poke(r.key, r.bytes, LONG) }));
const advance = fc
  .record({ mark, position })
  .map(
    (r): Step => ({ name: `advance ${show(r)}`, waits: false, run: ({ store }) => store.advance(r.mark, r.position) }),
  );
const watermark = fc.record({ mark, g: pick(...G) }).map(
  (r): Step => ({
    name: `watermark ${show(r)}`,
    waits: false,
    async run({ store }) {
      const seen = await store.watermark(r.mark, r.g);
      return seen.state === 'unknown' ? { ...seen, nonce: '', ageMs: 0 } : seen;
    },
  }),
);
const seedStep = fc.record({ mark, g: pick(...G), asOf: position, isStale: fc.boolean() }).map(
  (r): Step => ({
    name: `seed ${show(r)}`,
    waits: false,
    async run({ store }) {
      const seen = await store.watermark(r.mark, r.g);
      const nonce = seen.state === 'unknown' && !r.isStale ? seen.nonce : 'ffffffffffffffff';
      return store.seed(r.mark, nonce, r.asOf);
    },
  }),
);
const close = mark.map((m): Step => ({ name: `close ${m}`, waits: false, run: ({ store }) => store.close(m) }));

const steps = fc.oneof(
  { weight: 6, arbitrary: lease },
  { weight: 6, arbitrary: fill },
  { weight: 5, arbitrary: invalidate },
  { weight: 1, arbitrary: release },
  { weight: 1, arbitrary: soften },
  { weight: 1, arbitrary: spoil },
  { weight: 2, arbitrary: advance },
  { weight: 2, arbitrary: watermark },
  { weight: 2, arbitrary: seedStep },
  { weight: 1, arbitrary: fc.oneof({ weight: 9, arbitrary: advance }, { weight: 1, arbitrary: close }) },
);

let redis: StoreOnRedis;
beforeAll(async () => {
  redis = await storeOnRedis();
});
afterAll(() => redis?.end());

test(`memory and Redis do the same (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 60, size: 'max' }), async (history) => {
      await redis.admin.flushall();
      const memory = createMemoryStore();
      for (const step of history) {
        const [onMemory, onRedis] = await Promise.all([
          step.run({ store: memory, poke: async (k, bytes, ttlMs) => memory.poke(k, bytes, ttlMs) }),
          step.run(redis),
        ]);
        if (step.waits) await sleep(SHORT + 3);
        expect(normal(onRedis), step.name).toEqual(normal(onMemory));
        await compare(memory, step.name);
      }
    }),
    { seed, numRuns: 40, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false },
  );
}, 60_000);

test(`I6: changes leave the same fence in every order, and again (SEED=${seed})`, async () => {
  const versions = fc.array(
    position.filter((version) => version > 0n),
    { minLength: 2, maxLength: 6 },
  );
  const orders = versions.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }), fc.array(fc.constantFrom(...all))),
  );
  await fc.assert(
    fc.asyncProperty(orders, pick('always', 'never'), async (histories, own) => {
      const [all, shuffled, again] = histories;
      const highest = all.reduce((most, version) => (version > most ? version : most));
      await redis.admin.flushall();
      const stores = [createMemoryStore(), redis.store];
      for (const store of stores) {
        const ends = [all, [...shuffled, ...again]].map((history, i) =>
          fenceAfter(store, `wf:h:c:{i6-${i}}`, history, own),
        );
        expect(await Promise.all(ends)).toEqual([highest, highest]);
      }
    }),
    { seed, numRuns: 100, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  );
}, 60_000);

/** Undefined: something is cached. */
async function fenceAfter(store: Store, at: string, versions: readonly Position[], own: 'always' | 'never') {
  const call = { token: utf8('token..1'), identity: hash64('1'), stamp: utf8('generat1finger..') };
  const value = { state: 'absent' } as const;
  await store.lease(at, { ...call, leaseMs: LONG, force: false });
  await store.fill(at, { ...call, version: 0n, asOf: 0n, guarantee: 'watermarked', value, softMs: LONG, hardMs: LONG });
  for (const version of versions) {
    await store.invalidate(at, { ...call, version, own, leaseMs: LONG, fenceMs: LONG });
  }
  const bytes = await store.get(at);
  const isCached = bytes === undefined || decodeEntry(bytes) !== undefined;
  return isCached ? undefined : decodeControl(bytes)?.fence;
}

async function compare(memory: MemoryStore, name: string): Promise<void> {
  for (const k of ['wf:h:c:{1}', 'wf:h:c:{2}', 'wf:h:hw:{s}:1', 'wf:h:hw:{s}:2']) {
    const [bytes, ttl] = await Promise.all([redis.store.get(k), redis.ttl(k)]);
    expect([k, normal(bytes)], name).toEqual([k, normal(memory.peek(k))]);
    const expected = memory.ttl(k);
    expect(Math.abs(ttl - expected), `${name}: TTL of ${k} is ${ttl}, not ${expected}`).toBeLessThan(60_000);
  }
}

/** A reply or content without times and nonces: those of the two stores differ. */
function normal(reply: unknown): unknown {
  if (reply instanceof Uint8Array) return normalRecord(reply);
  if (typeof reply !== 'object' || reply === null || !('record' in reply)) return reply;
  return { ...reply, record: normalRecord(reply.record as Uint8Array) };
}

function normalRecord(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  if (/^[KUX](\||$)/.test(text)) return text.replace(/^(U\|[^|]*)\|[^|]*\|\d+/, '$1');
  if (decodeControl(bytes) === undefined || ![0, 1, 2].includes(bytes[2] ?? 9)) return hex(bytes);
  const at = new DataView(bytes.buffer, bytes.byteOffset);
  const filledAt = bytes.length > 60 ? at.getBigUint64(36) : 0n;
  return {
    bytes: hex(concat(bytes.subarray(0, 28), bytes.subarray(60))),
    isLeased: at.getBigUint64(28) > 0n,
    lifetimes: bytes.length > 60 ? [at.getBigUint64(44) - filledAt, at.getBigUint64(52) - filledAt] : [],
  };
}

function show(request: object): string {
  return JSON.stringify(request, (_, v: unknown) =>
    typeof v === 'bigint' ? String(v) : v instanceof Uint8Array ? hex(v) : v,
  );
}
