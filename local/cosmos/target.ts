/** Which ranges, and which partitions of them, a query or feed request is about. */
import { badRequest, CosmosError } from './errors.ts';
import { effectiveKey, type KeyComponent, keyText, parseKey } from './partition-key.ts';
import type { Partition, PartitionRange } from './range.ts';
import { type CosmosRequest, header } from './request.ts';
import { type Container, locate } from './store.ts';

export interface Target {
  ranges: PartitionRange[];
  /** A single logical partition, if the request names one. */
  partition: Partition | undefined;
  /** True where the client did not say which range: the gateway then goes through all, one a page. */
  fanOut: boolean;
  /** The request names one range or one key. */
  addressed: boolean;
  holds: (partition: Partition) => boolean;
}

/** What the SDKs take as a split, and refresh their partition key ranges for. */
const rangeGone = () => new CosmosError(410, 'The requested partition key range is gone.', 1002);

/** The container behind the name is not the one that the client knew. */
const nameCacheStale = () =>
  new CosmosError(410, 'The requested resource is no longer available at the server: the name cache is stale.', 1000);

/** By `x-ms-documentdb-partitionkeyrangeid`; clients may put the container's rid in front. */
export const addressedRange = (container: Container, request: CosmosRequest): PartitionRange | undefined => {
  const given = header(request, 'x-ms-documentdb-partitionkeyrangeid');
  if (given === undefined) return undefined;
  const [id, rid] = given.split(',').toReversed();
  if (rid !== undefined && rid !== container.rid.text) throw nameCacheStale();
  const range = container.ranges.find((one) => one.id === id);
  if (!range) throw rangeGone();
  return range;
};

const overlapping = (container: Container, min: string, max: string): PartitionRange[] =>
  container.ranges.filter((range) => range.min < max && min < range.max);

/** The leading components of a hierarchical key: every partition below them. */
const byPrefix = (container: Container, components: KeyComponent[]): Target => {
  const min = effectiveKey(components, container.definition);
  const prefix = keyText(components).slice(0, -1);
  const starts = components.length === 0 ? '[' : `${prefix},`;
  return {
    ranges: components.length === 0 ? container.ranges : overlapping(container, min, `${min}FF`),
    partition: undefined,
    fanOut: true,
    addressed: false,
    holds: ({ key }) => key.startsWith(starts),
  };
};

const byKey = (container: Container, text: string): Target => {
  const components = parseKey(text);
  const { length } = container.definition.paths;
  if (components.length > length) throw badRequest('The partition key has too many components.', 1001);
  if (components.length < length) return byPrefix(container, components);
  const partition = locate(container, components);
  const holds = (one: Partition) => one === partition;
  return { ranges: [partition.range], partition, fanOut: false, addressed: true, holds };
};

export const targetOf = (container: Container, request: CosmosRequest): Target => {
  const key = header(request, 'x-ms-documentdb-partitionkey');
  if (key !== undefined) return byKey(container, key);
  const min = header(request, 'x-ms-start-epk') ?? '';
  const max = header(request, 'x-ms-end-epk') ?? 'FF';
  const holds = ({ epk }: Partition) => min <= epk && epk < max;
  const range = addressedRange(container, request);
  if (range) return { ranges: [range], partition: undefined, fanOut: false, addressed: true, holds };
  const ranges = overlapping(container, min, max);
  return { ranges, partition: undefined, fanOut: min === '' && max === 'FF', addressed: false, holds };
};

/** -1 and nothing given leave the page size to the service. */
export const pageSize = (request: CosmosRequest): number => {
  const given = Number(header(request, 'x-ms-max-item-count') ?? -1);
  return Number.isInteger(given) && given > 0 ? given : 1000;
};
