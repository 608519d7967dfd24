// A hit over HTTP against the least function on the same host in the same process, in turn.

import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CosmosClient } from '@azure/cosmos';
import { Redis } from 'ioredis';
import { buildApp, buildSdks } from '../infra/tools/build.ts';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { documentOf } from './app.ts';
import type { Context } from './context.ts';
import { idsOf, inTurn, LIMIT, latency, speed } from './hit.ts';
import { type Lane, load, openLane } from './load.ts';
import { type Round, ratios, spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const ROOT = join(import.meta.dirname, '..');
const IN_FLIGHT = 64;
const ITEMS = 128;

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
  const host = await startBenchHost(await builtApp(context.folder), settings);
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
  const paths = { bare: () => `/api/bare/${ids()}`, ours: () => `/api/entities/widget/eu/${ids()}` };
  await untilHit(`${host.url}/api/entities/widget/eu/w0`);
  const rounds = { bare: [] as Round[], ours: [] as Round[] };
  for (let round = 0; round <= context.rounds; round++) {
    context.progress(`${IN_FLIGHT} connections, round ${round}`);
    const order = round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
    for (const name of order) {
      const measured = await load(lanes, paths[name], 300, host.cpuUs);
      if (round > 0) rounds[name].push(measured);
    }
  }
  const { bare, ours } = rounds;
  const ratio = ratios(ours.map(speed), bare.map(speed));
  const cpu = (of: readonly Round[]) => of.map(({ cpuUs }) => cpuUs);
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
      what: 'CPU of the host for an HTTP hit',
      value: spread(cpu(ours)),
      unit: 'µs',
      ratio: ratios(cpu(ours), cpu(bare)),
      to: 'the least function',
    },
  ];
}

async function builtApp(folder: string): Promise<string> {
  const root = join(folder, 'app');
  mkdirSync(join(root, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'host.json'), join(root, 'host.json'));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'app', main: 'dist/main.cjs' }));
  const entryPoints = { main: join(import.meta.dirname, 'http-app.ts') };
  await buildApp(join(root, 'dist'), { entryPoints }, join(ROOT, 'test/e2e/cache.config.ts'));
  await buildSdks(join(root, 'dist'));
  return root;
}

interface BenchHost {
  readonly url: string;
  readonly child: ChildProcess;
  readonly cpuUs: () => Promise<number>;
}

async function startBenchHost(root: string, settings: Record<string, string>): Promise<BenchHost> {
  const child = fork(join(import.meta.dirname, 'http-host.ts'), [JSON.stringify({ root, settings })]);
  const answer = () => new Promise<unknown>((resolve) => child.once('message', resolve));
  const url = (await answer()) as string;
  const cpuUs = async () => {
    const asked = answer();
    child.send('cpu');
    const { user, system } = (await asked) as NodeJS.CpuUsage;
    return user + system;
  };
  return { url, child, cpuUs };
}

/** The feed has its positions, and what was cached before them is old. */
async function untilHit(url: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const answer = await fetch(url);
    if (answer.headers.get('cache-status')?.includes('detail=watermarked') && i > 10) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('there are no hits to measure');
}
