import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    configuration: new URL('../e2e/sessions.durable.config.ts', import.meta.url).pathname,
    settings: { WARMFEED_REDIS_TIMEOUT: '500ms', WARMFEED_SOURCE_TIMEOUT: '1s', WARMFEED_BREAKER_RESET: '200ms' },
  });
});
afterAll(() => stack?.close());
afterEach(() => stack.emulator.control.reset());

const CURRENT = 'sessions/current';
const TYPES: Record<string, string> = { PATCH: 'application/merge-patch+json' };

function ask(method: string, id: string, body?: object, headers: Record<string, string> = {}, path = CURRENT) {
  return stack.get(path, {
    method,
    headers: { 'x-session-id': id, 'content-type': TYPES[method] ?? 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function create(data: object): Promise<string> {
  const made = await ask('POST', 'none', data, {}, 'sessions');
  expect(made.status).toBe(201);
  return made.headers.get('x-session-id') ?? '';
}

const nameOf = (id: string) => createHash('sha256').update(id).digest('base64url');
const keyOf = (id: string) => `wf:warmfeed:s:{${nameOf(id)}}`;
const copyOf = async (id: string) =>
  (await stack.database.container('sessions').item(nameOf(id), nameOf(id)).read<Record<string, unknown>>()).resource;

/** Once the copy has that body, or has ended. */
const copied = (id: string, body: object) =>
  until(async () => ((await copyOf(id))?.['body'] === JSON.stringify(body) ? true : undefined));

const stallCopies = (fault: object = { status: 503 }) => {
  for (const operation of ['create', 'replace', 'upsert'] as const) {
    stack.emulator.control.fault({ path: 'sessions', operation, ...fault });
  }
};

async function loseRedis(): Promise<void> {
  await stack.redisServer.kill();
  await stack.redisServer.start();
  await until(async () => ((await ask('GET', 'nobody-has-this-id-here')).status === 404 ? true : undefined));
}

describe('a lost Redis', () => {
  it('loses what was not copied yet, and nothing else', async () => {
    const kept = await create({ a: 1 });
    await copied(kept, { a: 1 });
    const etag = (await ask('GET', kept)).headers.get('etag');

    const written = await create({ a: 1 });
    await copied(written, { a: 1 });
    stallCopies();
    expect((await ask('PATCH', written, { b: 2 })).status).toBe(200);
    const made = await create({ never: 'copied' });
    await stack.redisServer.kill();
    stack.emulator.control.clearFaults();
    await stack.redisServer.start();

    const back = await until(async () => {
      const answer = await ask('GET', kept);
      return answer.status === 503 ? undefined : answer;
    });
    expect([back.status, back.text, back.headers.get('etag')]).toEqual([200, '{"a":1}', etag]);
    // Killed between the write and its copy: the session is as it was before.
    expect((await ask('GET', written)).json).toEqual({ a: 1 });
    expect((await ask('GET', made)).status).toBe(404);
    // And goes on, with its life bounded.
    expect((await ask('PATCH', written, { c: 3 })).json).toEqual({ a: 1, c: 3 });
    expect(await stack.redis.pttl(keyOf(written))).toBeGreaterThan(0);
    await copied(written, { a: 1, c: 3 });
  });

  it('never brings back an ended session', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    expect((await ask('DELETE', id)).status).toBe(204);
    expect(await copyOf(id)).toMatchObject({ state: 'ended' });
    await loseRedis();
    expect((await ask('GET', id)).status).toBe(404);
    expect((await ask('PATCH', id, { a: 2 })).status).toBe(404);
    expect((await ask('PUT', id, {}, { 'if-none-match': '*' })).status).toBe(409);
  });

  it('never brings one back because a replica lags', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    // It has made no request yet, so nothing tells it how far a replica must be.
    const other = await stack.start();
    try {
      stack.emulator.control.replica('frozen');
      expect((await ask('DELETE', id)).status).toBe(204);
      await loseRedis();
      const headers = { 'x-session-id': id };
      const asked = async () => (await fetch(`${other.url}/api/${CURRENT}`, { headers })).status;
      expect(await asked()).toBe(503);
      stack.emulator.control.replica('none');
      expect(await until(async () => [await asked()].find((status) => status !== 503))).toBe(404);
    } finally {
      await other.close();
    }
  });

  it('and a database that cannot be asked: 503, not 404', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    await loseRedis();
    stack.emulator.control.fault({ path: 'sessions', operation: 'read', status: 503 });
    const answer = await ask('GET', id);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    stack.emulator.control.clearFaults();
    expect(await until(async () => ((await ask('GET', id)).status === 200 ? 200 : undefined))).toBe(200);
  });

  it('still lists and ends all sessions of a subject', async () => {
    const ids = await Promise.all([1, 2, 3].map((n) => create({ userId: 'eve', n })));
    await Promise.all(ids.map((id, i) => copied(id, { userId: 'eve', n: i + 1 })));
    await loseRedis();
    expect((await stack.get('sessions?subject=eve')).json).toMatchObject({ count: 3 });
    await loseRedis();
    expect((await stack.get('sessions?subject=eve', { method: 'DELETE' })).json).toEqual({ ended: 3 });
    await loseRedis();
    for (const id of ids) expect((await ask('GET', id)).status).toBe(404);
  });

  it('expired sessions stay expired', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    // As if it had last been used an hour ago, and the database had not removed it yet.
    const container = stack.database.container('sessions');
    await container.items.upsert({ ...(await copyOf(id)), seen: Date.now() - 3_600_000, ttl: 3600 });
    await stack.redis.del(keyOf(id));
    expect((await ask('GET', id)).status).toBe(404);
    expect(await stack.redis.exists(keyOf(id))).toBe(0);
  });
});

describe('the durable copy', () => {
  it('of many writes gets the last, in whatever order two instances write it', async () => {
    const other = await stack.start();
    try {
      const id = await create({ n: 0 });
      stack.emulator.control.latency(20);
      for (let n = 1; n <= 20; n++) {
        const host = n % 2 === 0 ? stack.host : other;
        await fetch(`${host.url}/api/${CURRENT}`, {
          method: 'PATCH',
          headers: { 'x-session-id': id, 'content-type': TYPES['PATCH'] ?? '' },
          body: JSON.stringify({ n }),
        });
      }
      await copied(id, { n: 20 });
      expect(await copyOf(id)).toMatchObject({ version: 21, state: 'live' });
    } finally {
      await other.close();
    }
  });

  it('is written before the process ends', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    stack.emulator.control.latency(200);
    await ask('PATCH', id, { a: 2 });
    await stack.restart();
    await stack.redis.flushall();
    expect((await ask('GET', id)).json).toEqual({ a: 2 });
  });

  it('cannot be ended: 503, and the session is ended all the same, later in the copy too', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    stallCopies();
    const refused = await ask('DELETE', id);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await ask('GET', id)).status).toBe(404);
    stack.emulator.control.clearFaults();
    await until(async () => ((await copyOf(id))?.['state'] === 'ended' ? true : undefined));
    await loseRedis();
    expect((await ask('GET', id)).status).toBe(404);
  });

  it('keeps up with a session that is only read', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    const before = Number((await copyOf(id))?.['seen']);
    // As if it had been written ten minutes ago.
    const seen = Buffer.alloc(8);
    seen.writeBigUInt64BE(BigInt(before - 600_000));
    await stack.redis.setrange(keyOf(id), 11, seen);
    await ask('GET', id);
    await until(async () => (Number((await copyOf(id))?.['seen']) > before ? true : undefined));
  });

  it('has neither ids nor subjects', async () => {
    const id = await create({ a: 1, userId: 'frank' });
    await copied(id, { a: 1, userId: 'frank' });
    const text = JSON.stringify({ ...(await copyOf(id)), body: '' });
    expect(text).toContain('"state":"live"');
    expect(text).not.toContain(id);
    expect(text).not.toContain('frank');
  });
});

describe('Redis', () => {
  it('C58: stopped: 503 with Retry-After for every request, nothing inside shown; back: answered', async () => {
    const id = await create({ a: 1 });
    await copied(id, { a: 1 });
    await stack.redisServer.stop();
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => ask('GET', id)),
      ask('PATCH', id, { b: 1 }),
      ask('PUT', id, {}),
      ask('PUT', id, {}, { 'if-none-match': '*' }),
      ask('DELETE', id),
      ask('POST', 'none', {}, {}, 'sessions'),
      ask('POST', id, undefined, {}, `${CURRENT}/touch`),
      stack.get('sessions?subject=x'),
    ]);
    for (const answer of answers) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(answer.text).not.toMatch(/redis|127\.0\.0\.1/i);
    }
    await stack.redisServer.start();
    await until(async () => ((await ask('GET', id)).text === '{"a":1}' ? true : undefined));
  });

  it('hung: 503 within its timeout', async () => {
    const id = await create({ a: 1 });
    process.kill(stack.redisServer.pid() ?? 0, 'SIGSTOP');
    try {
      expect((await ask('GET', id)).status).toBe(503);
    } finally {
      process.kill(stack.redisServer.pid() ?? 0, 'SIGCONT');
    }
    await until(async () => ((await ask('GET', id)).status === 200 ? true : undefined));
  });

  it('full (noeviction): nothing new, but reads and ends go on', async () => {
    const [one, two] = [await create({ a: 1 }), await create({ a: 2 })];
    await stack.redis.config('SET', 'maxmemory-policy', 'noeviction');
    await stack.redis.config('SET', 'maxmemory', '1');
    try {
      const refused = [
        await ask('POST', 'none', {}, {}, 'sessions'),
        await ask('PUT', one, { b: 1 }),
        await ask('PATCH', one, { b: 1 }),
      ];
      for (const answer of refused) expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect((await ask('GET', one)).text).toBe('{"a":1}');
      expect((await ask('DELETE', two)).status).toBe(204);
      expect((await ask('GET', two)).status).toBe(404);
    } finally {
      await stack.redis.config('SET', 'maxmemory', '0');
    }
    expect((await ask('PATCH', one, { b: 1 })).status).toBe(200);
  });

  it('read-only: 503, and as before afterwards', async () => {
    const id = await create({ a: 1 });
    await stack.redis.replicaof('127.0.0.1', 1);
    try {
      for (const answer of [await ask('GET', id), await ask('PATCH', id, { b: 1 }), await ask('DELETE', id)]) {
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      }
    } finally {
      await stack.redis.replicaof('NO', 'ONE');
    }
    await until(async () => ((await ask('GET', id)).text === '{"a":1}' ? true : undefined));
  });

  it('C63, C69: scripts flushed, connections closed: nobody notices, and nothing is applied twice', async () => {
    const id = await create({ n: 0 });
    const versionIn = async () => (await stack.redis.getBuffer(keyOf(id)))?.readBigUInt64BE(19);
    for (let n = 1; n <= 5; n++) {
      await stack.redis.script('FLUSH');
      expect((await ask('PATCH', id, { n })).status).toBe(200);
      await stack.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      expect((await ask('GET', id)).json).toEqual({ n });
      await stack.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      expect((await ask('PUT', id, { n })).status).toBe(200);
      expect(await versionIn()).toBe(BigInt(2 * n + 1));
    }
    await stack.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect((await ask('DELETE', id)).status).toBe(204);
  });

  it('C67: foreign bytes or another type under a key: none there, and may be written over', async () => {
    const id = 'an-id-with-foreign-bytes-under-it';
    for (const write of [
      () => stack.redis.set(keyOf(id), 'not a session'),
      () => stack.redis.set(keyOf(id), '{}'),
      () => stack.redis.set(keyOf(id), Buffer.from('530101', 'hex')),
      () => stack.redis.lpush(keyOf(id), 'x'),
    ]) {
      await stack.redis.del(keyOf(id));
      await write();
      expect((await ask('GET', id)).status).toBe(404);
      expect((await ask('PATCH', id, { a: 1 })).status).toBe(404);
      expect((await ask('DELETE', id)).status).toBe(404);
    }
    expect((await ask('PUT', id, { a: 1 }, { 'if-none-match': '*' })).status).toBe(201);
    expect((await ask('GET', id)).text).toBe('{"a":1}');
  });
});
