// The record: one Redis string per item, a fixed binary header, then tags and body. The byte table is in
// docs/record.md. The first 60 bytes belong to the scripts (state, fence, lease, times), the rest to the filler.

import { equalAt, utf8, zeros } from './bytes.ts';
import type { FillRequest, Guarantee, Position, Stamp } from './ports.ts';

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
const NOTHING = new Uint8Array();
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

/**
 * What a fill sends: the record as it is stored but for the control part, which the script writes. Its lease is the
 * filler's, and in place of its times are when its load began (0: now) and how many ms it is fresh and lives.
 */
export function encodeFill(fill: FillRequest): Uint8Array {
  const { value } = fill;
  const body = value.state === 'value' ? value.body : NOTHING;
  const tags = value.state === 'value' && value.tags.length > 0 ? utf8(value.tags.join('\n')) : NOTHING;
  const record = zeros(HEADER_BYTES + tags.length + body.length);
  const view = new DataView(record.buffer, record.byteOffset);
  record[AT.magic] = MAGIC;
  record[AT.format] = FORMAT;
  record[AT.state] = value.state === 'value' ? 1 : 2;
  record.set(fill.identity, AT.identity);
  record.set(fill.token, AT.token);
  setTime(view, AT.filledAt, Math.floor(fill.begunAt ?? 0));
  setTime(view, AT.softAt, Math.max(0, Math.round(fill.softMs)));
  setTime(view, AT.hardAt, Math.max(1, Math.round(fill.hardMs)));
  record[AT.guarantee] = GUARANTEES.indexOf(fill.guarantee);
  view.setUint16(AT.tagsLength, tags.length);
  record.set(fill.stamp, AT.stamp);
  view.setBigUint64(AT.version, fill.version);
  view.setBigUint64(AT.asOf, fill.asOf);
  if (value.state === 'value') record.set(value.etag, AT.etag);
  view.setUint32(AT.bodyLength, body.length);
  record.set(tags, HEADER_BYTES);
  record.set(body, HEADER_BYTES + tags.length);
  return record;
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

function setTime(view: DataView, at: number, ms: number): void {
  view.setUint32(at, Math.floor(ms / 0x100000000));
  view.setUint32(at + 4, ms % 0x100000000);
}

function timeAt(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at) * 0x100000000 + u32At(bytes, at + 4);
}

function positionAt(bytes: Uint8Array, at: number): Position {
  return (BigInt(u32At(bytes, at)) << 32n) | BigInt(u32At(bytes, at + 4));
}
