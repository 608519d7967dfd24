/**
 * The latest-version change feed of a range, read off its log: each item once, at its newest change, in LSN order;
 * deletions do not show; an LSN is never split over pages.
 */
import { enter } from './document-handlers.ts';
import { badRequest } from './errors.ts';
import { type Entry, firstIndex, type PartitionRange } from './range.ts';
import { seen } from './replica.ts';
import { positionHeaders, type Reply } from './reply.ts';
import { type CosmosRequest, header } from './request.ts';
import type { Site } from './site.ts';
import type { Container } from './store.ts';
import { pageSize, type Target, targetOf } from './target.ts';

/** Index into the log at which the page starts. */
const startOf = ({ log, lsn }: PartitionRange, request: CosmosRequest): number => {
  const match = header(request, 'if-none-match');
  if (match === '*') return log.length;
  if (match !== undefined && match !== '') {
    const [, position] = /^(?:W\/)?"?(\d+)"?$/.exec(match) ?? [];
    if (position === undefined || Number(position) > lsn)
      throw badRequest(`The continuation ${match} is not of this container's feed.`);
    return firstIndex(log, (entry) => entry.lsn > Number(position));
  }
  const since = header(request, 'if-modified-since');
  if (since === undefined) return 0;
  const time = Date.parse(since);
  if (Number.isNaN(time)) throw badRequest(`If-Modified-Since ${since} is not a date.`);
  // The header knows seconds only: a change in that very second is given rather than lost.
  return firstIndex(log, (entry) => entry.at >= time);
};

interface Page {
  documents: string[];
  position: number;
}

const collect = (container: Container, target: Target, range: PartitionRange, start: number, size: number): Page => {
  const documents: string[] = [];
  const now = Date.now();
  let included = 0;
  const show = (entry: Entry): void => {
    if (entry.item.current !== entry || !target.holds(entry.item.partition)) return;
    const found = seen(container, entry.item, entry.lsn, now);
    if (!found) return;
    documents.push(`${found.document.text.slice(0, -1)},"_lsn":${entry.lsn}}`);
    included = entry.lsn;
  };
  for (let index = start; index < range.log.length; index += 1) {
    const entry = range.log[index];
    if (!entry) break;
    if (documents.length >= size && entry.lsn !== included) return { documents, position: entry.lsn - 1 };
    show(entry);
  }
  return { documents, position: range.lsn };
};

export const readChangeFeed = (site: Site, request: CosmosRequest): Reply => {
  const { container } = enter(site, request);
  const mode = header(request, 'a-im') ?? '';
  if (!/^incremental feed$/i.test(mode)) throw badRequest(`Change feed mode ${JSON.stringify(mode)} is not served.`);
  const target = targetOf(container, request);
  const [range, second] = target.ranges;
  if (!range || second) throw badRequest('A change feed is read by range: send x-ms-documentdb-partitionkeyrangeid.');
  const { documents, position } = collect(container, target, range, startOf(range, request), pageSize(request));
  const headers = {
    ...positionHeaders(container, range, range.lsn),
    etag: `"${position}"`,
    'x-ms-item-count': String(documents.length),
    'x-ms-request-charge': String(1 + Math.ceil(documents.length / 20)),
  };
  if (documents.length === 0) return { status: 304, headers, body: '' };
  const body = `{"_rid":"${container.rid.text}","Documents":[${documents.join(',')}],"_count":${documents.length}}`;
  return { status: 200, headers, body };
};
