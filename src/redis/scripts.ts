// One typed function per Lua script: what a call means becomes KEYS and ARGV, and a reply its union, here and
// nowhere else. Also decides when a script's text is sent.

import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { concat, u64 } from '../core/bytes.ts';
import type {
  FillReply,
  FillRequest,
  GenerationsReply,
  InvalidateReply,
  InvalidateRequest,
  LeaseReply,
  LeaseRequest,
  Position,
  PurgeRequest,
  Watermark,
} from '../core/ports.ts';
import { encodeFill } from '../core/record.ts';
import type { RedisConnection } from './connection.ts';
import advance from './lua/advance.lua';
import auditAdd from './lua/audit-add.lua';
import auditTake from './lua/audit-take.lua';
import bump from './lua/bump.lua';
import close from './lua/close.lua';
import fill from './lua/fill.lua';
import generations from './lua/generations.lua';
import invalidate from './lua/invalidate.lua';
import lease from './lua/lease.lua';
import purge from './lua/purge.lua';
import queryAdmit from './lua/query-admit.lua';
import queryBump from './lua/query-bump.lua';
import queryCapture from './lua/query-capture.lua';
import queryChange from './lua/query-change.lua';
import queryHot from './lua/query-hot.lua';
import record from './lua/record.lua';
import release from './lua/release.lua';
import seed from './lua/seed.lua';
import sessionCreate from './lua/session-create.lua';
import sessionEnd from './lua/session-end.lua';
import sessionList from './lua/session-list.lua';
import sessionRead from './lua/session-read.lua';
import sessionSwap from './lua/session-swap.lua';
import sessionUnlist from './lua/session-unlist.lua';
import soften from './lua/soften.lua';
import warmStep from './lua/warm-step.lua';
import warmTurn from './lua/warm-turn.lua';
import watermark from './lua/watermark.lua';
import { createTogether } from './together.ts';

interface Text {
  readonly lua: string;
  readonly sha: string;
}

interface Script extends Text {
  /** How many ARGV it takes; undefined: it varies. */
  readonly args: number | undefined;
}

/** Commands that the client has and its types lack: EVAL and EVALSHA whose replies stay bytes. */
interface Evaluating {
  evalBuffer(lua: string, keys: number, ...args: Arguments): Promise<unknown>;
  evalshaBuffer(sha: string, keys: number, ...args: Arguments): Promise<unknown>;
}

/** What scripts on a record begin with. */
const RECORD = bare(record);

/** Every script has one key. */
export const SCRIPTS = {
  advance: script(advance, 2),
  'audit-add': script(auditAdd, undefined),
  'audit-take': script(auditTake, 1),
  bump: script(bump, 3),
  close: script(close, 1),
  fill: onRecord(fill, 1),
  generations: script(generations, undefined),
  invalidate: onRecord(invalidate, 6),
  lease: onRecord(lease, 4),
  purge: script(purge, undefined),
  'query-admit': script(queryAdmit, undefined),
  'query-bump': script(queryBump, undefined),
  'query-capture': script(queryCapture, undefined),
  'query-change': script(queryChange, undefined),
  'query-hot': script(queryHot, 3),
  release: onRecord(release, 1),
  seed: script(seed, 2),
  'session-create': script(sessionCreate, 5),
  'session-end': script(sessionEnd, 4),
  'session-list': script(sessionList, 2),
  'session-read': script(sessionRead, 2),
  'session-swap': script(sessionSwap, 4),
  'session-unlist': script(sessionUnlist, 2),
  soften: onRecord(soften, 1),
  'warm-step': script(warmStep, 4),
  'warm-turn': script(warmTurn, undefined),
  watermark: script(watermark, 2),
} as const satisfies Record<string, Script>;

/** Of `invalidate`, what all keys of a page have in common. */
const SHARED = 5;
const MANY = { fill: forMany(fill, 0), invalidate: forMany(invalidate, SHARED) };
/** So that one call does not keep other clients waiting for long. */
const MOST_TOGETHER = 64;

const CLOSED_MS = 86_400_000;
const MOST_PURGES = 2000;
const SOFT = Buffer.from([1]);
const FILL_REPLIES = ['stored', 'lease', 'fence', 'older', 'live'] as const satisfies readonly FillReply[];
const INVALIDATE_REPLIES = ['ignored', 'dropped', 'leased'] as const satisfies readonly InvalidateReply[];

export function createScripts(connection: RedisConnection) {
  const run = createRunner(connection);
  return {
    async lease(key: string, { token, leaseMs, stamp, force }: LeaseRequest): Promise<LeaseReply> {
      const reply = await run(SCRIPTS.lease, key, [bin(token), ms(leaseMs), bin(stamp), force ? 1 : 0]);
      if (reply instanceof Uint8Array) return { kind: 'live', record: reply };
      return { kind: reply === 1 ? 'granted' : 'held' };
    },

    async release(key: string, token: Uint8Array): Promise<void> {
      await run(SCRIPTS.release, key, [bin(token)]);
    },

    fill: createTogether<FillRequest, FillReply>(connection.outbox, {
      most: MOST_TOGETHER,
      fits: () => true,
      async send(keys, requests) {
        const args = requests.map((request) => bin(encodeFill(request)));
        return picks(FILL_REPLIES, await run(keys.length === 1 ? SCRIPTS.fill : MANY.fill, keys, args));
      },
    }),

    invalidate: createTogether<InvalidateRequest, InvalidateReply>(connection.outbox, {
      most: MOST_TOGETHER,
      // Values of one page are the same objects.
      fits: (a, b) =>
        a.identity === b.identity &&
        a.stamp === b.stamp &&
        a.own === b.own &&
        a.leaseMs === b.leaseMs &&
        a.fenceMs === b.fenceMs,
      async send(keys, requests) {
        const [{ identity, stamp, own, leaseMs, fenceMs }] = requests;
        const ofKeys = requests.map(({ version, token }) =>
          bin(version === undefined ? token : concat(token, u64(version))),
        );
        const args = [bin(identity), bin(stamp), own, ms(leaseMs), ms(fenceMs), ...ofKeys];
        const called = keys.length === 1 ? SCRIPTS.invalidate : MANY.invalidate;
        return picks(INVALIDATE_REPLIES, await run(called, keys, args));
      },
    }),

    async advance(key: string, position: Position): Promise<void> {
      await run(SCRIPTS.advance, key, [hex16(position), nonce()]);
    },

    async watermark(key: string, generation: string): Promise<Watermark> {
      const reply = await run(SCRIPTS.watermark, key, [generation, nonce()]);
      const [state = '', first = '', ageMs, pending = ''] = texts(reply);
      switch (state) {
        case 'K':
          return { state: 'known', position: BigInt(`0x${first}`) };
        case 'U':
          return { state: 'unknown', nonce: first, ageMs: Number(ageMs), pending: BigInt(`0x${pending}`) };
        case 'N':
          return { state: 'newer', generation: first };
        default:
          return { state: 'closed' };
      }
    },

    async seed(key: string, seen: string, asOf: Position): Promise<Position | undefined> {
      const reply = await run(SCRIPTS.seed, key, [seen, hex16(asOf)]);
      return reply === null ? undefined : BigInt(`0x${text(reply)}`);
    },

    async close(key: string): Promise<void> {
      await run(SCRIPTS.close, key, [CLOSED_MS]);
    },

    async soften(key: string): Promise<boolean> {
      return (await run(SCRIPTS.soften, key, [SOFT])) === 1;
    },

    async generations(key: string, fields: readonly string[], known: string): Promise<GenerationsReply> {
      const args = [fields.length, ...fields, ...fields.map(() => random8()), known];
      const [timeMs, ...rest] = texts(await run(SCRIPTS.generations, key, args));
      const [purgesVersion = '', purges] = rest.slice(fields.length);
      return { values: rest.slice(0, fields.length), timeMs: Number(timeMs), purgesVersion, purges };
    },

    async purge(key: string, { names, mode, seen, keepMs }: PurgeRequest): Promise<number | undefined> {
      const args = [mode, Math.ceil(seen), ms(keepMs), MOST_PURGES, ...names];
      return Number(await run(SCRIPTS.purge, key, args)) || undefined;
    },

    async bump(key: string, field: string, seen: string): Promise<string> {
      return text(await run(SCRIPTS.bump, key, [field, seen, random8()]));
    },
  };
}

/**
 * Within one tick the first call of a script to a node carries its text and the others its digest. A digest alone can
 * be unknown to the server (SCRIPT FLUSH, a failover behind a proxy), and sending that call again would put it after
 * later ones of its tick: a watermark read ahead of the lease, keys invalidated ahead of the watermark.
 */
export function createRunner(connection: RedisConnection) {
  const sent = new Map<Redis, Set<Text>>();
  const forget = () => sent.clear();

  function run(called: Text, keys: string | readonly string[], args: Arguments): Promise<unknown> {
    const [key, ...others] = typeof keys === 'string' ? [keys] : keys;
    return connection.send(key ?? '', (node) => {
      const client = node as unknown as Evaluating;
      const rest = [1 + others.length, key ?? '', ...others, ...args] as const;
      if (isFirst(node, called)) return client.evalBuffer(called.lua, ...rest);
      const reply = client.evalshaBuffer(called.sha, ...rest);
      // The call with the text was redirected, so it left none; in a cluster no order is promised.
      return connection.client.isCluster ? reply.catch(resend) : reply;

      function resend(error: unknown): Promise<unknown> {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        return client.evalBuffer(called.lua, ...rest);
      }
    });
  }

  function isFirst(node: Redis, called: Text): boolean {
    if (sent.size === 0) setImmediate(forget);
    const scripts = sent.get(node);
    if (scripts === undefined) sent.set(node, new Set([called]));
    else if (scripts.has(called)) return false;
    else scripts.add(called);
    return true;
  }

  return run;
}

type Arguments = readonly (string | number | Buffer)[];

/**
 * The same script for many keys in one call, one after the other. ARGV holds the first `shared` arguments once, then the
 * others of each key; the reply is a list.
 */
function forMany(source: string, shared: number): Text {
  return textOf(`${RECORD}local function one(KEYS, ARGV)
${bare(source).trimEnd()}
end
local own, key, args, out = (#ARGV - ${shared}) / #KEYS, {}, { unpack(ARGV, 1, ${shared}) }, {}
for i = 1, #KEYS do
  key[1] = KEYS[i]
  for n = 1, own do args[${shared} + n] = ARGV[${shared} + (i - 1) * own + n] end
  out[i] = one(key, args)
end
return out
`);
}

function textOf(lua: string): Text {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

function script(source: string, args: number | undefined, begin = ''): Script {
  return { ...textOf(`${begin}${bare(source)}`), args };
}

function onRecord(source: string, args: number): Script {
  return script(source, args, RECORD);
}

/** Redis does not need the comments, which are a third of the text. */
function bare(source: string): string {
  return source.replace(/^--.*\n/gm, '');
}

export function bin(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A duration that Redis takes as a TTL. */
export function ms(duration: number): number {
  return Math.max(1, Math.round(duration));
}

function hex16(position: Position): string {
  return position.toString(16).padStart(16, '0');
}

export function nonce(): string {
  return randomBytes(8).toString('hex');
}

export function random8(): string {
  return randomBytes(4).toString('hex');
}

function text(reply: unknown): string {
  return typeof reply === 'number' || Buffer.isBuffer(reply) ? reply.toString() : '';
}

export function texts(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(text) : [];
}

/** Of a script for one key, or for many. */
function picks<T>(replies: readonly T[], reply: unknown): readonly T[] {
  return Array.isArray(reply) ? reply.map((each) => pick(replies, each)) : [pick(replies, reply)];
}

export function pick<T>(replies: readonly T[], index: unknown): T {
  const reply = replies[Number(index)];
  if (reply === undefined) throw new Error(`unexpected reply ${String(index)} of a script`);
  return reply;
}
