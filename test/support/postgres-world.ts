// The world over a table of PostgreSQL in memory: processes that read, and poll its outbox.

import type { ChangeLog, Store } from '../../src/core/ports.ts';
import { createPoller } from '../../src/core/sync/poll.ts';
import { createMemoryPostgres } from './memory-postgres.ts';
import { createWorld, type WorldOptions } from './world.ts';

export interface PostgresWorldOptions extends Omit<WorldOptions, 'source'> {
  readonly pageSize?: number;
}

export function createPostgresWorld({ pageSize = 1000, ...options }: PostgresWorldOptions = {}) {
  const database = createMemoryPostgres();
  const held = { isPaused: false };
  const world = createWorld({ provisionalMs: 0, ...options, source: database.source });

  /** @param reached what the process has for a store */
  function process(reached?: (store: Store) => Store) {
    const made = world.process({}, reached);
    // Its own, so that a test can break it for one process.
    const log: ChangeLog = {
      remedy: '',
      poll: (...args) => database.log.poll(...args),
      prune: () => database.log.prune(),
    };
    const poller = createPoller({
      ...made.deps,
      log,
      sync: made.sync,
      entities: ['widget'],
      isPaused: async () => held.isPaused,
      options: { pauseMs: 200, pageSize, pruneMs: 60_000 },
    });
    return {
      ...made,
      log,
      poller,
      /** One poll. @throws what it failed with */
      poll: () => poller.follow(world.clock.now(), new AbortController().signal),
    };
  }

  return {
    database,
    held,
    world,
    process,
    markKey: world.keys.watermark(database.source.name, database.partition.id),
    checkpointKey: world.keys.checkpoint(database.source.name),
    /** What Redis remembers of the poller. */
    checkpoint: async () => {
      const text = (await world.memory.recall(world.keys.checkpoint(database.source.name))) ?? '';
      return text === '' ? undefined : BigInt(text.slice(text.lastIndexOf('|') + 1));
    },
    watermark: async () => {
      const generations = await world.memory.generations(world.keys.generations, [`s:${database.source.name}`]);
      return world.memory.watermark(
        world.keys.watermark(database.source.name, database.partition.id),
        generations.values[0] ?? '',
      );
    },
  };
}

export type PostgresWorld = ReturnType<typeof createPostgresWorld>;
