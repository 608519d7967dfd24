// Finds dead connections: a server that is silent for so long while it owes replies. ioredis' own watchdog takes a
// process that stood still (a burst of requests, a long collection of garbage) for a server that did, as its timer is
// looked at before the replies that have come in meanwhile; and then every instance in a stampede goes to the source.

import type { Redis } from 'ioredis';

/** Between two looks at the clock, whatever has come in is read. */
const LOOKS = 4;

/** What ioredis' watchdog has to do with, which its types leave out. */
interface Watched {
  readonly options: { readonly socketTimeout?: number };
  readonly stream: NodeJS.ReadWriteStream & { destroy(error: Error): void };
  readonly commandQueue: { readonly length: number };
  socketTimeoutTimer: NodeJS.Timeout | undefined;
  setSocketTimeout: () => void;
}

/** Puts it in the place of ioredis' own, which is begun with a command and when replies are still due after some. */
export function watchPatiently(node: Redis): void {
  const watched = node as unknown as Watched;
  watched.setSocketTimeout = () => {
    const { stream } = watched;
    const timeoutMs = watched.options.socketTimeout ?? 0;
    let left = LOOKS;
    function look(): void {
      if (left-- > 0) {
        watched.socketTimeoutTimer = setTimeout(look, timeoutMs / LOOKS);
        return;
      }
      watched.socketTimeoutTimer = undefined;
      stream.destroy(new Error(`Socket timeout. Expecting data, but didn't receive any in ${timeoutMs}ms.`));
    }
    look();
    // After the handler that takes replies off the queue.
    stream.once('data', () => {
      clearTimeout(watched.socketTimeoutTimer);
      watched.socketTimeoutTimer = undefined;
      if (watched.commandQueue.length > 0) watched.setSocketTimeout();
    });
  };
}
