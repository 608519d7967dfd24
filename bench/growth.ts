// Whether hits stay as fast when there are more records, and what a record costs in memory.

import { Redis } from 'ioredis';
import { parseKey } from '../src/core/key.ts';
import { NO_DIRECTIVES } from '../src/core/read/policy.ts';
import { createBenchApp, documentOf, expectHit, sourceOf } from './app.ts';
import type { Context } from './context.ts';
import { latency, speed } from './hit.ts';
import { race, ratios, spread, usedBy } from './measure.ts';
import type { Figure } from './report.ts';

const BODY = 100;
const AT_ONCE = 1000;
const TTL_MS = 3_600_000;

export async function growth(context: Context): Promise<Figure[]> {
  const counts = [10_000, 100_000, 1_000_000, 10_000_000].filter((count) => count <= context.mostRecords);
  const app = createBenchApp(context.redis, sourceOf(documentOf(BODY)), 'growth');
  const client = new Redis(context.redis, { enableAutoPipelining: true });
  await client.flushall();
  const [, most = '0'] = await client.config('GET', 'maxmemory');
  await client.config('SET', 'maxmemory', 0);
  const { entity, reader } = app;
  const read = (id: string) => reader.read({ entity, key: parseKey(entity.columns, [id]), directives: NO_DIRECTIVES });
  await read('0');
  const record = await client.getBuffer(app.keys.record('widget', ['0']));
  if (record === null) throw new Error('nothing was cached');
  const empty = await usedBy(client);
  const figures: Figure[] = [];
  let there = 1;
  for (const count of counts) {
    for (; there < count; there += AT_ONCE) {
      if (there % 10_000 === 1) context.progress(`${there} records`);
      const ids = Array.from({ length: Math.min(AT_ONCE, count - there) }, (_, i) => String(there + i));
      await Promise.all(ids.map((id) => client.set(app.keys.record('widget', [id]), record, 'PX', TTL_MS)));
    }
    there = count;
    const bytes = ((await usedBy(client)) - empty) / count;
    const any = () => String(Math.floor(Math.random() * count));
    const answer = await read(any());
    expectHit(answer);
    const contenders = [
      { name: 'bare', call: () => client.getBuffer(app.keys.record('widget', [any()])) },
      { name: 'hit', call: () => read(any()) },
    ];
    const rounds = { inFlight: 64, rounds: context.rounds, roundMs: 80 };
    const [bare = [], hit = []] = await race(contenders, rounds);
    figures.push({
      what: `hit of any of ${count.toLocaleString('en')} records of ${BODY} bytes`,
      value: spread(hit.map(speed)),
      unit: 'per second',
      ratio: ratios(hit.map(speed), bare.map(speed)),
      to: 'auto-pipelined getBuffer',
      also: { ...latency(hit), 'bytes a record': Math.round(bytes), 'of them header': record.length - BODY },
    });
  }
  await client.flushall();
  await client.config('SET', 'maxmemory', most);
  client.disconnect();
  await app.close();
  return figures;
}
