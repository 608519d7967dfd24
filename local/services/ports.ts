/** Finds a port that is free, or the next one that is. Port 0 stands for any. */
import { type AddressInfo, createServer } from 'node:net';

const address = '127.0.0.1';
const tries = 50;

/** The port that was bound, closed again; undefined if it is taken. */
function bind(port: number): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') done(undefined);
      else fail(error);
    });
    server.listen({ port, host: address, exclusive: true }, () => {
      const bound = (server.address() as AddressInfo).port;
      server.close(() => done(bound));
    });
  });
}

export async function freePort(first: number): Promise<number> {
  const last = first === 0 ? 0 : Math.min(first + tries, 65_535);
  for (let port = first; port <= last; port += 1) {
    const bound = await bind(port);
    if (bound !== undefined) return bound;
  }
  throw new Error(`No free port from ${first} to ${last}.`);
}

/** `attempt` may lose the port between the look and the bind; it then throws EADDRINUSE and gets the next. */
export async function onFreePort<T>(first: number, attempt: (port: number) => Promise<T>): Promise<T> {
  let from = first;
  for (let round = 1; ; round += 1) {
    const port = await freePort(from);
    try {
      return await attempt(port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || round >= tries) throw error;
      from = first === 0 ? 0 : port + 1;
    }
  }
}
