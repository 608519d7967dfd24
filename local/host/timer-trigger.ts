/**
 * Runs a function on its schedule, one run at a time. The schedule's state lives in memory only: no storage account is
 * needed, and an occurrence that was missed while the host was down is not made up for.
 */
import type { TypedData } from './core-types.ts';
import { parseSchedule } from './ncrontab.ts';
import { sleep } from './sleep.ts';
import type { Trigger, TriggerContext } from './trigger.ts';

/** setTimeout counts in 32 bits; longer waits go in steps. */
const longestWait = 2 ** 31 - 1;

const isoOf = (time: Date): string => time.toISOString();

export function timerInput(last: Date | undefined, next: Date, monitored: boolean): TypedData {
  const never = '0001-01-01T00:00:00+00:00';
  const status = { Last: last ? isoOf(last) : never, LastUpdated: last ? isoOf(last) : never, Next: isoOf(next) };
  return {
    json: JSON.stringify({
      Schedule: { AdjustForDST: true },
      ScheduleStatus: monitored ? status : null,
      IsPastDue: false,
    }),
  };
}

export function startTimer(context: TriggerContext): Trigger {
  const { binding, signal } = context;
  const text = binding['schedule'];
  const schedule = parseSchedule(typeof text === 'string' ? text : '');
  // As in the extension, schedules of less than a minute are never monitored.
  const first = schedule.next(context.startedAt);
  const frequent = schedule.next(first).getTime() - first.getTime() < 60_000;
  const monitored = binding['useMonitor'] !== false && !frequent;

  const runs = async (): Promise<void> => {
    let last: Date | undefined;
    const run = async (): Promise<void> => {
      const now = new Date();
      await context.run({
        data: timerInput(last, schedule.next(now), monitored),
        reason: `Timer fired at ${isoOf(now)}`,
      });
      last = now;
    };
    if (binding['runOnStartup'] === true) await run();
    while (!signal.aborted) {
      const next = schedule.next(new Date());
      for (;;) {
        const left = next.getTime() - Date.now();
        if (left <= 0) break;
        if (!(await sleep(Math.min(left, longestWait), signal))) return;
      }
      await run();
    }
  };
  return { firstAttempt: Promise.resolve(), stopped: runs() };
}
