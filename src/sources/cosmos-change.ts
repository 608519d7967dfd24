// What an item of a change feed says, in either of its modes.

import { WarmfeedError } from '../core/errors.ts';
import type { Change, Document } from '../core/ports.ts';
import { containerRid, isObject, keyOf, withoutSystemProperties } from './cosmos-key.ts';
import { type DefaultTtl, expiryOf } from './cosmos-life.ts';

export type ChangeFeedMode = 'LatestVersion' | 'AllVersionsAndDeletes';

export interface Feed {
  readonly place: string;
  readonly partitionKey: readonly string[];
  readonly mode: ChangeFeedMode;
  readonly defaultTtl: DefaultTtl;
}

const IS_MODE = ': is changeFeedMode that of the feed?';

/**
 * @throws WarmfeedError ROW_INVALID for an item that names no document, SOURCE_REJECTED where the feed as a whole is
 *   not what it is taken for
 */
export function changeOf(feed: Feed, item: unknown): Change {
  if (!isObject(item)) throw new WarmfeedError('ROW_INVALID', `${feed.place}: a change is no object`);
  return feed.mode === 'LatestVersion' ? latestVersion(feed, item) : oneOfAllVersions(feed, item);
}

function latestVersion({ place, partitionKey, defaultTtl }: Feed, item: Document): Change {
  if (!hasId(item)) throw new WarmfeedError('ROW_INVALID', `${place}: a change has no id${IS_MODE}`);
  const document = withoutSystemProperties(item);
  const version = positionOf(place, item['_lsn'], '_lsn');
  const key = keyOf(partitionKey, item, item.id);
  const expiry = expiryOf(item, defaultTtl);
  return { key, version, document, ...expiry, ...commitOf(item['_ts']), ...containerOf(item) };
}

/**
 * `{ current, previous, metadata }`. A delete has no `current`, and may name its item in the metadata only; of any other
 * change `current` alone counts: the previous image tells of another version.
 */
function oneOfAllVersions({ place, partitionKey, defaultTtl }: Feed, item: Document): Change {
  const { current, previous } = item;
  const metadata = isObject(item['metadata']) ? item['metadata'] : {};
  const version = positionOf(place, metadata['lsn'], 'metadata.lsn');
  const commit = commitOf(metadata['crts']);
  if (metadata['operationType'] !== 'delete') {
    if (!hasId(current)) throw new WarmfeedError('ROW_INVALID', `${place}: a change has no current document${IS_MODE}`);
    const document = withoutSystemProperties(current);
    const key = keyOf(partitionKey, current, current.id);
    return { key, version, document, ...expiryOf(current, defaultTtl), ...commit, ...containerOf(current) };
  }
  const image = [current, previous].find(hasId);
  if (image !== undefined)
    return {
      key: keyOf(partitionKey, image, image.id),
      version,
      document: undefined,
      ...commit,
      ...containerOf(image),
    };
  const { partitionKey: values } = metadata;
  if (!hasId(metadata) || !isObject(values)) {
    throw new WarmfeedError(
      'ROW_INVALID',
      `${place}: a delete names its document neither itself nor by a previous image`,
    );
  }
  return { key: keyOf(partitionKey, unfold(values), metadata.id), version, document: undefined, ...commit };
}

function hasId(image: unknown): image is Document & { readonly id: string } {
  return isObject(image) && typeof image['id'] === 'string' && image['id'] !== '';
}

/** `{ "address/zip": 1 }` and `{ "/zip": 1 }` as documents that have these paths. */
function unfold(values: Document): Document {
  const document: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const segments = name.split('/').filter((segment) => segment !== '');
    let at = document;
    for (const segment of segments.slice(0, -1)) {
      const inner = at[segment];
      at = at[segment] = isObject(inner) ? inner : {};
    }
    at[segments.at(-1) ?? name] = value;
  }
  return document;
}

/** Whole seconds, so that a change seems up to a second older than it is. */
function commitOf(seconds: unknown): { committedAt?: number } {
  return typeof seconds === 'number' ? { committedAt: seconds * 1000 } : {};
}

/** Ids of partitions begin with the rid of their container (cosmos-partitions.ts). */
function containerOf(image: Document): { container?: string } {
  const rid = containerRid(image['_rid']);
  return rid === undefined ? {} : { container: `${rid}/` };
}

function positionOf(place: string, lsn: unknown, name: string): bigint {
  if (typeof lsn === 'number' && Number.isSafeInteger(lsn) && lsn >= 0) return BigInt(lsn);
  throw new WarmfeedError('SOURCE_REJECTED', `${place}: a change has no usable ${name}: is the feed's mode right?`);
}
