import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/stack.ts';
import { MIGRATION, startTables, type Tables } from '../support/tables.ts';

const insert = 'INSERT INTO parts (shop, id, name, n) VALUES ($1, $2, $3, $4)';
const part = (shop: string, id: number, name: string, n: string) => ({ shop, id, name, n, price: null });

describe('PostgreSQL', () => {
  let stack: Tables;
  beforeAll(async () => {
    stack = await startTables();
  });
  afterAll(() => stack?.close());

  it('without the outbox: cached under the lease only, and readiness says what to do', async () => {
    await stack.db.query(insert, ['eu', 1, 'bolt', 1]);
    const miss = await stack.get('entities/part/eu/1');
    expect(miss.json).toEqual(part('eu', 1, 'bolt', '1'));
    expect(miss.cacheStatus).toMatch(/fwd=miss; .*stored; .*detail=leased/);
    expect((await stack.get('entities/part/eu/1')).cacheStatus).toMatch(/; hit; .*detail=leased/);
    const feed = await stack.dependency('feed of postgres/POSTGRES/parts');
    expect(feed).toMatchObject({ state: 'warn', detail: expect.stringContaining('infra/sql') as string });
    expect((await stack.get('health/ready')).status).toBe(200);
  });

  it('with it: what was cached before is old, and the guarantee is the full one', async () => {
    await stack.get('entities/part/eu/1');
    await stack.db.query(MIGRATION);
    await stack.db.query(MIGRATION);
    await stack.track();
    await stack.track();
    const again = await stack.get('entities/part/eu/1');
    expect(again.cacheStatus).toMatch(/fwd=miss; .*detail=watermarked/);
    expect((await stack.get('entities/part/eu/1')).cacheStatus).toMatch(/; hit; .*detail=watermarked/);
  });

  it('follows inserts, updates and deletes; `evict` evicts', async () => {
    expect((await stack.get('entities/part/eu/2')).status).toBe(404);
    await stack.db.query(insert, ['eu', 2, 'nut', '9007199254740993']);
    await stack.shows('entities/part/eu/2', part('eu', 2, 'nut', '9007199254740993'));
    expect((await stack.get('entities/brief/eu/2')).text).toBe('"nut"');
    await stack.db.query(`UPDATE parts SET name = 'wing nut' WHERE id = 2`);
    await stack.shows('entities/part/eu/2', part('eu', 2, 'wing nut', '9007199254740993'));
    await until(async () => ((await stack.get('entities/brief/eu/2')).text === '"wing nut"' ? true : undefined));
    await stack.db.query('DELETE FROM parts WHERE id = 2');
    await stack.shows('entities/part/eu/2', 404);
  });

  it('T06: a primary key that is changed: both keys follow', async () => {
    await stack.db.query(insert, ['eu', 3, 'cog', 3]);
    await stack.shows('entities/part/eu/3', part('eu', 3, 'cog', '3'));
    await stack.db.query(`UPDATE parts SET id = 33 WHERE id = 3`);
    await stack.shows('entities/part/eu/3', 404);
    await stack.shows('entities/part/eu/33', part('eu', 33, 'cog', '3'));
  });

  it('T05: TRUNCATE makes everything old', async () => {
    await stack.db.query(insert, ['eu', 4, 'pin', 4]);
    await stack.shows('entities/part/eu/4', part('eu', 4, 'pin', '4'));
    await stack.db.query('TRUNCATE parts');
    await until(async () => ((await stack.get('entities/part/eu/4')).status === 404 ? true : undefined));
    await stack.db.query(insert, ['eu', 4, 'new pin', 5]);
    await stack.shows('entities/part/eu/4', part('eu', 4, 'new pin', '5'));
  });

  it('a long transaction holds the horizon; later changes are seen and cached all the same', async () => {
    await stack.db.query(insert, ['eu', 5, 'old', 0]);
    await stack.shows('entities/part/eu/5', part('eu', 5, 'old', '0'));
    const long = await stack.session();
    await long.query('BEGIN');
    await long.query(`UPDATE parts SET name = 'by the long one' WHERE id = 4`);
    for (let n = 1; n <= 3; n++) {
      await stack.db.query('UPDATE parts SET n = $1 WHERE id = 5', [n]);
      await stack.shows('entities/part/eu/5', part('eu', 5, 'old', String(n)));
    }
    await stack.db.query('DELETE FROM parts WHERE id = 5');
    await stack.shows('entities/part/eu/5', 404);
    await stack.shows('entities/part/eu/4', part('eu', 4, 'new pin', '5'));
    await long.query('COMMIT');
    await stack.shows('entities/part/eu/4', part('eu', 4, 'by the long one', '5'));
    await long.end();
  });

  it('a rolled-back transaction changes nothing', async () => {
    const other = await stack.session();
    await other.query('BEGIN');
    await other.query(insert, ['eu', 6, 'never', 6]);
    await other.query('ROLLBACK');
    await other.end();
    await stack.db.query(insert, ['eu', 7, 'after', 7]);
    await stack.shows('entities/part/eu/7', part('eu', 7, 'after', '7'));
    expect((await stack.get('entities/part/eu/6')).status).toBe(404);
  });

  it('changes while the app was down are followed; a lost checkpoint makes everything old', async () => {
    await stack.db.query(insert, ['eu', 8, 'one', 1]);
    await stack.shows('entities/part/eu/8', part('eu', 8, 'one', '1'));
    await stack.stopHost();
    await stack.db.query(`UPDATE parts SET name = 'two' WHERE id = 8`);
    await stack.startHost();
    await stack.shows('entities/part/eu/8', part('eu', 8, 'two', '1'));
    await stack.stopHost();
    const [checkpoint = ''] = await stack.redis.keys('wf:*:ck:{postgres/POSTGRES/parts}');
    expect(checkpoint).not.toBe('');
    await stack.redis.del(checkpoint);
    await stack.db.query(`UPDATE parts SET name = 'three' WHERE id = 8`);
    await stack.startHost();
    await until(async () => ((await stack.get('entities/part/eu/8')).json['name'] === 'three' ? true : undefined));
    await stack.shows('entities/part/eu/8', part('eu', 8, 'three', '1'));
  });

  it('changes that were forgotten before they were read make everything old', async () => {
    await stack.stopHost();
    await stack.db.query(`UPDATE parts SET name = 'four' WHERE id = 8`);
    await stack.db.query(`SELECT warmfeed.prune('0 seconds')`);
    await stack.startHost();
    await until(async () => ((await stack.get('entities/part/eu/8')).json['name'] === 'four' ? true : undefined));
  });

  it('the trigger is dropped and made again: changes in between are not kept', async () => {
    await stack.shows('entities/part/eu/8', part('eu', 8, 'four', '1'));
    await stack.db.query(`SELECT warmfeed.untrack('parts')`);
    await until(async () =>
      (await stack.dependency('feed of postgres/POSTGRES/parts'))?.state === 'warn' ? true : undefined,
    );
    await stack.db.query(`UPDATE parts SET name = 'five' WHERE id = 8`);
    await stack.track();
    await until(async () => ((await stack.get('entities/part/eu/8')).json['name'] === 'five' ? true : undefined));
  });

  it('C98, T19: keys are typed: one canonical key, and what does not parse is 400', async () => {
    await stack.db.query(`INSERT INTO logs VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', 1)`);
    const upper = await stack.get('entities/log/6F9619FF-8B86-D011-B42D-00C04FC964FF');
    expect(upper.json).toEqual({ id: '6f9619ff-8b86-d011-b42d-00c04fc964ff', n: 1 });
    expect((await stack.get('entities/log/6f9619ff-8b86-d011-b42d-00c04fc964ff')).cacheStatus).toContain('; hit');
    await stack.get('entities/part/eu/7');
    expect((await stack.get('entities/part/eu/007')).cacheStatus).toContain('; hit');
    for (const bad of ['abc', '12abc', '%201', '1e3', '0x10', '2147483648', '1.0', 'a b']) {
      const answer = await stack.get(`entities/part/eu/${bad}`);
      expect([bad, answer.status]).toEqual([bad, 400]);
      expect(answer.json['detail']).toContain('{id}');
    }
    for (const bad of ['a%01b', 'x'.repeat(1701), encodeURIComponent('ü'.repeat(851))]) {
      const answer = await stack.get(`entities/part/${bad}/1`);
      expect([bad.slice(0, 9), answer.status]).toEqual([bad.slice(0, 9), 400]);
      expect(answer.json['detail']).toContain('{shop}');
    }
    expect((await stack.get('entities/part/a%00b/1')).status).toBe(400);
    // What is no UTF-8 the host refuses, or hands over as the characters that stand there.
    for (const odd of ['%ED%A0%80', '%zz'])
      expect((await stack.get(`entities/part/${odd}/1`)).status).toBeOneOf([400, 404]);
    expect((await stack.get("entities/part/'%3B DROP TABLE parts%3B--/1")).status).toBe(404);
    expect((await stack.get('entities/part/eu/7')).status).toBe(200);
  });

  it('the database down: stale within the bound, 503 for the rest, and well again', async () => {
    await stack.db.query(insert, ['eu', 9, 'cached', 9]);
    await stack.shows('entities/part/eu/9', part('eu', 9, 'cached', '9'));
    stack.proxy.hold();
    expect((await stack.get('entities/part/eu/9')).cacheStatus).toContain('; hit');
    const [fresh, stale] = await Promise.all([
      stack.get('entities/part/eu/77'),
      stack.get('entities/part/eu/9', { headers: { 'cache-control': 'no-cache' } }),
    ]);
    expect(fresh.status).toBe(503);
    expect(fresh.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(stale.json).toEqual(part('eu', 9, 'cached', '9'));
    expect(stale.cacheStatus).toContain('fwd=stale');
    expect((await stack.get('health/ready')).status).toBe(503);
    stack.proxy.letGo();
    await stack.db.query(`UPDATE parts SET name = 'well again' WHERE id = 9`);
    await stack.shows('entities/part/eu/9', part('eu', 9, 'well again', '9'));
  });
});
