// The shards of Redis, each with a mark in one of its slots: a hash of the replication id that was last dealt with and
// a count of heartbeats. Behind a proxy no shard can be told from another, so heartbeats are spread over the slots.

import type { Redis } from 'ioredis';
import { messageOf } from '../core/errors.ts';
import type { Shard, Shards } from '../core/sync/failover-watch.ts';
import type { RedisConnection } from './connection.ts';
import { SLOTS, slotOf } from './slot.ts';
import { createCall } from './store.ts';

export interface ShardsOptions {
  /** The name of a mark with a tag. */
  readonly name: (tag: string) => string;
  /** Whether shards hide behind one address. */
  readonly isProxied: boolean;
}

/** So many ranges of slots get a mark of their own behind a proxy: every shard of up to half as many has one. */
const LANES = 64;
/** Tags that are tried for a primary at most, on average: one with few slots may go without. */
const TRIES = 64;

export function createShards(connection: RedisConnection, { name, isProxied }: ShardsOptions): Shards {
  const call = createCall(connection);
  const lanes = isProxied ? lanesOf(name) : undefined;

  /** One in each connected primary: the first whose slot it has, which is the same in every process. */
  function perPrimary(): Iterable<string> {
    const most = connection.primaries().length;
    const found = new Map<Redis, string>();
    for (let tag = 0; found.size < most && tag < most * TRIES; tag++) {
      const mark = name(String(tag));
      const node = connection.nodeOf(mark);
      if (node !== undefined && !found.has(node)) found.set(node, mark);
    }
    return found.values();
  }

  /** Who it is is asked last: a heartbeat that was counted says that it was a primary by then. */
  async function lookAt(mark: string, node: Redis): Promise<Shard> {
    const [marked, beats] = await Promise.all([node.hget(mark, 'id'), node.hincrby(mark, 'beats', 1)]);
    const info = lanes === undefined ? await node.info('replication').catch(untold) : '';
    const id = /^master_replid:(\w+)/m.exec(info)?.[1];
    return { name: mark, id, marked: marked ?? undefined, beats };
  }

  return {
    // By way of the key, so that a node that has it no more leads to the one that has.
    look: () =>
      Promise.allSettled(
        Array.from(lanes ?? perPrimary(), (mark) => call(() => connection.send(mark, (node) => lookAt(mark, node)))),
      ),

    async mark(mark, id) {
      await call(() => connection.send(mark, (node) => node.hset(mark, 'id', id)));
    },
  };
}

/** A server that does not let us ask. */
function untold(error: unknown): string {
  if (/^(NOPERM|ERR)\b/.test(messageOf(error))) return '';
  throw error;
}

function lanesOf(name: (tag: string) => string): readonly string[] {
  const found = new Map<number, string>();
  for (let tag = 0; found.size < LANES; tag++) {
    const mark = name(String(tag));
    const lane = Math.floor((slotOf(mark) * LANES) / SLOTS);
    if (!found.has(lane)) found.set(lane, mark);
  }
  return [...found.values()];
}
