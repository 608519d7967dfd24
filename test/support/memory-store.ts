// The cache in memory: the readable specification of the Lua scripts. Every call takes effect when it is made, in
// one step, as in Redis; times come from the clock that is given. Held to the same contract as Redis.

import { concat, equalBytes, u64 } from '../../src/core/bytes.ts';
import type {
  DeadLetter,
  FillReply,
  FillRequest,
  GenerationsReply,
  InvalidateReply,
  InvalidateRequest,
  LeaseReply,
  LeaseRequest,
  Position,
  PurgeRequest,
  Stamp,
  Store,
  Watermark,
} from '../../src/core/ports.ts';
import {
  BARE_BYTES,
  decodeControl,
  decodeEntry,
  type Entry,
  FORMAT,
  hasStamp,
  versionOf,
} from '../../src/core/record.ts';
import { tailOf } from './record.ts';

const NONE = new Uint8Array(8);
const CLOSED_MS = 86_400_000;
const MOST_PURGES = 2000;
const KNOWN = /^K\|([0-9a-f]{24})\|([0-9a-f]{16})$/i;
const UNKNOWN = /^U\|(-|[0-9a-f]{24})\|([0-9a-z-]+)\|(\d+)\|([0-9a-f]{16})$/i;
const GENERATION = /^(\d{16})([0-9a-f]{8})$/i;

/** What a script sees of a record; one that is absent or cannot be read has nothing in it. */
interface View {
  readonly exists: boolean;
  readonly identity: Uint8Array;
  readonly fence: Position;
  readonly token: Uint8Array;
  readonly deadline: number;
  /** The value, unless past its hard expiry. */
  readonly value: Entry | undefined;
}

export interface Slot {
  /** Anything but bytes stands for a Redis type that is no string. */
  readonly content: Uint8Array | 'list';
  readonly expiresAt: number;
}

/** All that lies under one key. */
export interface Saved {
  readonly slot: Slot | undefined;
  readonly hash: ReadonlyMap<string, string> | undefined;
}

export interface MemoryStoreOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** 32 bits for a nonce or a generation; unique ones. */
  readonly random?: () => number;
}

export interface MemoryStore extends Store {
  readonly letters: readonly DeadLetter[];
  /** What lies under a key, as `GET` shows it. */
  peek(key: string): Uint8Array | undefined;
  /** Puts anything under a key. */
  poke(key: string, content: Uint8Array | 'list', ttlMs?: number): void;
  /** As `PTTL`: -2 where there is no such key, -1 where it has no TTL. */
  ttl(key: string): number;
  /** Loses one key, or everything. */
  lose(key?: string): void;
  save(key: string): Saved;
  restore(key: string, saved: Saved): void;
}

export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const clock = options.now ?? Date.now;
  let moment = clock();
  const now = () => moment;
  let counter = 0;
  const random = options.random ?? (() => ++counter);
  const hex8 = () => random().toString(16).padStart(8, '0').slice(-8);
  const slots = new Map<string, Slot>();
  const hashes = new Map<string, Map<string, string>>();
  const letters: DeadLetter[] = [];

  function slotOf(key: string): Slot | undefined {
    const slot = slots.get(key);
    if (slot === undefined || slot.expiresAt > now()) return slot;
    slots.delete(key);
    return undefined;
  }

  function bytesOf(key: string): Uint8Array | undefined {
    const content = slotOf(key)?.content;
    return content === 'list' ? undefined : content;
  }

  function put(key: string, content: Uint8Array | 'list', ttlMs: number): void {
    slots.set(key, { content, expiresAt: Math.round(now() + Math.max(1, ttlMs)) });
  }

  function ttl(key: string): number {
    const slot = slotOf(key);
    if (slot === undefined) return -2;
    return slot.expiresAt === Number.POSITIVE_INFINITY ? -1 : slot.expiresAt - now();
  }

  function view(key: string): View {
    const bytes = bytesOf(key);
    const control = bytes && decodeControl(bytes);
    const entry = bytes && decodeEntry(bytes);
    const isReadable =
      control !== undefined && (entry !== undefined || (bytes?.[2] === 0 && bytes.length === BARE_BYTES));
    if (!isReadable) {
      return { exists: false, identity: NONE, fence: 0n, token: NONE, deadline: 0, value: undefined };
    }
    return {
      exists: true,
      identity: control.identity,
      fence: control.fence,
      token: control.leaseToken,
      deadline: control.leaseDeadline,
      value: entry !== undefined && entry.hardAt > now() ? entry : undefined,
    };
  }

  /** The same record with another lease. */
  function withLease(key: string, token: Uint8Array, deadline: number): Uint8Array {
    const bytes = Uint8Array.from(bytesOf(key) ?? []);
    bytes.set(token, 20);
    bytes.set(u64(BigInt(deadline)), 28);
    return bytes;
  }

  function endLease(key: string, record: View): void {
    if (record.value === undefined && record.fence === 0n) slots.delete(key);
    else slots.set(key, { content: withLease(key, NONE, 0), expiresAt: slotOf(key)?.expiresAt ?? 0 });
  }

  function lease(key: string, { token, leaseMs, stamp, force }: LeaseRequest): LeaseReply {
    const record = view(key);
    const { value } = record;
    const same = value !== undefined && hasStamp(value, stamp);
    if (same && !force && (value.softAt > now() || value.guarantee === 'provisional')) {
      return { kind: 'live', record: value.record.slice() };
    }
    const isHeld = !equalBytes(record.token, NONE) && record.deadline > now();
    if (isHeld && !equalBytes(record.token, token)) return { kind: 'held' };
    const deadline = Math.round(now() + leaseMs);
    const kept = same ? withLease(key, token, deadline) : bare(record.identity, record.fence, token, deadline);
    put(key, kept, Math.max(leaseMs, record.exists ? ttl(key) : 0));
    return { kind: 'granted' };
  }

  function release(key: string, token: Uint8Array): void {
    const record = view(key);
    if (!equalBytes(token, NONE) && equalBytes(token, record.token)) endLease(key, record);
  }

  function fill(key: string, request: FillRequest): FillReply {
    const record = view(key);
    if (equalBytes(request.token, NONE) || !equalBytes(request.token, record.token)) return 'lease';
    const refusal = refusalOf(record, request);
    if (refusal !== undefined) {
      endLease(key, record);
      return refusal;
    }
    const fence = isSame(record.identity, request.identity) ? record.fence : 0n;
    const begunAt = Math.floor(request.begunAt ?? now());
    const times = [begunAt, now() + request.softMs, now() + request.hardMs].map((ms) => u64(BigInt(Math.round(ms))));
    const head = bare(request.identity, fence, NONE, 0);
    head[2] = request.value.state === 'value' ? 1 : 2;
    put(key, concat(head, ...times, tailOf(request)), Math.max(request.hardMs, fence === 0n ? 0 : ttl(key)));
    return 'stored';
  }

  function invalidate(key: string, request: InvalidateRequest): InvalidateReply {
    const { version, own, token, leaseMs, fenceMs } = request;
    const record = view(key);
    const live = liveOf(record, request.stamp);
    const isProvisional = record.value?.guarantee === 'provisional';
    const same = isSame(record.identity, request.identity);
    if (same && version !== undefined && (live === undefined ? version < record.fence : version <= versionOf(live))) {
      if (isProvisional) {
        put(key, bare(record.identity, record.fence, record.token, record.deadline), Math.max(fenceMs, ttl(key)));
      }
      return 'ignored';
    }
    slots.delete(key);
    const leases = own === 'always' || (own === 'cached' && (live !== undefined || isProvisional));
    // Nothing was there, so there is no lease to revoke, and the watermark carries the proof.
    if (!record.exists && !leases) return 'dropped';
    const kept = same ? record.fence : 0n;
    const fence = version !== undefined && version > kept ? version : kept;
    const [owner, deadline] = leases ? [token, Math.round(now() + leaseMs)] : [NONE, 0];
    put(key, bare(request.identity, fence, owner, deadline), leases ? Math.max(fenceMs, leaseMs) : fenceMs);
    return leases ? 'leased' : 'dropped';
  }

  const textOf = (key: string) => new TextDecoder().decode(bytesOf(key) ?? new Uint8Array());
  const setText = (key: string, text: string, ttlMs = Number.POSITIVE_INFINITY) =>
    put(key, new TextEncoder().encode(text), ttlMs);

  function advance(key: string, position: Position): void {
    const text = textOf(key);
    if (text === 'X') return;
    const old = KNOWN.exec(text)?.[2] ?? UNKNOWN.exec(text)?.[4];
    if (old === undefined) setText(key, `U|-|${hex8()}${hex8()}|${now()}|${hex16(position)}`);
    else if (position > parse(old)) setText(key, text.slice(0, -16) + hex16(position));
  }

  function watermark(key: string, generation: string): Watermark {
    const text = textOf(key);
    if (text === 'X') return { state: 'closed' };
    const known = KNOWN.exec(text);
    const [, stored = known?.[1], nonce = '', since = '', waiting] = UNKNOWN.exec(text) ?? [];
    const pending = parse(waiting ?? known?.[2] ?? '0');
    if (stored === generation) {
      if (known !== null) return { state: 'known', position: pending };
      return { state: 'unknown', nonce, ageMs: Math.max(0, now() - Number(since)), pending };
    }
    if (stored !== undefined && stored !== '-' && isLater(stored, generation)) {
      return { state: 'newer', generation: stored };
    }
    const fresh = hex8() + hex8();
    setText(key, `U|${generation}|${fresh}|${now()}|${hex16(pending)}`);
    return { state: 'unknown', nonce: fresh, ageMs: 0, pending };
  }

  function seed(key: string, nonce: string, asOf: Position): Position | undefined {
    const [, generation, current, , waiting = '0'] = UNKNOWN.exec(textOf(key)) ?? [];
    if (generation === undefined || generation === '-' || current !== nonce) return undefined;
    const position = asOf > parse(waiting) ? asOf : parse(waiting);
    setText(key, `K|${generation}|${hex16(position)}`);
    return position;
  }

  function hashOf(key: string): Map<string, string> {
    const hash = hashes.get(key) ?? new Map<string, string>();
    hashes.set(key, hash);
    return hash;
  }

  function generations(key: string, fields: readonly string[], known = ''): GenerationsReply {
    const hash = hashOf(key);
    for (const field of fields) {
      if (!GENERATION.test(hash.get(field) ?? '')) hash.set(field, generationAt(now() * 1000));
    }
    const purgesVersion = hash.get('purged') ?? '';
    return {
      values: fields.map((field) => hash.get(field) ?? ''),
      timeMs: Math.max(now(), Number(purgesVersion) + 1),
      purgesVersion,
      purges: purgesVersion === known ? undefined : (hash.get('purges') ?? ''),
    };
  }

  function purge(key: string, { names, mode, seen, keepMs }: PurgeRequest): number | undefined {
    const hash = hashOf(key);
    const purgedAt = Math.max(now(), Math.ceil(seen), Number(hash.get('purged') ?? 0) + 1);
    const listed = (hash.get('purges') ?? '').split('\n').flatMap((line) => {
      const [drop, stale, till, name] = /^(\d+) (\d+) (\d+) (.+)$/.exec(line)?.slice(1) ?? [];
      return name === undefined ? [] : [{ drop, stale, till: Number(till), name }];
    });
    const kept = listed.filter(({ name, till }) => !names.includes(name) && till > now());
    const added = [...new Set(names)].map((name) => {
      const { drop = '0', stale = '0' } = listed.find((each) => each.name === name) ?? {};
      return mode === 'drop'
        ? { drop: purgedAt, stale, till: purgedAt + keepMs, name }
        : { drop, stale: purgedAt, till: purgedAt + keepMs, name };
    });
    const all = [...kept, ...added];
    if (all.length > MOST_PURGES) return undefined;
    hash.set('purged', String(purgedAt));
    hash.set('purges', all.map(({ drop, stale, till, name }) => `${drop} ${stale} ${till} ${name}\n`).join(''));
    return purgedAt;
  }

  function soften(key: string): boolean {
    const record = view(key);
    if (!record.exists) return false;
    const bytes = withLease(key, NONE, 0);
    if (record.value !== undefined) bytes[3] = 1;
    slots.set(key, { content: bytes, expiresAt: slotOf(key)?.expiresAt ?? 0 });
    return record.value !== undefined;
  }

  function bump(key: string, field: string, seen: string): string {
    const hash = hashOf(key);
    const others = [hash.get(field) ?? '', seen].map((text) => Number(GENERATION.exec(text)?.[1] ?? -1) + 1);
    const value = generationAt(Math.max(now() * 1000, ...others));
    hash.set(field, value);
    return value;
  }

  const generationAt = (micros: number) => String(micros).padStart(16, '0') + hex8();

  /** What happens in a call happens at one moment. */
  function at<T>(work: () => T): T {
    moment = clock();
    return work();
  }

  async function call<T>(work: () => T): Promise<T> {
    return at(work);
  }

  return {
    ordered: true,
    letters,
    peek: (key) => at(() => bytesOf(key)),
    poke: (key, content, ttlMs = Number.POSITIVE_INFINITY) => at(() => put(key, content, ttlMs)),
    ttl: (key) => at(() => ttl(key)),
    lose(key) {
      if (key !== undefined) {
        slots.delete(key);
        hashes.delete(key);
        return;
      }
      slots.clear();
      hashes.clear();
    },
    save: (key) => ({ slot: slots.get(key), hash: hashes.has(key) ? new Map(hashes.get(key)) : undefined }),
    restore(key, { slot, hash }) {
      this.lose(key);
      if (slot !== undefined) slots.set(key, slot);
      if (hash !== undefined) hashes.set(key, new Map(hash));
    },
    get: (key) => call(() => bytesOf(key)?.slice()),
    lease: (key, request) => call(() => lease(key, request)),
    release: (key, token) => call(() => release(key, token)),
    fill: (key, request) => call(() => fill(key, request)),
    invalidate: (key, request) => call(() => invalidate(key, request)),
    drop: (key) => call(() => void slots.delete(key)),
    advance: (key, position) => call(() => advance(key, position)),
    watermark: (key, generation) => call(() => watermark(key, generation)),
    seed: (key, nonce, asOf) => call(() => seed(key, nonce, asOf)),
    close: (key) => call(() => setText(key, 'X', CLOSED_MS)),
    soften: (key) => call(() => soften(key)),
    generations: (key, fields, known) => call(() => generations(key, fields, known)),
    purge: (key, request) => call(() => purge(key, request)),
    bump: (key, field, seen) => call(() => bump(key, field, seen)),
    deadLetter: (_key, letter) => call(() => void letters.push(letter)),
    recall: (key) => call(() => textOf(key) || undefined),
    remember: (key, text) => call(() => setText(key, text)),
  };
}

function refusalOf(record: View, request: FillRequest): FillReply | undefined {
  const live = liveOf(record, request.stamp);
  if (isSame(record.identity, request.identity)) {
    if (request.version < record.fence) return 'fence';
    if (live !== undefined && request.version < versionOf(live)) return 'older';
  }
  return live !== undefined && request.guarantee === 'provisional' ? 'live' : undefined;
}

function liveOf(record: View, stamp: Stamp): Entry | undefined {
  const { value } = record;
  return value !== undefined && value.guarantee !== 'provisional' && hasStamp(value, stamp) ? value : undefined;
}

/** A record without an identity yet is anybody's. */
function isSame(recorded: Uint8Array, identity: Uint8Array): boolean {
  return equalBytes(recorded, NONE) || equalBytes(recorded, identity);
}

function bare(identity: Uint8Array, fence: Position, token: Uint8Array, deadline: number): Uint8Array {
  return concat(new Uint8Array([0x57, FORMAT, 0, 0]), identity, u64(fence), token, u64(BigInt(deadline)));
}

function hex16(position: Position): string {
  return position.toString(16).padStart(16, '0');
}

function parse(digits: string): Position {
  return BigInt(`0x${digits}`);
}

function isLater(a: string, b: string): boolean {
  const time = Number(a.slice(0, 16)) - Number(b.slice(0, 16));
  return time === 0 ? Number.parseInt(a.slice(16), 16) > Number.parseInt(b.slice(16), 16) : time > 0;
}
