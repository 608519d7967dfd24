import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

const CONFIGURATION = new URL('./ops.config.ts', import.meta.url).pathname;
const STREAM = 'wf:warmfeed:dead';

interface Letter {
  readonly id: string;
  readonly key: string;
  readonly [field: string]: unknown;
}

describe('/ops/dead-letters', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ configuration: CONFIGURATION });
  });
  afterAll(() => stack?.close());

  const post = (path: string, body: unknown) =>
    stack.get(`ops/dead-letters/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const list = async (query = '') =>
    (await stack.get(`ops/dead-letters${query}`)).json as { letters: Letter[]; total: number; cursor: string | null };
  const poison = async (id: string) => {
    const before = (await list()).total;
    await stack.widgets.items.upsert({ id, region: 'eu', poison: true });
    await until(async () => ((await list()).total > before ? true : undefined));
  };

  it('lists a poison document, newest first, and shows it', async () => {
    expect(await list()).toEqual({ letters: [], total: 0, cursor: null });
    await poison('p1');
    await poison('p=2');
    const { letters, total } = await list();
    expect([total, letters.map(({ key }) => key)]).toEqual([2, ['eu/p%3D2', 'eu/p1']]);
    const [letter] = letters as [Letter];
    expect(letter).toMatchObject({
      source: 'cosmos/COSMOS/shop/widgets',
      entity: 'widget',
      reason: 'entity widget: this document is poison',
      at: expect.stringMatching(/Z$/),
    });
    expect((await stack.get(`ops/dead-letters/${letter.id}`)).json).toEqual(letter);
    const page = await list('?limit=1');
    expect([page.letters.length, page.cursor]).toEqual([1, letter.id]);
    expect((await list(`?limit=1&cursor=${page.cursor}`)).letters).toEqual([letters[1]]);
    expect((await list(`?limit=2&cursor=${letters[1]?.id}`)).letters).toEqual([]);
    const { json } = await stack.get('ops/sources');
    expect(json).toMatchObject({ sources: [{ deadLetters: { count: 2, oldestAt: letters[1]?.['at'] } }] });
    expect((await stack.get('ops/stats')).text).toMatch(/"deadLetters":[12]/);
  });

  it('replays: what is mended is cached and its letter gone, what is not stays, with the reason', async () => {
    const { letters } = await list();
    // Mended where it broke: a change comes as well, but a letter goes by a replay only.
    await stack.widgets.items.upsert({ id: 'p1', region: 'eu', name: 'mended' });
    const ids = letters.map(({ id }) => id);
    const answer = await post('replay', { ids: [...ids, '1-1'] });
    expect(answer.json).toMatchObject({ replayed: 1, failing: 1, skipped: 0, gone: 1, cursor: null });
    expect(answer.json['results']).toEqual([
      { id: ids[0], outcome: 'failing', reason: 'ROW_INVALID: entity widget: this document is poison' },
      { id: ids[1], outcome: 'replayed', reason: null },
      { id: '1-1', outcome: 'gone', reason: null },
    ]);
    expect((await list()).letters.map(({ key }) => key)).toEqual(['eu/p%3D2']);
    expect((await stack.get('entities/widget/eu/p1')).cacheStatus).toContain('; hit');
    expect((await post('replay', { ids: [ids[1]] })).json).toMatchObject({ replayed: 0, gone: 1 });
  });

  it('while the source is down a replay fails, and keeps the letter', async () => {
    const fault = stack.emulator.control.fault({ operation: 'read', status: 503 });
    const answer = await post('replay', { all: true });
    stack.emulator.control.removeFault(fault);
    expect(answer.json).toMatchObject({
      failing: 1,
      results: [{ reason: expect.stringContaining('SOURCE_UNAVAILABLE') }],
    });
    expect((await list()).total).toBe(1);
  });

  it('replays all in pages; letters of nothing that there is are skipped', async () => {
    await stack.redis.del(STREAM);
    for (let i = 0; i < 205; i++) {
      await stack.redis.xadd(
        STREAM,
        '*',
        'source',
        's',
        'entity',
        i === 0 ? 'gadget' : 'widget',
        'key',
        i === 1 ? '' : `eu/n${i}`,
        'version',
        '1',
        'reason',
        'r',
      );
    }
    const first = await post('replay', { all: true });
    expect(first.json).toMatchObject({ replayed: 200, skipped: 0 });
    const rest = await post('replay', { all: true, cursor: first.json['cursor'] });
    expect(rest.json).toMatchObject({ replayed: 3, skipped: 2, cursor: null });
    expect((await stack.get('ops/sources')).json).toMatchObject({ unattributedDeadLetters: { count: 2 } });
    expect((await list()).total).toBe(2);
  });

  it('drops some or all, and those that come meanwhile stay', async () => {
    const { letters } = await list();
    expect((await post('drop', { ids: [letters[0]?.id, '9-9'] })).json).toEqual({ dropped: 1, gone: 1 });
    expect((await post('drop', { all: true })).json).toEqual({ dropped: 1, gone: 0 });
    expect((await post('drop', { all: true })).json).toEqual({ dropped: 0, gone: 0 });
    await poison('p3');
    expect((await list()).total).toBe(1);
    expect(stack.logs.some((line) => line.includes('ops: key dropped 1 dead letter(s)'))).toBe(true);
  });

  it.each([
    ['replay', '{'],
    ['replay', {}],
    ['replay', { ids: [] }],
    ['replay', { ids: ['x'] }],
    ['replay', { ids: [1] }],
    ['replay', { ids: ['1-1'], all: true }],
    ['replay', { all: false }],
    ['replay', { all: true, cursor: 'x' }],
    ['replay', { all: true, also: 1 }],
    ['replay', { ids: Array.from({ length: 201 }, (_, i) => `${i}-1`) }],
    ['drop', { ids: 'all' }],
    ['drop', []],
  ])('%s refuses %j', async (action, body) => {
    const answer = await post(action, body);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
  });

  it('refuses bad pages and unknown letters', async () => {
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=1-1-1', 'offset=1']) {
      expect([query, (await stack.get(`ops/dead-letters?${query}`)).status]).toEqual([query, 400]);
    }
    for (const id of ['1-1', 'x', '99999999999999999999-1']) {
      expect([id, (await stack.get(`ops/dead-letters/${id}`)).status]).toEqual([id, 404]);
    }
    expect((await stack.get('ops/dead-letters/replay', { method: 'PUT' })).status).toBe(405);
  });
});
