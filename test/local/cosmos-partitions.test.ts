/** Splits and merges on command: identities, positions, sessions, lagging replicas, and what the parents answer. */
import type { Container } from '@azure/cosmos';
import { afterEach, describe, expect, it } from 'vitest';
import type { RangeInfo } from '../../local/cosmos/emulator.ts';
import { send, system, useCosmos } from './cosmos-fixture.ts';

const cosmos = useCosmos();
afterEach(() => cosmos.emulator.control.reset());

const named = ({ id }: Container) => ({ database: 'shop', container: id });
const split = (container: Container, range: string) => cosmos.emulator.control.split({ ...named(container), range });
const merge = (container: Container, ranges: [string, string]) =>
  cosmos.emulator.control.merge({ ...named(container), ranges });

const fill = async (container: Container, from: number, to: number) => {
  for (let n = from; n < to; n += 1) await container.items.create({ id: `i${n}`, pk: `p${n}`, n });
};

const onRange = (container: Container, range: string, headers: Record<string, string> = {}) =>
  cosmos.raw('GET', `/dbs/shop/colls/${container.id}/docs`, {
    'a-im': 'Incremental Feed',
    'x-ms-documentdb-partitionkeyrangeid': range,
    ...headers,
  });

interface Shown {
  id: string;
  _lsn: number;
}

const shown = async (container: Container, range: string, headers?: Record<string, string>): Promise<Shown[]> => {
  const reply = await onRange(container, range, headers);
  expect([200, 304]).toContain(reply.status);
  return reply.status === 304 ? [] : (reply.json['Documents'] as Shown[]);
};

const idsOf = (...lists: Shown[][]): string[] =>
  lists
    .flat()
    .map(({ id }) => id)
    .toSorted();

const substatus = ({ status, headers }: { status: number; headers: Headers }) => [
  status,
  headers.get('x-ms-substatus'),
];

const epk = ({ minInclusive, maxExclusive }: RangeInfo) => ({
  'x-ms-start-epk': minInclusive,
  'x-ms-end-epk': maxExclusive,
  'x-ms-read-key-type': 'EffectivePartitionKeyRange',
});

const rangeOfKey = async (container: Container, pk: string): Promise<string> => {
  const { headers } = await container.item('nothing', pk).read();
  return String(headers['x-ms-documentdb-partitionkeyrangeid']);
};

describe('a split', () => {
  it('makes two children that know all their ancestors, and ends the parent', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 20);
    const path = `/dbs/shop/colls/${container.id}`;
    const before = await cosmos.raw('GET', `${path}/pkranges`, { 'A-IM': 'Incremental Feed' });
    const [low, high] = split(container, '0');
    const [lower, upper] = split(container, '2');
    expect([low.id, high.id, lower.id, upper.id]).toEqual(['1', '2', '3', '4']);
    expect([low.parents, lower.parents]).toEqual([['0'], ['0', '2']]);
    expect([low.minInclusive, low.maxExclusive, upper.maxExclusive]).toEqual(['', high.minInclusive, 'FF']);

    const known = { 'A-IM': 'Incremental Feed', 'if-none-match': before.headers.get('etag') ?? '' };
    const after = await cosmos.raw('GET', `${path}/pkranges`, known);
    expect(after.json['PartitionKeyRanges']).toMatchObject([
      { id: '1', parents: ['0'], maxExclusive: low.maxExclusive },
      { id: '3', parents: ['0', '2'], minInclusive: low.maxExclusive },
      { id: '4', parents: ['0', '2'], maxExclusive: 'FF' },
    ]);
    const again = await cosmos.raw('GET', `${path}/pkranges`, {
      ...known,
      'if-none-match': after.headers.get('etag') ?? '',
    });
    expect(again.status).toBe(304);

    for (const gone of ['0', '2']) {
      expect(substatus(await onRange(container, gone))).toEqual([410, '1002']);
      const range = { 'x-ms-documentdb-partitionkeyrangeid': gone };
      const query = { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'True', ...range };
      const asked = await cosmos.raw('POST', `${path}/docs`, query, { query: 'SELECT * FROM c' });
      expect(substatus(asked)).toEqual([410, '1002']);
      const bulk = { 'x-ms-cosmos-is-batch-request': 'True', 'x-ms-cosmos-batch-atomic': 'False', ...range };
      expect(substatus(await cosmos.raw('POST', `${path}/docs`, bulk, []))).toEqual([410, '1002']);
    }
    for (let n = 0; n < 20; n += 1) {
      const { resource, headers } = await container.item(`i${n}`, `p${n}`).read();
      expect(resource).toMatchObject({ n });
      expect(['1', '3', '4']).toContain(headers['x-ms-documentdb-partitionkeyrangeid']);
    }
    expect(idsOf(await shown(container, '1'))).toHaveLength(10);
    expect(idsOf(await shown(container, '3'))).toHaveLength(5);
  });

  it('continues the positions of the parent in the children', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 12);
    const old = await shown(container, '0');
    const { headers } = await onRange(container, '0', { 'x-ms-max-item-count': '8' });
    const etag = headers.get('etag') ?? '';
    const [low, high] = split(container, '0');
    expect([low.lsn, high.lsn]).toEqual([13, 13]);

    const both = [...(await shown(container, '1')), ...(await shown(container, '2'))];
    const positions = (list: Shown[]) => list.map(({ id, _lsn }) => `${id} ${_lsn}`).toSorted();
    expect(positions(both)).toEqual(positions(old));
    const from = { 'if-none-match': etag };
    expect(idsOf(await shown(container, '1', from), await shown(container, '2', from))).toEqual(
      old
        .slice(8)
        .map(({ id }) => id)
        .toSorted(),
    );
    const read = await container.item('i3', 'p3').read();
    expect(read.headers).toMatchObject({ lsn: '13', 'x-ms-item-lsn': '5' });
    await container.item('i3', 'p3').replace({ id: 'i3', pk: 'p3', n: 33 });
    const range = await rangeOfKey(container, 'p3');
    expect(await shown(container, range, { 'if-none-match': '"13"' })).toMatchObject([{ id: 'i3', _lsn: 14 }]);
    const latest = await shown(container, range);
    expect(latest.at(-1)).toMatchObject({ id: 'i3', n: 33 });
    expect(idsOf(latest).filter((id) => id === 'i3')).toHaveLength(1);
  });

  it('halves a range of one key, or of none, in the middle', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    await container.items.create({ id: 'b', pk: 'x' });
    const [low] = split(container, '0');
    expect(low.maxExclusive).toBe(`2${'0'.repeat(31)}`);
    expect(split(container, '1')[0].maxExclusive).toBe(`1${'0'.repeat(31)}`);
  });
});

describe('a merge', () => {
  it('makes one child above both parents, where each continuation goes on in its own interval', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 16);
    const [low, high] = split(container, '0');
    await fill(container, 16, 40);
    const ranges = cosmos.emulator.control.ranges(named(container));
    const highest = Math.max(...ranges.map(({ lsn }) => lsn));
    const half = (range: string) => onRange(container, range, { 'x-ms-max-item-count': '7' });
    const [ofLow, ofHigh] = [await half('1'), await half('2')];

    const child = merge(container, ['2', '1']);
    expect(child).toMatchObject({ id: '3', parents: ['0', '1', '2'], minInclusive: '', maxExclusive: 'FF' });
    expect(child.lsn).toBeGreaterThan(highest);
    for (const gone of ['0', '1', '2']) expect(substatus(await onRange(container, gone))).toEqual([410, '1002']);

    const rest = await Promise.all(
      [
        { range: low, reply: ofLow },
        { range: high, reply: ofHigh },
      ].map(({ range, reply }) =>
        shown(container, '3', { ...epk(range), 'if-none-match': reply.headers.get('etag') ?? '' }),
      ),
    );
    const first = [ofLow, ofHigh].map((reply) => reply.json['Documents'] as Shown[]);
    expect(idsOf(...first, ...rest)).toEqual(Array.from({ length: 40 }, (_, n) => `i${n}`).toSorted());
    const all = await shown(container, '3');
    expect(all.map(({ _lsn }) => _lsn)).toEqual(all.map(({ _lsn }) => _lsn).toSorted((a, b) => a - b));

    const session = { sessionToken: ranges.map(({ id, lsn }) => `${id}:-1#${lsn}`).join(',') };
    expect((await container.item('i20', 'p20').read(session)).statusCode).toBe(200);
    await fill(container, 40, 41);
    expect((await shown(container, '3', { 'if-none-match': `"${child.lsn}"` })).map(({ id }) => id)).toEqual(['i40']);
  });
});

describe('sessions and replicas over a split', () => {
  const read = (container: Container, pk: string, sessionToken: string) =>
    cosmos.raw('GET', `/dbs/shop/colls/${container.id}/docs/a`, {
      'x-ms-documentdb-partitionkey': JSON.stringify([pk]),
      'x-ms-session-token': sessionToken,
    });

  it('the position of an ancestor counts as the position of the child', async () => {
    const container = await cosmos.container();
    await container.items.create({ id: 'a', pk: 'x' });
    split(container, '0');
    split(container, await rangeOfKey(container, 'x'));
    expect((await read(container, 'x', '0:-1#2')).status).toBe(200);
    expect(substatus(await read(container, 'x', '0:-1#3'))).toEqual([404, '1002']);
    expect(substatus(await read(container, 'x', '0:-1#1,1:-1#9,2:-1#9'))).toEqual([404, '1002']);
    expect((await read(container, 'x', '7:-1#9')).status).toBe(200);
  });

  it.each(['frozen', { lagMs: 60_000 }] as const)('a replica stays as far behind as it was: %o', async (mode) => {
    const container = await cosmos.container();
    if (mode === 'frozen') await container.items.create({ id: 'a', pk: 'x', n: 1 });
    cosmos.emulator.control.replica(mode);
    const written = await container.items.upsert({ id: 'a', pk: 'x', n: 2 });
    const token = (await read(container, 'x', '')).headers.get('x-ms-session-token');
    split(container, '0');
    split(container, await rangeOfKey(container, 'x'));
    await container.items.upsert({ id: 'a', pk: 'x', n: 3 });
    const stale = await read(container, 'x', '');
    expect(stale.json['n']).toBe(mode === 'frozen' ? 1 : undefined);
    expect(stale.headers.get('x-ms-session-token')?.split('#')[1]).toBe(token?.split('#')[1]);
    const session = String(written.headers['x-ms-session-token']);
    expect(substatus(await read(container, 'x', session))).toEqual([404, '1002']);
    cosmos.emulator.control.replica('none');
    expect((await read(container, 'x', session)).json['n']).toBe(3);
  });

  it('a replica that lags catches up with the whole position of the parent, not only with its own half', async () => {
    const container = await cosmos.container();
    await fill(container, 0, 10);
    const [low, high] = split(container, '0');
    cosmos.emulator.control.replica({ lagMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const n of [0, 1, 2, 3]) {
      const { headers } = await container.item(`i${n}`, `p${n}`).read();
      expect(headers['lsn']).toBe('11');
    }
    merge(container, [low.id, high.id]);
    cosmos.emulator.control.replica({ lagMs: 60_000 });
    expect((await container.item('i0', 'p0').read()).headers['lsn']).toBe('12');
  });
});

describe('partitions over HTTP', () => {
  const control = (call: string, body: unknown) => send(cosmos.emulator, 'POST', `/_control/${call}`, {}, body);

  it('splits, merges, recreates, and says what it cannot do', async () => {
    const container = await cosmos.container();
    const name = named(container);
    const made = await control('split', { ...name, range: '0' });
    expect(made.json).toMatchObject({ ranges: [{ id: '1', parents: ['0'] }, { id: '2' }] });
    expect((await control('split', { ...name, range: '0' })).status).toBe(404);
    await control('split', { ...name, range: '2' });
    expect((await control('merge', { ...name, ranges: ['1', '4'] })).status).toBe(400);
    expect((await control('merge', { ...name, ranges: ['1'] })).status).toBe(400);
    const merged = await control('merge', { ...name, ranges: ['3', '1'] });
    expect(merged.json).toMatchObject({ ranges: [{ id: '5', parents: ['0', '1', '2', '3'] }] });
    expect((await control('ranges', name)).json).toMatchObject({ ranges: [{ id: '5' }, { id: '4' }] });
    expect((await control('split', { ...name, container: 'none', range: '0' })).status).toBe(404);
    const old = system((await container.read()).resource, '_rid');
    expect((await control('recreate', name)).json).toMatchObject({ oldRid: old });
    expect((await control('constructor', name)).status).toBe(404);
  });
});
