// A client that costs little: a socket per request in flight, kept open, the answer read no further than its length.

import { connect, type Socket } from 'node:net';
import { percentiles, type Round } from './measure.ts';

export interface Lane {
  get(path: string): Promise<void>;
  close(): void;
}

/** @throws for an answer other than 200 */
export function openLane(url: string): Lane {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  let head = '';
  let left = -1;
  let pending: PromiseWithResolvers<void> | undefined;
  socket.on('data', (chunk: Buffer) => {
    if (left < 0) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /content-length: (\d+)/i.exec(head.slice(0, end))?.[1];
      if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
        pending?.reject(new Error(`not a 200 with a length: ${head.slice(0, end)}`));
        return;
      }
      left = Number(length) - (head.length - end - 4);
    } else left -= chunk.length;
    if (left > 0) return;
    head = '';
    left = -1;
    pending?.resolve();
  });
  socket.on('error', (error) => pending?.reject(error));
  return {
    get(path) {
      pending = Promise.withResolvers();
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`);
      return pending.promise;
    },
    close: () => socket.destroy(),
  };
}

/** Requests of every lane, one after the other, for `roundMs`. @param cpuUs the server's CPU time so far, µs */
export async function load(
  lanes: readonly Lane[],
  path: () => string,
  roundMs: number,
  cpuUs: () => Promise<number>,
): Promise<Round> {
  const times: number[] = [];
  const cpuBefore = await cpuUs();
  const began = performance.now();
  await Promise.all(
    lanes.map(async (lane) => {
      for (let start = performance.now(); start < began + roundMs; ) {
        await lane.get(path());
        const end = performance.now();
        times.push(end - start);
        start = end;
      }
    }),
  );
  const ms = performance.now() - began;
  const cpu = (await cpuUs()) - cpuBefore;
  return { perSecond: (times.length / ms) * 1000, cpuUs: cpu / times.length, ...percentiles(times) };
}
