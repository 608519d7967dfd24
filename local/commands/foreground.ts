/** Runs a stack until it is told to stop: Ctrl-C, a signal, or the npm that started us going away. */
import type { Cleanup } from '../services/cleanup.ts';
import { say } from './output.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Foreground {
  /** Resolves with what ended it. */
  ended: Promise<string>;
}

/** Watched from the start, so that a stack which is still coming up is stopped too. */
export function watchForEnd(): Foreground {
  let askedAt: number | undefined;
  const ended = new Promise<string>((done) => {
    for (const signal of signals) {
      process.on(signal, () => {
        // A second Ctrl-C does not wait; the keepers end what runs beside us. npm passes on the terminal's own, hence the pause.
        if (askedAt !== undefined && performance.now() - askedAt > 500) process.exit(1);
        askedAt ??= performance.now();
        done(signal);
      });
    }
    // Under npm a killed npm leaves us behind without a signal.
    if (process.env['npm_lifecycle_event'] !== undefined) {
      const parent = process.ppid;
      const timer = setInterval(() => process.ppid !== parent && done('npm has ended'), 500);
      timer.unref();
    }
  });
  return { ended };
}

export async function stopAll(cleanup: Cleanup, why: string): Promise<void> {
  say(`\nStopping (${why}) …`);
  await cleanup.run();
  say('Stopped; nothing is left running.');
}

/** The work, or the end if that comes first. */
export const unlessEnded = <T>(work: Promise<T>, { ended }: Foreground): Promise<T | { ended: string }> =>
  Promise.race([work, ended.then((reason) => ({ ended: reason }))]);
