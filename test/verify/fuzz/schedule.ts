// What happens in one run, decided by its seed alone: sizes, times, how often loads are slow, which faults come when.

import type { Taken } from './history.ts';
import { createRandom, type Random } from './random.ts';

/** Nodes are numbered; in a cluster each is a primary. */
export type Fault =
  /** One key is evicted. */
  | { readonly kind: 'evict'; readonly key: number }
  | { readonly kind: 'lose-watermarks' }
  | { readonly kind: 'lose-generations' }
  | { readonly kind: 'flush' }
  /** CLIENT PAUSE. */
  | { readonly kind: 'pause'; readonly node: number; readonly ms: number; readonly writesOnly: boolean }
  /** CLIENT KILL: every connection. */
  | { readonly kind: 'cut' }
  /** SIGKILL, and an empty server some time later. */
  | { readonly kind: 'kill'; readonly node: number; readonly ms: number }
  /**
   * A replica takes the place of the primary, which is killed. For `heldMs` before that, the primary alone has what it
   * acknowledges; for `stopMs`, in the midst of it, it answers nobody.
   */
  | { readonly kind: 'promote'; readonly node: number; readonly heldMs: number; readonly stopMs: number }
  /** SIGSTOP for a while. */
  | { readonly kind: 'stop'; readonly node: number; readonly ms: number }
  /** Redis evicts by itself: no memory for a while. */
  | { readonly kind: 'squeeze'; readonly node: number; readonly ms: number }
  | { readonly kind: 'script-flush' }
  /** The slot of an item, of a watermark, of the generations or of a shard's mark goes to another primary. */
  | {
      readonly kind: 'migrate';
      readonly what: 'record' | 'watermark' | 'generations' | 'mark';
      readonly key: number;
      readonly node: number;
      readonly pauseMs: number;
    }
  /** A process ends, with whatever it was doing, and another begins. */
  | { readonly kind: 'die'; readonly process: number }
  /** Everything that is cached of the source, or of the entity, is made old. */
  | { readonly kind: 'bump'; readonly what: 'source' | 'entity' }
  /** A partition of the source becomes two. */
  | { readonly kind: 'split'; readonly family: number };

export type FaultKind = Fault['kind'];
export type Promote = Extract<Fault, { kind: 'promote' }>;
export type Losing = Extract<Fault, { kind: 'evict' | 'lose-watermarks' | 'lose-generations' }>;
export type Pause = Extract<Fault, { kind: 'pause' }>;
export type Migrate = Extract<Fault, { kind: 'migrate' }>;

/** What a fault takes away while it lasts; undefined: nothing that was acknowledged. Bumps are noted where they are made. */
export function takenBy(fault: Fault): Taken | undefined {
  switch (fault.kind) {
    case 'evict':
      return { record: `k${fault.key}` };
    case 'lose-watermarks':
      return 'watermarks';
    case 'pause':
    case 'cut':
    case 'stop':
    case 'script-flush':
    case 'migrate':
    case 'die':
    case 'bump':
    case 'promote':
      return undefined;
    case 'lose-generations':
    case 'flush':
    case 'kill':
    case 'squeeze':
    case 'split':
      return 'everything';
  }
}

export type StageKind = 'single' | 'cluster';

export interface Schedule {
  readonly seed: number;
  readonly stage: StageKind;
  /** How long there is traffic, ms. */
  readonly ms: number;
  readonly keys: number;
  /** Partitions of the source at the beginning. */
  readonly families: number;
  readonly processes: number;
  readonly readers: number;
  readonly writers: number;
  /** Longest pause of a writer, ms. */
  readonly writePauseMs: number;
  readonly pageSize: number;
  readonly onChange: 'refresh' | 'refresh-cached' | 'evict';
  readonly leaseMs: number;
  readonly fenceMs: number;
  readonly ttlMs: number;
  readonly staleForMs: number;
  readonly waitMs: number;
  readonly provisionalMs: number;
  readonly generationMs: number;
  readonly replicaLagMs: number;
  /** Shares. */
  readonly slowLoads: number;
  readonly failingLoads: number;
  /** Calls of the store that are held up, in processes of odd numbers. */
  readonly slowCalls: number;
  /** Pages that come again, late, beside others. */
  readonly zombies: number;
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[];
}

/** The promise holds through all of them, but for `promote`: there from when it has been noticed on. */
const FAULTS: readonly (readonly [weight: number, kind: FaultKind])[] = [
  [12, 'evict'],
  [3, 'lose-watermarks'],
  [1, 'lose-generations'],
  [3, 'flush'],
  [2, 'pause'],
  [2, 'cut'],
  [1, 'kill'],
  [2, 'promote'],
  [1, 'stop'],
  [2, 'squeeze'],
  [1, 'script-flush'],
  [2, 'die'],
  [1, 'bump'],
  [2, 'split'],
];

const CLUSTER_FAULTS: typeof FAULTS = [...FAULTS, [8, 'migrate']];
/** One in so many schedules. */
const CLUSTERS = 4;

const TRAFFIC_MS = 1500;

export function planSchedule(seed: number): Schedule {
  const random = createRandom(seed, 'schedule');
  // Half are rough: little is cached for long. In the others most reads are hits.
  const isRough = random.chance(0.5);
  const keys = random.pick(isRough ? [4, 8, 16] : [16, 64]);
  const families = random.between(1, 3);
  const processes = random.between(2, 4);
  // Some are calm: what is evicted by nobody has more to be checked.
  const count = random.chance(0.2) ? 0 : random.between(3, isRough ? 20 : 6);
  const moments = Array.from({ length: count }, () => random.below(TRAFFIC_MS)).toSorted((a, b) => a - b);
  const stage = stageOf(seed);
  return {
    seed,
    stage,
    ms: TRAFFIC_MS,
    keys,
    families,
    processes,
    ...planTraffic(random, isRough),
    ...planTimes(random, isRough),
    faults: moments.map((atMs) => ({ atMs, fault: planFault(random, { stage, keys, families, processes }) })),
  };
}

/** Which stage the schedule of a seed needs. */
export function stageOf(seed: number): StageKind {
  return createRandom(seed, 'stage').below(CLUSTERS) === 0 ? 'cluster' : 'single';
}

function planTraffic(random: Random, isRough: boolean) {
  return {
    readers: random.pick([16, 48, 96]),
    writers: random.between(1, 3),
    writePauseMs: random.pick(isRough ? [2, 4, 12] : [12, 40]),
    pageSize: random.pick([1, 4, 16]),
    onChange: random.pick(['refresh', 'refresh-cached', 'evict'] as const),
    slowLoads: random.pick(isRough ? [0.02, 0.1, 0.3] : [0.02]),
    failingLoads: random.pick([0, 0.02]),
    slowCalls: random.pick(isRough ? [0, 0.02, 0.2] : [0, 0.01]),
    zombies: random.pick([0.05, 0.2]),
  };
}

function planTimes(random: Random, isRough: boolean) {
  return {
    leaseMs: random.pick([40, 80, 160]),
    fenceMs: random.pick([10, 40, 300]),
    ttlMs: random.pick(isRough ? [20, 100, 1000] : [1000]),
    staleForMs: random.pick([0, 200]),
    waitMs: random.pick([20, 100]),
    provisionalMs: random.pick([0, 30, 100]),
    generationMs: random.pick([30, 100]),
    replicaLagMs: random.pick([20, 60]),
  };
}

function planFault(
  random: Random,
  { stage, keys, families, processes }: Pick<Schedule, 'stage' | 'keys' | 'families' | 'processes'>,
): Fault {
  const kinds = stage === 'single' ? FAULTS : CLUSTER_FAULTS;
  let at = random.below(kinds.reduce((sum, [weight]) => sum + weight, 0));
  const [, kind = 'evict'] = kinds.find(([weight]) => (at -= weight) < 0) ?? [];
  const node = random.below(6);
  switch (kind) {
    case 'evict':
      return { kind, key: random.below(keys) };
    case 'pause':
      return { kind, node, ms: random.pick([10, 50, 200]), writesOnly: random.chance(0.5) };
    case 'kill':
      return { kind, node, ms: random.pick([0, 100]) };
    case 'promote':
      return { kind, node, heldMs: random.pick([0, 50, 200]), stopMs: random.pick([0, 0, 100]) };
    case 'stop':
      return { kind, node, ms: random.pick([20, 100, 400]) };
    case 'squeeze':
      return { kind, node, ms: random.pick([50, 200]) };
    case 'migrate': {
      const what = random.pick(['record', 'record', 'watermark', 'generations', 'mark'] as const);
      return { kind, what, key: random.below(keys), node, pauseMs: random.pick([0, 10, 50]) };
    }
    case 'die':
      return { kind, process: random.below(processes) };
    case 'bump':
      return { kind, what: random.pick(['source', 'entity'] as const) };
    case 'split':
      return { kind, family: random.below(families) };
    case 'lose-watermarks':
    case 'lose-generations':
    case 'flush':
    case 'cut':
    case 'script-flush':
      return { kind };
  }
}
