// Cases from the field about items over HTTP (docs/cases.md), and conditional requests compared with Express, whose `fresh`
// is kept, over random requests.

import { request } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import express from 'express';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askRaw } from '../support/azurite.ts';
import { cacheStatusOf } from '../support/cache-status.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
let url: string;
beforeAll(async () => {
  stack = await startStack();
  url = `${stack.host.url}/api/entities`;
});
afterAll(() => stack?.close());

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  askRaw(`${url}/${path}`, headers, method);

/** Is in the cache, as the change feed has put it there. */
async function write(id: string, more: object = {}) {
  await stack.widgets.items.upsert({ id, region: 'eu', ...more });
  return until(async () => {
    const answer = await ask(`widget/eu/${id}`, { 'cache-control': 'only-if-cached' });
    return answer.status === 200 ? answer : undefined;
  });
}

const evict = (id: string, entity = 'widget') => stack.redis.del(`wf:warmfeed:c:{${entity}/eu/${id}}`);

/** Reads of the source during some work. */
async function readsDuring(work: () => Promise<unknown>): Promise<number> {
  stack.emulator.control.record(true);
  stack.emulator.control.clearRequests();
  await work();
  const reads = stack.sourceReads();
  stack.emulator.control.record(false);
  return reads;
}

describe('conditional requests', () => {
  it('C01: weak, listed and wildcard validators are 304, out of the cache and out of the source', async () => {
    const { headers } = await write('c1', { n: 1 });
    const etag = headers['etag'] ?? '';
    for (const field of [`W/${etag}`, etag, `"zzz", W/${etag}`, '*']) {
      for (const temperature of ['warm', 'cold']) {
        if (temperature === 'cold') await evict('c1');
        const answer = await ask('widget/eu/c1', { 'if-none-match': field });
        expect([field, temperature, answer.status, answer.body.length]).toEqual([field, temperature, 304, 0]);
        expect(answer.headers['etag']).toBe(etag);
      }
    }
  });

  it('C06: 304, HEAD and 412 say of the item what GET says, and have no body of it', async () => {
    await write('c6', { n: 1 });
    const get = await ask('widget/eu/c6');
    const etag = get.headers['etag'] ?? '';
    const head = await ask('widget/eu/c6', {}, 'HEAD');
    const same = [
      await ask('widget/eu/c6', { 'if-none-match': etag }),
      await ask('widget/eu/c6', { 'if-none-match': etag }, 'HEAD'),
    ];
    const refused = await ask('widget/eu/c6', { 'if-match': '"x"' }, 'HEAD');
    expect([head, ...same, refused].map(({ status, body }) => [status, body.length])).toEqual([
      [200, 0],
      [304, 0],
      [304, 0],
      [412, 0],
    ]);
    for (const name of ['etag', 'cache-control', 'content-type', 'content-length', 'vary']) {
      expect([name, head.headers[name]]).toEqual([name, get.headers[name]]);
    }
    for (const answer of [get, head, ...same]) {
      for (const name of ['etag', 'cache-control']) expect(answer.headers[name]).toBe(get.headers[name]);
      expect(answer.headers['date']).toMatch(/ GMT$/);
    }
    expect((await ask('widget/eu/c6', {}, 'HEAD')).headers['etag']).toBe(etag);
  });

  it('C01, C03: are answered as Express answers them', async () => {
    const { headers, body } = await write('express', { text: 'x'.repeat(200) });
    const etag = headers['etag'] ?? '';
    const app = express().get('/express', (_, response) => {
      response.set('ETag', etag).type('json').send(body);
    });
    const server: Server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const theirs = `http://127.0.0.1:${(server.address() as AddressInfo).port}/express`;
    const tag = fc.constantFrom(etag, `W/${etag}`, '"other"', 'W/"other"', '"a b"', `w/${etag}`, etag.slice(1, -1), '');
    const date = fc.constantFrom(new Date(0), new Date(Date.UTC(2099, 0, 1))).map((each) => each.toUTCString());
    const wanted = fc.record(
      {
        'if-none-match': fc.oneof(
          { weight: 4, arbitrary: fc.array(tag, { minLength: 1, maxLength: 4 }).map((tags) => tags.join(', ')) },
          fc.constantFrom('*', '"other", *', ','),
        ),
        'if-modified-since': fc.oneof(date, fc.constant('nonsense')),
        range: fc.constantFrom('bytes=0-1', 'bytes=9999-'),
        'accept-encoding': fc.constantFrom('gzip', 'identity;q=0'),
        accept: fc.constantFrom('text/html', '*/*'),
      },
      { requiredKeys: [] },
    );
    const met = { 200: 0, 304: 0 };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('GET', 'HEAD'), wanted, async (method, sent) => {
        const [own, other] = [await ask('widget/eu/express', sent, method), await askRaw(theirs, sent, method)];
        const of = (answer: typeof own) => [answer.status, answer.headers['etag'], answer.headers['content-length']];
        expect(of(own)).toEqual(of(other));
        expect(own.body.equals(other.body)).toBe(true);
        met[own.status as 200 | 304]++;
      }),
      { numRuns: 400, examples: [['GET', { 'if-none-match': etag }]] },
    );
    server.close();
    expect(met[200]).toBeGreaterThan(0);
    expect(met[304]).toBeGreaterThan(0);
  });
});

describe('cache headers', () => {
  it('C23: Age counts from when the value was loaded, and begins anew when a change refreshes it', async () => {
    await write('c23', { n: 1 });
    await evict('c23');
    const miss = await ask('widget/eu/c23');
    expect([miss.headers['cache-status']?.includes('fwd=miss'), miss.headers['age']]).toEqual([true, undefined]);
    expect((await ask('widget/eu/c23')).headers['age']).toBe('0');
    const older = await until(async () => {
      const age = (await ask('widget/eu/c23')).headers['age'] ?? '0';
      return age === '0' ? undefined : age;
    });
    expect(older).toMatch(/^\d+$/);
    await stack.widgets.items.upsert({ id: 'c23', region: 'eu', n: 2 });
    const refreshed = await until(async () => {
      const answer = await ask('widget/eu/c23', { 'cache-control': 'only-if-cached' });
      return answer.body.toString().includes('"n":2') ? answer : undefined;
    });
    expect(refreshed.headers['age']).toBe('0');
  });

  it('C23: what other caches may keep counts from the answer, however long it is cached here', async () => {
    await stack.widgets.items.upsert({ id: 'open', region: 'eu' });
    const aged = await until(async () => {
      const { headers } = await ask('open/eu/open');
      return Number(headers['age'] ?? 0) > 0 ? headers : undefined;
    });
    const age = Number(aged['age']);
    expect(aged['cache-control']).toBe(`public, max-age=${60 + age}, stale-while-revalidate=10`);
  });

  it('C26: only-if-cached is a hit or 504, and never asks the source', async () => {
    await write('c26');
    const only = { 'cache-control': 'only-if-cached' };
    const reads = await readsDuring(async () => {
      expect((await ask('widget/eu/c26', only)).status).toBe(200);
      await evict('c26');
      for (const path of ['widget/eu/c26', 'widget/eu/never-there']) {
        const answer = await ask(path, only);
        expect([answer.status, answer.headers['content-type']]).toEqual([
          504,
          'application/problem+json; charset=utf-8',
        ]);
      }
    });
    expect(reads).toBe(0);
  });

  it('C27: Cache-Status is one list member of the known parameters, on every kind of answer', async () => {
    await write('c27', { n: 1 });
    const statusOf = async (path: string, headers: Record<string, string> = {}) =>
      cacheStatusOf((await ask(path, headers)).headers['cache-status'] ?? '');
    expect(await statusOf('widget/eu/c27')).toMatchObject({ hit: true });
    expect(await statusOf('widget/eu/c27', { 'cache-control': 'no-cache' })).toMatchObject({ fwd: 'request' });
    expect(await statusOf('widget/eu/c27', { 'if-match': '"x"' })).toMatchObject({ hit: true });
    expect(await statusOf('widget/eu/none', { 'cache-control': 'only-if-cached' })).toEqual({ fwd: 'miss' });
    expect(await statusOf('widget/eu/none')).toMatchObject({ fwd: 'miss', 'fwd-status': 404 });
    await evict('c27');
    stack.emulator.control.latency(200);
    const many = await Promise.all(Array.from({ length: 5 }, () => statusOf('widget/eu/c27')));
    stack.emulator.control.latency(0);
    expect(many.filter(({ collapsed }) => collapsed === true).length).toBeGreaterThan(0);
    expect(many.every(({ fwd }) => fwd === 'miss')).toBe(true);
  });
});

describe('requests', () => {
  it('C29: a route in another case leads to the same item', async () => {
    await write('entities', { n: 29 });
    const answer = await askRaw(`${stack.host.url}/API/Entities/widget/eu/entities`);
    expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([200, { id: 'entities', n: 29 }]);
  });

  it.each([
    ['GET', 'x'],
    ['GET', ''],
    ['HEAD', 'x'],
  ])('C39: %s with the body %j is answered as without', async (method, body) => {
    await write('c39');
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
      const sent = request(`${url}/widget/eu/c39`, { method, headers }, (reply) => {
        reply.resume().on('end', () => resolve(reply.statusCode));
      });
      sent.on('error', reject);
      sent.end(body);
    });
    expect(status).toBe(200);
  });
});

it('C29, C35, C38, C40: no request, however odd, is an error of ours, and what is refused is a problem that says why', async () => {
  const segment = fc.constantFrom(
    'widget',
    'brief',
    'eu',
    'w1',
    '',
    '.',
    '%2e%2e',
    '%2F',
    '%5C',
    '%00',
    '%',
    '%zz',
    '%ff',
    '%ED%A0%80',
    '%E2%80%A8',
    '=1',
    '=null',
    '=undefined',
    '=%22%22',
    '=1e999',
    '=%7B%7D',
    '=-0',
    '__proto__',
    'constructor',
    '+',
    '*',
    ';a=b',
    '%F0%9F%98%80',
    '%20',
    "'",
    '%22',
    'a'.repeat(1100),
    '%C3%BC',
    '~',
    '%7Ba%7D',
    '00',
    '%0d%0aa:b',
  );
  const field = fc.constantFrom(
    '*',
    '"x"',
    'W/"x"',
    '',
    ',',
    '"',
    '=',
    'no-cache',
    'only-if-cached',
    'max-age=0',
    'max-age=9999999999999999999',
    'min-fresh=1, max-stale',
    'bytes=0-0',
    '0:1#2',
    '0:-1#5',
    '99',
    'gzip;q=0',
    'Fri, 31 Dec 2099 23:59:59 GMT',
    'é',
  );
  const names = [
    'if-none-match',
    'if-match',
    'if-modified-since',
    'cache-control',
    'pragma',
    'x-ms-session-token',
    'accept',
  ];
  const requests = fc.record({
    method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
    first: fc.constantFrom(
      'entities',
      'Entities',
      'entities/widget',
      'entities/brief/eu',
      'batch',
      'health',
      'queries',
    ),
    rest: fc.array(segment, { maxLength: 4 }),
    headers: fc.dictionary(fc.constantFrom(...names), field, { maxKeys: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, first, rest, headers }) => {
      const {
        status,
        headers: got,
        body,
      } = await askRaw(`${stack.host.url}/api/${[first, ...rest].join('/')}`, headers, method);
      expect([200, 304, 400, 404, 405, 411, 412, 415, 504]).toContain(status);
      // What the host refuses by itself has no body.
      if (status < 400 || body.length === 0) return;
      expect(got['content-type']).toBe('application/problem+json; charset=utf-8');
      expect((JSON.parse(body.toString()) as { detail: string }).detail.length).toBeGreaterThan(10);
    }),
    { numRuns: 400 },
  );
});

describe('what is not there', () => {
  it('C77: is asked for once or twice, is there as soon as it is written, and not remembered for longer than an item', async () => {
    await write('settled');
    const reads = await readsDuring(async () => {
      for (let round = 0; round < 2; round++) {
        const answers = await Promise.all(Array.from({ length: 50 }, () => ask('widget/eu/c77')));
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
      }
    });
    expect(reads).toBeLessThanOrEqual(2);
    const keep = async (id: string) => stack.redis.pttl(`wf:warmfeed:c:{widget/eu/${id}}`);
    expect(await keep('c77')).toBeLessThan(await keep('settled'));
    await write('c77', { n: 77 });
    expect(JSON.parse((await ask('widget/eu/c77')).body.toString())).toMatchObject({ n: 77 });
  });

  it('C92: another partition key, or none, is 404 or 400, and is never an item', async () => {
    await write('c92', { n: 1 });
    for (const path of ['widget/us/c92', 'widget/=null/c92', 'widget/=undefined/c92']) {
      for (let time = 0; time < 2; time++) expect((await ask(path)).status).toBe(404);
    }
    for (const path of ['widget/c92', 'widget/eu/']) expect((await ask(path)).status).toBe(400);
  });
});

describe('changes', () => {
  it('C91: who polls while an item changes 50 times never goes back, and ends at the last', async () => {
    await write('c91', { n: 0 });
    const seen: number[] = [];
    const over = new AbortController();
    const poll = async () => {
      while (!over.signal.aborted)
        seen.push((JSON.parse((await ask('widget/eu/c91')).body.toString()) as { n: number }).n);
    };
    const polling = poll();
    for (let n = 1; n <= 50; n++) await stack.widgets.items.upsert({ id: 'c91', region: 'eu', n });
    await until(() => (seen.at(-1) === 50 ? true : undefined));
    over.abort();
    await polling;
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});

describe('values', () => {
  it('C57: null, absent and their names are values: the same twice, for one read each', async () => {
    const values = [null, undefined, '', 'null', 'undefined', 0, false, [], {}];
    for (const [n, v] of values.entries()) await write(`c57-${n}`, { v });
    for (const [n, v] of values.entries()) {
      await evict(`c57-${n}`);
      const text = JSON.stringify({ id: `c57-${n}`, region: 'eu', v });
      const reads = await readsDuring(async () => {
        for (let time = 0; time < 3; time++) {
          const answer = await ask(`widget/eu/c57-${n}`);
          expect([answer.status, answer.body.toString()]).toEqual([200, text]);
        }
      });
      expect(reads).toBe(1);
    }
  });
});
