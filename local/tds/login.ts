/** The first two messages: PRELOGIN, which settles encryption, and LOGIN7, which says who wants what. */
import { createReader } from './bytes.ts';

export const encryption = { off: 0, on: 1, notSupported: 2, required: 3 } as const;

/** What the client says of encryption. */
export function parsePrelogin(body: Buffer): number {
  for (let at = 0; at < body.length && body[at] !== 0xff; at += 5) {
    if (body[at] === 1) return body[body.readUInt16BE(at + 1)] ?? encryption.notSupported;
  }
  return encryption.notSupported;
}

export function preloginReply(mode: number): Buffer {
  const options: [token: number, data: Buffer][] = [
    [0, Buffer.from([16, 0, 0, 0, 0, 0])],
    [1, Buffer.from([mode])],
    [4, Buffer.from([0])],
  ];
  const heads: Buffer[] = [];
  let offset = options.length * 5 + 1;
  for (const [token, data] of options) {
    const head = Buffer.alloc(5);
    head[0] = token;
    head.writeUInt16BE(offset, 1);
    head.writeUInt16BE(data.length, 3);
    heads.push(head);
    offset += data.length;
  }
  return Buffer.concat([...heads, Buffer.from([0xff]), ...options.map(([, data]) => data)]);
}

export interface Login {
  user: string;
  password: string;
  application: string;
  database: string;
}

/** @throws Error for what is no LOGIN7 */
export function parseLogin(body: Buffer): Login {
  const part = (at: number): Buffer => {
    const offset = body.readUInt16LE(at);
    const reader = createReader(body.subarray(offset));
    return reader.bytes(body.readUInt16LE(at + 2) * 2);
  };
  const text = (at: number): string => part(at).toString('utf16le');
  const password = part(44).map((byte) => {
    const plain = byte ^ 0xa5;
    return ((plain << 4) | (plain >> 4)) & 0xff;
  });
  return {
    user: text(40),
    password: Buffer.from(password).toString('utf16le'),
    application: text(48),
    database: text(68),
  };
}
