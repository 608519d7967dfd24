import { expect, it } from 'vitest';
import { WarmfeedError } from '../../src/core/errors.ts';
import { createDeadLetters } from '../../src/core/ops/dead-letters.ts';
import { createFailureNotes } from '../../src/core/ops/failure-notes.ts';
import { createPartitionNotes } from '../../src/core/ops/partition-notes.ts';
import { createSourceReport } from '../../src/core/ops/source-report.ts';
import { createStats } from '../../src/core/ops/stats.ts';
import { createLoader } from '../../src/core/read/load.ts';
import { createPauses } from '../../src/core/sync/pauses.ts';
import { createMemoryOpsStore } from '../support/memory-ops-store.ts';
import { createWorld } from '../support/world.ts';

it('the last failure of each source is its own, whichever of its entities had it, and all are read at once', async () => {
  const world = createWorld();
  const memory = createMemoryOpsStore(world.memory, world.clock.now);
  const asked: string[] = [];
  const ops = {
    ...memory,
    fields: (key: string) => {
      asked.push(key);
      return memory.fields(key);
    },
  };
  const { keys } = world;
  const notes = { ops, keys, nowMs: world.clock.now };
  const failures = createFailureNotes(notes);
  const { deps } = world.process();
  const report = createSourceReport({
    ops,
    keys,
    failures,
    stats: createStats(notes),
    partitions: createPartitionNotes(notes),
    pauses: createPauses({ ops, keys, clock: world.clock }),
    letters: createDeadLetters({ ops, keys, entities: [world.entity], load: createLoader(deps) }),
    sources: [
      { name: 'one', kind: 'cosmos', entities: ['a', 'b'], checks: [] },
      { name: 'two', kind: 'sql', entities: ['c'], checks: [] },
      { name: 'three', kind: 'postgres', entities: ['d'], checks: [] },
    ],
  });
  failures.failed('one', new WarmfeedError('STORE_REFUSED', 'full'));
  failures.observe({ kind: 'source-failed', entity: 'c', error: new WarmfeedError('SOURCE_TIMEOUT', 'slow') });
  world.advance(1);
  failures.observe({ kind: 'source-failed', entity: 'b', error: new WarmfeedError('SOURCE_THROTTLED', 'less') });
  const { sources } = await report.all();
  expect(sources.map(({ name, lastError }) => [name, lastError?.message])).toEqual([
    ['one', 'SOURCE_THROTTLED: less'],
    ['two', 'SOURCE_TIMEOUT: slow'],
    ['three', undefined],
  ]);
  expect(asked.filter((key) => key === keys.failures)).toHaveLength(1);
});
