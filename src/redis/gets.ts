// Reads of one tick go out together: as one MGET, which costs client and server a fraction of as many GETs. A read alone is a
// GET, and so is one of large values, which would only wait for one another. Of a key that many ask for in a row, one is sent.

import type { Redis } from 'ioredis';
import { messageOf } from '../core/errors.ts';
import { storeError } from './errors.ts';
import type { Outbox } from './together.ts';
import { gather } from './writes.ts';

const MOST_TOGETHER = 32;
/** Of one reply, about. */
const MOST_BYTES = 128 * 1024;

/** Its promises reject with WarmfeedError STORE_*. */
export function createGets(client: Redis, outbox: Outbox): (key: string) => Promise<Uint8Array | undefined> {
  let waiting: Waiting | undefined;
  let most = MOST_TOGETHER;
  let mean = 0;

  function flush(): void {
    if (waiting === undefined) return;
    const { keys, settle } = waiting;
    waiting = undefined;
    gather(client);
    const [key] = keys;
    if (keys.length === 1 && key !== undefined) resolveAll(settle, readable(client.getBuffer(key).then(seen)));
    else together(keys, settle);
  }

  function together(keys: string[], settle: readonly Settle[]): void {
    client.mgetBuffer(keys).then(
      (values) => {
        for (const value of values) seen(value);
        for (const { resolve, at } of settle) resolve(values[at] ?? undefined);
      },
      (error: unknown) => {
        const failure = storeError(error);
        for (const { reject } of settle) reject(failure);
      },
    );
  }

  /** Learns how large values are of late. */
  function seen(value: Buffer | null): Buffer | null {
    mean += ((value?.length ?? 0) - mean) / 16;
    most = Math.max(1, Math.min(MOST_TOGETHER, Math.floor(MOST_BYTES / mean)));
    return value;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      if (waiting === undefined) {
        waiting = { keys: [], settle: [] };
        outbox.hold(flush);
      }
      const { keys, settle } = waiting;
      if (keys.at(-1) !== key) keys.push(key);
      settle.push({ resolve, reject, at: keys.length - 1 });
      if (keys.length >= most) outbox.flush();
    });
}

interface Waiting {
  readonly keys: string[];
  readonly settle: Settle[];
}

interface Settle {
  readonly resolve: (value: Uint8Array | undefined | Promise<Uint8Array | undefined>) => void;
  readonly reject: (error: unknown) => void;
  /** Of its key. */
  readonly at: number;
}

function resolveAll(settle: readonly Settle[], value: Promise<Uint8Array | undefined>): void {
  for (const { resolve } of settle) resolve(value);
}

/** A key that holds no string holds nothing of ours. @throws WarmfeedError STORE_* */
export function readable(reply: Promise<Buffer | null>): Promise<Uint8Array | undefined> {
  return reply.then(
    (value) => value ?? undefined,
    (error: unknown) => {
      if (messageOf(error).startsWith('WRONGTYPE')) return undefined;
      throw storeError(error);
    },
  );
}
