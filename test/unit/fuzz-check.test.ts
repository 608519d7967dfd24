// The checker of the fuzz, on histories that are wrong in one way each.

import { describe, expect, it } from 'vitest';
import { check } from '../verify/fuzz/check.ts';
import type { History, ReadSeen, StoreCall } from '../verify/fuzz/history.ts';

const KEY = 'wf:app:c:{item/k1}';
const NOTHING: History = {
  writes: [],
  applied: [],
  reads: [],
  failed: [],
  loads: [],
  generations: [],
  times: { waitMs: 20, replicaLagMs: 60 },
  calls: [],
  losses: [],
  unnoticed: [],
  quiet: [],
  kept: [],
};

const written = (position: number, tick: number, absent = false) => ({ key: 'k1', position, tick, absent });
const applied = (position: number, tick: number) => ({ key: 'k1', position, tick });

function read(position: number | undefined, begun: number, more: Partial<ReadSeen> = {}): ReadSeen {
  const of = { key: 'k1', begun, ended: begun + 1, endedAtMs: begun, hardAt: 1000, floor: undefined };
  return { ...of, from: 'cache', isProvisional: false, position, asOf: position, ...more };
}

function call(name: StoreCall['call'], at: number, reply: string, more: Partial<StoreCall> = {}): StoreCall {
  const times = { begun: at, ended: at + 1, begunMs: at, endedMs: at + 1 };
  const of = { process: 0, isForced: false };
  return {
    ...of,
    call: name,
    key: KEY,
    ...times,
    reply,
    token: 't',
    version: undefined,
    identity: 'p',
    ms: 100,
    ...more,
  };
}

const found = (history: Partial<History>) =>
  check({ ...NOTHING, ...history }).violations.map(({ invariant }) => invariant);

const TWO = [written(1, 1), written(2, 2)];

describe('the check of a history finds', () => {
  it('I1: a hit that is older than a change that had been handled', () => {
    const history = { writes: TWO, applied: [applied(2, 3)], reads: [read(1, 4)] };
    expect(found(history)).toEqual(['I1']);
    expect(check({ ...NOTHING, ...history }).figures).toMatchObject({ afterInvalidation: 1, stale: 1 });
    expect(found({ ...history, reads: [read(1, 2)] })).toEqual([]);
    expect(found({ ...history, reads: [read(2, 4)] })).toEqual([]);
  });

  it('I1: a deleted item that is served again; a provisional one is counted apart', () => {
    const history = { writes: [written(1, 1), written(2, 2, true)], applied: [applied(2, 3)] };
    expect(found({ ...history, reads: [read(1, 4)] })).toEqual(['I1']);
    expect(found({ ...history, reads: [read(undefined, 4, { asOf: 2 })] })).toEqual([]);
    expect(found({ ...history, reads: [read(1, 4, { isProvisional: true })] })).toEqual([]);
  });

  it('I2: something else cached than what there is, when all is quiet', () => {
    expect(found({ writes: TWO, quiet: [{ key: 'k1', how: 'cached', position: 1 }] })).toEqual(['I2']);
    expect(found({ writes: TWO, quiet: [{ key: 'k1', how: 'cached', position: 2 }] })).toEqual([]);
    expect(found({ writes: TWO, quiet: [{ key: 'k1', how: 'never cached', position: 2 }] })).toEqual(['L1']);
  });

  it('I4: an item that goes back, unless its record was gone', () => {
    const back = { writes: TWO, reads: [read(2, 4), read(1, 8)] };
    const loss = { begun: 6, ended: 7 };
    expect(found(back)).toEqual(['I4']);
    expect(found({ ...back, losses: [{ ...loss, taken: { record: 'k2' } }] })).toEqual(['I4']);
    expect(found({ ...back, losses: [{ ...loss, taken: { record: 'k1' } }] })).toEqual([]);
    expect(found({ ...back, calls: [call('invalidate', 6, 'dropped')] })).toEqual([]);
    expect(found({ ...back, reads: [read(2, 4, { hardAt: 5 }), read(1, 8)] })).toEqual([]);
  });

  it('I4: a delete that goes back, but not an earlier as-of of the same state', () => {
    const writes = [written(1, 1), written(3, 2, true), written(5, 3)];
    const absent = (asOf: number, at: number) => read(undefined, at, { asOf });
    expect(found({ writes, reads: [read(5, 4), absent(3, 8)] })).toEqual(['I4']);
    expect(found({ writes, reads: [absent(4, 4), read(1, 8)] })).toEqual(['I4']);
    expect(found({ writes, reads: [absent(4, 4), absent(3, 8)] })).toEqual([]);
    expect(found({ writes, reads: [read(1, 4, { asOf: 2 }), read(1, 8)] })).toEqual([]);
  });

  it('I5: two holders of a lease, and two fills under one', () => {
    const lease = (at: number, token: string) => call('lease', at, 'granted', { token });
    expect(found({ calls: [lease(1, 'a'), lease(5, 'b')] })).toEqual(['I5']);
    expect(found({ calls: [lease(1, 'a'), call('release', 3, 'released'), lease(5, 'b')] })).toEqual([]);
    expect(found({ calls: [lease(1, 'a'), lease(200, 'b')] })).toEqual([]);
    expect(found({ calls: [call('fill', 1, 'stored'), call('fill', 3, 'stored')] })).toEqual(['I5']);
  });

  it('a fill behind a fence, also where only the watermarks were lost', () => {
    const calls = [
      call('invalidate', 1, 'leased', { version: 2 }),
      call('fill', 9, 'stored', { version: 1, token: 'b' }),
    ];
    expect(found({ calls })).toEqual(['fence']);
    expect(found({ calls, losses: [{ taken: 'watermarks', begun: 4, ended: 5 }] })).toEqual(['fence']);
    expect(found({ calls, losses: [{ taken: 'everything', begun: 4, ended: 5 }] })).toEqual([]);
  });

  it('that a fence only holds within its partition, and until one of another takes its place', () => {
    const fence = call('invalidate', 1, 'leased', { version: 2 });
    const older = { version: 1, token: 'b' };
    expect(found({ calls: [fence, call('fill', 9, 'stored', { ...older, identity: 'child' })] })).toEqual([]);
    const fill = call('fill', 9, 'stored', older);
    const late = (reply: string) => call('invalidate', 5, reply, { version: 1, identity: 'parent' });
    expect(found({ calls: [fence, late('dropped'), fill] })).toEqual([]);
    expect(found({ calls: [fence, late('ignored'), fill] })).toEqual(['fence', 'I6']);
  });

  it('I6: an older change that is not ignored, and a newer one that is', () => {
    const change = (at: number, reply: string, version: number) => call('invalidate', at, reply, { version });
    const fill = call('fill', 3, 'stored', { version: 2 });
    expect(found({ calls: [change(1, 'leased', 2), change(5, 'leased', 1)] })).toEqual(['I6']);
    expect(found({ calls: [change(1, 'leased', 2), change(5, 'dropped', 1)] })).toEqual(['I6']);
    expect(found({ calls: [change(1, 'leased', 2), change(5, 'leased', 2), change(9, 'ignored', 1)] })).toEqual([]);
    expect(found({ calls: [change(1, 'leased', 2), change(200, 'dropped', 1)] })).toEqual([]);
    expect(found({ calls: [change(1, 'leased', 2), change(5, 'ignored', 3)] })).toEqual(['I6']);
    expect(found({ calls: [fill, change(5, 'ignored', 2)] })).toEqual([]);
    expect(found({ calls: [change(1, 'ignored', 2), { ...fill, begun: 5, ended: 6 }] })).toEqual(['I6']);
  });

  it('I11: a feed that is past a change of which the store was not told, or only before, or without an answer', () => {
    const handled = { key: 'k1', position: 2, begun: 3, tick: 9 };
    const change = (at: number, reply: string | undefined, version = 2) => ({
      ...call('invalidate', at, 'leased', { version }),
      reply,
    });
    const after = (...calls: StoreCall[]) => found({ applied: [handled], calls });
    expect(after()).toEqual(['I11']);
    expect(after(change(1, 'leased'))).toEqual(['I11']);
    expect(after(change(5, undefined))).toEqual(['I11']);
    expect(after(change(5, 'leased', 1))).toEqual(['I11']);
    expect(after(change(5, 'leased'))).toEqual([]);
    expect(after(change(1, 'leased', 3), change(5, 'ignored', 3))).toEqual([]);
  });

  it('L2: more loads than leases and reasons', () => {
    const load = { key: KEY, process: 0, begunMs: 30 };
    const lease = (at: number, reply: string, more: Partial<StoreCall> = {}) => call('lease', at, reply, more);
    const asked = (process: number, isAnswered: boolean) => ({ process, begunMs: 0, endedMs: 1, isAnswered });
    const loads = (count: number, ...calls: StoreCall[]) =>
      found({ loads: Array.from({ length: count }, () => load), calls, generations: [asked(0, true)] });
    expect(loads(1, lease(5, 'granted'))).toEqual([]);
    expect(loads(2, lease(5, 'granted'))).toEqual(['L2']);
    expect(loads(1, lease(5, 'granted', { key: `${KEY}1` }))).toEqual(['L2']);
    expect(loads(1, lease(5, 'granted', { process: 1 }))).toEqual(['L2']);
    expect(loads(1, lease(20, 'held'))).toEqual(['L2']);
    expect(loads(1, lease(5, 'held'), lease(12, 'held'))).toEqual([]);
    expect(loads(1, lease(18, 'held'), lease(26, 'held'))).toEqual(['L2']);
    expect(loads(1, lease(20, 'held', { isForced: true }))).toEqual([]);
    expect(loads(1, lease(2, 'held'))).toEqual([]);
    expect(found({ loads: [load], generations: [asked(0, false)] })).toEqual([]);
    expect(found({ loads: [load], generations: [asked(1, false)] })).toEqual(['L2']);
    const unknown = (ms: number) => call('watermark', 7, `unknown ${ms}`, { key: 'wf:app:hw:{s}:p' });
    expect(loads(2, lease(5, 'granted'), unknown(60))).toEqual([]);
    expect(loads(2, lease(5, 'granted'), unknown(59))).toEqual(['L2']);
  });

  it('I7: a watermark that goes down without having been unknown', () => {
    const watermark = (at: number, reply: string) => call('watermark', at, reply, { key: 'wf:app:hw:{s}:p' });
    expect(found({ calls: [watermark(1, 'known 5'), watermark(5, 'known 4')] })).toEqual(['I7']);
    const lost = [watermark(1, 'known 5'), watermark(3, 'unknown'), watermark(5, 'known 4')];
    expect(found({ calls: lost })).toEqual([]);
  });

  it('I8: less than was asked for', () => {
    expect(found({ writes: TWO, reads: [read(1, 4, { floor: 2, from: 'joined' })] })).toEqual(['I8']);
    expect(found({ writes: TWO, reads: [read(2, 4, { floor: 2, from: 'joined' })] })).toEqual([]);
  });

  it('I9 and values that never were: a record that does not show what it says it reflects', () => {
    expect(found({ writes: TWO, reads: [read(undefined, 4, { asOf: 2 })] })).toEqual(['I9']);
    expect(found({ writes: TWO, reads: [read(1, 4, { asOf: 2 })] })).toEqual(['truth']);
    expect(found({ writes: TWO, reads: [read(7, 4, { from: 'source', asOf: undefined })] })).toEqual(['truth']);
  });

  it('a hit from before a failover once that has been noticed, or one that nobody notices', () => {
    const history = { writes: TWO, applied: [applied(2, 3)], reads: [read(1, 8)] };
    const failover = { taken: 'acknowledged', begun: 5 } as const;
    expect(found({ ...history, losses: [{ ...failover, ended: 7 }] })).toEqual(['I1']);
    const within = check({ ...NOTHING, ...history, losses: [{ ...failover, ended: 9 }] });
    expect(within.violations).toEqual([]);
    expect(within.figures).toMatchObject({ afterInvalidation: 0, stale: 0, failoverStale: 1 });
    expect(found({ unnoticed: [{ what: 'a replica was promoted', tick: 1 }] })).toEqual(['failover']);
  });

  it('what was not put back by a failover: values that never were, less than was asked for', () => {
    const losses = [{ taken: 'acknowledged', begun: 3, ended: 9 }] as const;
    expect(found({ writes: TWO, losses, reads: [read(1, 4, { asOf: 2 })] })).toEqual(['truth']);
    expect(found({ writes: TWO, losses, reads: [read(1, 4, { floor: 2 })] })).toEqual(['I8']);
  });

  it('I10: a key without a TTL; L3: a read that fails', () => {
    expect(found({ kept: [{ key: KEY, ttlMs: -1 }] })).toEqual(['I10']);
    expect(found({ kept: [{ key: 'wf:app:hw:{s}:p', ttlMs: -1 }] })).toEqual([]);
    expect(found({ failed: [{ key: 'k1', tick: 1, reason: 'down' }] })).toEqual(['L3']);
  });
});
