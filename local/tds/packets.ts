/** Messages of TDS are cut into packets with a header of 8 bytes: type, status, length, server process, number, window. */
import type { Duplex } from 'node:stream';

export const packetTypes = {
  batch: 1,
  rpc: 3,
  reply: 4,
  attention: 6,
  bulk: 7,
  transaction: 14,
  login: 16,
  prelogin: 18,
} as const;

const headerBytes = 8;
const packetBytes = 4096;
const lastOfMessage = 1;
const ignored = 2;
const resetConnection = 8;

export interface Message {
  type: number;
  body: Buffer;
  /** The connection comes from a pool and is to be as new. */
  reset: boolean;
  /** The client changed its mind while sending. */
  ignore: boolean;
}

/** Puts messages together from chunks of any size. @throws Error for what is no TDS packet */
export function createAssembler(): (chunk: Buffer) => Message[] {
  let rest: Buffer = Buffer.alloc(0);
  let bodies: Buffer[] = [];
  let reset = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const messages: Message[] = [];
    while (rest.length >= headerBytes) {
      const length = rest.readUInt16BE(2);
      if (length < headerBytes) throw new Error(`A packet of ${length} bytes.`);
      if (rest.length < length) break;
      const [type = 0, status = 0] = rest;
      bodies.push(rest.subarray(headerBytes, length));
      rest = rest.subarray(length);
      reset ||= (status & resetConnection) !== 0;
      if ((status & lastOfMessage) === 0) continue;
      messages.push({ type, body: Buffer.concat(bodies), reset, ignore: (status & ignored) !== 0 });
      bodies = [];
      reset = false;
    }
    return messages;
  };
}

export function packetsOf(type: number, body: Buffer): Buffer {
  const room = packetBytes - headerBytes;
  const packets: Buffer[] = [];
  for (let at = 0, number = 1; at < body.length || number === 1; at += room, number += 1) {
    const part = body.subarray(at, at + room);
    const header = Buffer.alloc(headerBytes);
    header[0] = type;
    header[1] = at + room >= body.length ? lastOfMessage : 0;
    header.writeUInt16BE(part.length + headerBytes, 2);
    header[6] = number & 0xff;
    packets.push(header, part);
  }
  return Buffer.concat(packets);
}

export const sendMessage = (stream: Duplex, type: number, body: Buffer): void => {
  if (!stream.destroyed && stream.writable) stream.write(packetsOf(type, body));
};
