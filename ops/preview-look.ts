/** What the configuration makes of one document, beside what is cached of it. Pure. */
import { equalBytes } from '../src/core/bytes.ts';
import { type Entity, represent } from '../src/core/entity.ts';
import { messageOf } from '../src/core/errors.ts';
import { type Key, keyText } from '../src/core/key.ts';
import type { Document, Entropy, Representation, Stamp } from '../src/core/ports.ts';
import { decodeEntry, type Entry, etagOf, stampOf, tagsOf } from '../src/core/record.ts';

/**
 * `live`: cached, and a deployment leaves it; `old`: cached under another fingerprint, a deployment makes it a miss;
 * `made old`: its generation has ended already; `differs`: a deployment leaves it, though the configuration now gives
 * something else; `no`: not cached; `unknown`: Redis did not say.
 */
export type Cached = 'live' | 'old' | 'made old' | 'differs' | 'no' | 'unknown';

export interface Looked {
  readonly key: string;
  readonly served: 'value' | 'not there' | 'match says no' | 'deletedWhen says yes' | 'fails';
  /** Why it fails, or why it is never cached. */
  readonly remark: string | undefined;
  readonly tags: readonly string[];
  readonly bytes: number;
  readonly body: unknown;
  readonly cached: Cached;
}

export interface Sight {
  readonly key: Key;
  readonly document: Document | undefined;
  readonly record: Uint8Array | undefined;
  /** Of this configuration, and now; undefined: Redis did not say. */
  readonly stamp: Stamp | undefined;
  readonly nowMs: number;
}

export function look(entity: Entity, sight: Sight, digest: Entropy['digest']): Looked {
  const key = keyText(sight.key);
  try {
    const { value, cacheable } = represent(entity, sight.document, digest);
    const cached = cachedAs(value, sight);
    const nothing = { key, remark: undefined, tags: [], bytes: 0, body: undefined, cached };
    if (value.state === 'absent') return { ...nothing, served: whyAbsent(entity, sight.document) };
    const body: unknown = JSON.parse(Buffer.from(value.body).toString());
    const remark = cacheable ? undefined : `never cached: more than maxBytes, ${entity.maxBytes} bytes`;
    return { key, served: 'value', remark, tags: value.tags, bytes: value.body.length, body, cached };
  } catch (error) {
    const cached = cachedAs(undefined, sight);
    return { key, served: 'fails', remark: messageOf(error), tags: [], bytes: 0, body: undefined, cached };
  }
}

function whyAbsent(entity: Entity, document: Document | undefined): Looked['served'] {
  if (document === undefined) return 'not there';
  return entity.match(document) ? 'deletedWhen says yes' : 'match says no';
}

/** @param value undefined: it cannot be made */
function cachedAs(value: Representation | undefined, { record, stamp, nowMs }: Sight): Cached {
  if (stamp === undefined) return 'unknown';
  const entry = record && decodeEntry(record);
  if (entry === undefined || nowMs >= entry.hardAt) return 'no';
  const own = stampOf(entry);
  if (!equalBytes(own.subarray(8), stamp.subarray(8))) return 'old';
  if (!equalBytes(own.subarray(0, 8), stamp.subarray(0, 8))) return 'made old';
  return value !== undefined && isSame(entry, value) ? 'live' : 'differs';
}

function isSame(entry: Entry, value: Representation): boolean {
  if (entry.state !== value.state) return false;
  return (
    value.state === 'absent' ||
    (equalBytes(etagOf(entry), value.etag) && tagsOf(entry).join('\n') === value.tags.join('\n'))
  );
}
