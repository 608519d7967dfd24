// Runs a schedule: readers, writers and change workers beside each other, and what goes wrong meanwhile; then all is
// quiet, and what is left is looked at. Sockets, timers and Redis are real, so a seed gives the same decisions again,
// not the same interleaving.

import { setTimeout as sleep } from 'node:timers/promises';
import { isSourceError, messageOf } from '../../../src/core/errors.ts';
import { check, type Verdict } from './check.ts';
import { createRecorder, type Quiet, type Recorder } from './history.ts';
import type { KnockOut } from './knock-outs.ts';
import { createNaive, type NaiveKind } from './naive.ts';
import { createRandom, type Random } from './random.ts';
import { type Promote, type Schedule, takenBy } from './schedule.ts';
import { createFuzzSource, type FuzzSource, type Page, type Range } from './source.ts';
import type { Stage } from './stage.ts';
import type { Subject } from './subject.ts';
import { createWarmfeed } from './warmfeed.ts';

export interface RunOptions {
  /** Default: what is shipped. */
  readonly naive?: NaiveKind;
  /** Breaks a rule of what is shipped. */
  readonly knockOut?: KnockOut;
}

export interface Outcome extends Verdict {
  readonly schedule: Schedule;
  readonly faults: number;
  readonly loads: number;
}

const QUIET_MS = 15_000;
/** Long after connections are made anew. */
const NOTICED_MS = 5000;
const PAUSE_MS = 20;
/** Few, so that no load takes longer than its lease. */
const ASKERS = 4;
/** What is left in the end is one page. */
const REST = 10_000;

/** All that takes part in a run. */
interface Scene {
  readonly schedule: Schedule;
  readonly stage: Stage;
  readonly app: string;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly database: FuzzSource;
  readonly subject: Subject;
  readonly isOver: () => boolean;
}

let runs = 0;

export async function runSchedule(schedule: Schedule, stage: Stage, options: RunOptions = {}): Promise<Outcome> {
  const { seed } = schedule;
  await stage.reset();
  const app = `fuzz-${seed}-${++runs}`;
  const random = createRandom(seed);
  const recorder = createRecorder(schedule);
  const database = createFuzzSource(schedule, random.stream('source'), recorder);
  const given = { schedule, database, recorder, random, place: { url: stage.url, clustering: stage.clustering, app } };
  const { naive, knockOut } = options;
  const subject =
    naive === undefined
      ? createWarmfeed({ ...given, ...(knockOut === undefined ? {} : { knockOut: knockOut.wrap }) })
      : createNaive(naive, given);
  const end = performance.now() + schedule.ms;
  const scene: Scene = {
    schedule,
    stage,
    app,
    random,
    recorder,
    database,
    subject,
    isOver: () => performance.now() >= end,
  };
  try {
    const follower = follow(scene);
    await Promise.all([...readers(scene), ...writers(scene), misfortune(scene)]);
    await stage.settled();
    database.state.isCalm = true;
    await follower.finish();
    // A naive cache has no rule that would make it right in the end.
    if (naive === undefined) await lookAround(scene);
    return { ...check(recorder.history), schedule, faults: schedule.faults.length, loads: database.state.loads };
  } finally {
    await subject.close();
  }
}

function readers(scene: Scene): Promise<void>[] {
  return Array.from({ length: scene.schedule.readers }, (_, i) => readOn(scene, i, scene.random.stream(`reader ${i}`)));
}

async function readOn({ schedule, database, subject, recorder, isOver }: Scene, index: number, random: Random) {
  const { history, tick } = recorder;
  const process = index % schedule.processes;
  while (!isOver()) {
    const key = random.pick(database.keys);
    const dice = random.next();
    // Read your own writes; a reload; mostly neither.
    const floor = dice < 0.02 ? database.lastOf(key) : undefined;
    const begun = tick();
    try {
      const served = await subject.read(process, key, {
        ...(floor === undefined ? {} : { floor }),
        reload: dice > 0.99,
      });
      const { from, isProvisional, position, asOf, hardAt } = served;
      const shown = { from, isProvisional, position, asOf, hardAt };
      history.reads.push({ key, begun, ended: tick(), endedAtMs: Date.now(), floor, ...shown });
    } catch (error) {
      if (!isSourceError(error)) history.failed.push({ key, tick: tick(), reason: messageOf(error) });
      await sleep(1);
    }
    if (dice > 0.9 && dice < 0.92) await sleep(random.below(5));
  }
}

function writers({ schedule, database, random, isOver }: Scene): Promise<void>[] {
  return Array.from({ length: schedule.writers }, async (_, i) => {
    const own = random.stream(`writer ${i}`);
    while (!isOver()) {
      database.write(own);
      await sleep(own.below(schedule.writePauseMs + 1));
    }
  });
}

async function misfortune(scene: Scene): Promise<void> {
  const { schedule, stage, app, recorder, database, subject, isOver } = scene;
  const begun = performance.now();
  for (const { atMs, fault } of schedule.faults) {
    await sleep(Math.max(0, begun + atMs - performance.now()));
    // Some take long, and what comes after the traffic is seen by nobody.
    if (isOver()) return;
    await recorder.losing(takenBy(fault), async () => {
      if (fault.kind === 'promote') await failover(scene, fault);
      else if (fault.kind === 'die') await subject.die(fault.process);
      else if (fault.kind === 'split') database.split(fault.family);
      else if (fault.kind === 'bump') await subject.bump(fault.what).catch(() => undefined);
      else await stage.inject(fault, app);
    });
  }
}

/** Until it was noticed, and T after that, anything may be as old as the replica was. */
async function failover({ schedule, stage, recorder, subject }: Scene, fault: Promote): Promise<void> {
  const { begun, downAt, concerns } = await stage.promote(fault, recorder.tick);
  const end = recorder.lose('acknowledged', begun);
  const isNoticed = () => recorder.noticed.some(({ tick, shards }) => tick > downAt && shards.some(concerns));
  const deadline = performance.now() + NOTICED_MS;
  while (!subject.isNaive && !isNoticed()) {
    if (performance.now() > deadline) {
      recorder.history.unnoticed.push({ what: `a replica was promoted (${JSON.stringify(fault)})`, tick: begun });
      break;
    }
    await sleep(1);
  }
  if (!subject.isNaive) await sleep(schedule.generationMs);
  end();
}

/** The host of a change feed: it delivers pages again until they were handled, and now and then again after that. */
function follow({ schedule, database, subject, recorder, random, isOver }: Scene) {
  const { history, tick } = recorder;
  const own = random.stream('feed');
  const zombies = new Set<Promise<void>>();
  const following = new Map<Range, Promise<void>>();
  let isEnding = false;

  async function handle(page: Page): Promise<void> {
    const begun = subject.isNaive ? {} : { begun: tick() };
    await subject.apply(own.below(schedule.processes), page);
    for (const { key, version } of page.items) {
      history.applied.push({ key: String(key[0]), position: Number(version), tick: tick(), ...begun });
    }
  }

  async function followOne(range: Range): Promise<void> {
    while (database.ranges().includes(range)) {
      const page = database.page(range, isEnding ? REST : own.between(1, schedule.pageSize));
      if (page === undefined) {
        if (isEnding) return;
        await sleep(1);
        continue;
      }
      try {
        if (!isOver() && own.chance(schedule.zombies)) revive(range);
        await handle(page);
        range.checkpoint = page.end;
      } catch (error) {
        if (isEnding && zombies.size === 0) await sleep(PAUSE_MS);
        else await sleep(own.below(PAUSE_MS));
        lastError = messageOf(error);
      }
    }
  }

  /** A worker that lost its lease and does not know: pages from a while ago, in their order, or this one twice. */
  function revive(range: Range): void {
    let from = Math.max(0, range.checkpoint - own.below(40));
    const pages = own.between(1, 3);
    const zombie = (async () => {
      for (let i = 0; i < pages; i++) {
        await sleep(own.below(30));
        const page = database.page(range, own.between(1, schedule.pageSize), from);
        if (page === undefined) return;
        await handle(page).catch(() => undefined);
        from = page.end;
      }
    })().finally(() => zombies.delete(zombie));
    zombies.add(zombie);
  }

  function adopt(): void {
    for (const range of database.ranges()) if (!following.has(range)) following.set(range, followOne(range));
  }

  let lastError = '';
  adopt();
  const timer = setInterval(adopt, 5);
  return {
    /** Until everything is handled, by everyone. */
    async finish(): Promise<void> {
      isEnding = true;
      clearInterval(timer);
      adopt();
      const deadline = AbortSignal.timeout(QUIET_MS);
      const all = Promise.all([...following.values(), ...zombies]);
      const late = new Promise((_, reject) => {
        deadline.addEventListener('abort', () => reject(new Error(`the feed does not end: ${lastError}`)));
      });
      await Promise.race([all, late]);
    },
  };
}

/** I2, L1 and I10: what there is when nothing happens any more. */
async function lookAround({ schedule, stage, app, database, subject, recorder }: Scene): Promise<void> {
  const { history } = recorder;
  // What is provisional is over, and whoever asks for a watermark may make it known.
  await sleep(Math.max(schedule.provisionalMs, schedule.replicaLagMs) + PAUSE_MS);
  for (const key of database.keys) {
    for (let process = 0; process < schedule.processes; process++) {
      const found = await subject.cached(process, key);
      if (found === undefined || found.isProvisional) continue;
      history.quiet.push({ key, how: 'cached', position: found.position });
    }
  }
  const end = performance.now() + QUIET_MS;
  const left = [...database.keys];
  const ask = async () => {
    for (let key = left.pop(); key !== undefined; key = left.pop())
      history.quiet.push(await untilCached(subject, key, end));
  };
  await Promise.all(Array.from({ length: ASKERS }, ask));
  history.kept.push(...(await stage.kept(app)));
}

async function untilCached(subject: Subject, key: string, end: number): Promise<Quiet> {
  for (;;) {
    const { from, isProvisional, position } = await subject.read(0, key, {});
    if (from === 'cache' && !isProvisional) return { key, how: 'cached', position };
    if (performance.now() > end) return { key, how: 'never cached', position };
    await sleep(2);
  }
}
