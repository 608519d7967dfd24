/** Everything that must be stopped, in reverse order, once. What is added while stopping, or after, is stopped at once. */
import { messageOf, type Note } from './service.ts';

export interface Cleanup {
  readonly started: boolean;
  add(name: string, stop: () => Promise<void>): Promise<void>;
  run(): Promise<void>;
}

export function createCleanup(warn: Note): Cleanup {
  const stops: { name: string; stop: () => Promise<void> }[] = [];
  let running: Promise<void> | undefined;
  const stopOne = ({ name, stop }: { name: string; stop: () => Promise<void> }): Promise<void> =>
    stop().catch((error: unknown) => warn(`${name} did not stop cleanly: ${messageOf(error)}`));
  const stopAll = async (): Promise<void> => {
    for (let next = stops.pop(); next; next = stops.pop()) await stopOne(next);
  };
  return {
    get started() {
      return running !== undefined;
    },
    async add(name, stop) {
      if (running) await stopOne({ name, stop });
      else stops.push({ name, stop });
    },
    run: () => (running ??= stopAll()),
  };
}
