// A proxy in front of Redis that counts round trips: requests that were sent after the last reply had come in.

import { type AddressInfo, connect, createServer } from 'node:net';

export async function countedRedis(redis: string) {
  const target = new URL(redis);
  let trips = 0;
  let isAnswered = true;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 6379), target.hostname);
    client.on('data', (chunk) => {
      if (isAnswered) trips++;
      isAnswered = false;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      isAnswered = true;
      client.write(chunk);
    });
    client.on('close', () => upstream.destroy()).on('error', () => upstream.destroy());
    upstream.on('close', () => client.destroy()).on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async tripsOf(work: () => Promise<unknown>): Promise<number> {
      const before = trips;
      await work();
      return trips - before;
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
