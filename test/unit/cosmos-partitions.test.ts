import type { Container } from '@azure/cosmos';
import { describe, expect, test } from 'vitest';
import { createPartitions } from '../../src/sources/cosmos-partitions.ts';

const RID = 'Sl8fALN4sw4=';

interface Row {
  readonly id: string;
  readonly parents?: readonly string[];
}

function setUp(initial: readonly Row[]) {
  const service = { rows: initial, listings: 0, containerReads: 0 };
  const container = {
    readPartitionKeyRanges: () => ({
      fetchAll: async () => {
        service.listings++;
        return { resources: service.rows };
      },
    }),
    read: async () => {
      service.containerReads++;
      return { resource: { _rid: RID, partitionKey: { paths: ['/pk'] } } };
    },
  } as unknown as Container;
  return { service, partitions: createPartitions('place', async () => container, 1000) };
}

describe('lineages', () => {
  test('ancestors are read once, by all who ask', async () => {
    const { service, partitions } = setUp([{ id: '0' }, { id: '3', parents: ['1'] }]);
    const ask = (range: string) => partitions.partitionOf(RID, range);
    const [zero, three] = await Promise.all([ask('0'), ask('3'), ask('3')]);
    expect(zero).toEqual({ id: `${RID}/0`, ancestors: [] });
    expect(three).toEqual({ id: `${RID}/3`, ancestors: [`${RID}/1`] });
    await ask('0');
    expect(service.listings).toBe(1);
  });

  test('ancestors of ancestors stay known although the service no longer lists them', async () => {
    const { service, partitions } = setUp([{ id: '1', parents: ['0'] }]);
    await partitions.partitionOf(RID, '1');
    service.rows = [{ id: '2', parents: ['1'] }];
    expect((await partitions.partitionOf(RID, '2')).ancestors).toEqual([`${RID}/1`, `${RID}/0`]);
  });

  test('a split range that still answers has the ancestors that stand before it', async () => {
    const { partitions } = setUp([{ id: '4', parents: ['0', '1', '2'] }]);
    expect((await partitions.partitionOf(RID, '1')).ancestors).toEqual([`${RID}/0`]);
  });

  test('a range that is not listed has no known ancestors, so it is not answered for, until it is listed', async () => {
    const { service, partitions } = setUp([{ id: '0' }]);
    const unlisted = { code: 'SOURCE_UNAVAILABLE', retryable: true };
    await expect(partitions.partitionOf(RID, '1')).rejects.toMatchObject(unlisted);
    service.rows = [{ id: '1', parents: ['0'] }];
    expect((await partitions.partitionOf(RID, '1')).ancestors).toEqual([`${RID}/0`]);
  });

  test('a recreated container has partitions of its own', async () => {
    const { partitions } = setUp([{ id: '0' }]);
    const other = 'AAAAAAAAAAA=';
    expect((await partitions.partitionOf(RID, '0')).id).not.toBe((await partitions.partitionOf(other, '0')).id);
  });
});

describe('the rid of the container', () => {
  test('from the header, else from the document, else read once', async () => {
    const { service, partitions } = setUp([]);
    const document = { _rid: 'AAAAAAAAAAAAAAAAAAAAAA==' };
    expect(await partitions.ridOf({ headers: { 'x-ms-content-path': RID }, document })).toBe(RID);
    expect(await partitions.ridOf({ headers: {}, document })).toBe('AAAAAAAAAAA=');
    expect(service.containerReads).toBe(0);
  });

  test('one read for all who wait', async () => {
    const { service, partitions } = setUp([]);
    const nothing = { headers: {}, document: undefined };
    expect(await Promise.all([partitions.ridNow(), partitions.ridOf(nothing), partitions.ridNow()])).toEqual([
      RID,
      RID,
      RID,
    ]);
    await partitions.ridNow();
    expect(service.containerReads).toBe(1);
  });
});
