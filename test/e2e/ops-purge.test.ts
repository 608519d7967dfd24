import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, get, type Stack, startStack, until } from '../support/stack.ts';

const CONFIGURATION = new URL('./ops.config.ts', import.meta.url).pathname;
const RED = 'queries/widgetsOfColor?color=red';
const BLUE = 'queries/widgetsOfColor?color=blue';

describe('POST /ops/purge', () => {
  let stack: Stack;
  let second: Awaited<ReturnType<Stack['start']>>;
  beforeAll(async () => {
    stack = await startStack({ configuration: CONFIGURATION });
    second = await stack.start();
    for (const [id, color] of [
      ['a', 'red'],
      ['b', 'red'],
      ['c', 'blue'],
    ]) {
      await stack.widgets.items.upsert({ id, region: 'eu', color });
    }
  });
  afterAll(async () => {
    await second?.close();
    await stack?.close();
  });

  const purge = (body: unknown, headers: Record<string, string> = {}) =>
    stack.get('ops/purge', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const hit = (path: string) =>
    until(async () => {
      const answers = [await stack.get(path), await get(`${second.url}/api/${path}`)];
      return answers.every(({ cacheStatus }) => /; hit/.test(cacheStatus)) ? true : undefined;
    });
  const all = async () => {
    for (const path of ['entities/widget/eu/a', 'entities/widget/eu/c', RED, BLUE]) await hit(path);
  };
  const how = async (path: string) => statusOf(await get(`${second.url}/api/${path}`));
  const statusOf = ({ cacheStatus }: Answer) =>
    /; hit; ttl=-/.test(cacheStatus) ? 'stale' : /; (hit|fwd=\w+)/.exec(cacheStatus)?.[1];
  const verdict = async (path: string) => (await stack.get(`ops/explain/${path}`)).json['verdict'];

  it('by keys, hard and soft, of records there and not there; the same answer again', async () => {
    await all();
    const keys = [
      ['widget', ['eu', 'a']],
      ['widget', ['eu', 'never']],
    ];
    const answer = await purge({ keys, mode: 'drop' });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      purged: { keys: 2, tags: [], entity: null, query: null },
      mode: 'drop',
      completeAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await verdict('widget/eu/a')).toBe('missing');
    expect((await purge({ keys, mode: 'drop' })).json['purged']).toEqual(answer.json['purged']);
    expect([await how('entities/widget/eu/a'), await how('entities/widget/eu/c')]).toEqual(['fwd=miss', 'hit']);
    await hit('entities/widget/eu/a');
    await purge({ keys: [['widget', ['eu', 'a']]], mode: 'stale' });
    expect(await verdict('widget/eu/a')).toBe('softly purged');
    stack.emulator.control.record(true);
    expect(await how('entities/widget/eu/a')).toBe('hit');
    await until(async () => ((await verdict('widget/eu/a')) === 'live' ? true : undefined));
    expect(stack.sourceReads()).toBe(1);
    stack.emulator.control.record(false);
  });

  it('by tag: items and results that carry it, on both instances, and they come back', async () => {
    await all();
    expect((await purge({ tags: ['color:red'], mode: 'drop' })).json['purged']).toMatchObject({ tags: ['color:red'] });
    expect(await verdict('widget/eu/a')).toBe('purged');
    expect((await stack.get('ops/explain/widget/eu/a')).json['purges']).toMatchObject([
      { by: 'tag', name: 'color:red', mode: 'drop', covers: true },
    ]);
    expect(await Promise.all(['entities/widget/eu/a', RED].map(how))).toEqual(['fwd=miss', 'fwd=miss']);
    expect(await Promise.all(['entities/widget/eu/c', BLUE].map(how))).toEqual(['hit', 'hit']);
    await all();
    await purge({ tags: ['color:red'], mode: 'stale' });
    expect((await stack.get('ops/explain-query/widgetsOfColor?color=red')).json['verdict']).toBe('softly purged');
    for (const path of ['entities/widget/eu/a', RED]) {
      // Served at once, from the cache.
      expect(await how(path)).toBe('hit');
      await hit(path);
    }
    await until(async () => ((await verdict('widget/eu/a')) === 'live' ? true : undefined));
  });

  it('of an entity its items and all results, of a query its results', async () => {
    await all();
    await purge({ query: 'widgetsOfColor', mode: 'drop' });
    expect((await stack.get('ops/explain-query/widgetsOfColor?color=red')).json['verdict']).toBe('old tags');
    expect([await how(RED), await how('entities/widget/eu/a')]).toEqual(['fwd=miss', 'hit']);
    await all();
    expect((await purge({ entity: 'widget', mode: 'drop' })).json['purged']).toMatchObject({ entity: 'widget' });
    expect([await how(RED), await how('entities/widget/eu/a')]).toEqual(['fwd=miss', 'fwd=miss']);
    await all();
    await purge({ entity: 'widget', mode: 'stale' });
    expect(await verdict('widget/eu/a')).toBe('softly purged');
    expect((await stack.get('ops/explain-query/widgetsOfColor?color=blue')).json['verdict']).toBe('softly purged');
    await all();
  });

  it('reaches batches', async () => {
    await all();
    await purge({ tags: ['color:red'], mode: 'drop' });
    const answer = await get(`${second.url}/api/batch/widget`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        keys: [
          ['eu', 'a'],
          ['eu', 'c'],
        ],
      }),
    });
    expect(answer.cacheStatus).toContain('1 miss');
    expect(answer.cacheStatus).toContain('1 hit');
  });

  it('is logged: by whom, what and how many, and no key in clear', async () => {
    const secret = 'top-secret-key';
    const principal = Buffer.from(JSON.stringify({ userDetails: 'ann@example.com\r\nforged' })).toString('base64');
    await purge({ keys: [['widget', ['eu', secret]]], mode: 'drop' }, { 'x-ms-client-principal': principal });
    const line = stack.logs.find((each) => each.includes('ann@example.com'));
    expect(line).toMatch(/ops: ann@example\.comforged purged 1 key\(s\): [0-9a-f]{16}, mode drop/);
    await purge({ tags: ['x'], mode: 'drop' });
    expect(stack.logs.some((each) => each.includes('ops: key purged 1 tag(s), mode drop'))).toBe(true);
    expect(stack.logs.join('\n')).not.toContain(secret);
  });

  it.each([
    ['{', 400],
    ['[]', 400],
    ['{}', 400],
    [{ tags: ['a'] }, 400],
    [{ tags: ['a'], mode: 'hard' }, 400],
    [{ mode: 'drop' }, 400],
    [{ tags: ['a'], entity: 'widget', mode: 'drop' }, 400],
    [{ tags: [], mode: 'drop' }, 400],
    [{ tags: 'a', mode: 'drop' }, 400],
    [{ tags: ['a\nb'], mode: 'drop' }, 400],
    [{ tags: [1], mode: 'drop' }, 400],
    [{ tags: ['x'.repeat(1025)], mode: 'drop' }, 400],
    [{ tags: Array.from({ length: 101 }, (_, i) => `t${i}`), mode: 'drop' }, 400],
    [{ keys: [], mode: 'drop' }, 400],
    [{ keys: [['widget']], mode: 'drop' }, 400],
    [{ keys: [['widget', ['eu']]], mode: 'drop' }, 400],
    [{ keys: [['widget', ['eu', 'a', 'b']]], mode: 'drop' }, 400],
    [{ keys: [['gadget', ['eu', 'a']]], mode: 'drop' }, 404],
    [{ keys: Array.from({ length: 1001 }, () => ['widget', ['eu', 'a']]), mode: 'drop' }, 400],
    [{ entity: 'gadget', mode: 'drop' }, 404],
    [{ entity: ['widget'], mode: 'drop' }, 404],
    [{ query: 'nothing', mode: 'stale' }, 404],
    [{ tags: ['a'], mode: 'drop', all: true }, 400],
    [`{"tags":["a"],"mode":"drop","__proto__":{"x":1}}`, 400],
  ])('refuses %j with %i, and does nothing', async (body, status) => {
    const answer = await purge(body);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    expect(String(answer.json['detail']).length).toBeGreaterThan(10);
  });

  it('needs JSON, a method that it has, and no parameters', async () => {
    expect((await purge({ tags: ['a'], mode: 'drop' }, { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await stack.get('ops/purge')).status).toBe(405);
    const answer = await stack.get('ops/purge?mode=drop', { method: 'POST', body: '{}' });
    expect(answer.status).toBe(400);
    expect((await purge({ tags: ['x'.repeat(2 ** 20)], mode: 'drop' })).status).toBe(413);
  });

  it('T36: a tag may have commas, quotes, regular expressions and other scripts', async () => {
    for (const color of ['a,b', '"x"', '.*', 'ü日本']) {
      await stack.widgets.items.upsert({ id: 'odd', region: 'eu', color });
      await until(async () => {
        const { json } = await stack.get('entities/widget/eu/odd');
        return json['color'] === color && (await verdict('widget/eu/odd')) === 'live' ? true : undefined;
      });
      expect((await purge({ tags: [`color:${color}`], mode: 'drop' })).status).toBe(200);
      expect([color, await verdict('widget/eu/odd')]).toEqual([color, 'purged']);
    }
  });

  /** Written, and cached on both instances as it is now. */
  const write = async (id: string, color: string) => {
    await stack.widgets.items.upsert({ id, region: 'eu', color });
    await until(async () => {
      const { json } = await stack.get(`entities/widget/eu/${id}`);
      return json['color'] === color && (await verdict(`widget/eu/${id}`)) === 'live' ? true : undefined;
    });
    await hit(`entities/widget/eu/${id}`);
  };

  it('T36: a tag is that tag, not what it begins or what a pattern would match', async () => {
    await write('under', '/items/1');
    for (const tag of ['color:/items', 'color:/items/', 'color:.*', 'color:%', 'COLOR:/items/1', 'color:/items/1 ']) {
      await purge({ tags: [tag], mode: 'drop' });
      expect([tag, await verdict('widget/eu/under')]).toEqual([tag, 'live']);
    }
    await purge({ tags: ['color:/items/1'], mode: 'drop' });
    expect(await verdict('widget/eu/under')).toBe('purged');
  });

  it('T37: an item whose tag changed is purged by the new one, and the old one brings nothing back', async () => {
    await write('moved', 'before');
    await write('moved', 'after');
    await purge({ tags: ['color:before'], mode: 'drop' });
    expect(await verdict('widget/eu/moved')).toBe('live');
    expect((await stack.get('entities/widget/eu/moved')).json['color']).toBe('after');
    await purge({ tags: ['color:after'], mode: 'drop' });
    expect(await how('entities/widget/eu/moved')).toBe('fwd=miss');
    expect((await stack.get('entities/widget/eu/moved')).json['color']).toBe('after');
  });

  it('T40: what was purged is cached again, also when it had just been cached', async () => {
    await write('again', 'often');
    for (let round = 0; round < 5; round++) {
      await purge({ tags: ['color:often'], mode: 'drop' });
      expect(await how('entities/widget/eu/again')).toBe('fwd=miss');
      await hit('entities/widget/eu/again');
    }
  });

  it('nothing of all that went through the keys of Redis', async () => {
    const stats = await stack.redis.info('commandstats');
    expect(stats).toContain('cmdstat_get:');
    expect(stats).not.toMatch(/cmdstat_(keys|scan|hscan|sscan|zscan|flushall|flushdb)/);
  });
});
