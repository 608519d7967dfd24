import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { WarmfeedError } from '../../src/core/errors.ts';
import { type JsonText, mergePatch, textOf } from '../../src/core/json.ts';
import { redisKeys } from '../../src/core/key.ts';
import type { CacheEvent } from '../../src/core/ports.ts';
import { createSessions } from '../../src/core/session/session.ts';
import { createMirror } from '../../src/core/session/session-mirror.ts';
import type { SessionStore } from '../../src/core/session/session-ports.ts';
import { dataOf, decodeSession, encodeContent, isEnded } from '../../src/core/session/session-record.ts';
import { createMemorySessionCopy } from '../support/memory-session-copy.ts';
import { createMemorySessionStore } from '../support/memory-session-store.ts';

const LIFE = { ttlMs: 60_000, absoluteMs: 600_000 };
const keys = redisKeys('test');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

function createWorld({ durable = false, over = {} }: { durable?: boolean; over?: Partial<SessionStore> } = {}) {
  let now = 1_750_000_000_000;
  let count = 0;
  const memory = createMemorySessionStore({ now: () => now });
  const store: SessionStore = { ...memory, ...over };
  const entropy = {
    id: () => base64url(sha256(utf8(`id ${count++}`)).subarray(0, 16)),
    token: () => sha256(utf8(`token ${count++}`)).subarray(0, 8),
    sha256,
    base64url,
  };
  const copy = createMemorySessionCopy();
  const events: CacheEvent[] = [];
  const clock = { sleep: () => new Promise<void>((resolve) => void setImmediate(resolve)) };
  const observe = (event: CacheEvent) => void events.push(event);
  const mirror = createMirror({ store, copy, keys, entropy, clock, observe, markMs: LIFE.absoluteMs, capacity: 3 });
  const sessions = createSessions({
    store,
    keys,
    entropy,
    life: LIFE,
    maxBytes: 2000,
    subject: (data) => (typeof data['user'] === 'string' ? data['user'] : undefined),
    ...(durable && { durable: { copy, mirror: (name: string) => mirror.add(name) } }),
  });
  const keyOf = (id: string) => keys.session(base64url(sha256(utf8(id))));
  return {
    memory,
    copy,
    mirror,
    events,
    sessions,
    keyOf,
    advance: (ms: number) => void (now += ms),
    async create(data: object = {}) {
      const made = await sessions.create(textOf({ ...data }));
      if (made.kind !== 'created') throw new Error(made.kind);
      return made.id;
    },
    async read(id: string) {
      const session = await sessions.read(id);
      return session && dataOf(session);
    },
    patch: (id: string, patch: object) =>
      sessions.update(id, (session) => textOf(mergePatch(dataOf(session), patch) as JsonText['value'])),
    settled: async () => {
      for (let turn = 0; turn < 50; turn++) await clock.sleep();
    },
  };
}

describe('a record', () => {
  it('has what went in', () => {
    fc.assert(
      fc.property(
        fc.record({
          version: fc.nat(),
          token: fc.uint8Array({ minLength: 8, maxLength: 8 }),
          subject: fc.option(
            fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => bytes.some(Boolean)),
            {
              nil: undefined,
            },
          ),
          body: fc.uint8Array({ minLength: 2, maxLength: 20 }),
        }),
        (content) => {
          const record = Buffer.concat([Buffer.from('530101', 'hex'), Buffer.alloc(16, 1), encodeContent(content)]);
          expect(decodeSession(record)).toEqual({
            ...content,
            token: Buffer.from(content.token),
            subject: content.subject && Buffer.from(content.subject),
            body: Buffer.from(content.body),
            created: Number(0x0101010101010101n),
            seen: Number(0x0101010101010101n),
          });
          expect(isEnded(record)).toBe(false);
        },
      ),
    );
  });

  it('is none for whatever else is there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decodeSession(bytes)).toBeUndefined();
      }),
    );
    const mark = Buffer.concat([Buffer.from('530100', 'hex'), Buffer.alloc(8)]);
    expect([decodeSession(mark), isEnded(mark)]).toEqual([undefined, true]);
  });
});

describe('sessions', () => {
  it('any order of patches, replacements, uses, ends and pauses does to them what it does to an object', async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('patch' as const),
        patch: fc.dictionary(fc.constantFrom('a', 'b'), fc.option(fc.nat(9))),
      }),
      fc.record({ do: fc.constant('put' as const), data: fc.dictionary(fc.constantFrom('a', 'b'), fc.nat(9)) }),
      fc.record({ do: fc.constant('read' as const) }),
      fc.record({ do: fc.constant('end' as const) }),
      fc.record({ do: fc.constant('create' as const) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 30_000, 59_999, 60_000, 90_000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const world = createWorld();
        const id = await world.create({ a: 0 });
        let model: { data: unknown; left: number; age: number } | undefined = { data: { a: 0 }, left: 60_000, age: 0 };
        let marked = 0;
        const use = () => {
          if (model) model.left = Math.min(60_000, 600_000 - model.age);
        };
        for (const each of steps) {
          if (each.do === 'wait') {
            world.advance(each.ms);
            marked -= each.ms;
            if (model) {
              model.left -= each.ms;
              model.age += each.ms;
              if (model.left <= 0) model = undefined;
            }
            continue;
          }
          const isLive: boolean = model !== undefined;
          if (each.do === 'read') {
            use();
            expect(await world.read(id)).toEqual(model?.data);
          } else if (each.do === 'end') {
            expect((await world.sessions.end(id)).kind).toBe(isLive ? 'ended' : 'none');
            if (isLive) marked = LIFE.absoluteMs;
            model = undefined;
          } else if (each.do === 'create') {
            const { kind } = await world.sessions.createAs(id, textOf({}));
            expect(kind).toBe(isLive ? 'exists' : marked > 0 ? 'ended' : 'created');
            if (kind === 'created') model = { data: {}, left: 60_000, age: 0 };
            use();
          } else {
            const next = (data: unknown) => (each.do === 'patch' ? mergePatch(data, each.patch) : { ...each.data });
            const { kind } = await world.sessions.update(id, (session) =>
              textOf(next(dataOf(session)) as JsonText['value']),
            );
            expect(kind).toBe(isLive ? 'updated' : 'none');
            if (model) model.data = next(model.data);
            use();
          }
        }
      }),
    );
  });

  it('concurrent patches lose nothing, also where another process writes in between', async () => {
    let interferences = 30;
    const world = createWorld();
    const rival = createWorld({
      over: {
        ...world.memory,
        async swap(...args) {
          if (interferences-- > 0) {
            expect((await world.patch(id, { [`rival${interferences}`]: 1 })).kind).toBe('updated');
          }
          return world.memory.swap(...args);
        },
      },
    });
    const id = await world.create();
    const outcomes = await Promise.all([1, 2, 3, 4].map((n) => rival.patch(id, { [`mine${n}`]: n })));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['updated', 'updated', 'updated', 'updated']);
    expect(Object.keys((await world.read(id)) ?? {})).toHaveLength(34);
  });

  it('somebody who always loses is told so, and does not try for ever', async () => {
    let tries = 0;
    const world = createWorld({ over: { swap: async () => (tries++, false) } });
    const id = await world.create();
    expect((await world.patch(id, { a: 1 })).kind).toBe('busy');
    expect(tries).toBe(64);
  });

  it('one that fails does not hold up the next of its session', async () => {
    let isDown = true;
    const world = createWorld();
    const failing = createWorld({
      over: {
        ...world.memory,
        read: async (...args) => {
          if (isDown) throw new WarmfeedError('STORE_UNAVAILABLE', 'down', { retryable: true });
          return world.memory.read(...args);
        },
      },
    });
    const id = await world.create();
    const first = failing.patch(id, { a: 1 });
    const second = first.catch(() => undefined).then(() => (isDown = false));
    await expect(first).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await second;
    expect((await failing.patch(id, { a: 2 })).kind).toBe('updated');
  });

  it('a patch between whose reading and writing the session expires finds none', async () => {
    const world = createWorld();
    const late = createWorld({
      over: {
        ...world.memory,
        swap: async (...args) => {
          world.advance(60_000);
          return world.memory.swap(...args);
        },
      },
    });
    const id = await world.create({ a: 1 });
    expect((await late.patch(id, { b: 1 })).kind).toBe('none');
    expect(await world.read(id)).toBeUndefined();
  });

  it('a subject is listed before the session is its own', async () => {
    const order: string[] = [];
    const world = createWorld();
    const spied = createWorld({
      over: {
        ...world.memory,
        list: async (...args) => {
          order.push('list');
          return world.memory.list(...args);
        },
        swap: async (...args) => {
          order.push('swap');
          return world.memory.swap(...args);
        },
        create: async (...args) => {
          order.push('create');
          return world.memory.create(...args);
        },
      },
    });
    const id = await spied.create();
    await spied.patch(id, { user: 'ann' });
    await spied.patch(id, { user: 'ann', a: 1 });
    await spied.create({ user: 'ann' });
    expect(order).toEqual(['create', 'list', 'swap', 'swap', 'list', 'create']);
    expect(await spied.sessions.list('ann')).toHaveLength(2);
  });

  it('a listing whose session never came is dropped, but not while it may yet come', async () => {
    const world = createWorld();
    const key = keys.subject(base64url(sha256(utf8('ann'))));
    await world.memory.list(key, 'dangling', LIFE.absoluteMs);
    expect(await world.sessions.list('ann')).toEqual([]);
    expect(await world.memory.listed(key)).toEqual(['dangling']);
    world.advance(300_000);
    expect(await world.sessions.list('ann')).toEqual([]);
    expect(await world.memory.listed(key)).toEqual([]);
  });

  it('a listing shows when each was made and last used, and does not use it', async () => {
    const world = createWorld();
    const id = await world.create({ user: 'ann' });
    world.advance(20_000);
    await world.read(id);
    world.advance(20_000);
    const [session] = await world.sessions.list('ann');
    expect((session?.seen ?? 0) - (session?.created ?? 0)).toBe(20_000);
    world.advance(41_000);
    expect(await world.read(id)).toBeUndefined();
  });
});

describe('with a durable copy', () => {
  it('what Redis lost comes back as it was copied, with what is left of its life', async () => {
    const world = createWorld({ durable: true });
    const id = await world.create({ a: 1, user: 'ann' });
    await world.settled();
    world.memory.clear();
    world.advance(59_000);
    expect(await world.sessions.list('ann')).toHaveLength(1);
    expect(await world.read(id)).toEqual({ a: 1, user: 'ann' });
    world.memory.clear();
    world.advance(60_000);
    expect(await world.read(id)).toBeUndefined();
    expect(await world.sessions.list('ann')).toEqual([]);
  });

  it('a listing does not use what it lists', async () => {
    const world = createWorld({ durable: true });
    const id = await world.create({ user: 'ann' });
    await world.settled();
    for (let n = 0; n < 7; n++) {
      world.advance(10_000);
      expect(await world.sessions.list('ann')).toHaveLength(n < 5 ? 1 : 0);
    }
    expect(await world.read(id)).toBeUndefined();
  });

  it('many writes while one is under way are one more', async () => {
    let writes = 0;
    const world = createWorld({ durable: true });
    const write = world.copy.write.bind(world.copy);
    world.copy.write = async (...args) => {
      writes++;
      return write(...args);
    };
    const id = await world.create();
    for (let n = 0; n < 20; n++) world.mirror.add(base64url(sha256(utf8(id))));
    await world.settled();
    expect(writes).toBe(1);
  });

  it('an ended session does not come back: out of the copy, or out of a Redis that forgot it', async () => {
    const world = createWorld({ durable: true });
    const id = await world.create({ a: 1 });
    await world.settled();
    expect((await world.sessions.end(id)).kind).toBe('ended');
    world.memory.clear();
    expect(await world.read(id)).toBeUndefined();
    expect((await world.sessions.createAs(id, textOf({}))).kind).toBe('ended');
    // A failover took Redis back to before the end.
    const content = { version: 1, token: Buffer.alloc(8, 1), subject: undefined, body: utf8('{}') };
    await world.memory.create(world.keyOf(id), content, LIFE);
    await world.patch(id, { a: 2 });
    await world.settled();
    expect((await world.memory.peek(world.keyOf(id))).state).toBe('ended');
  });

  it('an end that cannot be copied is an error, is in force, and is copied later', async () => {
    const world = createWorld({ durable: true });
    const id = await world.create({ a: 1 });
    await world.settled();
    world.copy.isDown = true;
    await expect(world.sessions.end(id)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(await world.read(id)).toBeUndefined();
    await expect(world.sessions.end(id)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    world.copy.isDown = false;
    await world.settled();
    expect([...world.copy.kept.values()]).toEqual(['ended']);
    expect((await world.sessions.end(id)).kind).toBe('none');
  });

  it('reads alone keep the copy within a quarter of the ttl', async () => {
    const world = createWorld({ durable: true });
    const id = await world.create();
    for (let n = 0; n < 100; n++) {
      world.advance(5000);
      await world.read(id);
      await world.settled();
      const [kept] = world.copy.kept.values();
      if (kept === undefined || kept === 'ended') throw new Error('not kept');
      const found = await world.memory.peek(world.keyOf(id));
      if (found.state === 'live') expect(found.session.seen - kept.seen).toBeLessThanOrEqual(15_000);
    }
  });

  it('the queue is bounded: beyond it the oldest is given up, and that is told', async () => {
    const world = createWorld({ durable: true });
    world.copy.isDown = true;
    for (let n = 0; n < 20; n++) await world.create({ n });
    expect(world.events.some((event) => event.kind === 'session-not-copied' && event.error === undefined)).toBe(true);
    world.copy.isDown = false;
    await world.mirror.drain(1000);
  });

  it('a drain waits for what waits, and gives up what fails', async () => {
    const world = createWorld({ durable: true });
    await world.create();
    await world.mirror.drain(1000);
    expect(world.copy.kept.size).toBe(1);
    world.copy.isDown = true;
    await world.create();
    await world.mirror.drain(1000);
    expect(world.copy.kept.size).toBe(1);
  });
});
