/** The tokens that a reply consists of. */
import { i32, longText, shortText, u8, u16, u32, u64 } from './bytes.ts';
import { collation, encodeValue, typeInfo } from './encode.ts';
import type { SqlError } from './errors.ts';
import type { SqlType } from './types.ts';

export interface Column {
  name: string;
  type: SqlType;
}

const nullable = 1;
const serverName = 'warmfeed-emulator';
export const programName = 'Microsoft SQL Server (Warmfeed emulator)';

export function columnMetadata(columns: readonly Column[]): Buffer {
  const each = columns.map(({ name, type }) =>
    Buffer.concat([u32(0), u16(nullable), typeInfo(type), shortText(name.slice(0, 128))]),
  );
  return Buffer.concat([u8(0x81), u16(columns.length), ...each]);
}

export const row = (columns: readonly Column[], values: readonly (string | null)[]): Buffer =>
  Buffer.concat([u8(0xd1), ...columns.map(({ type }, at) => encodeValue(type, values[at] ?? null))]);

export const doneStatus = { more: 1, error: 2, count: 0x10, attention: 0x20 } as const;
export type DoneKind = 'done' | 'procedure' | 'inProcedure';
const doneTokens = { done: 0xfd, procedure: 0xfe, inProcedure: 0xff } as const;

export interface Done {
  kind: DoneKind;
  status: number;
  /** Which statement it was, as SQL Server numbers them; 0 is none. */
  command?: number;
  rows?: number | undefined;
}

export function done({ kind, status, command = 0, rows }: Done): Buffer {
  const counted = rows === undefined ? status : status | doneStatus.count;
  return Buffer.concat([u8(doneTokens[kind]), u16(counted), u16(command), u64(BigInt(rows ?? 0))]);
}

export const returnStatus = (value: number): Buffer => Buffer.concat([u8(0x79), i32(value)]);

export function returnValue(name: string, type: SqlType, text: string | null, at: number): Buffer {
  const head = [u8(0xac), u16(at), shortText(name), u8(1), u32(0), u16(nullable)];
  return Buffer.concat([...head, typeInfo(type), encodeValue(type, text)]);
}

export function errorToken(error: SqlError): Buffer {
  return diagnostic(0xaa, { number: error.number, state: error.state, severity: error.severity, text: error.message });
}

export const infoToken = (text: string, number = 0, severity = 0): Buffer =>
  diagnostic(0xab, { number, state: 1, severity, text });

interface Diagnostic {
  number: number;
  state: number;
  severity: number;
  text: string;
}

function diagnostic(token: number, { number, state, severity, text }: Diagnostic): Buffer {
  const body = Buffer.concat([
    i32(number),
    u8(state),
    u8(severity),
    longText(text.slice(0, 2_000)),
    shortText(serverName),
    shortText(''),
    u32(1),
  ]);
  return Buffer.concat([u8(token), u16(body.length), body]);
}

const change = (type: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat([u8(type), ...parts]);
  return Buffer.concat([u8(0xe3), u16(body.length), body]);
};

const bytesOf = (value: Buffer): Buffer => Buffer.concat([u8(value.length), value]);

/** ENVCHANGE: what of the connection has become different. */
export const changed = {
  database: (name: string, old: string): Buffer => change(1, shortText(name), shortText(old)),
  language: (): Buffer => change(2, shortText('us_english'), shortText('')),
  packetSize: (size: number): Buffer => change(4, shortText(String(size)), shortText(String(size))),
  collation: (): Buffer => change(7, bytesOf(collation), u8(0)),
  began: (descriptor: bigint): Buffer => change(8, bytesOf(u64(descriptor)), u8(0)),
  committed: (descriptor: bigint): Buffer => change(9, u8(0), bytesOf(u64(descriptor))),
  rolledBack: (descriptor: bigint): Buffer => change(10, u8(0), bytesOf(u64(descriptor))),
  reset: (): Buffer => change(18, u8(0), u8(0)),
} as const;

export function loginAcknowledged(): Buffer {
  const version = Buffer.from([0x74, 0x00, 0x00, 0x04]);
  const body = Buffer.concat([u8(1), version, shortText(programName), Buffer.from([16, 0, 0, 0])]);
  return Buffer.concat([u8(0xad), u16(body.length), body]);
}
