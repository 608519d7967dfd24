// Benchmarks: every figure is a ratio to a reference that runs in the same process, interleaved with it, so that a
// machine that is slow or busy is slow for both. Times are not asserted anywhere.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ChangeFeedStartFrom, CosmosClient } from '@azure/cosmos';
import { startCosmosEmulator } from '../local/cosmos/emulator.ts';
import { startRedis } from '../local/services/redis.ts';
import { hash64 } from '../src/core/bytes.ts';
import type { Entity } from '../src/core/entity.ts';
import { createGenerations } from '../src/core/generations.ts';
import { redisKeys } from '../src/core/key.ts';
import { NO_DIRECTIVES } from '../src/core/policy.ts';
import type { Change, Clock, Document, Entropy, Source } from '../src/core/ports.ts';
import { createReader } from '../src/core/read.ts';
import { createSync } from '../src/core/sync.ts';
import { createWarm } from '../src/core/warm.ts';
import { createRedisConnection } from '../src/redis/connection.ts';
import { createRedisStore } from '../src/redis/store.ts';
import { createCosmosClients, createCosmosSource } from '../src/sources/cosmos.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  console.log('npm run bench -- [--quick] [--json FILE]\nMeasures hits and change batches against bare Redis.');
  process.exit(0);
}

interface Row {
  readonly what: string;
  readonly perSecond: number;
  readonly ratio: number;
  readonly spread: string;
}

const ROUNDS = values.quick ? 5 : 15;
const IN_FLIGHT = 64;
const BODY = { id: 'w', filler: 'x'.repeat(1000) };

const folder = mkdtempSync(join(tmpdir(), 'warmfeed-bench-'));
const redis = await startRedis({ folder, url: process.env['REDIS_URL'] });
try {
  const rows = [...(await hits()), ...(await batches()), ...(await firstStart())];
  console.log(`\n${redis.what}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}\n`);
  console.table(
    rows.map(({ what, perSecond, ratio, spread }) => ({
      what,
      'per second': Math.round(perSecond).toLocaleString('en'),
      'ratio (median)': ratio.toFixed(2),
      spread,
    })),
  );
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ redis: redis.what, node: process.version, rows }, null, 2)}\n`);
} finally {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}

function createApp(given?: Source) {
  const clock: Clock = {
    now: () => performance.now(),
    sleep: async () => undefined,
    deadline: (ms) => AbortSignal.timeout(ms),
  };
  const entropy: Entropy = {
    random: Math.random,
    token: () => randomBytes(8),
    digest: (bytes) => createHash('sha256').update(bytes).digest().subarray(0, 12),
  };
  const url = redis.settings['REDIS_URL'] ?? '';
  const connection = createRedisConnection({ url, onError: (error) => console.error(error.message) });
  const store = createRedisStore(connection);
  const keys = redisKeys('bench');
  const partition = { id: 'bench/0', ancestors: [] };
  const answer = (at: bigint) => ({ document: BODY as Document, asOf: at, version: at, partition });
  const head = { at: 1n };
  const source: Source = given ?? {
    name: 'bench',
    replicaLagMs: 0,
    changesHold: 'documents',
    read: async () => answer(head.at),
    readMany: async (all) => all.map(() => answer(head.at)),
    scan: async () => ({ keys: [], continuation: undefined, units: 0 }),
    check: async () => undefined,
    floor: async () => ({ positions: new Map() }),
    change: (item) => item as Change,
  };
  const entity: Entity = {
    name: 'widget',
    source,
    columns: [],
    fingerprint: hash64('bench'),
    onChange: 'refresh',
    ttlMs: () => 3_600_000,
    staleForMs: 0,
    staleIfErrorMs: 0,
    notFoundTtlMs: 1000,
    maxBytes: 1_000_000,
    match: () => true,
    deletedWhen: () => false,
    select: (document) => document,
    tags: () => [],
    http: { maxAgeS: undefined, staleWhileRevalidateS: undefined, staleIfErrorS: undefined, public: false },
  };
  const generations = createGenerations({ store, key: keys.generations, clock, entities: [entity], ttlMs: 1000 });
  const options = { leaseMs: 10_000, fenceMs: 60_000, waitMs: 1000, provisionalMs: 1000, jitter: 0.1 };
  const deps = { store, keys, generations, clock, entropy, observe: () => undefined, options };
  const reader = createReader({ ...deps, reloads: (work) => work(AbortSignal.timeout(1000)) });
  const sync = createSync({ ...deps, source, entities: [entity] });
  const warm = createWarm(deps);
  return {
    client: connection.client,
    keys,
    entity,
    reader,
    sync,
    warm,
    head,
    settled: () => connection.settled(),
    close: () => connection.close(),
  };
}

/** A hit through the whole read path, against a bare auto-pipelined GET of the same bytes. */
async function hits(): Promise<Row[]> {
  const app = createApp();
  const { entity, reader, client, keys } = app;
  const read = () => reader.read({ entity, key: ['w'], directives: NO_DIRECTIVES });
  await read();
  if ((await read()).kind !== 'cached') throw new Error('the benchmark does not measure hits');
  const key = keys.record('widget', ['w']);
  const bare = () => client.getBuffer(key);
  const count = values.quick ? 20_000 : 60_000;
  const pairs = await interleave(
    'hit',
    () => flood(bare, count),
    () => flood(read, count),
  );
  await app.close();
  return [
    row(
      'bare auto-pipelined GET of the same bytes',
      count,
      pairs.map(([a]) => a),
      pairs.map(() => 1),
    ),
    row(
      'hit, the whole read path',
      count,
      pairs.map(([, b]) => b),
      pairs.map(([a, b]) => a / b),
    ),
  ];
}

/** Change batches, against SETs of the same bodies in a pipeline of the same size. */
async function batches(): Promise<Row[]> {
  const app = createApp();
  const size = 1000;
  const body = JSON.stringify(BODY);
  const page = (): Change[] =>
    Array.from({ length: size }, (_, i) => ({ key: [`b${i}`], version: ++app.head.at, document: BODY as Document }));
  await app.sync.apply(page());
  const bare = async () => {
    await Promise.all(Array.from({ length: size }, (_, i) => app.client.set(`bare:${i}`, body, 'PX', 3_600_000)));
  };
  const apply = async () => {
    const report = await app.sync.apply(page());
    if (report.refreshed !== size) throw new Error(`only ${report.refreshed} of ${size} were refreshed`);
  };
  const times = values.quick ? 5 : 10;
  const repeat = (work: () => Promise<void>) => async () => {
    for (let i = 0; i < times; i++) await work();
  };
  const pairs = await interleave('batches', timed(repeat(bare)), timed(repeat(apply)));
  await app.close();
  return [
    row(
      'blind SET, pipelined by the thousand',
      size * times,
      pairs.map(([a]) => a),
      pairs.map(() => 1),
    ),
    row(
      'change, refreshed in batches of 1,000',
      size * times,
      pairs.map(([, b]) => b),
      pairs.map(([a, b]) => a / b),
    ),
  ];
}

/** Everything cached from nothing: the warm engine, against the change feed replayed from its beginning. */
async function firstStart(): Promise<Row[]> {
  const count = values.quick ? 1000 : 5000;
  const emulator = await startCosmosEmulator();
  const client = new CosmosClient(emulator.connectionString);
  const clients = createCosmosClients();
  const { database } = await client.databases.create({ id: 'bench' });
  const { container } = await database.containers.create({ id: 'items', partitionKey: '/group' });
  for (let group = 0; group < count / 50; group++) {
    const documents = Array.from({ length: 50 }, (_, i) => ({ ...BODY, id: `${i}`, group: `g${group}` }));
    await container.items.batch(
      documents.map((resourceBody) => ({ operationType: 'Create' as const, resourceBody })),
      `g${group}`,
    );
  }
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
  const replay = async () => {
    const app = createApp(source);
    await app.settled();
    await app.client.flushall();
    const feed = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
      maxItemCount: 100,
    });
    for await (const page of feed.getAsyncIterator()) {
      if (page.statusCode === 304) break;
      await app.sync.apply(page.result);
    }
    await checkAll(app, count);
  };
  const warm = async () => {
    const app = createApp(source);
    await app.settled();
    await app.client.flushall();
    await app.warm({ entity: app.entity });
    await checkAll(app, count);
  };
  const pairs = await interleave('first start', timed(replay), timed(warm), 3);
  client.dispose();
  clients.dispose();
  await emulator.close();
  return [
    row(
      `first start, ${count} items: feed replayed`,
      count,
      pairs.map(([a]) => a),
      pairs.map(() => 1),
    ),
    row(
      `first start, ${count} items: warm engine`,
      count,
      pairs.map(([, b]) => b),
      pairs.map(([a, b]) => a / b),
    ),
  ];
}

async function checkAll(app: ReturnType<typeof createApp>, count: number): Promise<void> {
  const keys = await app.client.keys('wf:bench:c:*');
  await app.close();
  if (keys.length !== count) throw new Error(`${keys.length} of ${count} items are cached`);
}

/** Milliseconds of `count` calls with a constant number in flight. */
async function flood(call: () => Promise<unknown>, count: number): Promise<number> {
  const began = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await call();
    }),
  );
  return performance.now() - began;
}

function timed(work: () => Promise<void>): () => Promise<number> {
  return async () => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
}

/** Both in turn, each first every other time; the first round warms up and is thrown away. */
async function interleave(
  name: string,
  a: () => Promise<number>,
  b: () => Promise<number>,
  rounds = ROUNDS,
): Promise<(readonly [number, number])[]> {
  const pairs: (readonly [number, number])[] = [];
  for (let round = 0; round <= rounds; round++) {
    process.stderr.write(`\r${name}: round ${round} of ${rounds} `);
    if (round % 2 === 0) pairs.push([await a(), await b()]);
    else {
      const second = await b();
      pairs.push([await a(), second]);
    }
  }
  process.stderr.write('\n');
  return pairs.slice(1);
}

function row(what: string, count: number, ms: readonly number[], ratios: readonly number[]): Row {
  const sorted = ratios.toSorted((x, y) => x - y);
  const spread = `${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)}`;
  return { what, perSecond: count / (median(ms) / 1000), ratio: median(ratios), spread };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
