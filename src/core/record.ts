// The record: one Redis string per item, a fixed binary header, then tags and body. The byte table is in
// docs/record.md. The first 60 bytes belong to the scripts (state, fence, lease, times), the rest to the filler.

import { concat, equalAt, u64, utf8 } from './bytes.ts';
import type { Guarantee, Position, Representation, Stamp } from './ports.ts';

export const FORMAT = 1;
/** A record of only a lease or fence ends here. */
export const BARE_BYTES = 36;
export const HEADER_BYTES = 112;

const MAGIC = 0x57;
const AT = {
  magic: 0,
  format: 1,
  state: 2,
  soft: 3,
  identity: 4,
  fence: 12,
  token: 20,
  deadline: 28,
  filledAt: 36,
  softAt: 44,
  hardAt: 52,
  guarantee: 60,
  encoding: 61,
  tagsLength: 62,
  stamp: 64,
  version: 80,
  asOf: 88,
  etag: 96,
  bodyLength: 108,
} as const;

const GUARANTEES = ['provisional', 'leased', 'fenced', 'watermarked'] as const satisfies readonly Guarantee[];
const NO_ETAG = new Uint8Array(12);
const decoder = new TextDecoder();

/** A decoded value; `body`, `etag` and `identity` are views of the record's own bytes. Times are Redis time in ms. */
export interface Entry {
  readonly state: 'value' | 'absent';
  readonly guarantee: Guarantee;
  readonly filledAt: number;
  readonly softAt: number;
  readonly hardAt: number;
  /** Softly purged: it is stale whatever its times say. */
  readonly isSoft: boolean;
  readonly record: Uint8Array;
  readonly body: Uint8Array;
}

/** The header's control part, for explaining a record; undefined for a record of another format. */
export interface Control {
  readonly identity: Uint8Array;
  readonly fence: Position;
  readonly leaseToken: Uint8Array;
  readonly leaseDeadline: number;
}

/** The filler's part of a record: header bytes 60 to 111, tags, body. */
export function encodeFill(fill: {
  guarantee: Guarantee;
  stamp: Stamp;
  version: Position;
  asOf: Position;
  value: Representation;
}): Uint8Array {
  const body = fill.value.state === 'value' ? fill.value.body : new Uint8Array();
  const tags = fill.value.state === 'value' ? utf8(fill.value.tags.join('\n')) : new Uint8Array();
  const head = new Uint8Array(HEADER_BYTES - AT.guarantee);
  const view = new DataView(head.buffer);
  const at = (field: number) => field - AT.guarantee;
  view.setUint8(at(AT.guarantee), GUARANTEES.indexOf(fill.guarantee));
  view.setUint16(at(AT.tagsLength), tags.length);
  head.set(fill.stamp, at(AT.stamp));
  head.set(u64(fill.version), at(AT.version));
  head.set(u64(fill.asOf), at(AT.asOf));
  head.set(fill.value.state === 'value' ? fill.value.etag : NO_ETAG, at(AT.etag));
  view.setUint32(at(AT.bodyLength), body.length);
  return concat(head, tags, body);
}

/** The value in a record; undefined where there is none: a bare lease or fence, another format, or foreign bytes. */
export function decodeEntry(record: Uint8Array): Entry | undefined {
  if (record.length < HEADER_BYTES || record[AT.magic] !== MAGIC || record[AT.format] !== FORMAT) return undefined;
  const state = record[AT.state];
  const guarantee = GUARANTEES[record[AT.guarantee] ?? -1];
  if ((state !== 1 && state !== 2) || guarantee === undefined || record[AT.encoding] !== 0) return undefined;
  const tagsLength = ((record[AT.tagsLength] ?? 0) << 8) | (record[AT.tagsLength + 1] ?? 0);
  const bodyAt = HEADER_BYTES + tagsLength;
  if (bodyAt + u32At(record, AT.bodyLength) !== record.length) return undefined;
  return {
    state: state === 1 ? 'value' : 'absent',
    guarantee,
    filledAt: timeAt(record, AT.filledAt),
    softAt: timeAt(record, AT.softAt),
    hardAt: timeAt(record, AT.hardAt),
    isSoft: record[AT.soft] === 1,
    record,
    body: record.subarray(bodyAt),
  };
}

export function hasStamp(entry: Entry, stamp: Stamp): boolean {
  return equalAt(entry.record, AT.stamp, stamp);
}

/** Generation and fingerprint that it was filled under, 8 bytes each. */
export function stampOf(entry: Entry): Stamp {
  return entry.record.subarray(AT.stamp, AT.version);
}

export function hasIdentity(entry: Entry, identity: Uint8Array): boolean {
  return equalAt(entry.record, AT.identity, identity);
}

export function asOfOf(entry: Entry): Position {
  return positionAt(entry.record, AT.asOf);
}

export function versionOf(entry: Entry): Position {
  return positionAt(entry.record, AT.version);
}

export function etagOf(entry: Entry): Uint8Array {
  return entry.record.subarray(AT.etag, AT.bodyLength);
}

export function tagsOf(entry: Entry): readonly string[] {
  const text = decoder.decode(entry.record.subarray(HEADER_BYTES, entry.record.length - entry.body.length));
  return text === '' ? [] : text.split('\n');
}

export function decodeControl(record: Uint8Array): Control | undefined {
  if (record.length < BARE_BYTES || record[AT.magic] !== MAGIC || record[AT.format] !== FORMAT) return undefined;
  return {
    identity: record.subarray(AT.identity, AT.fence),
    fence: positionAt(record, AT.fence),
    leaseToken: record.subarray(AT.token, AT.deadline),
    leaseDeadline: timeAt(record, AT.deadline),
  };
}

function u32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

function timeAt(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at) * 0x100000000 + u32At(bytes, at + 4);
}

function positionAt(bytes: Uint8Array, at: number): Position {
  return (BigInt(u32At(bytes, at)) << 32n) | BigInt(u32At(bytes, at + 4));
}
