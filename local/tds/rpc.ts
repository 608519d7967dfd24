/** Requests: a batch of statements, a procedure with parameters, a step of a transaction. */
import { createReader, type Reader } from './bytes.ts';
import { decodeValue, type Value } from './decode.ts';
import { SqlError } from './errors.ts';

const procedures: Record<number, string> = {
  10: 'sp_executesql',
  11: 'sp_prepare',
  12: 'sp_execute',
  13: 'sp_prepexec',
  15: 'sp_unprepare',
};

export interface Parameter extends Value {
  /** With its @; empty where it goes by position. */
  name: string;
  output: boolean;
}

export interface Call {
  procedure: string;
  parameters: Parameter[];
}

/** ALL_HEADERS is of no use here; its own length is in front. */
function skipHeaders(reader: Reader): void {
  reader.bytes(reader.u32() - 4);
}

export function parseBatch(body: Buffer): string {
  const reader = createReader(body);
  skipHeaders(reader);
  return reader.bytes(reader.left).toString('utf16le');
}

export function parseCall(body: Buffer): Call {
  const reader = createReader(body);
  skipHeaders(reader);
  const length = reader.u16();
  const procedure = length === 0xffff ? (procedures[reader.u16()] ?? 'unknown') : reader.ucs2(length);
  reader.u16();
  const parameters: Parameter[] = [];
  while (reader.left > 0) {
    const name = reader.shortText();
    const status = reader.u8();
    parameters.push({ name, output: (status & 1) !== 0, ...decodeValue(reader) });
  }
  return { procedure: procedure.toLowerCase(), parameters };
}

export type TransactionStep = { step: 'begin'; isolation: number } | { step: 'commit' | 'rollback' };

export function parseTransaction(body: Buffer): TransactionStep {
  const reader = createReader(body);
  skipHeaders(reader);
  const kind = reader.u16();
  if (kind === 5) return { step: 'begin', isolation: reader.u8() };
  if (kind === 7) return { step: 'commit' };
  if (kind === 8) return { step: 'rollback' };
  throw new SqlError(102, 'The emulator has no savepoints and no distributed transactions.');
}
