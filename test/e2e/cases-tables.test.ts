// Cases from the field about rows of PostgreSQL over HTTP (docs/cases.md).

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/stack.ts';
import { MIGRATION, startTables, type Tables } from '../support/tables.ts';

const POOL = 4;
let stack: Tables;
beforeAll(async () => {
  stack = await startTables(
    { WARMFEED_SOURCE_TIMEOUT: '4s', WARMFEED_BREAKER_RESET: '200ms', WARMFEED_POOL_SIZE: String(POOL) },
    {
      configuration: new URL('cache.cases.config.ts', import.meta.url).pathname,
      tables:
        'CREATE TABLE things (id int PRIMARY KEY, n int, v text, j jsonb); CREATE TABLE logs (id uuid PRIMARY KEY)',
    },
  );
  await stack.db.query(MIGRATION);
  await stack.track('things');
  await stack.track('logs');
});
afterAll(() => stack?.close());

const insert = (id: number, v: string | null, j: string | null = null) =>
  stack.db.query('INSERT INTO things VALUES ($1, 1, $2, $3)', [id, v, j]);
const sizeOf = (id: number) => stack.redis.strlen(`wf:warmfeed:c:{thing/${id}}`);
/** As the change worker has put it there, and not a reader who was faster. */
const cached = (path: string) =>
  until(async () => {
    const answer = await stack.get(path, { headers: { 'cache-control': 'only-if-cached' } });
    return answer.status === 200 ? answer : undefined;
  });

describe('values', () => {
  it('T01: a text that PostgreSQL keeps elsewhere is whole after another column has changed', async () => {
    const text = randomBytes(5000).toString('hex');
    await insert(1, text);
    expect((await cached('entities/thing/1')).json).toMatchObject({ n: 1, v: text });
    await stack.db.query('UPDATE things SET n = 2 WHERE id = 1');
    await stack.shows('entities/thing/1', { id: 1, n: 2, v: text, j: null });
  });

  it('C57: NULL, "", "null" and "undefined", and null, 0, false and [] in JSON are themselves, twice', async () => {
    const values: [string | null, string | null][] = [
      [null, null],
      ['', 'null'],
      ['null', '0'],
      ['undefined', 'false'],
      ['0', '[]'],
      ['false', '""'],
    ];
    for (const [n, [v, j]] of values.entries()) {
      const id = 10 + n;
      await insert(id, v, j);
      const body = `{"id":${id},"n":1,"v":${JSON.stringify(v)},"j":${j ?? 'null'}}`;
      expect((await cached(`entities/thing/${id}`)).text).toBe(body);
      await stack.redis.del(`wf:warmfeed:c:{thing/${id}}`);
      const miss = await stack.get(`entities/thing/${id}`);
      expect([miss.text, miss.cacheStatus.includes('stored')]).toEqual([body, true]);
      const again = await stack.get(`entities/thing/${id}`);
      expect([again.text, again.cacheStatus.includes('; hit')]).toEqual([body, true]);
    }
  });

  it('C79, T33: 10 MB are answered with an ETag, kept nowhere, and followed; so is what was small before', async () => {
    await insert(2, 'small', '{}');
    await cached('entities/thing/2');
    await stack.db.query(`UPDATE things SET j = jsonb_build_object('t', repeat('x', 10000000)) WHERE id = 2`);
    const whole = await until(async () => {
      const answer = await stack.get('entities/thing/2');
      return answer.text.length > 10_000_000 ? answer : undefined;
    });
    expect([whole.status, whole.cacheStatus.includes('stored')]).toEqual([200, false]);
    const etag = whole.headers.get('etag') ?? '';
    const head = await stack.get('entities/thing/2', { method: 'HEAD' });
    expect([head.status, head.headers.get('etag'), head.headers.get('content-length')]).toEqual([
      200,
      etag,
      String(whole.text.length),
    ]);
    // Without it, fetch would ask for a reload, which has a deadline of its own.
    const conditional = { 'if-none-match': etag, 'cache-control': 'max-stale' };
    expect((await stack.get('entities/thing/2', { headers: conditional })).status).toBe(304);
    expect(await sizeOf(2)).toBeLessThan(200);
    await stack.db.query(`UPDATE things SET j = '1' WHERE id = 2`);
    await stack.shows('entities/thing/2', { id: 2, n: 1, v: 'small', j: 1 });
  });
});

describe('keys', () => {
  it('C98: what is no key of the type is 400, in a batch for itself alone', async () => {
    const id = '6f9619ff-8b86-d011-b42d-00c04fc964ff';
    await stack.db.query('INSERT INTO logs VALUES ($1)', [id]);
    for (const bad of ['not-a-uuid', id.slice(1), `{${id}}`, `${id}0`, id.replaceAll('-', '')]) {
      expect([bad, (await stack.get(`entities/log/${encodeURIComponent(bad)}`)).status]).toEqual([bad, 400]);
    }
    const keys = [[id], ['not-a-uuid'], [id.toUpperCase()], [5], [null], ['a\u0000b']];
    const body = JSON.stringify({ keys });
    const many = await stack.get('batch/log', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const statuses = (many.json['answers'] as { status: number }[]).map(({ status }) => status);
    expect(statuses).toEqual([200, 400, 200, 400, 400, 400]);
    expect((await stack.get(`entities/log/${id}`)).json).toEqual({ id });
  });
});

describe('the database', () => {
  it('C100: hangs under load: 503 within the bound; back: well, with as many connections as before; restarted: well', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => 100 + i);
    const connections = async () => {
      const { rows } = await stack.db.query(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'warmfeed'`,
      );
      return (rows[0] as { n: number }).n;
    };
    await insert(3, 'cached');
    await cached('entities/thing/3');
    stack.proxy.hold();
    const signal = AbortSignal.timeout(20_000);
    const answers = await Promise.all(ids.map((id) => stack.get(`entities/thing/${id}`, { signal })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    for (const { headers } of answers) expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await stack.get('entities/thing/3', { signal })).status).toBe(200);
    stack.proxy.letGo();
    for (const id of ids) {
      await until(async () => ((await stack.get(`entities/thing/${id}`)).status === 404 ? true : undefined));
    }
    await until(async () => ((await connections()) <= POOL ? true : undefined));

    await stack.db.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'warmfeed'`);
    stack.proxy.cut();
    await stack.db.query(`UPDATE things SET v = 'well' WHERE id = 3`);
    await stack.shows('entities/thing/3', { id: 3, n: 1, v: 'well', j: null });
    await until(async () => ((await stack.get('entities/thing/999')).status === 404 ? true : undefined));
  });
});
