import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hash64 } from '../../src/core/bytes.ts';
import { type Answer, type Stack, startStack, until } from '../support/stack.ts';

const RECORD = 'wf:warmfeed:c:{widget/eu/';

describe('GET /ops/explain', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ host: { enableAuth: true, keys: { master: 'm'.repeat(40), default: 'd'.repeat(40) } } });
  });
  afterAll(() => stack?.close());

  const admin = { headers: { 'x-functions-key': 'm'.repeat(40) } };
  const explain = (path: string) => stack.get(`ops/explain/${path}`, admin);
  const read = (path: string) => stack.get(`entities/${path}`, admin);
  const hit = (path: string) =>
    until(async () => ((await read(path)).cacheStatus.includes('; hit') ? true : undefined));
  const verdict = ({ json }: Answer) => json['verdict'];

  it('needs the admin key: no key and the function key are refused', async () => {
    expect((await stack.get('ops/explain/widget/eu/a')).status).toBe(401);
    const answer = await stack.get('ops/explain/widget/eu/a', { headers: { 'x-functions-key': 'd'.repeat(40) } });
    expect(answer.status).toBe(401);
  });

  it('a live record, field by field', async () => {
    await stack.widgets.items.upsert({ id: 'a', region: 'eu', name: 'one' });
    await hit('widget/eu/a');
    const served = await read('widget/eu/a');
    const answer = await explain('widget/eu/a');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.json).toMatchObject({
      entity: 'widget',
      key: 'eu/a',
      verdict: 'live',
      record: { state: 'value', guarantee: 'watermarked', etag: served.headers.get('etag'), tags: ['region:eu'] },
      generation: { same: true },
      fingerprint: { same: true },
      watermark: { state: 'known' },
      lease: null,
      source: { name: 'cosmos/COSMOS/shop/widgets', read: null },
    });
    expect(answer.json['partition']).toMatch(/\/0$/);
    expect(answer.json['keyHash']).toBe(Buffer.from(hash64(`${RECORD}a}`)).toString('hex'));
    expect((await explain('brief/eu/a')).json).toMatchObject({ verdict: 'missing', record: null });
  });

  it('with source=true what the source says, and whether that is what is cached', async () => {
    const answer = await explain('widget/eu/a?source=true');
    expect(answer.json['source']).toMatchObject({ read: { state: 'value', sameAsCached: true, error: null } });
    expect((await explain('widget/eu/none?source=true')).json).toMatchObject({
      verdict: 'missing',
      source: { read: { state: 'absent', sameAsCached: null } },
    });
    const fault = stack.emulator.control.fault({ operation: 'read', status: 503 });
    expect((await explain('widget/eu/a?source=true')).json).toMatchObject({
      verdict: 'live',
      source: { read: { state: 'failed', error: expect.stringContaining('SOURCE_UNAVAILABLE') } },
    });
    stack.emulator.control.removeFault(fault);
  });

  it('a lease, a fence, foreign bytes, an old generation, an absent item', async () => {
    const lease = Buffer.alloc(36);
    lease.write('W\u0001', 0, 'latin1');
    lease.write('somebody', 20);
    lease.writeBigUInt64BE(BigInt(Date.now() + 9000), 28);
    await stack.redis.set(`${RECORD}l}`, lease, 'PX', 60_000);
    const leased = await explain('widget/eu/l');
    expect(leased.json).toMatchObject({ verdict: 'leased', record: { state: 'bare', etag: null } });
    expect((leased.json['lease'] as { ageMs: number }).ageMs).toBeGreaterThanOrEqual(900);
    lease.fill(0, 20);
    lease.writeBigUInt64BE(7n, 12);
    await stack.redis.set(`${RECORD}f}`, lease, 'PX', 60_000);
    expect((await explain('widget/eu/f')).json).toMatchObject({
      verdict: 'fenced',
      record: { fence: '7' },
      lease: null,
    });
    await stack.redis.set(`${RECORD}x}`, 'something', 'PX', 60_000);
    expect((await explain('widget/eu/x')).json).toMatchObject({ verdict: 'foreign', record: null });
    await stack.redis.hdel('wf:warmfeed:gen', 'e:widget');
    const old = await explain('widget/eu/a');
    expect(old.json).toMatchObject({
      verdict: 'old generation',
      generation: { same: false },
      fingerprint: { same: true },
    });
    await until(async () => ((await read('widget/eu/gone')).cacheStatus.includes('; hit') ? true : undefined));
    expect(verdict(await explain('widget/eu/gone'))).toMatch(/live|expired|stale/);
  });

  it('why the last fill was refused', async () => {
    await stack.widgets.items.upsert({ id: 'big', region: 'eu', text: 'x'.repeat(70_000) });
    expect((await read('widget/eu/big')).status).toBe(200);
    expect((await explain('widget/eu/big')).json).toMatchObject({
      lastRefusal: { outcome: 'too-large', meaning: expect.stringContaining('maxBytes') },
      reasons: expect.arrayContaining([expect.stringContaining('maxBytes')]),
    });
  });

  it('what cannot be asked is a problem that says why', async () => {
    const problems = [
      ['nothing/eu/a', 404],
      ['widget/eu', 400],
      ['widget/eu/a/b', 400],
      ['widget/eu/a?source=maybe', 400],
      ['widget/eu/a?source=true&source=true', 400],
      ['widget/eu/a?sauce=true', 400],
    ] as const;
    for (const [path, status] of problems) {
      const answer = await explain(path);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    const posted = await stack.get('ops/explain/widget/eu/a', { ...admin, method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET']);
  });

  it('without Redis it says so', async () => {
    await stack.redisServer.kill();
    await until(async () => ((await explain('widget/eu/a')).status === 503 ? true : undefined));
    expect((await explain('widget/eu/a')).json['type']).toBe('urn:warmfeed:problem:store-unavailable');
    await stack.redisServer.start();
  });
});
