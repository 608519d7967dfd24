/** Resource ids that the SDKs' parsers accept: 4 bytes a database, 4 more a container, 8 more a child of it. */
import { randomBytes } from 'node:crypto';

const encode = (bytes: Buffer): string => bytes.toString('base64').replaceAll('/', '-');

/** Ids get into URLs and lease names, so those with characters that need escaping are not handed out. */
const clean = (make: () => Buffer): Buffer => {
  for (;;) {
    const bytes = make();
    if (!/[+/]/.test(bytes.toString('base64'))) return bytes;
  }
};

export interface Rid {
  bytes: Buffer;
  text: string;
}

const rid = (bytes: Buffer): Rid => ({ bytes, text: encode(bytes) });

export const databaseRid = (): Rid => rid(clean(() => randomBytes(4)));

export const containerRid = (database: Rid): Rid =>
  rid(
    clean(() => {
      const own = randomBytes(4);
      // The top bit tells a container from a user of the database.
      own[0] = (own[0] ?? 0) | 0x80;
      return Buffer.concat([database.bytes, own]);
    }),
  );

/** The high nibble of the last byte tells the kind: 0 a document, 5 a partition key range. */
const child = (container: Rid, ordinal: number, kind: number): string => {
  const own = Buffer.alloc(8);
  own.writeUIntLE(ordinal, 0, 6);
  own[7] = kind << 4;
  return encode(Buffer.concat([container.bytes, own]));
};

export const documentRid = (container: Rid, ordinal: number): string => child(container, ordinal, 0);
export const rangeRid = (container: Rid, ordinal: number): string => child(container, ordinal, 5);
