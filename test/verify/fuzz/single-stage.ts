// The cache on one Redis server of one's own.

import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis } from '../../support/redis-server.ts';
import type { Promote } from './schedule.ts';
import {
  clientOf,
  cut,
  keptOf,
  lose,
  type Promoted,
  pause,
  type Stage,
  type StageFault,
  signal,
  squeeze,
  stopFor,
  unlink,
} from './stage.ts';

/** A replica is sent what there is at once. */
const ARGS = ['--repl-diskless-sync-delay', '0'];

export async function startSingleStage(): Promise<Stage> {
  let server = await startRedis({ args: ARGS });
  const { url, port } = server;
  const admin = clientOf(port);

  async function inject(fault: StageFault, app: string): Promise<void> {
    switch (fault.kind) {
      case 'evict':
      case 'lose-watermarks':
      case 'lose-generations':
        return lose(admin, fault, app);
      case 'flush':
        return void (await admin.flushall());
      case 'pause':
        return pause(admin, fault);
      case 'cut':
        return cut(admin);
      case 'kill':
        await server.kill();
        await sleep(fault.ms);
        server = await startRedis({ port, args: ARGS });
        return;
      case 'stop':
        return stopFor(server, fault.ms);
      case 'squeeze':
        return squeeze(admin, fault.ms);
      case 'script-flush':
        return void (await admin.script('FLUSH'));
      case 'migrate':
        return;
    }
  }

  /** It takes over the port, as a name would lead to it. */
  async function promote({ heldMs, stopMs }: Promote, tick: () => number): Promise<Promoted> {
    const replica = await startRedis({ args: [...ARGS, '--replicaof', '127.0.0.1', String(port)] });
    const other = clientOf(replica.port);
    while (!(await other.info('replication')).includes('master_link_status:up')) await sleep(5);
    if (heldMs > 0) await unlink(admin, replica);
    await sleep(heldMs);
    await stopFor(server, stopMs);
    const begun = tick();
    await server.kill();
    const downAt = tick();
    if (heldMs > 0) signal(replica, 'SIGCONT');
    await other.call('REPLICAOF', 'NO', 'ONE');
    await other.config('SET', 'port', port);
    other.disconnect();
    server = replica;
    return { begun, downAt, concerns: () => true };
  }

  return {
    url,
    clustering: 'NoCluster',
    async reset() {
      await admin.config('SET', 'maxmemory', '0');
      await admin.flushall();
    },
    inject,
    promote,
    settled: async () => undefined,
    kept: (app) => keptOf(admin, app),
    async end() {
      admin.disconnect();
      await server.kill();
    },
  };
}
