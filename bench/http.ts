// A hit over HTTP against the least function on the same host in the same process, in turn.

import { CosmosClient } from '@azure/cosmos';
import { Redis } from 'ioredis';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { documentOf } from './app.ts';
import type { Context } from './context.ts';
import { idsOf, inTurn, LIMIT, latency, speed } from './hit.ts';
import { type BenchHost, builtApp, startBenchHost, until } from './host.ts';
import { type Lane, load, openLane } from './load.ts';
import { type Round, ratios, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const IN_FLIGHT = 64;
const ITEMS = 128;
const ROUND_MS = 500;

export async function http(context: Context): Promise<Figure[]> {
  const emulator = await startCosmosEmulator({ ranges: 1 });
  const client = new CosmosClient(emulator.connectionString);
  const { database } = await client.databases.create({ id: 'shop' });
  const { container } = await database.containers.create({ id: 'widgets', partitionKey: '/region' });
  for (const id of ['leases', 'sessions'])
    await database.containers.create({ id, partitionKey: '/id', defaultTtl: -1 });
  const redis = new Redis(context.redis);
  for (const id of idsOf(ITEMS)) {
    const document = { ...(documentOf(1000) as object), id, region: 'eu' };
    await container.items.create(document);
    await redis.set(`bare:${id}`, JSON.stringify(document));
  }
  const settings = {
    COSMOS: emulator.connectionString,
    COSMOS_DATABASE: 'shop',
    REDIS_URL: context.redis,
    WARMFEED_REPLICA_LAG: '0s',
  };
  const host = await startBenchHost(
    await builtApp(context.folder, 'http-app.ts', 'test/e2e/cache.config.ts'),
    settings,
  );
  const lanes = Array.from({ length: IN_FLIGHT }, () => openLane(host.url));
  try {
    return await measure(context, host, lanes);
  } finally {
    for (const lane of lanes) lane.close();
    host.child.disconnect();
    redis.disconnect();
    client.dispose();
    await emulator.close();
  }
}

async function measure(context: Context, host: BenchHost, lanes: readonly Lane[]): Promise<Figure[]> {
  const ids = inTurn(idsOf(ITEMS));
  const paths = {
    bare: () => `/api/bare/${ids()}`,
    dressed: () => `/api/dressed/${ids()}`,
    ours: () => `/api/entities/widget/eu/${ids()}`,
  };
  await until('the feed', async () => (await fetch(`${host.url}/api/health/ready`)).status === 200);
  // What was cached while the feed found its positions is old.
  await until('hits only', async () => {
    let hits = 0;
    for (const _ of idsOf(ITEMS)) {
      const answer = await fetch(host.url + paths.ours());
      if (answer.headers.get('cache-status')?.includes('; hit')) hits++;
    }
    return hits === ITEMS;
  });
  const rounds = { bare: [] as Round[], dressed: [] as Round[], ours: [] as Round[] };
  for (let round = 0; round <= context.rounds; round++) {
    context.progress(`${IN_FLIGHT} connections, round ${round}`);
    const names = ['bare', 'dressed', 'ours'] as const;
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const measured = await load(lanes, paths[name], ROUND_MS, host.cpuUs);
      if (round > 0) rounds[name].push(measured);
    }
  }
  const { bare, dressed, ours } = rounds;
  const ratio = ratios(ours.map(speed), bare.map(speed));
  return [
    {
      what: `HTTP hit, 1,000 bytes, ${IN_FLIGHT} connections`,
      value: spread(ours.map(speed)),
      unit: 'per second',
      ratio,
      to: 'the least function',
      also: latency(ours),
      ...goal(`at least ${LIMIT}`, ratio.median >= LIMIT),
    },
    {
      what: 'the same',
      value: spread(ours.map(speed)),
      unit: 'per second',
      ratio: ratios(ours.map(speed), dressed.map(speed)),
      to: 'the least function with as many headers',
    },
    {
      what: 'CPU of the host for an HTTP hit',
      value: spread(cpu(ours)),
      unit: 'µs',
      ratio: ratios(cpu(ours), cpu(bare)),
      to: 'the least function',
    },
  ];
}

function cpu(of: readonly Round[]): number[] {
  return of.map(({ cpuUs }) => cpuUs);
}
