// Everything cached from nothing: the warm engine, against the change feed replayed from its beginning.

import { ChangeFeedStartFrom, CosmosClient } from '@azure/cosmos';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { createCosmosClients, createCosmosSource } from '../src/sources/cosmos.ts';
import { type BenchApp, createBenchApp, documentOf } from './app.ts';
import type { Context } from './context.ts';
import { ratios, spread } from './measure.ts';
import type { Figure } from './report.ts';

export async function firstStart(context: Context): Promise<Figure[]> {
  const count = context.isQuick ? 1000 : 5000;
  const emulator = await startCosmosEmulator();
  const client = new CosmosClient(emulator.connectionString);
  const clients = createCosmosClients();
  try {
    const container = await fill(client, count);
    const source = createCosmosSource(
      {
        connection: { connectionString: emulator.connectionString },
        connectionName: 'BENCH',
        database: 'bench',
        container: 'items',
        partitionKey: ['/group'],
        replicaLagMs: 0,
        requestTimeoutMs: 10_000,
        changeFeedMode: 'LatestVersion',
        leases: { container: 'leases', prefix: '' },
      },
      clients,
    );
    const startOf = (work: (app: BenchApp) => Promise<unknown>) => async () => {
      const app = createBenchApp(context.redis, source, 'first');
      await app.settled();
      await app.client.flushall();
      const began = performance.now();
      await work(app);
      const ms = performance.now() - began;
      const keys = await app.client.keys('wf:first:c:*');
      await app.close();
      if (keys.length !== count) throw new Error(`${keys.length} of ${count} items are cached`);
      return ms;
    };
    const replay = startOf(async (app) => {
      const changeFeedStartFrom = ChangeFeedStartFrom.Beginning();
      const feed = container.items.getChangeFeedIterator({ changeFeedStartFrom, maxItemCount: 100 });
      for await (const page of feed.getAsyncIterator()) {
        if (page.statusCode === 304) break;
        await app.sync.apply(page.result);
      }
    });
    const warm = startOf((app) => app.warm({ entity: app.entity }));
    const times = { replay: [] as number[], warm: [] as number[] };
    for (let round = 0; round < 3; round++) {
      context.progress(`first start, round ${round}`);
      times.replay.push(await replay());
      times.warm.push(await warm());
    }
    return [
      {
        what: `first start, ${count.toLocaleString('en')} items of Cosmos DB (emulator), items`,
        value: spread(times.warm.map((ms) => (count / ms) * 1000)),
        unit: 'per second',
        ratio: ratios(times.replay, times.warm),
        to: 'the change feed replayed',
      },
    ];
  } finally {
    client.dispose();
    clients.dispose();
    await emulator.close();
  }
}

async function fill(client: CosmosClient, count: number) {
  const { database } = await client.databases.create({ id: 'bench' });
  const { container } = await database.containers.create({ id: 'items', partitionKey: '/group' });
  for (let group = 0; group < count / 50; group++) {
    const operations = Array.from({ length: 50 }, (_, i) => ({
      operationType: 'Create' as const,
      resourceBody: { ...(documentOf(1000) as object), id: `${i}`, group: `g${group}` },
    }));
    await container.items.batch(operations, `g${group}`);
  }
  return container;
}
