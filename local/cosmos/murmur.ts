/** MurmurHash3 x64 128, the hash under Cosmos DB's version 2 partition keys. Knows nothing of keys. */
const mask = (1n << 64n) - 1n;
const c1 = 0x87c37b91114253d5n;
const c2 = 0x4cf5ad432745937fn;

const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
const multiply = (x: bigint, by: bigint): bigint => (x * by) & mask;

const finish = (start: bigint): bigint => {
  let h = start;
  h = multiply(h ^ (h >> 33n), 0xff51afd7ed558ccdn);
  h = multiply(h ^ (h >> 33n), 0xc4ceb9fe1a85ec53n);
  return h ^ (h >> 33n);
};

const mix1 = (k: bigint): bigint => multiply(rotate(multiply(k, c1), 31n), c2);
const mix2 = (k: bigint): bigint => multiply(rotate(multiply(k, c2), 33n), c1);

/** The two 64-bit halves of the hash, seed 0. */
export const murmur128 = (bytes: Buffer): [bigint, bigint] => {
  const blocks = bytes.length - (bytes.length % 16);
  let h1 = 0n;
  let h2 = 0n;
  for (let at = 0; at < blocks; at += 16) {
    h1 ^= mix1(bytes.readBigUInt64LE(at));
    h1 = (multiply((rotate(h1, 27n) + h2) & mask, 5n) + 0x52dce729n) & mask;
    h2 ^= mix2(bytes.readBigUInt64LE(at + 8));
    h2 = (multiply((rotate(h2, 31n) + h1) & mask, 5n) + 0x38495ab5n) & mask;
  }
  if (blocks < bytes.length) {
    const tail = Buffer.alloc(16);
    bytes.copy(tail, 0, blocks);
    h1 ^= mix1(tail.readBigUInt64LE(0));
    h2 ^= mix2(tail.readBigUInt64LE(8));
  }
  const length = BigInt(bytes.length);
  h1 = ((h1 ^ length) + (h2 ^ length)) & mask;
  h2 = ((h2 ^ length) + h1) & mask;
  h1 = finish(h1);
  h2 = finish(h2);
  h1 = (h1 + h2) & mask;
  return [h1, (h2 + h1) & mask];
};
