// Content, end to end: real Redis, real blob storage (azurite), the built app in two in-process hosts.

import { randomBytes } from 'node:crypto';
import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../local/host/host.ts';
import { askRaw, startAzurite } from '../support/azurite.ts';
import { type Stack, startStack, until } from '../support/stack.ts';

let azurite: Awaited<ReturnType<typeof startAzurite>>;
let stack: Stack;
let second: Host;

beforeAll(async () => {
  azurite = await startAzurite();
  stack = await startStack({
    configuration: new URL('content.config.ts', import.meta.url).pathname,
    settings: { CONTENT: azurite.connection },
  });
  second = await stack.start();
});
afterAll(async () => {
  await second?.close();
  await stack?.close();
  await azurite?.stop();
});

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  askRaw(`${stack.host.url}/api/content/${path}`, headers, method);

const event = (name: string, eventType = 'Microsoft.Storage.BlobCreated') => ({
  id: 'e',
  eventType,
  subject: `/blobServices/default/containers/content/blobs/${name}`,
  eventTime: new Date().toISOString(),
  data: { api: 'PutBlob', url: `https://account.blob.example/content/${encodeURI(name)}`, sequencer: '0' },
});

const deliver = (body: unknown, headers: Record<string, string> = { 'aeg-event-type': 'Notification' }) =>
  fetch(`${stack.host.url}/runtime/webhooks/eventgrid?functionName=content-events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

describe('content', () => {
  it('is a MISS, then a HIT with the same bytes and headers, and one read', async () => {
    await azurite.put('flags/fra.svg', '<svg/>', { blobContentType: 'image/svg+xml' });
    azurite.taken();
    const first = await ask('flags/fra.svg');
    const hit = await ask('flags/fra.svg');
    expect([first.status, first.body.toString()]).toEqual([200, '<svg/>']);
    expect(first.headers['cache-status']).toContain('fwd=miss; fwd-status=200; stored');
    expect(hit.headers['cache-status']).toMatch(/^Warmfeed; hit; ttl=\d+; detail=leased/);
    expect(hit.body).toEqual(first.body);
    for (const name of ['etag', 'last-modified', 'content-type', 'vary', 'cache-control', 'accept-ranges']) {
      expect([name, hit.headers[name]]).toEqual([name, first.headers[name]]);
      expect([name, typeof hit.headers[name]]).toEqual([name, 'string']);
    }
    expect(hit.headers['etag']).toMatch(/^"[\w-]+"$/);
    expect(hit.headers['cache-control']).toBe('private, no-cache');
    expect(azurite.taken()).toEqual(['GET flags/fra.svg']);
  });

  it('has the type that it was stored with, or that of its name', async () => {
    await azurite.put('t/page.html', 'x', { blobContentType: 'text/html; charset=iso-8859-1' });
    await azurite.put('t/app.js', 'x');
    await azurite.put('t/a.woff2', 'x');
    await azurite.put('t/unknown', 'x');
    const typeOf = async (path: string) => (await ask(path)).headers['content-type'];
    expect(await typeOf('t/page.html')).toBe('text/html; charset=iso-8859-1');
    expect(await typeOf('t/app.js')).toBe('text/javascript; charset=utf-8');
    expect(await typeOf('t/a.woff2')).toBe('font/woff2');
    expect(await typeOf('t/unknown')).toBe('application/octet-stream');
  });

  it('that a browser would run is sandboxed, and no type is guessed from bytes', async () => {
    await azurite.put('x/a.html', '<script>alert(1)</script>');
    await azurite.put('x/a.svg', '<svg/>');
    await azurite.put('x/a.txt', '<script>alert(1)</script>');
    for (const path of ['x/a.html', 'x/a.svg']) {
      const { headers } = await ask(path);
      expect([headers['content-security-policy'], headers['x-content-type-options']]).toEqual(['sandbox', 'nosniff']);
    }
    // Of several types a browser takes the last.
    await azurite.put('x/b', '<script>alert(1)</script>', { blobContentType: 'image/png, text/html' });
    expect((await ask('x/b')).headers['content-type']).toBe('application/octet-stream');
    await azurite.put('x/c', '<html/>', { blobContentType: 'Application/XHTML+xml ; charset=utf-8' });
    expect((await ask('x/c')).headers['content-security-policy']).toBe('sandbox');
    const plain = (await ask('x/a.txt')).headers;
    expect([plain['content-security-policy'], plain['x-content-type-options']]).toEqual([undefined, 'nosniff']);
  });

  it('keeps the headers that it was stored with, and only those that a header can carry', async () => {
    await azurite.put('h/a.txt', 'x', {
      blobContentLanguage: 'fr',
      blobContentDisposition: 'attachment; filename="a.txt"',
      blobCacheControl: 'public, max-age=9',
    });
    const { headers } = await ask('h/a.txt');
    expect(headers['content-language']).toBe('fr');
    expect(headers['content-disposition']).toBe('attachment; filename="a.txt"');
    expect(headers['cache-control']).toBe('private, no-cache');
  });

  it('has the Cache-Control of its rule, which refusals do not get', async () => {
    await azurite.put('assets/js/app.1234.js', 'x');
    // It counts from the answer, and the Age that it has here is added.
    const rule = /^public, max-age=315360\d\d, immutable$/;
    const fine = await ask('assets/js/app.1234.js');
    expect(fine.headers['cache-control']).toMatch(rule);
    const etag = fine.headers['etag'] ?? '';
    expect((await ask('assets/js/app.1234.js', { 'if-none-match': etag })).headers['cache-control']).toMatch(rule);
    const refused = [{ range: 'bytes=99-' }, { 'if-match': '"x"' }, { 'accept-encoding': 'identity;q=0' }];
    for (const headers of refused as Record<string, string>[]) {
      expect((await ask('assets/js/app.1234.js', headers)).headers['cache-control']).toBe('no-store');
    }
    expect((await ask('assets/none.js')).headers['cache-control']).toBe('private, no-cache');
  });

  it('C126: of any size has its bytes: 0, 1 and many', async () => {
    for (const size of [0, 1, 64 * 1024]) {
      const bytes = randomBytes(size);
      await azurite.put(`s/${size}`, bytes);
      for (const how of ['miss', 'hit']) {
        const answer = await ask(`s/${size}`);
        expect([how, answer.status, answer.headers['content-length']]).toEqual([how, 200, String(size)]);
        expect(answer.body.equals(bytes)).toBe(true);
      }
    }
  });

  it('has any name that a blob can have', async () => {
    for (const name of ['a b+c.txt', 'café ?#&=.txt', "quote'(1)!.txt", '日本/語.txt', 'UPPER.txt', 'per%zz.txt']) {
      await azurite.put(name, name);
      const answer = await ask(name.split('/').map(encodeURIComponent).join('/'));
      expect([name, answer.status, answer.body.toString()]).toEqual([name, 200, name]);
    }
    expect((await ask('upper.txt')).status).toBe(404);
  });

  it('in a folder is its index', async () => {
    await azurite.put('site/index.html', 'home');
    expect((await ask('site/')).body.toString()).toBe('home');
    expect((await ask('site')).status).toBe(404);
    expect((await ask('')).status).toBe(404);
  });

  it('that is a folder of a hierarchical namespace is 404', async () => {
    await azurite.container.getBlockBlobClient('folder').upload('', 0, { metadata: { hdi_isfolder: 'true' } });
    expect((await ask('folder')).status).toBe(404);
    expect((await ask('folder', { 'accept-encoding': 'br' })).status).toBe(404);
  });

  it('that is not there is 404, remembered', async () => {
    azurite.taken();
    const [first, hit] = [await ask('none.txt'), await ask('none.txt')];
    expect([first.status, hit.status]).toEqual([404, 404]);
    expect(hit.headers['content-type']).toContain('application/problem+json');
    expect(hit.headers['cache-status']).toContain('hit');
    // With nothing there, no precondition counts.
    expect((await ask('none.txt', { 'if-match': '*' })).status).toBe(404);
    expect(azurite.taken()).toEqual(['GET none.txt']);
  });

  it.each([
    '..%2fsecret.txt',
    '%2e%2e/secret.txt',
    '..%252fsecret.txt',
    'a/../../x',
    '/etc/passwd',
    '..\\secret.txt',
    '%5c..%5csecret.txt',
    'a%00.txt',
    'a%0d%0aset-cookie:x',
    '%ff',
    'x'.repeat(1025),
    'x%3Fcomp=list',
    '.',
    '?comp=list&restype=container',
  ])('C122: %s leads nowhere', async (path) => {
    azurite.taken();
    const answer = await ask(path);
    expect([400, 404]).toContain(answer.status);
    // Nothing was asked of the storage but for a blob of this container by that very name.
    for (const taken of azurite.taken()) expect(taken).toMatch(/^(GET|HEAD) (x\?comp=list|index\.html)(\.br|\.gz)?$/);
  });

  it('C40: answers GET and HEAD only', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await ask('flags/fra.svg', {}, method);
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
    }
  });

  it('asks for a key where keys are asked for', async () => {
    const guarded = await stack.start({ enableAuth: true });
    expect((await fetch(`${guarded.url}/api/content/flags/fra.svg`)).status).toBe(401);
    const key = { 'x-functions-key': guarded.keys.default };
    expect((await fetch(`${guarded.url}/api/content/flags/fra.svg`, { headers: key })).status).toBe(200);
    const webhook = `${guarded.url}/runtime/webhooks/eventgrid?functionName=content-events`;
    expect((await fetch(webhook, { method: 'POST' })).status).toBe(401);
    await guarded.close();
  });
});

describe('conditional requests', () => {
  it('C06: 304 and HEAD have no body, and the headers of a GET', async () => {
    await azurite.put('c/a.css', 'body{}');
    const full = await ask('c/a.css');
    const etag = full.headers['etag'] ?? '';
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask('c/a.css', { 'if-none-match': `"x", ${etag}` }, method);
      expect([answer.status, answer.body.length]).toEqual([304, 0]);
      for (const name of ['etag', 'cache-control', 'vary']) expect(answer.headers[name]).toBe(full.headers[name]);
    }
    const head = await ask('c/a.css', {}, 'HEAD');
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, '6']);
    for (const name of ['etag', 'cache-control', 'vary', 'content-type', 'last-modified', 'accept-ranges']) {
      expect(head.headers[name]).toBe(full.headers[name]);
    }
  });

  it('go by date where there is no ETag', async () => {
    const { headers } = await ask('c/a.css');
    const modified = headers['last-modified'] ?? '';
    const before = new Date(Date.parse(modified) - 1000).toUTCString();
    const status = async (fields: Record<string, string>) => (await ask('c/a.css', fields)).status;
    expect(await status({ 'if-modified-since': modified })).toBe(304);
    expect(await status({ 'if-modified-since': before })).toBe(200);
    expect(await status({ 'if-unmodified-since': before })).toBe(412);
    expect(await status({ 'if-unmodified-since': modified })).toBe(200);
  });
});

describe('variants', () => {
  const text = 'export default 1;\n'.repeat(500);
  const br = brotliCompressSync(text);
  const gz = gzipSync(text);

  beforeAll(async () => {
    await azurite.put('v/app.js', text, { blobContentType: 'text/javascript' });
    await azurite.put('v/app.js.br', br);
    await azurite.put('v/app.js.gz', gz);
  });

  it.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['zstd', undefined],
    ['br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['BR', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0.1, gzip;q=0.9', 'gzip'],
    ['br;q=0, gzip;q=0', undefined],
    ['br;q=0, *', 'gzip'],
    ['*', 'br'],
    ['identity;q=1, br;q=0.5', undefined],
    ['identity;q=0, gzip', 'gzip'],
    ['*;q=0, br', 'br'],
    ['x-gzip', 'gzip'],
    ['br;q=x', undefined],
    ['gzip;q=-1, br;q=2', undefined],
    ['gzip;level=9;q=1, br;q=0.500', 'br'],
  ])('Accept-Encoding: %s gets %s', async (field, encoding) => {
    const answer = await ask('v/app.js', field === undefined ? {} : { 'accept-encoding': field });
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, encoding]);
    expect(answer.headers['content-type']).toBe('text/javascript');
    expect(answer.body.equals(encoding === 'br' ? br : encoding === 'gzip' ? gz : Buffer.from(text))).toBe(true);
  });

  it('C17: Vary is on every answer', async () => {
    const etag = (await ask('v/app.js', { 'accept-encoding': 'br' })).headers['etag'] ?? '';
    const answers = [
      await ask('v/app.js'),
      await ask('v/app.js', { 'accept-encoding': 'zstd' }),
      await ask('v/app.js', { 'accept-encoding': 'br' }),
      await ask('v/app.js', { 'accept-encoding': 'br', 'if-none-match': etag }),
      await ask('v/app.js', { range: 'bytes=999999-' }),
      await ask('v/app.js', { range: 'bytes=0-1' }),
      await ask('v/app.js', { 'if-match': '"x"' }),
      await ask('v/app.js', { 'accept-encoding': 'identity;q=0' }),
      await ask('v/none.js'),
      await ask('flags/fra.svg'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 304, 416, 206, 412, 406, 404, 200]);
    expect(answers.map(({ headers }) => headers['vary'])).toEqual(answers.map(() => 'Accept-Encoding'));
  });

  it('C16: each have an ETag of their own, and ranges of their own bytes', async () => {
    const of = async (coding: string | undefined, bytes: Buffer) => {
      const accept = coding === undefined ? {} : { 'accept-encoding': coding };
      const part = await ask('v/app.js', { ...accept, range: 'bytes=3-12' });
      expect([part.status, part.headers['content-encoding']]).toEqual([206, coding]);
      expect(part.headers['content-range']).toBe(`bytes 3-12/${bytes.length}`);
      expect(part.body.equals(bytes.subarray(3, 13))).toBe(true);
      return part.headers['etag'];
    };
    const etags = [await of(undefined, Buffer.from(text)), await of('br', br), await of('gzip', gz)];
    expect(new Set(etags).size).toBe(3);
    // If-Range with the ETag of another variant: the whole.
    const other = await ask('v/app.js', { 'accept-encoding': 'br', range: 'bytes=0-1', 'if-range': etags[0] ?? '' });
    expect([other.status, other.body.length]).toEqual([200, br.length]);
  });

  it('C20: of nothing are nothing, and a variant under its own name is itself', async () => {
    await azurite.put('v/ghost.css.gz', gz);
    expect((await ask('v/ghost.css', { 'accept-encoding': 'gzip' })).status).toBe(404);
    expect((await ask('v/ghost.css')).status).toBe(404);
    const own = await ask('v/app.js.br', { 'accept-encoding': 'br' });
    expect([own.status, own.headers['content-encoding'], own.body.equals(br)]).toEqual([200, undefined, true]);
  });

  it('that a blob is by itself is negotiated too', async () => {
    await azurite.put('v/only.txt', br, { blobContentEncoding: 'br', blobContentType: 'text/plain' });
    const answer = await ask('v/only.txt');
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, 'br']);
    expect(brotliDecompressSync(answer.body).toString()).toBe(text);
    expect((await ask('v/only.txt', { 'accept-encoding': 'gzip' })).status).toBe(406);
    await azurite.put('v/wrong.txt', 'x', { blobContentEncoding: 'utf-8' });
    expect((await ask('v/wrong.txt', { 'accept-encoding': 'gzip, br' })).status).toBe(200);
    await azurite.put('v/old.txt', gz, { blobContentEncoding: 'x-gzip' });
    expect((await ask('v/old.txt', { 'accept-encoding': 'gzip' })).status).toBe(200);
  });
});

describe('ranges', () => {
  const bytes = randomBytes(1000);
  beforeAll(() => azurite.put('r/a.bin', bytes, { blobContentType: 'application/x-a' }));

  it('several are one body of parts', async () => {
    const answer = await ask('r/a.bin', { range: 'bytes=0-9,500-509,-10' });
    expect(answer.status).toBe(206);
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(answer.headers['content-type'] ?? '')?.[1] ?? '';
    const parts = answer.body.toString('latin1').split(`\r\n--${boundary}`);
    expect(parts.at(0)).toBe('');
    expect(parts.at(-1)).toBe('--\r\n');
    const expected = [0, 500, 990].map((first) => {
      const head = `content-type: application/x-a\r\ncontent-range: bytes ${first}-${first + 9}/1000`;
      return `\r\n${head}\r\n\r\n${bytes.subarray(first, first + 10).toString('latin1')}`;
    });
    expect(parts.slice(1, -1)).toEqual(expected);
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(answer.headers['content-range']).toBeUndefined();
  });

  it('C09: If-Range is compared strongly', async () => {
    const etag = (await ask('r/a.bin')).headers['etag'] ?? '';
    const status = async (condition: string) =>
      (await ask('r/a.bin', { range: 'bytes=2-4', 'if-range': condition })).status;
    expect([await status(etag), await status(`W/${etag}`), await status('"x"')]).toEqual([206, 200, 200]);
  });

  it('none of which is there are 416 with the size', async () => {
    const answer = await ask('r/a.bin', { range: 'bytes=1000-' });
    expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */1000']);
  });

  it('count for GET only', async () => {
    const head = await ask('r/a.bin', { range: 'bytes=0-9' }, 'HEAD');
    expect([head.status, head.headers['content-length']]).toEqual([200, '1000']);
  });
});

describe('what is too large for the cache', () => {
  const bytes = randomBytes(200 * 1024);
  const huge = randomBytes(700 * 1024);
  beforeAll(async () => {
    await azurite.put('l/large.bin', bytes);
    await azurite.put('l/huge.bin', huge);
  });

  it('is read for each answer, and described by the cache', async () => {
    const first = await ask('l/large.bin');
    expect([first.status, first.body.equals(bytes)]).toEqual([200, true]);
    azurite.taken();
    const hit = await ask('l/large.bin');
    expect(hit.headers['cache-status']).toContain('hit');
    expect(hit.body.equals(bytes)).toBe(true);
    expect(azurite.taken()).toEqual(['GET l/large.bin']);
    const etag = hit.headers['etag'] ?? '';
    expect((await ask('l/large.bin', {}, 'HEAD')).headers['content-length']).toBe(String(bytes.length));
    expect((await ask('l/large.bin', { 'if-none-match': etag })).status).toBe(304);
    expect((await ask('l/large.bin', { range: 'bytes=999999-' })).status).toBe(416);
    expect(azurite.taken()).toEqual([]);
  });

  it('is read by ranges', async () => {
    const part = await ask('l/large.bin', { range: 'bytes=150000-150999' });
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes 150000-150999/${bytes.length}`]);
    expect(part.body.equals(bytes.subarray(150_000, 151_000))).toBe(true);
  });

  it('C126: and for an answer, comes in ranges only, as long as an answer may be', async () => {
    expect((await ask('l/huge.bin')).status).toBe(413);
    expect((await ask('l/huge.bin', {}, 'HEAD')).headers['content-length']).toBe(String(huge.length));
    let got = Buffer.alloc(0);
    for (let turns = 0; got.length < huge.length; turns++) {
      const part = await ask('l/huge.bin', { range: `bytes=${got.length}-` });
      expect(part.status).toBe(206);
      expect(part.body.length).toBeLessThanOrEqual(256 * 1024);
      got = Buffer.concat([got, part.body]);
      expect(turns).toBeLessThan(5);
    }
    expect(got.equals(huge)).toBe(true);
  });

  it('and has changed since it was described, is asked for again', async () => {
    const other = randomBytes(190 * 1024);
    await ask('l/large.bin');
    await azurite.put('l/large.bin', other);
    const answer = await ask('l/large.bin');
    expect([answer.status, answer.body.equals(other)]).toEqual([200, true]);
    await azurite.put('l/large.bin', 'small now');
    expect((await ask('l/large.bin', { range: 'bytes=0-4' })).body.toString()).toBe('small');
  });
});

describe('events', () => {
  it('the subscription is validated, in both schemas', async () => {
    const validation = [
      { id: '1', eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', data: { validationCode: 'abc' } },
    ];
    const answer = await deliver(validation, { 'aeg-event-type': 'SubscriptionValidation' });
    expect([answer.status, await answer.json()]).toEqual([200, { validationResponse: 'abc' }]);
    const cloud = await fetch(`${stack.host.url}/runtime/webhooks/eventgrid?functionName=content-events`, {
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': 'eventgrid.azure.net' },
    });
    expect([cloud.status, cloud.headers.get('webhook-allowed-origin')]).toEqual([200, 'eventgrid.azure.net']);
    const nobody = await fetch(`${stack.host.url}/runtime/webhooks/eventgrid?functionName=nobody`, { method: 'POST' });
    expect(nobody.status).toBe(404);
  });

  it('drop what changed, at once and in every host, however often and in whatever order they come', async () => {
    await azurite.put('e/a.txt', 'one');
    const other = () => askRaw(`${second.url}/api/content/e/a.txt`);
    expect([(await ask('e/a.txt')).body.toString(), (await other()).body.toString()]).toEqual(['one', 'one']);
    await azurite.put('e/a.txt', 'two');
    expect((await ask('e/a.txt')).body.toString()).toBe('one');
    expect((await deliver([event('e/a.txt'), event('e/a.txt')])).status).toBe(202);
    expect([(await ask('e/a.txt')).body.toString(), (await other()).body.toString()]).toEqual(['two', 'two']);
    await azurite.container.deleteBlob('e/a.txt');
    await deliver([event('e/a.txt', 'Microsoft.Storage.BlobDeleted')]);
    expect((await other()).status).toBe(404);
    await azurite.put('e/a.txt', 'three');
    // Late and again: the old deletion after the new creation.
    await deliver([event('e/a.txt')]);
    await deliver([event('e/a.txt', 'Microsoft.Storage.BlobDeleted')]);
    expect((await ask('e/a.txt')).body.toString()).toBe('three');
  });

  it('come as CloudEvents too, and of names that a URL encodes', async () => {
    await azurite.put('e/café %.txt', 'one');
    const path = encodeURIComponent('e/café %.txt').replace('%2F', '/');
    await ask(path);
    await azurite.put('e/café %.txt', 'two');
    const { eventType, ...rest } = event('e/café %.txt');
    const answer = await deliver({ ...rest, type: eventType, specversion: '1.0' }, {});
    expect(answer.status).toBe(202);
    expect((await ask(path)).body.toString()).toBe('two');
  });

  it('of other containers and kinds are passed over', async () => {
    await azurite.put('e/b.txt', 'one');
    await ask('e/b.txt');
    await azurite.put('e/b.txt', 'two');
    const others = [
      { ...event('e/b.txt'), subject: '/blobServices/default/containers/other/blobs/e/b.txt', data: {} },
      event('e/b.txt', 'Microsoft.Storage.BlobInventoryPolicyCompleted'),
      { nonsense: true },
      null,
    ];
    expect((await deliver(others)).status).toBe(202);
    expect((await ask('e/b.txt')).body.toString()).toBe('one');
  });

  it('of folders make all old', async () => {
    await deliver([event('e', 'Microsoft.Storage.DirectoryRenamed')]);
    expect((await ask('e/b.txt')).body.toString()).toBe('two');
  });

  it('during a load: what it brings is answered, not kept', async () => {
    await azurite.put('e/c.txt', 'one');
    azurite.taken();
    const letGo = azurite.proxy.hold();
    const loading = ask('e/c.txt');
    await until(() => (azurite.proxy.held() > 0 ? true : undefined));
    await azurite.put('e/c.txt', 'two');
    expect((await deliver([event('e/c.txt')])).status).toBe(202);
    letGo();
    const answer = await loading;
    expect(answer.body.toString()).toBe('one');
    expect(answer.headers['cache-status']).not.toContain('stored');
    expect((await ask('e/c.txt')).body.toString()).toBe('two');
  });
});

describe('many at a time', () => {
  it('C71: 100 concurrent cold requests over two hosts are one read', async () => {
    await azurite.put('m/a.png', 'one');
    azurite.taken();
    const letGo = azurite.proxy.hold();
    const answers = Array.from({ length: 100 }, (_, i) =>
      askRaw(`${(i % 2 === 0 ? stack.host : second).url}/api/content/m/a.png`, { 'accept-encoding': 'br' }),
    );
    await until(() => (azurite.proxy.held() > 0 ? true : undefined));
    letGo();
    const all = await Promise.all(answers);
    expect(all.every(({ status, body }) => status === 200 && body.toString() === 'one')).toBe(true);
    expect(azurite.taken()).toEqual(['GET m/a.png']);
  });
});
