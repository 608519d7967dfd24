/** Splits and merges while clients read, write, query and follow the feed: nothing is lost, nothing goes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeFeedStartFrom, type Container, type OperationInput } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos({ ranges: 2 });

interface Doc {
  id: string;
  pk: string;
  n: number;
}

const named = ({ id }: Container) => ({ database: 'shop', container: id });

/** Small, so that a failing run can be repeated. */
const random = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
};

const keys = 60;
const keyOf = (index: number): string => `p${index % 23}`;

/** Six writers, each with documents of its own, so that the last value of each is known. */
const write = async (container: Container, expected: Map<string, number>, stop: AbortSignal) => {
  await Promise.all(
    Array.from({ length: 6 }, async (_, writer) => {
      for (let n = 1; !stop.aborted; n += 1)
        for (let index = writer; index < keys && !stop.aborted; index += 6) {
          await container.items.upsert({ id: `i${index}`, pk: keyOf(index), n });
          expected.set(`i${index}`, n);
        }
    }),
  );
};

/** What a reader has seen written it never sees unwritten, under its client's session. */
const read = async (container: Container, expected: Map<string, number>, stop: AbortSignal) => {
  let reads = 0;
  while (!stop.aborted) {
    const index = reads % keys;
    const floor = expected.get(`i${index}`) ?? 0;
    const { resource } = await container.item(`i${index}`, keyOf(index)).read<Doc>();
    expect(resource?.n ?? 0).toBeGreaterThanOrEqual(floor);
    reads += 1;
  }
  return reads;
};

const reshape = async (container: Container, seed: number, steps: number) => {
  const { control } = cosmos.emulator;
  const next = random(seed);
  const done: string[] = [];
  while (done.length < steps) {
    await sleep(40);
    const ranges = control.ranges(named(container));
    const at = next(ranges.length);
    const [one, two] = [ranges[at], ranges[at + 1]];
    if (one && two && (ranges.length > 6 || next(3) === 0)) {
      done.push(`merge ${one.id} ${two.id}`);
      control.merge({ ...named(container), ranges: [one.id, two.id] });
    } else if (one) {
      done.push(`split ${one.id}`);
      control.split({ ...named(container), range: one.id });
    }
  }
  return done;
};

const follow = async (container: Container, seen: Map<string, number>, until: AbortSignal) => {
  const iterator = container.items.getChangeFeedIterator<Doc & { _lsn: number }>({
    maxItemCount: 7,
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
  });
  // After merges the client can hold one interval twice; it then says 304 before it has asked all the others.
  for (let drained = 0; drained < 30; ) {
    const ending = until.aborted;
    const page = await iterator.readNext();
    drained = ending && page.statusCode === 304 ? drained + 1 : 0;
    if (page.statusCode === 304) await sleep(1);
    else
      for (const { id, n } of page.result) {
        expect(n).toBeGreaterThanOrEqual(seen.get(id) ?? 0);
        seen.set(id, n);
      }
  }
};

const fromRanges = async (container: Container): Promise<Map<string, number>> => {
  const all = new Map<string, number>();
  for (const { id } of cosmos.emulator.control.ranges(named(container))) {
    const headers = { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': id };
    const reply = await cosmos.raw('GET', `/dbs/shop/colls/${container.id}/docs`, headers);
    const documents = (reply.status === 304 ? [] : reply.json['Documents']) as Doc[];
    for (const document of documents) {
      expect(all.has(document.id)).toBe(false);
      all.set(document.id, document.n);
    }
  }
  return all;
};

const sorted = (map: Map<string, number>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('while ranges split and merge', () => {
  it.each([1, 2, 3])('reads, writes and the client’s feed lose nothing (seed %i)', async (seed) => {
    const container = await cosmos.container();
    const expected = new Map<string, number>();
    const seen = new Map<string, number>();
    const [writing, following] = [new AbortController(), new AbortController()];
    const feed = follow(container, seen, following.signal);
    const readers = [read(container, expected, writing.signal), read(container, expected, writing.signal)];
    const writers = write(container, expected, writing.signal);
    const done = await reshape(container, seed, 12);
    writing.abort();
    await writers;
    expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(10);
    following.abort();
    await feed;
    const last = sorted(expected);
    expect(last.length, done.join(', ')).toBe(keys);
    expect(sorted(seen), done.join(', ')).toEqual(last);
    expect(sorted(await fromRanges(container))).toEqual(last);
    const { resources } = await container.items.query<Doc>('SELECT * FROM c').fetchAll();
    expect(sorted(new Map(resources.map(({ id, n }) => [id, n])))).toEqual(last);
  });

  it('bulk requests are routed anew', async () => {
    const container = await cosmos.container();
    const operations = (from: number): OperationInput[] =>
      Array.from({ length: 300 }, (_, n) => ({
        operationType: 'Upsert' as const,
        partitionKey: `p${n}`,
        resourceBody: { id: `i${from + n}`, pk: `p${n}`, n },
      }));
    await container.items.executeBulkOperations(operations(0));
    const loading = container.items.executeBulkOperations(operations(300));
    const split = reshape(container, 7, 2);
    const results = [...(await loading)];
    await split;
    results.push(...(await container.items.executeBulkOperations(operations(600))));
    expect(results.filter(({ response }) => (response?.statusCode ?? 500) >= 300)).toEqual([]);
    expect((await fromRanges(container)).size).toBe(900);
  });
});

describe('a query in pages', () => {
  const fill = async (container: Container) => {
    for (let n = 0; n < 60; n += 1) await container.items.create({ id: `i${n}`, pk: `p${n}`, n });
    return Array.from({ length: 60 }, (_, n) => n);
  };

  it.each([
    [
      'of the client',
      async (container: Container, disturb: () => void) => {
        const iterator = container.items.query<number>('SELECT VALUE c.n FROM c', { maxItemCount: 6 });
        const all: number[] = [];
        for (let page = 0; iterator.hasMoreResults(); page += 1) {
          all.push(...((await iterator.fetchNext()).resources ?? []));
          if (page % 2 === 0 && page < 9) disturb();
        }
        return all;
      },
    ],
    [
      'of the gateway',
      async (container: Container, disturb: () => void) => {
        const all: number[] = [];
        const headers = {
          'content-type': 'application/query+json',
          'x-ms-documentdb-isquery': 'True',
          'x-ms-documentdb-query-enablecrosspartition': 'True',
          'x-ms-max-item-count': '6',
        };
        let continuation = '';
        for (let page = 0; page === 0 || continuation !== ''; page += 1) {
          const path = `/dbs/shop/colls/${container.id}/docs`;
          const more = continuation === '' ? headers : { ...headers, 'x-ms-continuation': continuation };
          const reply = await cosmos.raw('POST', path, more, { query: 'SELECT VALUE c.n FROM c' });
          all.push(...(reply.json['Documents'] as number[]));
          continuation = reply.headers.get('x-ms-continuation') ?? '';
          if (page % 2 === 0 && page < 9) disturb();
        }
        return all;
      },
    ],
  ])('%s goes on over splits and merges, each row once', async (_name, run) => {
    const container = await cosmos.container();
    const expected = await fill(container);
    const { control } = cosmos.emulator;
    let turn = 0;
    const disturb = (): void => {
      const [one, two, three] = control.ranges(named(container));
      turn += 1;
      if (turn % 3 === 0 && two && three) control.merge({ ...named(container), ranges: [two.id, three.id] });
      else control.split({ ...named(container), range: (turn % 2 ? one : two)?.id ?? '' });
    };
    expect((await run(container, disturb)).toSorted((a, b) => a - b)).toEqual(expected);
    expect(turn).toBeGreaterThan(3);
  });

  it('that is ordered is refused rather than answered wrongly', async () => {
    const container = await cosmos.container();
    await fill(container);
    const [range] = control(container);
    const ask = (id: string, continuation?: string) =>
      cosmos.raw(
        'POST',
        `/dbs/shop/colls/${container.id}/docs`,
        {
          'content-type': 'application/query+json',
          'x-ms-documentdb-isquery': 'True',
          'x-ms-documentdb-partitionkeyrangeid': id,
          'x-ms-max-item-count': '6',
          ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
        },
        { query: 'SELECT VALUE c.n FROM c ORDER BY c.n' },
      );
    const first = await ask(range?.id ?? '');
    const [child] = cosmos.emulator.control.split({ ...named(container), range: range?.id ?? '' });
    expect((await ask(child.id, first.headers.get('x-ms-continuation') ?? '')).status).toBe(400);
    expect((await ask(child.id)).status).toBe(200);
  });
});

const control = (container: Container) => cosmos.emulator.control.ranges(named(container));
