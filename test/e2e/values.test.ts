// A row with a column of every type of docs/values.md over HTTP: the same bytes on a miss, a hit and after a refresh.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/stack.ts';
import { MIGRATION, startTables, type Tables } from '../support/tables.ts';
import { bodyOf, createTable, insertInto, VALUE_TYPES, valueCases } from '../support/value-table.ts';

const CASES = valueCases('PostgreSQL');
const CONFIGURATION = new URL('cache.values.config.ts', import.meta.url).pathname;
const ZONE = process.env['TZ'];

describe('a row of every type', () => {
  let stack: Tables;
  beforeAll(async () => {
    process.env['TZ'] = 'America/St_Johns';
    stack = await startTables(
      {},
      { configuration: CONFIGURATION, tables: `${VALUE_TYPES} ${createTable('wide', 'id int PRIMARY KEY', CASES)}` },
    );
    await stack.db.query(MIGRATION);
    await stack.track('wide');
  });
  afterAll(async () => {
    if (ZONE === undefined) delete process.env['TZ'];
    else process.env['TZ'] = ZONE;
    await stack?.close();
  });

  it('C54: is the same in a batch, cold and warm', async () => {
    for (const id of [8, 9]) await stack.db.query(insertInto('wide', String(id), CASES));
    for (const id of [8, 9]) {
      await until(async () => {
        const answer = await stack.get(`entities/wide/${id}`, { headers: { 'cache-control': 'only-if-cached' } });
        return answer.status === 200 ? true : undefined;
      });
    }
    await stack.redis.del('wf:warmfeed:c:{wide/8}');
    const answer = await stack.get('batch/wide', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"keys":[[8],[9],[8]]}',
    });
    expect(answer.cacheStatus).toMatch(/fwd=partial; detail=".*1 hit/);
    const items = [8, 9, 8].map((id) => `{"status":200,"body":${bodyOf(CASES, `"id":${id}`)}}`);
    expect(answer.text).toBe(`{"answers":[${items.join(',')}]}`);
  });

  it('C54: is the same on a miss, a hit, a reload and a refresh', async () => {
    await stack.stopHost();
    await stack.db.query(insertInto('wide', '1', CASES));
    await stack.startHost();
    const body = bodyOf(CASES, '"id":1');
    await until(async () => ((await stack.get('entities/wide/1')).status === 200 ? true : undefined));
    await stack.redis.flushall();
    const miss = await stack.get('entities/wide/1');
    expect(miss.cacheStatus).toContain('fwd=miss');
    expect(miss.text).toBe(body);
    await until(async () => ((await stack.get('entities/wide/1')).cacheStatus.includes('; hit') ? true : undefined));
    const hit = await stack.get('entities/wide/1');
    expect(hit.text).toBe(body);
    const reload = await stack.get('entities/wide/1', { headers: { 'cache-control': 'no-cache' } });
    expect(reload.text).toBe(body);

    // Another value in between, so that what is seen is the refresh's.
    const { column, value } = CASES[0] ?? { column: '', value: '' };
    await stack.db.query(`UPDATE wide SET ${column} = 7`);
    await until(async () => ((await stack.get('entities/wide/1')).text === body ? undefined : true));
    await stack.db.query(`UPDATE wide SET ${column} = ${value}`);
    const refreshed = await until(async () => {
      const answer = await stack.get('entities/wide/1', { headers: { 'cache-control': 'only-if-cached' } });
      return answer.text === body ? answer : undefined;
    });
    expect(refreshed.cacheStatus).toContain('; hit');
    expect([miss, hit, reload, refreshed].map(({ headers }) => headers.get('etag'))).toEqual(
      Array.from({ length: 4 }, () => miss.headers.get('etag')),
    );
  });
});
