// Proxies that tests put between the app and what it talks to: one that delays bytes, one that records HTTP.

import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A TCP proxy that holds back each chunk from the server for a while, or until it is told to let go. */
export async function startSlowProxy(port: number, delayMs: number) {
  let target = port;
  let heldMs = delayMs;
  let gate: Promise<void> | undefined;
  let open = () => {};
  let refuses = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (refuses) return void client.destroy();
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client.setNoDelay(true), upstream.setNoDelay(true)]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    // In their order, also when the delay has become shorter.
    let before = Promise.resolve();
    upstream.on('data', (chunk) => {
      const wait = Promise.all([before, gate, sleep(heldMs)]);
      before = wait.then(() => void client.write(chunk));
    });
  });
  await listen(server);
  return {
    port: portOf(server),
    /** From now on no reply comes through, until `letGo`. */
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    letGo() {
      gate = undefined;
      open();
    },
    /** From now on new connections are cut off (or no longer are). */
    refuse(value: boolean) {
      refuses = value;
    },
    /** From now on each chunk is held back for so long. */
    delay(ms: number) {
      heldMs = ms;
    },
    /** Where new connections go from now on: an address that moves. */
    leadTo(other: number) {
      target = other;
    },
    /** Ends the connections that there are. */
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An HTTP proxy in front of one endpoint that remembers every request. */
export async function startRecordingProxy(target: URL) {
  const requests: Recorded[] = [];
  let cut = false;
  let gate: Promise<void> | undefined;
  let held = 0;
  let isHeld: (path: string) => boolean = () => true;
  const server = createHttpServer((incoming, outgoing) => {
    requests.push({ method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers });
    if (cut) return void incoming.socket.destroy();
    const { method, url, headers } = incoming;
    const forwarded = request(new URL(url ?? '/', target), { method, headers }, (reply) => {
      const pass = () => {
        outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(outgoing);
      };
      if (gate === undefined || !isHeld(url ?? '')) pass();
      else {
        held++;
        void gate.then(pass);
      }
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await listen(server);
  return {
    endpoint: `http://127.0.0.1:${portOf(server)}/`,
    requests,
    /** From now on answers (to these paths) are made, but do not come through until what it returns is called. */
    hold(concerns: (path: string) => boolean = () => true) {
      isHeld = concerns;
      const opened = Promise.withResolvers<void>();
      gate = opened.promise;
      held = 0;
      return () => {
        gate = undefined;
        opened.resolve();
      };
    },
    /** Answers that were made since the hold. */
    held: () => held,
    /** From now on every request is cut off (or no longer is). */
    cut: (value: boolean) => {
      cut = value;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listen(server: Server | HttpServer): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function portOf(server: Server | HttpServer): number {
  return (server.address() as AddressInfo).port;
}
