import { describe, expect, it } from 'vitest';
import { changeOf } from '../../src/sources/cosmos-change.ts';

const SYSTEM = { _rid: 'r', _self: 's', _etag: 'e', _ts: 1000, _attachments: 'a' };
const feed = { place: 'here', partitionKey: ['/region'], mode: 'LatestVersion', defaultTtl: -1 } as const;
const latest = (item: unknown) => changeOf(feed, item);
const all = (item: unknown, partitionKey: readonly string[] = ['/region']) =>
  changeOf({ ...feed, partitionKey, mode: 'AllVersionsAndDeletes' }, item);

describe('a change of the latest version', () => {
  it('is the document without what the service adds, its key, version and expiry', () => {
    expect(latest({ id: 'a', region: 'eu', n: 1, ttl: 5, ...SYSTEM, _lsn: 7 })).toEqual({
      key: ['eu', 'a'],
      version: 7n,
      document: { id: 'a', region: 'eu', n: 1, ttl: 5 },
      expiresAt: 1_005_000,
      committedAt: 1_000_000,
    });
  });

  it('tells its container, whose rid is part of the document’s', () => {
    const item = { id: 'a', region: 'eu', ...SYSTEM, _rid: 'Sl8fALN4sw4CAAAAAAAAAA==' };
    expect(latest({ ...item, _lsn: 7 }).container).toBe('Sl8fALN4sw4=/');
    const metadata = { operationType: 'create', lsn: 9 };
    expect(all({ current: item, metadata }).container).toBe('Sl8fALN4sw4=/');
    expect(all({ previous: item, metadata: { ...metadata, operationType: 'delete' } }).container).toBe('Sl8fALN4sw4=/');
  });

  it.each([
    [undefined],
    ['x'],
    [null],
    [[]],
    [{ _lsn: 1 }],
    [{ id: 5, _lsn: 1 }],
    [{ id: '', _lsn: 1 }],
  ])('%j names no document', (item) => {
    expect(() => latest(item)).toThrow(expect.objectContaining({ code: 'ROW_INVALID' }));
  });

  it.each([
    [{ id: 'a' }],
    [{ id: 'a', _lsn: '7' }],
    [{ id: 'a', _lsn: -1 }],
    [{ id: 'a', _lsn: 2 ** 53 }],
    [{ current: { id: 'a' }, id: 'a' }],
  ])('%j: the whole feed is not what it is taken for', (item) => {
    expect(() => latest(item)).toThrow(expect.objectContaining({ code: 'SOURCE_REJECTED' }));
  });
});

describe('a change of all versions', () => {
  it('creates and replaces carry the document', () => {
    const metadata = { operationType: 'replace', lsn: 9, crts: 1000, previousImageLSN: 7 };
    const current = { id: 'a', region: 'eu', n: 2, ...SYSTEM };
    expect(all({ current, previous: { id: 'a', region: 'eu', n: 1 }, metadata })).toEqual({
      key: ['eu', 'a'],
      version: 9n,
      document: { id: 'a', region: 'eu', n: 2 },
      committedAt: 1_000_000,
    });
  });

  it.each([
    [{ previous: { id: 'a', region: 'eu' } }],
    [{ current: null, previous: { id: 'a', region: 'eu' } }],
    [{ current: {}, metadata: { id: 'a', partitionKey: { region: 'eu' } } }],
    [{ current: null, metadata: { id: 'a', partitionKey: { '/region': 'eu' } } }],
    [{ metadata: { id: 'a', partitionKey: { region: 'eu' }, timeToLiveExpired: true } }],
    [{ current: { id: 'a', region: 'eu' } }],
  ])('a delete of the shape %j', ({ metadata, ...images }: Record<string, unknown>) => {
    const item = { ...images, metadata: { operationType: 'delete', lsn: 9, crts: 1000, ...(metadata as object) } };
    expect(all(item)).toEqual({ key: ['eu', 'a'], version: 9n, document: undefined, committedAt: 1_000_000 });
  });

  it('deletes name nested and hierarchical partition keys too', () => {
    const metadata = { operationType: 'delete', lsn: 9, id: 'a' };
    expect(
      all({ metadata: { ...metadata, partitionKey: { tenant: 't', user: null } } }, ['/tenant', '/user']).key,
    ).toEqual(['t', null, 'a']);
    expect(all({ metadata: { ...metadata, partitionKey: { 'address/zip': 1 } } }, ['/address/zip']).key).toEqual([
      1,
      'a',
    ]);
    expect(all({ metadata: { ...metadata, partitionKey: { id: 'a' } } }, ['/id']).key).toEqual(['a']);
    expect(all({ metadata: { ...metadata, partitionKey: {} } }).key).toEqual([undefined, 'a']);
  });

  it.each([
    [{}],
    [{ current: {} }],
    [{ current: null, previous: { id: 'a', region: 'eu', n: 1 } }],
    [{ previous: { id: 'a', region: 'eu', n: 1 } }],
    [{ current: { id: '' }, previous: { id: 'a' } }],
  ])('%j: a previous image is never taken for what is there, nor a missing one for a delete', (images) => {
    for (const operationType of ['create', 'replace', undefined]) {
      const item = { ...images, metadata: { operationType, lsn: 9, id: 'a', partitionKey: { region: 'eu' } } };
      expect(() => all(item)).toThrow(expect.objectContaining({ code: 'ROW_INVALID' }));
    }
  });

  it('what names no item is for the dead letters, what has no position is a feed of the wrong mode', () => {
    const metadata = { operationType: 'delete', lsn: 9 };
    expect(() => all({ metadata })).toThrow(expect.objectContaining({ code: 'ROW_INVALID' }));
    expect(() => all({ id: 'a', region: 'eu', _lsn: 9 })).toThrow(expect.objectContaining({ code: 'SOURCE_REJECTED' }));
  });
});
