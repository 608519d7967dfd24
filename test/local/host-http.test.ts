/** The HTTP side of the in-process host against what the real host was seen to do (platform facts, section 12). */
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Host, type LogEntry, startHost } from '../../local/host/host.ts';
import { rawRequest, until } from './fixtures/host/support/raw-request.ts';

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures/host', name);

const entries: LogEntry[] = [];
const logged = (text: string): LogEntry | undefined => entries.find((entry) => entry.message.includes(text));
let host: Host;

beforeAll(async () => {
  host = await startHost({
    root: fixture('http'),
    port: 0,
    settings: { FIXTURE_SETTING: 'here' },
    log: (entry) => void entries.push(entry),
  });
});
afterAll(() => host.close());

const get = (path: string, options = {}): ReturnType<typeof rawRequest> => rawRequest(host.port, path, options);
const nameOf = async (path: string, options = {}): Promise<unknown> => {
  const reply = await get(path, options);
  return reply.status === 200 ? reply.json()['name'] : reply.status;
};

describe('routing', () => {
  it.each([
    ['/api/plain', 'plain'],
    ['/API/Plain', 'plain'],
    ['/api/plain/', 'plain'],
    ['/api/items/special', 'literal'],
    ['/api/items/12', 'constrained'],
    ['/api/items/99999999999', 'parameter'],
    ['/api/items/x', 'parameter'],
    ['/api/items', 404],
    ['/api/items//', 404],
    ['/api/pairs/a', 'two'],
    ['/api/pairs/a/b', 'two'],
    ['/api/pairs/a/b/c', 404],
    ['/api/entities/airport', 'rest'],
    ['/api/entities/airport/FR/CDG', 'rest'],
    ['/api/files/report.pdf', 'mixed'],
    ['/api/files/report', 404],
    ['/plain', 404],
    ['/api/named/here', 404],
  ])('%s → %s', async (path, expected) => {
    if (path === '/api/named/here') expect((await get(path)).text).toBe('resolved');
    else expect(await nameOf(path)).toBe(expected);
  });

  it('answers 404 to a method that nobody declared, HEAD included', async () => {
    expect(await nameOf('/api/items/x', { method: 'PUT' })).toBe('writer');
    expect((await get('/api/items/x', { method: 'DELETE' })).status).toBe(404);
    expect((await get('/api/plain', { method: 'HEAD' })).status).toBe(404);
    expect((await get('/api/items/x', { method: 'HEAD' })).status).toBe(200);
  });

  it('lists functions and leaves out what cannot be indexed', () => {
    const names = host.functions.map((fn) => fn.name);
    expect(names).not.toContain('reserved');
    expect(names).not.toContain('unresolved');
    expect(host.functions.find((fn) => fn.name === 'parameter')).toEqual({
      name: 'parameter',
      kind: 'httpTrigger',
      route: '/api/items/{id}',
      methods: ['GET', 'HEAD'],
      authLevel: 'anonymous',
    });
    expect(logged("'%MISSING_NAME%' does not resolve")?.level).toBe('error');
    expect(logged('conflicts with one or more built in routes')?.level).toBe('error');
  });
});

describe('the request as the function sees it', () => {
  it('keeps %2F and %25 in the url, and %2F in parameters', async () => {
    const reply = (await get('/api/entities/e/a%2Fb%20c/d%25e?x=%2F&x=2&empty=')).json();
    expect(reply['url']).toBe(`http://127.0.0.1:${host.port}/api/entities/e/a%2Fb%20c/d%25e?x=%2F&x=2&empty=`);
    expect(reply['params']).toEqual({ entity: 'e', key: 'a%2Fb c/d%e' });
    expect(reply['query']).toEqual({ x: '/,2', empty: '' });
  });

  it.each([
    // What the client sent, what the function sees in the url, and as parameter.
    ['a%252Fb', 'a%2Fb', 'a%2Fb'],
    ['a%2520b', 'a%20b', 'a%20b'],
    ['100%25', '100%25', '100%'],
    ['%41%62', 'Ab', 'Ab'],
    ['%C3%A9', '%C3%A9', '\u00e9'],
    ["a'(b)*", "a'(b)*", "a'(b)*"],
    ['a%7Cb\\c', 'a%7Cb%5Cc', 'a|b\\c'],
    ['x/%2e%2e/y', 'y', 'y'],
    ['x/..', '', undefined],
  ])('decodes the path once and encodes it again, as the web server of the real host: %s', async (sent, url, key) => {
    const reply = (await get(`/api/entities/e/${sent}`)).json();
    expect(reply['url']).toBe(`http://127.0.0.1:${host.port}/api/entities/e/${url}`);
    expect((reply['params'] as { key?: string }).key).toBe(key);
  });

  it('normalises dot segments and takes a path that begins with two slashes as a path', async () => {
    expect(await nameOf('/api/x/../plain')).toBe('plain');
    expect((await get('//api/plain')).status).toBe(404);
  });

  it.each([
    '/api/entities/e/%',
    '/api/entities/e/%zz',
    '/api/entities/e/%C3%28',
    '/api/entities/e/%E0%A4%A',
  ])('lets the app decide on %s', async (path) => {
    const reply = await get(path);
    expect(reply.status).toBe(200);
    expect(reply.json()['params']).toEqual({ entity: 'e', key: path.slice('/api/entities/e/'.length) });
  });

  it('refuses %00 and what is no URL', async () => {
    expect((await get('/api/entities/e/a%00b')).status).toBe(400);
    expect((await get('/api/plain', { headers: { host: 'a b' } })).status).toBe(400);
  });

  it('joins duplicated headers, passes empty ones, survives non-ASCII values', async () => {
    const headers = { 'X-Dup': ['a', 'b'], 'if-none-match': ['"1"', '"2"'], 'x-empty': '', 'x-latin': 'caf\u00e9' };
    const seen = (await get('/api/plain', { headers })).json()['headers'] as Record<string, string>;
    expect(seen).toMatchObject({ 'x-dup': 'a,b', 'x-empty': '', 'if-none-match': '"1","2"', 'x-latin': 'caf\u00e9' });
  });

  it('has the body of a sized request, none of a chunked one, none on GET', async () => {
    const body = JSON.stringify({ a: '\u00e9' });
    expect((await get('/api/plain', { method: 'POST', body })).json()['body']).toBe(body);
    expect((await get('/api/plain', { method: 'POST', body, chunked: true })).json()['body']).toBe('');
    expect((await get('/api/plain', { method: 'GET', body })).json()['body']).toBe('');
  });

  it('has an invocation id, a trace context and no retry context', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { id, retry, trace } = (await get('/api/logs', { headers: { traceparent } })).json();
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(retry).toBeNull();
    expect((trace as { traceParent: string }).traceParent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-/);
  });
});

describe('the answer', () => {
  it('is 204 for undefined and an empty, logged 500 for a throw', async () => {
    expect((await get('/api/nothing')).status).toBe(204);
    const failed = await get('/api/throws');
    expect([failed.status, failed.text]).toEqual([500, '']);
    expect(logged('the reason')).toMatchObject({ level: 'error', category: 'Function.throws' });
    expect((await get('/api/badheader')).status).toBe(500);
  });

  it('passes bytes unchanged and gathers a stream', async () => {
    const reply = await get('/api/buffer');
    expect([...reply.body]).toEqual([0, 255, 1, 254]);
    expect(reply.headers).toMatchObject({ etag: '"e"', 'content-type': 'image/x', 'content-length': '4' });
    expect((await get('/api/stream')).text).toBe('abcd');
  });

  it('has a length and no body on HEAD', async () => {
    const reply = await get('/api/buffer', { method: 'HEAD' });
    expect([reply.status, reply.body.length, reply.headers['content-length']]).toEqual([200, 0, '4']);
    expect((await get('/api/length', { method: 'HEAD' })).headers['content-length']).toBe('1234');
    expect((await get('/api/length')).text).toBe('xy');
  });

  it('has no body on 304', async () => {
    const reply = await get('/api/notmodified');
    expect([reply.status, reply.text, reply.headers.etag]).toEqual([304, '', '"e"']);
    expect(reply.headers['transfer-encoding']).toBeUndefined();
  });

  it.each([412, 429, 449, 503])('passes status %i', async (status) => {
    const reply = await get(`/api/status?s=${status}`);
    expect([reply.status, reply.headers['retry-after']]).toEqual([status, '7']);
  });

  it('sets cookies', async () => {
    expect((await get('/api/cookies')).headers['set-cookie']).toEqual([
      'a=1; max-age=60; path=/; samesite=Strict; httponly',
      'b=2; path=/',
    ]);
  });

  it('can be changed by a hook', async () => {
    expect((await get('/api/cleared')).text).toBe('cleared true');
  });
});

describe('the host itself', () => {
  it('has a homepage and a status', async () => {
    expect((await get('/')).text).toContain('up and running');
    expect((await get('/admin/host/status')).json()).toMatchObject({ state: 'Running' });
    expect((await get('/admin/nothing')).status).toBe(404);
  });

  it('starts functions by hand', async () => {
    const reply = await get('/admin/functions/queue', { method: 'POST', body: '{"input":"{\\"a\\":1}"}' });
    expect(reply.status).toBe(202);
    await until('it ran', () => logged("Executed 'Functions.queue' (Succeeded") !== undefined);
    expect(await host.invoke('queue', { a: 2 })).toEqual({ got: { a: 2 } });
    expect((await get('/admin/functions/plain', { method: 'POST', body: '{}' })).status).toBe(400);
    expect((await get('/admin/functions/queue', { method: 'POST', body: 'x' })).status).toBe(400);
  });

  it('logs with the name of the function', async () => {
    await get('/api/logs');
    expect(logged('from the function 42')).toEqual({
      level: 'warning',
      category: 'Function.logs.User',
      message: 'from the function 42',
    });
    expect(logged('pre')).toBeDefined();
  });

  it('refuses a registration after the start', async () => {
    expect((await get('/api/late')).status).toBe(500);
    expect(logged('can only be registered during app startup')).toBeDefined();
  });

  it('survives rubbish on the socket', async () => {
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(host.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nbad header\r\n\r\n'));
      socket.once('data', (data) => {
        socket.destroy();
        resolve(data.toString());
      });
    });
    expect(reply).toContain(' 400 ');
    expect(await nameOf('/api/plain')).toBe('plain');
  });
});
