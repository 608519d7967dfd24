import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get, type Stack, startStack } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ configuration: new URL('./sessions.config.ts', import.meta.url).pathname });
});
afterAll(() => stack?.close());

const JSON_TYPE = 'application/json';
const PATCH_TYPE = 'application/merge-patch+json';
const CURRENT = 'sessions/current';
const OTHER = 'AAAAAAAAAAAAAAAAAAAAAA';

interface Asked {
  readonly id?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

function ask(method: string, path = CURRENT, { id, body, type, headers = {} }: Asked = {}) {
  const all: Record<string, string> = { ...headers };
  if (id !== undefined) all['x-session-id'] = id;
  if (body !== undefined) all['content-type'] = type ?? (method === 'PATCH' ? PATCH_TYPE : JSON_TYPE);
  return stack.get(path, { method, headers: all, ...(body === undefined ? {} : { body }) });
}

async function create(data?: object): Promise<{ id: string; etag: string }> {
  const made = await ask('POST', 'sessions', data === undefined ? {} : { body: JSON.stringify(data) });
  expect(made.status).toBe(201);
  return { id: made.headers.get('x-session-id') ?? '', etag: made.headers.get('etag') ?? '' };
}

const nameOf = (id: string) => createHash('sha256').update(id).digest('base64url');
const keyOf = (id: string) => `wf:warmfeed:s:{${nameOf(id)}}`;

describe('a session', () => {
  it('is created, read, patched, replaced, touched and ended', async () => {
    const made = await ask('POST', 'sessions', { body: '{"n": 1}' });
    expect([made.status, made.text, made.headers.get('location')]).toEqual([201, '{"n": 1}', '/api/sessions/current']);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const id = made.headers.get('x-session-id') ?? '';
    expect(Buffer.from(id, 'base64url')).toHaveLength(16);

    const read = await ask('GET', CURRENT, { id });
    expect([read.status, read.text]).toEqual([200, '{"n": 1}']);
    expect(read.headers.get('etag')).toBe(made.headers.get('etag'));
    const head = await ask('HEAD', CURRENT, { id });
    expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', read.headers.get('etag')]);

    const patched = await ask('PATCH', CURRENT, { id, body: '{"cart":[],"n":null}' });
    expect([patched.status, patched.text]).toEqual([200, '{"cart":[]}']);
    expect(patched.headers.get('etag')).not.toBe(read.headers.get('etag'));
    const put = await ask('PUT', CURRENT, { id, body: '{"a":{}}' });
    expect([put.status, put.text]).toEqual([200, '{"a":{}}']);
    expect((await ask('POST', 'sessions/current/touch', { id })).status).toBe(204);

    const ended = await ask('DELETE', CURRENT, { id });
    expect([ended.status, ended.text]).toEqual([204, '']);
    for (const method of ['GET', 'HEAD', 'DELETE']) expect((await ask(method, CURRENT, { id })).status).toBe(404);
    expect((await ask('PATCH', CURRENT, { id, body: '{}' })).status).toBe(404);
    expect((await ask('PUT', CURRENT, { id, body: '{}' })).status).toBe(404);
    expect((await ask('POST', 'sessions/current/touch', { id })).status).toBe(404);
  });
});
void [OTHER, create, keyOf, get];
