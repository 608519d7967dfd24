/** Time to live: when a document ends, and turning that into deletions in the log. */
import { badRequest } from './errors.ts';
import type { JsonObject } from './json.ts';
import { append, type StoredDocument } from './range.ts';
import type { Container } from './store.ts';

export const checkTtl = (value: unknown, name: string): number | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && (value === -1 || value > 0)) return value;
  throw badRequest(`The ${name} ${JSON.stringify(value)} is invalid: a positive whole number of seconds, or -1.`);
};

export const checkDocumentTtl = (body: JsonObject): void => {
  checkTtl(body['ttl'], 'ttl');
};

/** Milliseconds; infinity if never. A document's own `ttl` counts only where the container has a default. */
export const expiresAt = (container: Container, document: StoredDocument): number => {
  if (container.defaultTtl === undefined) return Number.POSITIVE_INFINITY;
  const own = document.body['ttl'];
  const ttl = typeof own === 'number' ? own : container.defaultTtl;
  return ttl === -1 ? Number.POSITIVE_INFINITY : (document.ts + ttl) * 1000;
};

/** Appends a deletion for each document whose time is up. Cheap while none is. */
export const sweep = (container: Container, now: number): void => {
  if (now < container.nextExpiry) return;
  container.nextExpiry = Number.POSITIVE_INFINITY;
  for (const item of container.mortal) {
    const document = item.current?.document;
    const end = document ? expiresAt(container, document) : Number.POSITIVE_INFINITY;
    if (end <= now) append(item.partition.range, [{ item, document: undefined, expired: true }], now);
    if (end <= now || end === Number.POSITIVE_INFINITY) container.mortal.delete(item);
    else container.nextExpiry = Math.min(container.nextExpiry, end);
  }
};

/** After the container's default was changed every document's end is another. */
export const resetExpiry = (container: Container): void => {
  container.mortal.clear();
  container.nextExpiry = Number.NEGATIVE_INFINITY;
  for (const range of container.ranges)
    for (const partition of range.partitions.values())
      for (const item of partition.items.values()) container.mortal.add(item);
};
