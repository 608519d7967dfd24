// Random interleavings of readers, writers, change workers and losses over the shipped core, each call of a port a
// step of its own. Pages hold every version and delete, as in the all-versions-and-deletes mode. Invariants I1 (nothing older than a completed invalidation is served), I2 (once all is quiet, what
// is cached is what the source has) and liveness. The naive caches at the end show that the check can fail.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Store } from '../../src/core/ports.ts';
import { decodeEntry } from '../../src/core/record.ts';
import { createWorld, seen, type World } from '../support/world.ts';

type Step =
  | { readonly do: 'write' | 'delete'; readonly key: string }
  | { readonly do: 'read'; readonly key: string; readonly lag: number; readonly process: number }
  | { readonly do: 'page'; readonly size: number; readonly again: number }
  | { readonly do: 'lose'; readonly what: 'a' | 'b' | 'watermark' | 'all' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), key: fc.constantFrom('a', 'b') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom('a', 'b') }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      key: fc.constantFrom('a', 'b'),
      lag: fc.nat(3),
      process: fc.nat(1),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('page' as const), size: fc.integer({ min: 1, max: 3 }), again: fc.nat(2) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('lose' as const), what: fc.constantFrom('a', 'b', 'watermark', 'all') }),
  },
);

interface Variant {
  /** Breaks one rule, to see that the check notices. */
  readonly sabotage?: (world: World) => void;
  readonly runs: number;
  readonly losses: boolean;
}

async function run(scheduler: fc.Scheduler, steps: readonly Step[], { sabotage }: Variant): Promise<void> {
  // Lagging replicas: D bounds how far a read lags, and here no read that is issued after D lags at all.
  const world = createWorld({ provisionalMs: 0, entity: { ttlMs: () => 1e9, notFoundTtlMs: 1e9 } });
  await world.settle();
  sabotage?.(world);
  hop(world.memory, scheduler, 'store');
  hop(world.source, scheduler, 'source');
  const processes = [world.process(), world.process()];
  const changes: Change[] = [];
  const completed = new Map<string, number>();
  const failures: string[] = [];
  let delivered = 0;

  const nOf = (value: unknown) => (value as { n: number }).n;

  async function read({ key, lag, process }: Extract<Step, { do: 'read' }>): Promise<void> {
    const least = completed.get(key) ?? 0;
    world.replicaAt = BigInt(Math.max(0, world.log.length - lag));
    const answer = await processes[process]?.read(key);
    if (answer === undefined || answer.kind !== 'cached') return;
    const { value } = seen(answer);
    const isRight =
      value === null
        ? least === 0 || world.log.some((write, i) => i + 1 >= least && write.key === key && !write.document)
        : nOf(value) >= least;
    if (!isRight) failures.push(`I1: ${key} served as ${JSON.stringify(value)} although ${least} was completed`);
  }

  async function page(size: number, again: number): Promise<void> {
    const from = Math.max(0, delivered - again);
    const items = changes.slice(from, from + size);
    if (items.length === 0) return;
    delivered = Math.max(delivered, from + items.length);
    await processes[0]?.sync.apply(items);
    for (const { key, version } of items) {
      const name = String(key[0]);
      completed.set(name, Math.max(completed.get(name) ?? 0, Number(version)));
    }
  }

  const running: Promise<void>[] = [];
  const all = scheduler.scheduleSequence(
    steps.map((each, i) => ({
      label: `${i} ${JSON.stringify(each)}`,
      builder: async () => {
        switch (each.do) {
          case 'write':
            changes.push(world.write(each.key, { n: world.log.length + 1 }));
            break;
          case 'delete':
            changes.push(world.write(each.key, undefined));
            break;
          case 'read':
            running.push(read(each));
            break;
          case 'page':
            running.push(page(each.size, each.again));
            break;
          case 'lose':
            if (each.what === 'all') world.memory.lose();
            else world.memory.lose(each.what === 'watermark' ? world.watermarkKey() : world.recordKey(each.what));
            break;
        }
      },
    })),
  );
  await scheduler.waitFor(all.task);
  await scheduler.waitFor(Promise.all(running));
  // Quiet: the rest of the feed arrives, alone.
  await scheduler.waitFor(page(changes.length, delivered));
  for (const key of ['a', 'b']) {
    const record = world.memory.peek(world.recordKey(key));
    const entry = record && decodeEntry(record);
    if (entry === undefined) continue;
    const value = entry.state === 'absent' ? undefined : JSON.parse(new TextDecoder().decode(entry.body));
    const last = world.log.findLast((write) => write.key === key)?.document;
    if (JSON.stringify(value) !== JSON.stringify(last)) {
      failures.push(`I2: all is quiet, ${key} is cached as ${JSON.stringify(value)}, not ${JSON.stringify(last)}`);
    }
  }
  // L: the next read fills, and the one after it hits.
  world.replicaAt = undefined;
  const calm = world.process();
  await scheduler.waitFor(calm.read('a'));
  const again = calm.read('a');
  await scheduler.waitFor(again);
  if (seen(await again).how !== 'hit') failures.push('L: two quiet reads, and still no hit');
  if (failures.length > 0) throw new Error(failures.join('\n'));
}

/** Every call of a port takes effect some time after it was made, and its reply arrives some time after that. */
function hop(port: object, scheduler: fc.Scheduler, name: string): void {
  const members = port as Record<string, unknown>;
  for (const [member, original] of Object.entries(members)) {
    if (
      typeof original !== 'function' ||
      ['peek', 'poke', 'ttl', 'lose', 'change', 'floor', 'check', 'readMany'].includes(member)
    )
      continue;
    const call = original.bind(port) as (...args: unknown[]) => Promise<unknown>;
    members[member] = async (...args: unknown[]) => {
      await scheduler.schedule(Promise.resolve(), `${name}.${member} sent`);
      const reply = await call(...args);
      await scheduler.schedule(Promise.resolve(), `${name}.${member} replied`);
      return reply;
    };
  }
  if ('ordered' in port) members['ordered'] = false;
}

const explore = async (variant: Variant) => {
  const steps = variant.losses ? step : step.filter((each) => each.do !== 'lose');
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(steps, { minLength: 4, maxLength: 14 }), (scheduler, all) =>
      run(scheduler, all, variant),
    ),
    { numRuns: variant.runs },
  );
};
const memory = (world: World) => world.memory as unknown as Record<string, (...args: never[]) => Promise<unknown>>;

describe('the core under random interleavings', () => {
  it('never breaks an invariant', () => explore({ runs: 2000, losses: false }));
  it('nor when keys, the watermark or everything is lost in between', () => explore({ runs: 2000, losses: true }));
});

describe('the check notices', () => {
  const broken = async (sabotage: (world: World) => void, losses = true) => {
    const error = await explore({ runs: 20_000, losses, sabotage }).catch((caught: unknown) => caught);
    expect(String((error as Error).cause)).toMatch(/I1|I2/);
  };

  it('a fill without its lease', () =>
    broken((world) => {
      const fill = world.memory.fill.bind(world.memory);
      memory(world)['fill'] = async (key: string, request: Parameters<Store['fill']>[1]) => {
        await world.memory.lease(key, { token: request.token, leaseMs: 1, stamp: request.stamp, force: true });
        return fill(key, request);
      };
      memory(world)['invalidate'] = blindDelete(world);
    }));

  it('a watermark that nobody compares', () =>
    broken((world) => {
      memory(world)['watermark'] = async () => ({ state: 'known', position: 0n });
      const fill = world.memory.fill.bind(world.memory);
      memory(world)['fill'] = (key: string, request: Parameters<Store['fill']>[1]) =>
        fill(key, { ...request, version: (1n << 60n) + request.version });
    }));

  it('invalidations that do nothing', () =>
    broken((world) => {
      memory(world)['invalidate'] = async () => 'ignored';
    }, false));
});

/** What caches without leases do: delete the key. */
function blindDelete(world: World) {
  return async (key: string) => {
    world.memory.lose(key);
    return 'dropped';
  };
}
