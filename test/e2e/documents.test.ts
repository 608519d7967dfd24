import { createHmac, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ settings: { WARMFEED_FEED_BATCH: '20' } });
});
afterAll(() => stack?.close());

/** Writes the very text of a document, past every JavaScript number and property rule of the SDK. */
async function writeRaw(region: string, text: string): Promise<number> {
  const path = 'dbs/shop/colls/widgets';
  const date = new Date().toUTCString();
  const signed = `post\ndocs\n${path}\n${date.toLowerCase()}\n\n`;
  const key = /AccountKey=([^;]+)/.exec(stack.settings.COSMOS)?.[1] ?? '';
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
  return new Promise((resolve, reject) => {
    const call = request(
      new URL(`${path}/docs`, stack.emulator.endpoint),
      {
        method: 'POST',
        headers: {
          authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`),
          'x-ms-date': date,
          'x-ms-version': '2020-07-15',
          'x-ms-documentdb-partitionkey': JSON.stringify([region]),
          'x-ms-documentdb-is-upsert': 'True',
          'content-type': 'application/json',
        },
      },
      (reply) => {
        reply.resume();
        resolve(reply.statusCode ?? 0);
      },
    );
    call.on('error', reject);
    call.end(text);
  });
}

/** The same item by a miss, by a hit, and as the change feed refreshed it. */
async function threeWays(region: string, id: string) {
  const path = `entities/widget/${encodeURIComponent(region)}/${encodeURIComponent(id)}`;
  const refreshed = await until(async () => {
    const answer = await stack.get(path);
    return answer.cacheStatus.includes('; hit') ? answer : undefined;
  });
  // The feed may still bring the write that a reader was faster to cache.
  const miss = await until(async () => {
    await stack.redis.del(`wf:warmfeed:c:{widget/${region}/${id}}`);
    const answer = await stack.get(path);
    return answer.cacheStatus.includes('fwd=miss') ? answer : undefined;
  });
  const hit = await stack.get(path);
  return { refreshed, miss, hit };
}

describe('documents that are hard', () => {
  it.each([
    [
      'numbers beyond 2^53',
      '{"id":"n1","region":"hard","big":9223372036854775807,"f":0.30769230769230771,"z":-0,"e":1e300}',
    ],
    [
      'names that mean something to JavaScript',
      '{"id":"n2","region":"hard","__proto__":{"x":1},"constructor":1,"toString":"y","":"empty"}',
    ],
    [
      'lone surrogates and controls in text',
      '{"id":"n3","region":"hard","s":"a\\ud800b","c":"\\u0000\\u001f\\u2028","e":"\\ud83d\\ude00"}',
    ],
    [
      'values that are easily confused',
      '{"id":"n4","region":"hard","a":null,"b":"","c":"null","d":"undefined","e":0,"f":false,"g":[],"h":{}}',
    ],
    ['deep nesting', `{"id":"n5","region":"hard","deep":${'['.repeat(120)}1${']'.repeat(120)}}`],
  ])('C47, C57, T13, T19, T25: %s are the same, byte for byte, on a miss, a hit and after a refresh', async (_, text) => {
    expect([200, 201]).toContain(await writeRaw('hard', text));
    const { id } = JSON.parse(text) as { id: string };
    const { refreshed, miss, hit } = await threeWays('hard', id);
    expect(miss.status).toBe(200);
    expect(hit.cacheStatus).toContain('; hit');
    expect(hit.text).toBe(miss.text);
    expect(refreshed.text).toBe(miss.text);
    expect(hit.headers.get('etag')).toBe(refreshed.headers.get('etag'));
    // The limit: numbers are those of JavaScript, as the SDK and the Functions host hand them over.
    expect(miss.text).toBe(JSON.stringify(JSON.parse(text)));
  });

  it('C79, T33: 1.9 MB is answered, not cached, and its change evicts; 1 byte more than maxBytes likewise', async () => {
    await stack.widgets.items.upsert({ id: 'big', region: 'eu', n: 1 });
    await until(async () =>
      (await stack.get('entities/widget/eu/big')).cacheStatus.includes('; hit') ? true : undefined,
    );
    await stack.widgets.items.upsert({ id: 'big', region: 'eu', n: 2, text: 'x'.repeat(1_900_000) });
    const answer = await until(async () => {
      const got = await stack.get('entities/widget/eu/big');
      return got.json['n'] === 2 ? got : undefined;
    });
    expect([answer.status, answer.text.length > 1_900_000, answer.cacheStatus.includes('stored')]).toEqual([
      200,
      true,
      false,
    ]);
    const again = await stack.get('entities/widget/eu/big');
    expect(again.headers.get('etag')).toBe(answer.headers.get('etag'));
    expect(await stack.redis.strlen('wf:warmfeed:c:{widget/eu/big}')).toBeLessThan(100);
  });

  it('C90: many large documents in one partition: what is cached follows', async () => {
    const ids = Array.from({ length: 30 }, (_, i) => `l${i}`);
    for (const n of [1, 2]) {
      await Promise.all(
        ids.map((id) => stack.widgets.items.upsert({ id, region: 'large', n, text: 'x'.repeat(60_000) })),
      );
    }
    for (const id of ids) {
      await until(async () => ((await stack.get(`entities/widget/large/${id}`)).json['n'] === 2 ? true : undefined));
    }
  });

  it('C90: a page of 20 MB: the few that are cached follow, and so does what comes after it', async () => {
    const warm = ['h1', 'h7', 'h15'];
    const update = (n: number, length: number) =>
      Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          stack.widgets.items.upsert({ id: `h${i}`, region: 'huge', n, text: 'x'.repeat(length) }),
        ),
      );
    await update(1, 10);
    for (const id of warm) {
      await until(async () =>
        (await stack.get(`entities/open/huge/${id}`)).cacheStatus.includes('; hit') ? true : undefined,
      );
    }
    await update(2, 1_300_000);
    await stack.widgets.items.upsert({ id: 'after', region: 'huge', n: 1 });
    for (const id of warm) {
      await until(
        async () => ((await stack.get(`entities/open/huge/${id}`)).json['n'] === 2 ? true : undefined),
        20_000,
      );
    }
    await until(async () =>
      (await stack.get('entities/widget/huge/after', { headers: { 'cache-control': 'only-if-cached' } })).status === 200
        ? true
        : undefined,
    );
  });

  it('a transaction larger than a page: all of it has one position, and all of it arrives', async () => {
    const operations = Array.from({ length: 90 }, (_, i) => ({
      operationType: 'Upsert' as const,
      resourceBody: { id: `t${i}`, region: 'tx', n: i },
    }));
    await stack.widgets.items.batch(operations, 'tx');
    for (let i = 0; i < 90; i++) {
      const answer = await until(async () => {
        const got = await stack.get(`entities/widget/tx/t${i}`);
        return got.cacheStatus.includes('; hit') ? got : undefined;
      });
      expect(answer.json['n']).toBe(i);
    }
  });

  it('T26: ids with a slash and the like, written past the SDK, are found, followed, and told apart', async () => {
    const ids = ['kit 3/4', 'q?x', 'h#y', 'b\\s', 'p%2Fq', ' lead', 'trail '];
    for (const id of ids)
      expect([200, 201]).toContain(await writeRaw('odd', JSON.stringify({ id, region: 'odd', own: randomUUID() })));
    const seen = new Set<unknown>();
    for (const id of ids) {
      const literal = JSON.stringify(id).replaceAll('%', '\\u0025').replaceAll('/', '\\u002f');
      const path = `entities/widget/odd/${encodeURIComponent(`=${literal}`)}`;
      const answer = await until(async () => {
        const got = await stack.get(path);
        return got.cacheStatus.includes('; hit') ? got : undefined;
      });
      expect(answer.json['id']).toBe(id);
      seen.add(answer.json['own']);
    }
    expect(seen.size).toBe(ids.length);
  });
});
