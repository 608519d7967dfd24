import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.close());

const etagOf = (answer: { headers: Headers }) => answer.headers.get('etag') ?? '';

describe('GET /entities/{entity}/{key…}', () => {
  it('misses once and hits from then on, with the same bytes and ETag', async () => {
    await stack.widgets.items.upsert({ id: 'w1', region: 'eu', name: 'one', secret: 'x' });
    await until(async () =>
      (await stack.get('entities/widget/eu/w1')).cacheStatus.includes('hit') ? true : undefined,
    );
    await stack.redis.del('wf:warmfeed:c:{widget/eu/w1}');
    stack.emulator.control.record(true);
    const miss = await until(async () => {
      const answer = await stack.get('entities/widget/eu/w1');
      return answer.cacheStatus.includes('fwd=miss') ? answer : undefined;
    });
    const hit = await stack.get('entities/widget/eu/w1');
    expect(miss.cacheStatus).toBe('Warmfeed; fwd=miss; fwd-status=200; stored; ttl=3600; detail=watermarked');
    expect(hit.cacheStatus).toMatch(/^Warmfeed; hit; ttl=3\d{3}; detail=watermarked$/);
    expect(hit.text).toBe('{"id":"w1","region":"eu","name":"one"}');
    expect(miss.text).toBe(hit.text);
    expect(etagOf(miss)).toBe(etagOf(hit));
    expect(hit.headers.get('age')).toBe('0');
    expect(hit.headers.get('cache-control')).toBe('private, no-cache');
    expect(hit.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const reads = stack.sourceReads();
    await stack.get('entities/widget/eu/w1');
    expect(stack.sourceReads()).toBe(reads);
    stack.emulator.control.record(false);
  });

  it('is one GET in Redis when it hits, and nothing else but the generations, once a second', async () => {
    await stack.get('entities/widget/eu/w1');
    await stack.redis.config('RESETSTAT');
    for (let i = 0; i < 20; i++) {
      expect((await stack.get('entities/widget/eu/w1')).cacheStatus).toContain('; hit');
    }
    const stats = await stack.redis.info('commandstats');
    const calls = Object.fromEntries(
      [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map((each) => [each[1], Number(each[2])]),
    );
    expect(calls['get']).toBe(20);
    const others = Object.keys(calls).filter(
      (name) => !['get', 'info', 'config', 'eval', 'evalsha', 'time', 'hget'].includes(name),
    );
    expect(others.filter((name) => !name.startsWith('config'))).toEqual([]);
    expect((calls['eval'] ?? 0) + (calls['evalsha'] ?? 0)).toBeLessThanOrEqual(5);
  });

  it('answers conditional requests and HEAD without a body', async () => {
    const full = await stack.get('entities/widget/eu/w1');
    const same = await stack.get('entities/widget/eu/w1', { headers: { 'if-none-match': etagOf(full) } });
    expect([same.status, same.text, etagOf(same)]).toEqual([304, '', etagOf(full)]);
    const head = await stack.get('entities/widget/eu/w1', { method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(full.text.length)]);
    const other = await stack.get('entities/widget/eu/w1', { headers: { 'if-match': '"other"' } });
    expect(other.status).toBe(412);
  });

  it('follows a change, and a soft delete, without anybody asking', async () => {
    await stack.widgets.items.upsert({ id: 'w2', region: 'eu', n: 1 });
    await stack.get('entities/widget/eu/w2');
    await stack.widgets.items.upsert({ id: 'w2', region: 'eu', n: 2 });
    const changed = await until(async () => {
      const answer = await stack.get('entities/widget/eu/w2');
      return answer.json['n'] === 2 ? answer : undefined;
    });
    // A reader that comes while the change is being applied waits for it, and asks nobody.
    expect(changed.cacheStatus).toMatch(/; hit; |; collapsed$/);
    await stack.widgets.items.upsert({ id: 'w2', region: 'eu', deleted: true });
    const gone = await until(async () => {
      const answer = await stack.get('entities/widget/eu/w2');
      return answer.status === 404 ? answer : undefined;
    });
    expect(gone.headers.get('content-type')).toContain('application/problem+json');
    expect(gone.cacheStatus).toMatch(/; hit; |; collapsed$/);
  });

  it('C85: a hard delete is found by no-cache, for everybody', async () => {
    await stack.widgets.items.upsert({ id: 'w3', region: 'eu' });
    await until(async () =>
      (await stack.get('entities/widget/eu/w3')).cacheStatus.includes('hit') ? true : undefined,
    );
    await stack.widgets.item('w3', 'eu').delete();
    const reloaded = await stack.get('entities/widget/eu/w3', { headers: { 'cache-control': 'no-cache' } });
    expect([reloaded.status, reloaded.cacheStatus.includes('fwd=request; fwd-status=404')]).toEqual([404, true]);
    expect((await stack.get('entities/widget/eu/w3')).status).toBe(404);
  });

  it('serves several entities of one container, each in its way', async () => {
    await stack.widgets.items.upsert({ id: 'w4', region: 'eu', type: 'note', secret: 's' });
    expect((await stack.get('entities/widget/eu/w4')).status).toBe(404);
    const open = await stack.get('entities/open/eu/w4');
    expect(open.json['secret']).toBe('s');
    expect(open.headers.get('cache-control')).toMatch(/^public, max-age=6\d, stale-while-revalidate=10$/);
    expect(open.headers.get('cache-tag')).toBe('region:eu');
  });

  it('reads your own writes against a lagging replica, and leaves the cache alone', async () => {
    await stack.widgets.items.upsert({ id: 'w5', region: 'eu', n: 1 });
    await until(async () => ((await stack.get('entities/brief/eu/w5')).json['n'] === 1 ? true : undefined));
    stack.emulator.control.replica('frozen');
    const written = await stack.widgets.items.upsert({ id: 'w5', region: 'eu', n: 2 });
    const token = String(written.headers['x-ms-session-token']);
    const mine = stack.get('entities/brief/eu/w5', { headers: { 'x-ms-session-token': token } });
    // The replica never gets there while it is frozen: the token's promise is kept by not answering.
    expect((await mine).status).toBe(503);
    stack.emulator.control.replica('none');
    const caught = await stack.get('entities/brief/eu/w5', { headers: { 'x-ms-session-token': token } });
    expect(caught.json['n']).toBe(2);
  });

  it('HEAD and GET of what does not exist are 404, remembered for notFoundTtl', async () => {
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    for (let i = 0; i < 5; i++) expect((await stack.get('entities/widget/eu/none')).status).toBe(404);
    expect(stack.sourceReads()).toBeLessThanOrEqual(2);
    expect((await stack.get('entities/widget/eu/none', { method: 'HEAD' })).status).toBe(404);
    stack.emulator.control.record(false);
  });
});

describe('keys', () => {
  it('C29, C31, C35: reach the item they name, whatever is in them', async () => {
    const ids = ['plus+sign', 'space d', 'end ', '100%', 'user@example.test', 'tête', '😀', 'a,b', "quo'te"];
    for (const id of ids) await stack.widgets.items.upsert({ id, region: 'ü', n: ids.indexOf(id) });
    for (const id of ids) {
      const answer = await stack.get(`entities/brief/${encodeURIComponent('ü')}/${encodeURIComponent(id)}`);
      expect([answer.status, answer.json['id']]).toEqual([200, id]);
    }
    expect((await stack.get('entities/brief/%C3%BC/plus+sign')).json['id']).toBe('plus+sign');
    // Hosts decode such a path more than once, and "=" begins a literal: JSON's escapes say what is meant.
    for (const [id, literal] of Object.entries({ 'p%20q': '"p\\u002520q"', 'a%2Fb': '"a\\u00252Fb"', '=1': '"=1"' })) {
      await stack.widgets.items.upsert({ id, region: 'ü' });
      const answer = await stack.get(`entities/brief/%C3%BC/${encodeURIComponent(`=${literal}`)}`);
      expect([answer.status, answer.json['id']]).toEqual([200, id]);
    }
    expect((await stack.get('entities/brief/%C3%BC/end')).status).toBe(404);
  });

  it('T29: typed partition keys are told apart', async () => {
    const regions = [undefined, null, '', 0, false, '0'];
    for (const [n, region] of regions.entries()) {
      await stack.widgets.items.upsert(region === undefined ? { id: 't', n } : { id: 't', region, n });
    }
    const segments = ['=undefined', '=null', '=%22%22', '=0', '=false', '0'];
    for (const [n, segment] of segments.entries()) {
      const answer = await stack.get(`entities/brief/${segment}/t`);
      expect([segment, answer.status, answer.json['n']]).toEqual([segment, 200, n]);
    }
  });
});

describe('bad input', () => {
  beforeAll(async () => {
    // The feed may still be at work on what the tests before have written.
    let before = -1;
    await until(async () => {
      const size = await stack.redis.dbsize();
      const isQuiet = size === before;
      before = size;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return isQuiet ? true : undefined;
    });
  });

  it.each([
    ['entities/gadget/eu/w1', 404, 'unknown-entity'],
    ['entities/toString/eu/w1', 404, 'unknown-entity'],
    ['entities/widget/eu', 400, 'bad-key'],
    ['entities/widget/eu/w1/x', 400, 'bad-key'],
    ['entities/widget/eu/', 400, 'bad-key'],
    ['entities/widget', 400, 'bad-key'],
    ['entities/widget/eu/a%01b', 400, 'bad-key'],
    ['entities/widget/eu/%ff', 400, 'bad-key'],
    [`entities/widget/eu/${'x'.repeat(1024)}`, 400, 'bad-key'],
    ['entities/widget/=nope/x', 400, 'bad-key'],
  ])('%s is %i %s: no source call, no Redis key', async (path, status, code) => {
    stack.emulator.control.record(true);
    stack.emulator.control.clearRequests();
    const before = await stack.redis.dbsize();
    const answer = await stack.get(path);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.json['type']).toBe(`urn:warmfeed:problem:${code}`);
    expect(stack.sourceReads()).toBe(0);
    // Keys of before may have expired.
    expect(await stack.redis.dbsize()).toBeLessThanOrEqual(before);
    stack.emulator.control.record(false);
  });

  it('C38: NUL in a path is 400 by the host already', async () => {
    expect((await stack.get('entities/widget/eu/a%00b')).status).toBe(400);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('C40: %s is 405 with Allow', async (method) => {
    const answer = await stack.get('entities/widget/eu/w1', { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('bad directives and tokens are 400', async () => {
    const bad = [{ 'cache-control': 'max-age=soon' }, { 'x-ms-session-token': 'nonsense' }] as Record<string, string>[];
    for (const headers of bad) expect((await stack.get('entities/widget/eu/w1', { headers })).status).toBe(400);
    const cold = await stack.get('entities/widget/eu/colder', { headers: { 'cache-control': 'only-if-cached' } });
    expect(cold.status).toBe(504);
  });
});

describe('health', () => {
  it('is live, and ready with every dependency named', async () => {
    expect((await stack.get('health/live')).json).toEqual({ status: 'ok' });
    const ready = await stack.get('health/ready');
    expect(ready.status).toBe(200);
    expect(ready.json).toMatchObject({
      status: 'ok',
      dependencies: [
        { name: 'redis', state: 'ok' },
        { name: 'cosmos/COSMOS/shop/widgets', state: 'ok' },
        { name: 'feed of cosmos/COSMOS/shop/widgets', state: 'ok' },
      ],
    });
    expect((await stack.get('health/ready', { method: 'POST' })).status).toBe(405);
  });
});
