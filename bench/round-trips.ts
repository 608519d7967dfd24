// A proxy in front of Redis that makes every way longer, so that what is waited for more tells how many round trips one
// after the other there are. What is on its way meanwhile costs nothing.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { msOf } from './measure.ts';

/** Long against everything else that a page takes. */
const WAY_MS = 100;

export async function delayedRedis(redis: string) {
  const target = new URL(redis);
  let wayMs = 0;
  const forward = (from: Socket, to: Socket) => {
    // In their order, also when the way has become shorter.
    let before = Promise.resolve();
    from.on('data', (chunk) => {
      const wait = Promise.all([before, sleep(wayMs)]);
      before = wait.then(() => void to.write(chunk));
    });
    from.on('close', () => to.destroy()).on('error', () => to.destroy());
  };
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 6379), target.hostname);
    forward(client, upstream);
    forward(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async tripsOf(work: () => Promise<unknown>): Promise<number> {
      const without = await msOf(work);
      wayMs = WAY_MS;
      const within = await msOf(work).finally(() => {
        wayMs = 0;
      });
      return (within - without) / (2 * WAY_MS);
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
