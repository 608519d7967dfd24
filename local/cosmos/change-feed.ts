/**
 * The change feed of a range, read off its log in LSN order; an LSN is never split over pages. Latest version: each item
 * once, at its newest change, no deletions. Full fidelity: every entry.
 */
import { enter } from './document-handlers.ts';
import { badRequest } from './errors.ts';
import { fullFidelity, fullFidelityFormat, latestVersion } from './feed-items.ts';
import { type Entry, firstIndex, type PartitionRange } from './range.ts';
import { seen } from './replica.ts';
import { positionHeaders, type Reply } from './reply.ts';
import { type CosmosRequest, header } from './request.ts';
import type { Site } from './site.ts';
import type { Container } from './store.ts';
import { pageSize, type Target, targetOf } from './target.ts';

interface Start {
  /** Index into the log. */
  index: number;
  /** Milliseconds: nothing older. The log of a merged range is not in order of time. */
  since: number;
}

const everything: Start = { index: 0, since: Number.NEGATIVE_INFINITY };

/** Undefined: the request names no position. */
const positionOf = ({ log, lsn }: PartitionRange, request: CosmosRequest): Start | undefined => {
  const match = header(request, 'if-none-match');
  if (match === undefined || match === '') return undefined;
  if (match === '*') return { ...everything, index: log.length };
  const [, position] = /^(?:W\/)?"?(\d+)"?$/.exec(match) ?? [];
  if (position === undefined || Number(position) > lsn)
    throw badRequest(`The continuation ${match} is not of this container's feed.`);
  return { ...everything, index: firstIndex(log, (entry) => entry.lsn > Number(position)) };
};

const startOf = (range: PartitionRange, request: CosmosRequest): Start => {
  const position = positionOf(range, request);
  const since = header(request, 'if-modified-since');
  if (position || since === undefined) return position ?? everything;
  const time = Date.parse(since);
  if (Number.isNaN(time)) throw badRequest(`If-Modified-Since ${since} is not a date.`);
  // The header knows seconds only: a change in that very second is given rather than lost.
  return { index: 0, since: time };
};

/** Intermediate versions and deletions are not kept for ever, so there is no beginning to start from. */
const fullFidelityStart = (range: PartitionRange, request: CosmosRequest): Start => {
  if (header(request, 'x-ms-cosmos-changefeed-wire-format-version') !== fullFidelityFormat)
    throw badRequest(`The full-fidelity feed is served in wire format ${fullFidelityFormat} only.`);
  const position = positionOf(range, request);
  if (!position)
    throw badRequest('The full-fidelity feed starts now (If-None-Match: *) or from a continuation, at no other point.');
  return position;
};

interface Page {
  documents: string[];
  position: number;
}

type Show = (entry: Entry) => string | undefined;

const latest = (container: Container): Show => {
  const now = Date.now();
  return (entry) => {
    if (entry.item.current !== entry) return undefined;
    const found = seen(container, entry.item, entry.lsn, now);
    return found && latestVersion(found.document.text, entry.lsn);
  };
};

const collect = ({ log, lsn }: PartitionRange, { holds }: Target, start: Start, show: Show, size: number): Page => {
  const documents: string[] = [];
  let included = 0;
  for (let index = start.index; index < log.length; index += 1) {
    const entry = log[index];
    if (!entry) break;
    if (documents.length >= size && entry.lsn !== included) return { documents, position: entry.lsn - 1 };
    if (entry.at < start.since || !holds(entry.item.partition)) continue;
    const text = show(entry);
    if (text === undefined) continue;
    documents.push(text);
    included = entry.lsn;
  }
  return { documents, position: lsn };
};

export const readChangeFeed = (site: Site, request: CosmosRequest): Reply => {
  const { container } = enter(site, request);
  const mode = (header(request, 'a-im') ?? '').toLowerCase();
  const full = mode === 'full-fidelity feed';
  if (!full && mode !== 'incremental feed') throw badRequest(`Change feed mode ${JSON.stringify(mode)} is not served.`);
  const target = targetOf(container, request);
  const [range, second] = target.ranges;
  if (!range || second) throw badRequest('A change feed is read by range: send x-ms-documentdb-partitionkeyrangeid.');
  const start = (full ? fullFidelityStart : startOf)(range, request);
  const show: Show = full ? (entry) => fullFidelity(container, entry, site.previousImages) : latest(container);
  const { documents, position } = collect(range, target, start, show, pageSize(request));
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
