// The bytes of a session in Redis: a fixed binary header, then its JSON as it was sent. The first 19 bytes belong to
// the scripts (format, state, times), the rest to the writer. The byte table is in docs/sessions.md.

import { concat, equalBytes, u64 } from '../bytes.ts';
import type { JsonObject } from '../json.ts';

/** What a writer gives a session. */
export interface SessionContent {
  /** Counts the session's writes from 1. */
  readonly version: number;
  /** 8 random bytes that name this write: the ETag, and what a swap compares. */
  readonly token: Uint8Array;
  /** 32 bytes: digest of the subject; undefined: it belongs to nobody. */
  readonly subject: Uint8Array | undefined;
  /** JSON of an object, UTF-8. */
  readonly body: Uint8Array;
}

/** A live session; times are Redis time in ms. `seen`: when it was last used. */
export interface SessionRecord extends SessionContent {
  readonly created: number;
  readonly seen: number;
}

const AT = { state: 2, created: 3, seen: 11, version: 19, token: 27, subject: 35, body: 67 } as const;
const NOBODY = new Uint8Array(32);
const decoder = new TextDecoder();

/** The writer's part: header bytes 19 to 66, and the body. */
export function encodeContent({ version, token, subject, body }: SessionContent): Uint8Array {
  return concat(u64(BigInt(version)), token, subject ?? NOBODY, body);
}

/** Views of the record's own bytes; undefined for an ended session, another format, or foreign bytes. */
export function decodeSession(record: Uint8Array): SessionRecord | undefined {
  if (record.length < AT.body + 2 || record[0] !== 0x53 || record[1] !== 1 || record[AT.state] !== 1) return undefined;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const number = (at: number) => Number(view.getBigUint64(at));
  const subject = record.subarray(AT.subject, AT.body);
  return {
    created: number(AT.created),
    seen: number(AT.seen),
    version: number(AT.version),
    token: record.subarray(AT.token, AT.subject),
    subject: equalBytes(subject, NOBODY) ? undefined : subject,
    body: record.subarray(AT.body),
  };
}

/** Whether the bytes are those that an ended session leaves. */
export function isEnded(record: Uint8Array): boolean {
  return record.length === 11 && record[0] === 0x53 && record[1] === 1 && record[AT.state] === 0;
}

/** The data of a session. */
export function dataOf({ body }: SessionContent): JsonObject {
  return JSON.parse(decoder.decode(body)) as JsonObject;
}
