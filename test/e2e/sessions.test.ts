import { createHash } from 'node:crypto';
import { request as send } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, get, type Stack, startStack } from '../support/stack.ts';

let stack: Stack;
/** A second instance of the app on the same Redis. */
let other: Awaited<ReturnType<Stack['start']>>;
beforeAll(async () => {
  stack = await startStack({ configuration: new URL('./sessions.config.ts', import.meta.url).pathname });
  other = await stack.start();
});
afterAll(async () => {
  await other?.close();
  await stack?.close();
});

const JSON_TYPE = 'application/json';
const PATCH_TYPE = 'application/merge-patch+json';
const CURRENT = 'sessions/current';
const TTL_MS = 20 * 60_000;
const ABSOLUTE_MS = 12 * 3_600_000;

interface Asked {
  readonly id?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly on?: string;
}

function ask(method: string, path: string, { id, body, type, headers = {}, on = stack.host.url }: Asked = {}) {
  const all: Record<string, string> = { ...headers };
  if (id !== undefined) all['x-session-id'] = id;
  if (body !== undefined) all['content-type'] = type ?? (method === 'PATCH' ? PATCH_TYPE : JSON_TYPE);
  return get(`${on}/api/${path}`, { method, headers: all, ...(body === undefined ? {} : { body }) });
}

const asked = (method: string, id: string, more: Asked = {}) => ask(method, CURRENT, { id, ...more });
const create = async (data: object = {}) => {
  const made = await ask('POST', 'sessions', { body: JSON.stringify(data) });
  expect(made.status).toBe(201);
  return { id: made.headers.get('x-session-id') ?? '', etag: made.headers.get('etag') ?? '' };
};
let count = 0;
/** An id that nobody has had. */
const freshId = () => createHash('sha256').update(`id ${count++}`).digest('base64url').slice(0, 22);
const keyOf = (id: string) => `wf:warmfeed:s:{${createHash('sha256').update(id).digest('base64url')}}`;
const codeOf = ({ json }: Answer) => String(json['type']).replace('urn:warmfeed:problem:', '');

describe('a session', () => {
  it('is created, read, patched, replaced, touched and ended', async () => {
    const made = await ask('POST', 'sessions', { body: '{"n": 1}' });
    expect([made.status, made.text, made.headers.get('location')]).toEqual([201, '{"n": 1}', '/api/sessions/current']);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const id = made.headers.get('x-session-id') ?? '';
    expect(Buffer.from(id, 'base64url')).toHaveLength(16);

    const read = await asked('GET', id);
    expect([read.status, read.text]).toEqual([200, '{"n": 1}']);
    expect(read.headers.get('etag')).toBe(made.headers.get('etag'));
    expect(read.headers.get('cache-control')).toBe('no-store');
    expect(read.headers.get('x-session-id')).toBeNull();
    const head = await asked('HEAD', id);
    expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', read.headers.get('etag')]);

    const patched = await asked('PATCH', id, { body: '{"cart":[],"n":null}' });
    expect([patched.status, patched.text]).toEqual([200, '{"cart":[]}']);
    expect(patched.headers.get('etag')).not.toBe(read.headers.get('etag'));
    const put = await asked('PUT', id, { body: '{"a":{}}' });
    expect([put.status, put.text]).toEqual([200, '{"a":{}}']);
    expect((await ask('POST', `${CURRENT}/touch`, { id })).status).toBe(204);

    const ended = await asked('DELETE', id);
    expect([ended.status, ended.text]).toEqual([204, '']);
    for (const method of ['GET', 'HEAD', 'DELETE']) expect((await asked(method, id)).status).toBe(404);
    for (const method of ['PATCH', 'PUT']) expect((await asked(method, id, { body: '{}' })).status).toBe(404);
    expect((await ask('POST', `${CURRENT}/touch`, { id })).status).toBe(404);
  });

  it('is empty where it was created without a body', async () => {
    const made = await ask('POST', 'sessions');
    expect([made.status, made.text]).toEqual([201, '{}']);
  });

  it('is one session for two instances', async () => {
    const { id } = await create({ visits: 0 });
    const hosts = [stack.host.url, other.url];
    for (let visit = 1; visit <= 6; visit++) {
      const on = hosts[visit % 2] ?? '';
      const { json } = await asked('GET', id, { on });
      await asked('PATCH', id, { on, body: JSON.stringify({ visits: Number(json['visits']) + 1 }) });
    }
    for (const on of hosts) expect((await asked('GET', id, { on })).json).toEqual({ visits: 6 });
    await asked('DELETE', id, { on: other.url });
    expect((await asked('GET', id)).status).toBe(404);
  });

  it('keeps what JSON has: empty arrays, unicode, order, a member named __proto__', async () => {
    const text = '{"z":[],"a":{"__proto__":{"x":1}},"é":"\\ud83d\\ude00","1":1.5e3}';
    const { id } = await create();
    expect((await asked('PUT', id, { body: text })).text).toBe(text);
    expect((await asked('GET', id)).text).toBe(text);
    const patched = await asked('PATCH', id, { body: '{"a":{"__proto__":{"y":2}}}' });
    expect(JSON.stringify(patched.json['a'])).toBe('{"__proto__":{"x":1,"y":2}}');
    expect(patched.json['z']).toEqual([]);
  });

  it('C112: of many patches with one version exactly one is taken; without, none is lost, over two instances', async () => {
    const { id, etag } = await create();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        asked('PATCH', id, {
          body: `{"m${i}":${i}}`,
          headers: { 'if-match': etag },
          on: [stack.host, other][i % 2]!.url,
        }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200,
      ...Array.from({ length: 19 }, () => 412),
    ]);
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        asked('PATCH', id, { body: `{"p${i}":${i}}`, on: [stack.host, other][i % 2]!.url }),
      ),
    );
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect(Object.keys((await asked('GET', id)).json)).toHaveLength(101);
  });

  it('C111: that has ended is not brought back by whoever still writes it', async () => {
    const { id, etag } = await create({ a: 1 });
    const writes = Array.from({ length: 20 }, (_, i) => asked('PATCH', id, { body: `{"b":${i}}` }));
    await asked('DELETE', id);
    await Promise.all(writes);
    for (const headers of [{}, { 'if-match': etag }, { 'if-match': '*' }] as Record<string, string>[]) {
      for (const method of ['PUT', 'PATCH']) {
        expect((await asked(method, id, { body: '{}', headers })).status).toBe(404);
      }
    }
    const again = await asked('PUT', id, { body: '{}', headers: { 'if-none-match': '*' } });
    expect([again.status, codeOf(again)]).toEqual([409, 'session-ended']);
    expect((await asked('GET', id)).status).toBe(404);
    // Only the mark is left, and not for ever.
    expect(await stack.redis.strlen(keyOf(id))).toBe(11);
    expect(await stack.redis.pttl(keyOf(id))).toBeGreaterThan(ABSOLUTE_MS - 60_000);
  });
});

describe('ids', () => {
  it('C116: forged ones find nothing and leave nothing', async () => {
    const before = await stack.redis.dbsize();
    for (const id of [
      freshId(),
      'x',
      '../../etc',
      `${freshId()},${freshId()}`,
      '%00',
      'é'.repeat(30),
      'a'.repeat(300),
    ]) {
      const encoded = id.includes('é') ? encodeURIComponent(id) : id;
      for (const method of ['GET', 'HEAD', 'DELETE']) expect((await asked(method, encoded)).status).toBe(404);
      for (const method of ['PUT', 'PATCH']) expect((await asked(method, encoded, { body: '{}' })).status).toBe(404);
    }
    expect(await stack.redis.dbsize()).toBe(before);
  });

  it('C116: are made by the server, whatever the client sends', async () => {
    const id = freshId();
    const made = await ask('POST', 'sessions', { id, body: '{"sessionId":"mine"}', headers: { cookie: `sid=${id}` } });
    expect(made.headers.get('x-session-id')).not.toBe(id);
    expect((await asked('GET', id)).status).toBe(404);
  });

  it('may be a client’s own where it creates with If-None-Match: *, once', async () => {
    const id = freshId();
    const headers = { 'if-none-match': '*' };
    const made = await asked('PUT', id, { body: '{"a":1}', headers });
    expect([made.status, made.headers.get('x-session-id'), made.headers.get('location')]).toEqual([
      201,
      id,
      '/api/sessions/current',
    ]);
    expect((await asked('PUT', id, { body: '{"a":2}', headers })).status).toBe(412);
    expect((await asked('GET', id)).text).toBe('{"a":1}');
    for (const short of ['a', 'a'.repeat(21), 'not base64url, but long enough']) {
      expect((await asked('PUT', short, { body: '{}', headers })).status).toBe(400);
    }
    const both = await asked('PUT', freshId(), { body: '{}', headers: { ...headers, 'if-match': '*' } });
    expect(both.status).toBe(404);
  });

  it('are required', async () => {
    for (const method of ['GET', 'DELETE']) expect((await ask(method, CURRENT)).status).toBe(400);
    for (const method of ['PUT', 'PATCH']) expect((await ask(method, CURRENT, { body: '{}' })).status).toBe(400);
    expect((await ask('POST', `${CURRENT}/touch`)).json['detail']).toContain('x-session-id');
  });

  it('stand nowhere: not in Redis, not in logs, not in a problem', async () => {
    const { id } = await create({ a: 1 });
    await asked('PATCH', id, { body: 'nonsense' });
    await asked('DELETE', id);
    const gone = await asked('GET', id);
    for (const key of await stack.redis.keys('*')) {
      expect(key).not.toContain(id);
      if ((await stack.redis.type(key)) === 'string') {
        expect((await stack.redis.getBuffer(key))?.includes(id)).toBe(false);
      }
    }
    expect(stack.logs.join('\n')).not.toContain(id);
    expect(gone.text).not.toContain(id);
  });
});

describe('preconditions', () => {
  it('C08: are those of RFC 9110', async () => {
    const { id, etag } = await create({ a: 1 });
    const read = async (headers: Record<string, string>) => (await asked('GET', id, { headers })).status;
    expect(await read({ 'if-none-match': etag })).toBe(304);
    expect(await read({ 'if-none-match': `W/${etag}, "x"` })).toBe(304);
    expect(await read({ 'if-none-match': '*' })).toBe(304);
    expect(await read({ 'if-none-match': '"x"' })).toBe(200);
    expect(await read({ 'if-match': '"x"', 'if-none-match': etag })).toBe(412);
    expect(await read({ 'if-match': `W/${etag}` })).toBe(412);
    expect((await asked('HEAD', id, { headers: { 'if-none-match': etag } })).status).toBe(304);

    const write = async (method: string, headers: Record<string, string>) =>
      (await asked(method, id, { body: '{"a":2}', headers })).status;
    for (const method of ['PUT', 'PATCH']) {
      expect(await write(method, { 'if-match': '"x"' })).toBe(412);
      expect(await write(method, { 'if-match': `W/${etag}` })).toBe(412);
      expect(await write(method, { 'if-none-match': etag })).toBe(412);
      expect(await write(method, { 'if-none-match': '*' })).toBe(412);
    }
    expect((await asked('GET', id)).text).toBe('{"a":1}');
    expect((await asked('DELETE', id, { headers: { 'if-match': '"x"' } })).status).toBe(412);
    expect(await write('PUT', { 'if-match': `"x", ${etag}` })).toBe(200);
    expect((await asked('DELETE', id, { headers: { 'if-match': etag } })).status).toBe(412);
    expect((await asked('DELETE', id, { headers: { 'if-match': '*' } })).status).toBe(204);
  });
});

describe('bad requests', () => {
  const bytes = (...parts: (string | number[])[]) =>
    new Uint8Array(
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))),
    );
  const bodies: [string, string | Uint8Array<ArrayBuffer>, RegExp][] = [
    ['a byte-order mark', bytes([0xef, 0xbb, 0xbf], '{}'), /byte-order mark/],
    ['invalid UTF-8', bytes('{"a":"', [0xc3, 0x28], '"}'), /UTF-8/],
    ['an overlong slash', bytes('{"a":"', [0xc0, 0xaf], '"}'), /UTF-8/],
    ['UTF-16', bytes([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), /UTF-8/],
    ['a name twice', '{"a":1,"b":{"a":1,"a":2}}', /"a" twice/],
    ['a name twice, written otherwise', '{"a":1,"\\u0061":2}', /twice/],
    ['deep arrays', `{"a":${'['.repeat(900)}${']'.repeat(900)}}`, /deep/],
    ['deep objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, /deep/],
    ['deep and not closed', '['.repeat(1000), /not JSON/],
    ['a text', '"text"', /object/],
    ['a number', '5', /object/],
    ['null', 'null', /object/],
    ['an array', '[]', /object/],
    ['trailing garbage', '{} x', /not JSON/],
    ['two objects', '{}{}', /not JSON/],
    ['single quotes', "{'a':1}", /not JSON/],
    ['NaN', '{"a":NaN}', /not JSON/],
    ['a control character', '{"a":"\u0001"}', /not JSON/],
    ['an integer that would lose digits', '{"a":12345678901234567890}', /digits/],
    ['a number beyond all', '{"a":1e999}', /digits/],
    ['blanks', '  \n', /empty/],
  ];

  it.each(bodies)('C44: %s is 400, and says so', async (_, body, says) => {
    const { id } = await create({ a: 1 });
    const answers = [
      await ask('POST', 'sessions', { body }),
      await asked('PUT', id, { body }),
      await asked('PATCH', id, { body }),
      await asked('PUT', freshId(), { body, headers: { 'if-none-match': '*' } }),
    ];
    for (const answer of answers) {
      expect([answer.status, codeOf(answer)]).toEqual([400, 'bad-request']);
      expect(answer.json['detail']).toMatch(says);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    expect((await asked('GET', id)).text).toBe('{"a":1}');
  });

  it('C44: an empty body is 400 where there must be one', async () => {
    const { id } = await create({ a: 1 });
    for (const method of ['PUT', 'PATCH']) {
      const type = method === 'PUT' ? JSON_TYPE : PATCH_TYPE;
      expect((await asked(method, id, { headers: { 'content-type': type } })).status).toBe(400);
    }
  });

  it('C44: 100,000 levels are refused, and fast', async () => {
    const answer = await ask('POST', 'sessions', { body: '['.repeat(100_000) });
    expect(answer.status).toBe(413);
  });

  it.each([
    'text/plain',
    'application/json; charset=utf-7',
    'application/json; utf-8',
    'application/jsonp',
    'application/x-www-form-urlencoded',
  ])('C44: %s is 415', async (type) => {
    const { id } = await create({ a: 1 });
    const made = await ask('POST', 'sessions', { body: '{}', type });
    expect([made.status, made.headers.get('accept')]).toEqual([415, JSON_TYPE]);
    expect((await asked('PUT', id, { body: '{}', type })).status).toBe(415);
    const patched = await asked('PATCH', id, { body: '{}', type });
    expect([patched.status, patched.headers.get('accept-patch')]).toEqual([415, PATCH_TYPE]);
  });

  it('each method has its type; charset=utf-8 is none of another', async () => {
    const { id } = await create({ a: 1 });
    expect((await asked('PATCH', id, { body: '{}', type: JSON_TYPE })).status).toBe(415);
    expect((await asked('PATCH', id, { body: '[]', type: 'application/json-patch+json' })).status).toBe(415);
    expect((await asked('PUT', id, { body: '{}', type: PATCH_TYPE })).status).toBe(415);
    expect((await asked('PUT', id, { body: '{}', type: 'Application/JSON; Charset="UTF-8"' })).status).toBe(200);
    const encoded = await asked('PUT', id, { body: '{}', headers: { 'content-encoding': 'gzip' } });
    expect([encoded.status, codeOf(encoded)]).toEqual([415, 'unsupported-encoding']);
  });

  it('C44: a body that the host drops is 411, not an empty session', async () => {
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': JSON_TYPE, 'transfer-encoding': 'chunked' };
      const sent = send(`${stack.host.url}/api/sessions`, { method: 'POST', headers }, ({ statusCode }) =>
        resolve(statusCode),
      );
      sent.on('error', reject);
      sent.end('{"a":1}');
    });
    expect(status).toBe(411);
  });

  it('too much is 413: sent at once, or patched together', async () => {
    const half = 'x'.repeat(1000);
    const { id } = await create({ a: half });
    for (const answer of [
      await ask('POST', 'sessions', { body: JSON.stringify({ a: half.repeat(3) }) }),
      await asked('PUT', id, { body: JSON.stringify({ a: half.repeat(3) }) }),
      await asked('PATCH', id, { body: JSON.stringify({ b: half, c: half }) }),
      await asked('PATCH', id, { body: JSON.stringify({ b: `${half}${'x'.repeat(40)}` }) }),
    ]) {
      expect([answer.status, codeOf(answer)]).toEqual([413, 'too-large']);
    }
    expect((await asked('GET', id)).json).toEqual({ a: half });
    const room = 2048 - '{"a":"","b":""}'.length - 1000;
    expect((await asked('PATCH', id, { body: JSON.stringify({ b: 'x'.repeat(room) }) })).status).toBe(200);
    expect((await asked('PATCH', id, { body: JSON.stringify({ b: 'x'.repeat(room + 1) }) })).status).toBe(413);
  });

  it('C40: another method is 405, with those that there are', async () => {
    const allowed = async (method: string, path: string) => {
      const answer = await ask(method, path);
      return [answer.status, answer.headers.get('allow')];
    };
    expect(await allowed('POST', CURRENT)).toEqual([405, 'GET, HEAD, PUT, PATCH, DELETE']);
    expect(await allowed('OPTIONS', 'sessions')).toEqual([405, 'POST, GET, DELETE']);
    expect(await allowed('GET', `${CURRENT}/touch`)).toEqual([405, 'POST']);
    expect((await ask('GET', 'sessions/some-id')).status).toBe(404);
  });
});

describe('life', () => {
  const pttl = (id: string) => stack.redis.pttl(keyOf(id));
  /** As if so much of its sliding life had passed. */
  const age = (id: string, leftMs = 1000) => stack.redis.pexpire(keyOf(id), leftMs);

  it('C121: begins anew with every request that finds the session, and with no other', async () => {
    const { id, etag } = await create({ a: 1 });
    const slides = async (request: () => Promise<Answer>) => {
      await age(id, 60_000);
      const { status } = await request();
      return [status, (await pttl(id)) > 60_000];
    };
    expect(await slides(() => asked('GET', id))).toEqual([200, true]);
    expect(await slides(() => asked('HEAD', id))).toEqual([200, true]);
    expect(await slides(() => asked('GET', id, { headers: { 'if-none-match': etag } }))).toEqual([304, true]);
    expect(await slides(() => ask('POST', `${CURRENT}/touch`, { id }))).toEqual([204, true]);
    expect(await slides(() => asked('PUT', id, { body: '{}', headers: { 'if-match': '"x"' } }))).toEqual([412, true]);
    expect(await slides(() => asked('PATCH', id, { body: '{"b":1}' }))).toEqual([200, true]);
    expect(await slides(() => asked('PUT', id, { body: '{"b":1}' }))).toEqual([200, true]);
    expect(await slides(() => asked('PATCH', id, { body: 'x' }))).toEqual([400, false]);
    expect(await slides(() => asked('PUT', id, { body: 'x', type: 'text/plain' }))).toEqual([415, false]);
    expect(await pttl(id)).toBeLessThanOrEqual(TTL_MS);
  });

  it('C115: is over when it is over: nothing revives an expired session', async () => {
    const { id, etag } = await create({ a: 1 });
    await age(id, 1);
    await until404(id);
    for (const headers of [{}, { 'if-match': etag }] as Record<string, string>[]) {
      expect((await asked('PUT', id, { body: '{}', headers })).status).toBe(404);
      expect((await asked('PATCH', id, { body: '{}', headers })).status).toBe(404);
    }
    expect((await ask('POST', `${CURRENT}/touch`, { id })).status).toBe(404);
    expect(await stack.redis.exists(keyOf(id))).toBe(0);
  });

  it('is never longer than the absolute one', async () => {
    const { id } = await create({ a: 1 });
    const createdAgo = async (ms: number) => {
      const created = Buffer.alloc(8);
      created.writeBigUInt64BE(BigInt(Date.now() - ms));
      await stack.redis.setrange(keyOf(id), 3, created);
    };
    await createdAgo(ABSOLUTE_MS - 60_000);
    for (const request of [() => asked('GET', id), () => asked('PATCH', id, { body: '{"b":1}' })]) {
      expect((await request()).status).toBe(200);
      expect(await pttl(id)).toBeLessThanOrEqual(60_000);
    }
    await createdAgo(ABSOLUTE_MS);
    expect((await asked('PATCH', id, { body: '{"b":2}' })).status).toBe(404);
    expect(await stack.redis.exists(keyOf(id))).toBe(0);
  });

  it('a patch at the moment of expiry gives all of the session, or 404', async () => {
    for (let round = 0; round < 40; round++) {
      const { id } = await create({ a: 1, b: { c: 2 } });
      const [answer] = await Promise.all([asked('PATCH', id, { body: '{"n":1}' }), age(id, 1 + (round % 8))]);
      if (answer.status === 200) expect(answer.json).toEqual({ a: 1, b: { c: 2 }, n: 1 });
      else expect(answer.status).toBe(404);
      expect(await pttl(id)).not.toBe(-1);
      const after = await asked('GET', id);
      if (after.status === 200) expect(after.json).toMatchObject({ a: 1, b: { c: 2 } });
      else expect(after.status).toBe(404);
    }
  });

  async function until404(id: string): Promise<void> {
    // A GET would keep it alive.
    while ((await pttl(id)) !== -2) await new Promise(setImmediate);
    expect((await asked('GET', id)).status).toBe(404);
  }
});

describe('sessions of a subject', () => {
  const list = async (subject: string) => (await ask('GET', `sessions?subject=${encodeURIComponent(subject)}`)).json;

  it('are listed without their ids, and ended together, over two instances', async () => {
    const ids = await Promise.all([1, 2, 3].map(async (n) => (await create({ userId: 'ann@x', n })).id));
    const bob = await create({ userId: 'bob' });
    const anonymous = await create();
    expect(await list('bob')).toMatchObject({ count: 1 });
    await asked('PATCH', anonymous.id, { body: '{"userId":"ann@x"}', on: other.url });
    const found = (await list('ann@x')) as { count: number; sessions: Record<string, string>[] };
    expect(found.count).toBe(4);
    expect(new Set(found.sessions.map(({ handle }) => handle)).size).toBe(4);
    for (const { created = '', lastSeen = '' } of found.sessions) {
      expect(Date.parse(lastSeen)).toBeGreaterThanOrEqual(Date.parse(created));
    }
    const text = JSON.stringify(found);
    for (const id of [...ids, anonymous.id]) expect(text).not.toContain(id);

    const ended = await ask('DELETE', 'sessions?subject=ann%40x', { on: other.url });
    expect([ended.status, ended.json]).toEqual([200, { ended: 4 }]);
    for (const id of [...ids, anonymous.id]) expect((await asked('GET', id)).status).toBe(404);
    expect((await asked('GET', bob.id)).status).toBe(200);
    expect(await list('ann@x')).toEqual({ count: 0, sessions: [] });
  });

  it('that changed hands are no longer the first one’s', async () => {
    const { id } = await create({ userId: 'carl' });
    await asked('PATCH', id, { body: '{"userId":"dora"}' });
    expect(await list('carl')).toMatchObject({ count: 0 });
    expect((await ask('DELETE', 'sessions?subject=carl')).json).toEqual({ ended: 0 });
    expect((await asked('GET', id)).status).toBe(200);
    expect(await list('dora')).toMatchObject({ count: 1 });
  });

  it('a subject must be named', async () => {
    for (const method of ['GET', 'DELETE']) {
      expect((await ask(method, 'sessions')).status).toBe(400);
      expect((await ask(method, 'sessions?subject=')).status).toBe(400);
      // Not the sessions of one who is called "ann,bob".
      expect((await ask(method, 'sessions?subject=ann&subject=bob')).json['detail']).toContain('subject is repeated');
    }
    expect(await list('nobody')).toEqual({ count: 0, sessions: [] });
  });

  it('every key has a time to live', async () => {
    const keys = await stack.redis.keys('wf:warmfeed:s[:u]*');
    expect(keys.length).toBeGreaterThan(10);
    for (const key of keys) expect([key, (await stack.redis.pttl(key)) > 0]).toEqual([key, true]);
  });
});
