/** The latest-version change feed, through the real client's pull iterator. */
import { type ChangeFeedIteratorOptions, ChangeFeedStartFrom, type Container } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { failure, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos({ ranges: 3 });

interface Change {
  id: string;
  n: number;
  pk: string;
  _lsn: number;
}

interface Read {
  pages: Change[][];
  continuation: string;
}

const drain = async (container: Container, options: ChangeFeedIteratorOptions): Promise<Read> => {
  const iterator = container.items.getChangeFeedIterator<Change>(options);
  const pages: Change[][] = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { pages, continuation: page.continuationToken };
    pages.push(page.result);
  }
};

const fill = async (container: Container, from: number, to: number) => {
  for (let n = from; n < to; n += 1) await container.items.create({ id: `i${n}`, pk: `p${n % 7}`, n });
};

const ids = ({ pages }: Read): string[] =>
  pages
    .flat()
    .map(({ id }) => id)
    .toSorted();

const start = (ms: number) => ({ changeFeedStartFrom: ChangeFeedStartFrom.Time(new Date(Date.now() + ms)) });

describe('the change feed', () => {
  it('gives everything from the beginning, in pages, over all ranges', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 40);
    const read = await drain(container, { maxItemCount: 5, changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    expect(ids(read)).toEqual(Array.from({ length: 40 }, (_, n) => `i${n}`).toSorted());
    expect(Math.max(...read.pages.map((page) => page.length))).toBe(5);
    for (const page of read.pages)
      expect(page.map(({ _lsn }) => _lsn)).toEqual(page.map(({ _lsn }) => _lsn).toSorted((a, b) => a - b));
  });

  it('starts now, and goes on from a continuation', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 5);
    const now = await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Now() });
    expect(now.pages).toEqual([]);
    await fill(container, 5, 9);
    const next = await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Continuation(now.continuation) });
    expect(ids(next)).toEqual(['i5', 'i6', 'i7', 'i8']);
    const last = await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Continuation(next.continuation) });
    expect(last.pages).toEqual([]);
  });

  it('starts at a time', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 3);
    expect(ids(await drain(container, start(-60_000)))).toHaveLength(3);
    expect(ids(await drain(container, start(60_000)))).toHaveLength(0);
  });

  it('shows the latest version only, and no deletions', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 4);
    await container.item('i0', 'p0').replace({ id: 'i0', pk: 'p0', n: 100 });
    await container.item('i0', 'p0').replace({ id: 'i0', pk: 'p0', n: 101 });
    await container.item('i1', 'p1').delete();
    const read = await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    expect(ids(read)).toEqual(['i0', 'i2', 'i3']);
    expect(read.pages.flat().find(({ id }) => id === 'i0')?.n).toBe(101);
  });

  it('reads one partition key, or one feed range', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 21);
    const one = await drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning('p3') });
    expect(ids(one)).toEqual(['i10', 'i17', 'i3']);
    const ranges = await container.getFeedRanges();
    expect(ranges).toHaveLength(3);
    const parts = await Promise.all(
      ranges.map((range) => drain(container, { changeFeedStartFrom: ChangeFeedStartFrom.Beginning(range) })),
    );
    expect(parts.flatMap(ids)).toHaveLength(21);
  });

  it('never splits a transaction over pages', async () => {
    const container = await cosmos.container();
    for (const batch of ['a', 'b'])
      await container.items.batch(
        [1, 2, 3].map((n) => ({ operationType: 'Create' as const, resourceBody: { id: `${batch}${n}`, pk: 'x', n } })),
        'x',
      );
    const read = await drain(container, { maxItemCount: 2, changeFeedStartFrom: ChangeFeedStartFrom.Beginning('x') });
    expect(read.pages.map((page) => page.map(({ id }) => id))).toEqual([
      ['a1', 'a2', 'a3'],
      ['b1', 'b2', 'b3'],
    ]);
    expect(new Set(read.pages[0]?.map(({ _lsn }) => _lsn)).size).toBe(1);
  });

  it('refuses positions of another life', async () => {
    const container = await cosmos.container();
    const headers = { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0' };
    const path = `/dbs/shop/colls/${container.id}/docs`;
    expect((await cosmos.raw('GET', path, { ...headers, 'if-none-match': '"900"' })).status).toBe(400);
    expect((await cosmos.raw('GET', path, { ...headers, 'x-ms-documentdb-partitionkeyrangeid': '9' })).status).toBe(
      410,
    );
    expect((await cosmos.raw('GET', path, { ...headers, 'a-im': 'Full-Fidelity Feed' })).status).toBe(400);
    expect(
      await failure(
        container.items
          .getChangeFeedIterator({
            changeFeedStartFrom: ChangeFeedStartFrom.Continuation('{"rid":"x","Continuation":[]}'),
          })
          .readNext(),
      ),
    ).toBeDefined();
  });
});
