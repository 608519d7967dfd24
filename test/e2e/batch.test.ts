import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Stack, startStack, until } from '../support/stack.ts';
import { MIGRATION, startTables, type Tables } from '../support/tables.ts';

interface Item {
  readonly status: number;
  readonly body?: Record<string, unknown>;
  readonly problem?: Record<string, unknown>;
}

const post = (keys: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ keys }),
});
const itemsOf = (answer: Answer): Item[] => answer.json['answers'] as Item[];

describe('batches of Cosmos DB items', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ ranges: 3 });
    for (const region of ['eu', 'us']) {
      for (const id of ['a', 'b', 'c', 'd']) await stack.widgets.items.upsert({ id, region, n: id, secret: 1 });
    }
    await until(async () =>
      (await stack.get('entities/widget/eu/d')).cacheStatus.includes('; hit') ? true : undefined,
    );
    await stack.redis.flushall();
  });
  afterAll(() => stack?.close());

  const batch = (keys: unknown, entity = 'widget') => stack.get(`batch/${entity}`, post(keys));

  it('C104: answers in order, duplicates both, what is missing as missing', async () => {
    await stack.get('entities/widget/eu/a');
    stack.emulator.control.record(true);
    const answer = await batch([
      ['eu', 'b'],
      ['eu', 'a'],
      ['us', 'b'],
      ['eu', 'b'],
      ['eu', 'missing'],
      ['eu', 'a'],
    ]);
    expect(answer.status).toBe(200);
    expect(itemsOf(answer).map(({ status, body }) => [status, body?.['region'], body?.['n']])).toEqual([
      [200, 'eu', 'b'],
      [200, 'eu', 'a'],
      [200, 'us', 'b'],
      [200, 'eu', 'b'],
      [404, undefined, undefined],
      [200, 'eu', 'a'],
    ]);
    expect(answer.text).not.toContain('secret');
    expect(answer.cacheStatus).toMatch(/^Warmfeed; fwd=partial; detail="/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const again = await batch([
      ['eu', 'b'],
      ['us', 'b'],
      ['eu', 'missing'],
    ]);
    expect(again.cacheStatus).toBe('Warmfeed; hit; detail="3 hit"');
    expect((await stack.get('entities/widget/us/b')).cacheStatus).toContain('; hit');
  });

  it('C54: gives the bytes that a single read gives', async () => {
    await stack.widgets.items.upsert({ id: 'odd', region: 'eu', text: '\u2028 ü "\\', n: 1.5e300, a: [{}, null] });
    const single = await stack.get('entities/widget/eu/odd');
    expect((await batch([['eu', 'odd']])).text).toBe(`{"answers":[{"status":200,"body":${single.text}}]}`);
  });

  it('C38, C104: none, and one column given as a scalar is an error of that key alone', async () => {
    expect((await batch([])).text).toBe('{"answers":[]}');
    const mixed = itemsOf(
      await batch(['eu', ['eu', 'a'], ['eu'], ['eu', 7], ['eu', 'a\u0000b'], [{}, 'a'], [null, 'x']]),
    );
    expect(mixed.map(({ status }) => status)).toEqual([400, 200, 400, 400, 400, 404, 404]);
    expect(mixed[3]?.problem).toMatchObject({ status: 400, detail: expect.stringContaining('{id}') as string });
  });

  it('C110: one that cannot be represented does not fail the others, and is not cached', async () => {
    await stack.widgets.items.upsert({ id: 'bad', region: 'eu', poison: true });
    const mixed = await batch([
      ['eu', 'bad'],
      ['eu', 'c'],
      ['eu', 'missing'],
    ]);
    expect(itemsOf(mixed).map(({ status }) => status)).toEqual([502, 200, 404]);
    expect(mixed.text).not.toContain('this document is poison');
    await stack.widgets.items.upsert({ id: 'bad', region: 'eu', n: 'well' });
    await until(async () => (itemsOf(await batch([['eu', 'bad']]))[0]?.status === 200 ? true : undefined));
  });

  it('C44: what is malformed is refused whole, and says why', async () => {
    const send = async (init: RequestInit) => (await stack.get('batch/widget', init)).status;
    const many = Array.from({ length: 501 }, (_, i) => ['eu', `k${i}`]);
    expect(await send(post(many))).toBe(400);
    for (const keys of ['x', null, {}, 5]) expect(await send(post(keys))).toBe(400);
    const raw = (body: string | Uint8Array, type = 'application/json'): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': type },
      body: body as string,
    });
    for (const body of [
      '',
      '[]',
      'null',
      '{"keys":[]',
      '\uFEFF{"keys":[]}',
      '{"keys":[],"keys":[]}',
      '{"keys":[]} x',
    ]) {
      expect([body, await send(raw(body))]).toEqual([body, 400]);
    }
    expect(await send(raw(new Uint8Array([0x7b, 0xff, 0x7d])))).toBe(400);
    expect(await send(raw('{"keys":[]}', 'text/plain'))).toBe(415);
    expect(await send(raw(`{"keys":["${'x'.repeat(1024 * 1024)}"]}`))).toBe(413);
    expect((await stack.get('batch/nothing', post([]))).status).toBe(404);
    const wrong = await stack.get('batch/widget');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('the database down: what may be stale is, the others are 503', async () => {
    await batch([['eu', 'a']], 'brief');
    stack.emulator.control.fault({ status: 503 });
    try {
      await until(async () => {
        const items = itemsOf(
          await batch(
            [
              ['eu', 'a'],
              ['us', 'never asked for'],
            ],
            'brief',
          ),
        );
        expect(items[0]?.status).toBe(200);
        return items[1]?.status === 503 ? true : undefined;
      });
    } finally {
      stack.emulator.control.reset();
    }
  });

  it('C58: Redis down: everything from the source', async () => {
    await stack.redisServer.stop();
    const answer = await until(async () => {
      const found = await batch([
        ['eu', 'a'],
        ['eu', 'missing'],
      ]);
      return found.cacheStatus.includes('bypass') ? found : undefined;
    });
    expect(itemsOf(answer).map(({ status }) => status)).toEqual([200, 404]);
  });
});

describe('batches of rows', () => {
  let tables: Tables;
  beforeAll(async () => {
    tables = await startTables();
    await tables.db.query(MIGRATION);
    await tables.track();
    await tables.db.query(`INSERT INTO parts SELECT 'eu', n, 'part ' || n, n FROM generate_series(1, 600) n`);
  });
  afterAll(() => tables?.close());

  it('C98: 500 keys, half of them warm; wrong types are their own failure; the table is asked once', async () => {
    const keys = Array.from({ length: 499 }, (_, i) => ['eu', i % 2 === 0 ? i + 1 : String(i + 1)]);
    const answer = await tables.get('batch/part', post([...keys, ['eu', 'seven']]));
    const items = itemsOf(answer);
    expect(items.slice(0, 499).map(({ body }) => body?.['id'])).toEqual(keys.map(([, id]) => Number(id)));
    expect(items[499]).toMatchObject({ status: 400 });
    const again = await tables.get('batch/part', post(keys));
    expect(again.cacheStatus).toBe('Warmfeed; hit; detail="499 hit"');
    await tables.db.query(`UPDATE parts SET name = 'changed' WHERE id = 7`);
    await tables.shows('entities/part/eu/7', { shop: 'eu', id: 7, name: 'changed', n: '7', price: null });
    expect(itemsOf(await tables.get('batch/part', post([['eu', 7]])))[0]?.body?.['name']).toBe('changed');
  });
});
