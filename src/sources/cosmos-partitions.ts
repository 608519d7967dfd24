// Which partition answered: container rid and range id, with the ranges it descends from (protocol E, lineages).

import type { Container, PartitionKeyRange } from '@azure/cosmos';
import { WarmfeedError } from '../core/errors.ts';
import type { Document, Partition } from '../core/ports.ts';
import { containerRid } from './cosmos-key.ts';
import type { DefaultTtl } from './cosmos-life.ts';
import { deadline } from './deadline.ts';

/** What tells the rid of the container that answered. */
interface Origin {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly document: Document | undefined;
}

/** `parents` is not there for a range that was never split. */
type ListedRange = Pick<PartitionKeyRange, 'id'> & Partial<Pick<PartitionKeyRange, 'parents'>>;

interface ContainerFacts {
  readonly rid: string;
  readonly partitionKey: readonly string[];
  readonly defaultTtl: DefaultTtl;
}

export function createPartitions(place: string, open: () => Promise<Container>, timeoutMs: number) {
  let lastRid: string | undefined;
  let reading: Promise<ContainerFacts> | undefined;
  const listings = new Map<string, Promise<void>>();
  /** Parents of a range as the service once listed them; later listings never take any away. */
  const parents = new Map<string, ReadonlySet<string>>();
  const partitions = new Map<string, Partition>();

  /** The rid of the container that answered; calls are bounded by `timeoutMs`, not by their callers. */
  async function ridOf({ headers, document }: Origin): Promise<string> {
    const rid = containerRid(headers['x-ms-content-path']) ?? containerRid(document?.['_rid']);
    if (rid === undefined) return ridNow();
    lastRid = rid;
    return rid;
  }

  /** The rid of the container, as it was last seen. */
  async function ridNow(): Promise<string> {
    if (lastRid !== undefined) return lastRid;
    reading ??= readContainer().finally(() => {
      reading = undefined;
    });
    return (await reading).rid;
  }

  async function readContainer(): Promise<ContainerFacts> {
    const { resource } = await (await open()).read({ abortSignal: deadline(timeoutMs) });
    const { _rid: itsRid, partitionKey, defaultTtl } = resource ?? {};
    const rid = containerRid(itsRid);
    if (rid === undefined) throw new WarmfeedError('SOURCE_REJECTED', `${place}: the container has no rid`);
    lastRid = rid;
    return { rid, partitionKey: partitionKey?.paths ?? [], defaultTtl: defaultTtl ?? 'off' };
  }

  async function partitionOf(rid: string, range: string): Promise<Partition> {
    const id = `${rid}/${range}`;
    const known = partitions.get(id);
    if (known !== undefined) return known;
    if (!parents.has(id)) await list(rid);
    const listed = ancestorsOf(id);
    if (listed === undefined) {
      // Just split, and the listing is older: without its ancestors nothing may be said about this partition.
      throw new WarmfeedError('SOURCE_UNAVAILABLE', `${place}: a new partition is not listed yet`, { retryable: true });
    }
    const partition = { id, ancestors: listed };
    partitions.set(id, partition);
    return partition;
  }

  /** One listing at a time, shared by all who wait for it. */
  function list(rid: string): Promise<void> {
    const running = listings.get(rid);
    if (running !== undefined) return running;
    const listing = readRanges(rid).finally(() => listings.delete(rid));
    listings.set(rid, listing);
    return listing;
  }

  async function readRanges(rid: string): Promise<void> {
    const container = await open();
    const { resources } = await container.readPartitionKeyRanges({ abortSignal: deadline(timeoutMs) }).fetchAll();
    for (const range of resources as readonly ListedRange[]) {
      const id = `${rid}/${range.id}`;
      const listed = (range.parents ?? []).map((parent) => `${rid}/${parent}`);
      parents.set(id, new Set([...(parents.get(id) ?? []), ...listed]));
      partitions.delete(id);
    }
  }

  /** All that a range descends from, as far as listed; undefined: nothing was ever listed about it. */
  function ancestorsOf(id: string): readonly string[] | undefined {
    const direct = parents.get(id) ?? parentsOfParent(id);
    if (direct === undefined) return undefined;
    const found = new Set(direct);
    for (const ancestor of found) for (const parent of parents.get(ancestor) ?? []) found.add(parent);
    found.delete(id);
    return [...found];
  }

  /** A range that was split already is listed only as a parent, after its own parents. */
  function parentsOfParent(id: string): ReadonlySet<string> | undefined {
    for (const listed of parents.values()) {
      if (listed.has(id)) return new Set([...listed].slice(0, [...listed].indexOf(id)));
    }
    return undefined;
  }

  return { ridOf, ridNow, readContainer, partitionOf };
}

export type Partitions = ReturnType<typeof createPartitions>;
