// A TCP proxy that counts round trips, and can swallow replies.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  readonly url: string;
  /** How often a request came after a reply, or first of all. */
  roundTrips(): number;
  reset(): void;
  /** From now on requests reach the server, and the first reply to come cuts the connection instead. */
  loseReplies(lose: boolean): void;
  close(): void;
}

export async function startProxy(port: number): Promise<Proxy> {
  let turns = 0;
  let isRequesting = false;
  let loses = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (!isRequesting) turns++;
      isRequesting = true;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      isRequesting = false;
      if (loses) client.destroy();
      else client.write(chunk);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    roundTrips: () => turns,
    reset() {
      turns = 0;
      isRequesting = false;
    },
    loseReplies: (lose) => void (loses = lose),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
