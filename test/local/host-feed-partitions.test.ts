/** What the Cosmos DB trigger of the in-process host does when ranges split and merge under its leases. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lease, LeaseStore } from '../../local/host/cosmos-leases.ts';
import { succeed } from '../../local/host/cosmos-ranges.ts';
import { createRouting } from '../../local/host/cosmos-routing.ts';
import type { LeaseDocument } from './fixtures/host/support/feed-account.ts';
import { type FeedBench, startFeedBench } from './fixtures/host/support/feed-bench.ts';
import { until } from './fixtures/host/support/raw-request.ts';

describe('the lease of a range that is gone', () => {
  const run = async (version: 0 | 1, ranges: [id: string, min: string, max: string][]): Promise<string[]> => {
    const done: string[] = [];
    const create = async (what: string, from: string | null) => {
      done.push(`create ${what} at ${from}`);
      return { LeaseToken: what } as Lease;
    };
    const leases = {
      createForRange: ({ id }: { id: string }, from: string | null) => create(id, from),
      createForInterval: (min: string, max: string, from: string | null) => create(`${min}-${max}`, from),
      remove: async () => void done.push('remove'),
    } as unknown as LeaseStore;
    const routing = createRouting(async () =>
      ranges.map(([id, minInclusive, maxExclusive]) => ({ id, minInclusive, maxExclusive })),
    );
    const lease = { LeaseToken: 'x', version, FeedRange: { Range: { min: '', max: '10' } } } as unknown as Lease;
    const { created, replaced } = await succeed({ leases, routing }, lease, '"7"');
    return [...done, `${created.length} ${replaced ? 'replaced' : 'kept'}`];
  };

  it.each([
    [
      'of a split range is followed by its children',
      0,
      [
        ['1', '10', 'FF'],
        ['3', '08', '10'],
        ['2', '', '08'],
      ],
      ['create 2 at "7"', 'create 3 at "7"', 'remove', '2 replaced'],
    ],
    [
      'of a merged range goes on for its own interval',
      0,
      [['4', '', 'FF']],
      ['create -10 at "7"', 'remove', '1 replaced'],
    ],
    [
      'of an interval is cut where the range was',
      1,
      [
        ['5', '', '0A'],
        ['6', '0A', 'FF'],
      ],
      ['create -0A at "7"', 'create 0A-10 at "7"', 'remove', '2 replaced'],
    ],
    ['of an interval that lies in one range again stays', 1, [['4', '', 'FF']], ['0 kept']],
  ] as [string, 0 | 1, [string, string, string][], string[]][])('%s', async (_name, version, ranges, expected) => {
    expect(await run(version, ranges)).toEqual(expected);
  });

  it('is an error where nothing follows', async () => {
    await expect(run(0, [['1', '10', 'FF']])).rejects.toThrow('No range follows lease x.');
  });
});

describe('a host', () => {
  let bench: FeedBench;
  beforeEach(async () => {
    bench = await startFeedBench();
  });
  afterEach(() => bench.close());

  const items = { database: 'db', container: 'items' };
  const split = (range: string) => bench.account.emulator.control.split({ ...items, range });
  const merge = (one: string, two: string) => bench.account.emulator.control.merge({ ...items, ranges: [one, two] });
  const ranges = () => bench.account.emulator.control.ranges(items);
  const leases = async (): Promise<LeaseDocument[]> =>
    (await bench.account.documents()).filter(({ LeaseToken }) => LeaseToken !== undefined);
  const tokens = async (): Promise<string[]> => (await leases()).map(({ LeaseToken = '' }) => LeaseToken).toSorted();
  const untilTokens = (...expected: string[]) =>
    until(`the leases are ${expected.join()}`, async () => (await tokens()).join() === expected.toSorted().join());
  const once = (): void => {
    expect(bench.ended().toSorted()).toEqual([...new Set(bench.ended())].toSorted());
  };

  it('goes on in the children of a split where it was, with leases of theirs', async () => {
    await bench.account.add('0', 'a');
    await bench.start();
    await bench.untilEnded('a');
    const [low, high] = split('0');
    await bench.account.add('0', 'b');
    await bench.account.add('1', 'c');
    await bench.untilEnded('b', 'c');
    await untilTokens('1', '2', '3');
    await until('all are owned', async () => (await leases()).every(({ Owner }) => typeof Owner === 'string'));
    const lease = (await leases()).find(({ LeaseToken }) => LeaseToken === low.id);
    expect(lease).toMatchObject({
      version: 0,
      FeedRange: { Range: { min: low.minInclusive, max: low.maxExclusive } },
      ContinuationToken: expect.any(String) as string,
      Owner: expect.any(String) as string,
      Mode: 'Incremental Feed',
    });
    expect(lease?.id).toMatch(/\.\.2$/);
    expect(high.id).toBe('3');
    once();
    expect(bench.entries.filter(({ level }) => level === 'warning' || level === 'error')).toEqual([
      expect.objectContaining({ message: expect.stringContaining('NO_SUCH_CONNECTION') as string }),
    ]);
  });

  it('a split while no host runs is found at the next start', async () => {
    await bench.account.add('0', 'a');
    const first = await bench.start();
    await bench.untilEnded('a');
    await first.close();
    split('0');
    await bench.account.add('0', 'b');
    await bench.start({ FEED_HOST: 'two' });
    await bench.untilEnded('b');
    expect(bench.ended('two')).toEqual(['b']);
  });

  it('goes on after a merge with a lease for each old interval, and cuts those at the next split', async () => {
    for (const id of ['a0', 'b0', 'c0']) await bench.account.add('0', id);
    await bench.account.add('1', 'a1');
    await bench.start();
    await bench.untilEnded('a0', 'b0', 'c0', 'a1');
    const border = ranges()[0]?.maxExclusive ?? '';
    expect(merge('0', '1').id).toBe('2');
    await bench.account.add('0', 'd0');
    await bench.account.add('1', 'b1');
    await bench.untilEnded('d0', 'b1');
    await untilTokens(`-${border}`, `${border}-FF`);
    expect(await leases()).toMatchObject([{ version: 1 }, { version: 1 }]);
    const { control } = bench.account.emulator;
    const read = control.requests().filter(({ operation, status }) => operation === 'change-feed' && status === 200);
    const parts = read.slice(-2).map(({ headers }) => headers);
    expect(parts.map((headers) => headers['x-ms-documentdb-partitionkeyrangeid'])).toEqual(['2', '2']);
    expect(new Set(parts.map((headers) => `${headers['x-ms-start-epk']}-${headers['x-ms-end-epk']}`))).toEqual(
      new Set([`-${border}`, `${border}-FF`]),
    );

    const [low] = split('2');
    await bench.account.add('0', 'e0');
    await bench.account.add('1', 'c1');
    await bench.untilEnded('e0', 'c1');
    const cut = low.maxExclusive;
    const before =
      cut < border ? [`-${cut}`, `${cut}-${border}`, `${border}-FF`] : [`-${border}`, `${border}-${cut}`, `${cut}-FF`];
    await untilTokens(...(cut === border ? [`-${border}`, `${border}-FF`] : before));
    once();
  });

  it('that fails between the children’s leases and the parent’s ends up with the children’s', async () => {
    await bench.start();
    await until('it owns the range', async () => typeof (await bench.owner('0')) === 'string');
    const { control } = bench.account.emulator;
    control.fault({ method: 'DELETE', path: '..0', status: 503, times: 2 });
    split('0');
    await bench.account.add('0', 'a');
    await bench.untilEnded('a');
    await untilTokens('1', '2', '3');
    control.fault({ method: 'POST', path: 'leases/docs', operation: 'create', action: 'reset', after: true, times: 1 });
    split('1');
    await bench.account.add('1', 'b');
    await bench.untilEnded('b');
    await untilTokens('2', '3', '4', '5');
  });

  it('delivers every document at least once while ranges split and merge under load, next to another host', async () => {
    await Promise.all([bench.start({ FEED_MAX: '5' }), bench.start({ FEED_HOST: 'two', FEED_MAX: '5' })]);
    const { database } = bench.account;
    const stop = new AbortController();
    const written: string[] = [];
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; !stop.signal.aborted; n += 1) {
        const id = `w${writer}-${n}`;
        await database.container('items').items.create({ id, pk: `p${(writer * 17 + n) % 41}` });
        written.push(id);
        await sleep(4);
      }
    };
    const writers = [0, 1, 2, 3].map(write);
    for (let step = 0; step < 14; step += 1) {
      await sleep(120);
      const [one, two, three] = ranges();
      if (step % 3 === 2 && two && three) merge(two.id, three.id);
      else split((step % 2 ? two : one)?.id ?? '');
    }
    stop.abort();
    await Promise.all(writers);
    expect(written.length).toBeGreaterThan(200);
    await until('all came', () => new Set(bench.ended()).size >= written.length, 15_000);
    expect(new Set(bench.ended())).toEqual(new Set(written));
    expect(bench.ended('one').length).toBeGreaterThan(0);
    expect(bench.ended('two').length).toBeGreaterThan(0);
  });

  it('follows a split of the lease container itself', async () => {
    await bench.start();
    await until('it owns the range', async () => typeof (await bench.owner('0')) === 'string');
    bench.account.emulator.control.split({ database: 'db', container: 'leases', range: '0' });
    bench.account.emulator.control.split({ database: 'db', container: 'leases', range: '1' });
    await bench.start({ FEED_HOST: 'two' });
    await until('each has one', async () => new Set((await leases()).map(({ Owner }) => Owner)).size === 2);
    await bench.account.add('0', 'a');
    await bench.account.add('1', 'b');
    await bench.untilEnded('a', 'b');
    expect(bench.logged('Looking for leases failed')).toBe(false);
  });
});
