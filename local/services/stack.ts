/** Brings up the parts of the stack in the order that they need each other, reporting each as it comes. */
import { seedContent } from '../data/content.ts';
import { type Cleanup, createCleanup } from './cleanup.ts';
import { startCosmos } from './cosmos.ts';
import type { Given } from './given.ts';
import { type RunningHost, requireHost, startCoreTools, startEmbeddedHost } from './host.ts';
import { type PostgresService, startPostgres } from './postgres.ts';
import { type RedisService, startRedis } from './redis.ts';
import { count, messageOf, type Service, StackError, sleep } from './service.ts';
import { type SqlService, startSql } from './sql.ts';
import { stackFolder } from './state.ts';
import { type StorageService, startStorage } from './storage.ts';

export type HostKind = 'embedded' | 'func' | 'none';

export interface StackOptions {
  root: string;
  given: Given;
  host: HostKind;
  /** First choices; 0 takes any. */
  ports: {
    http: number;
    cosmos: number;
    redis: number;
    postgres: number;
    sql: number;
    storage: readonly [number, number, number];
  };
  ranges?: number | undefined;
  /** The feed starts with the oldest change, so everything ends up cached; undefined: as the settings have it. */
  fromBeginning: boolean | undefined;
  enableAuth: boolean;
  verbose: boolean;
  report: (part: string, text: string) => void;
  warn: (text: string) => void;
  cleanup?: Cleanup;
}

export interface Stack {
  services: Service[];
  /** What an app needs to use this stack. */
  settings: Record<string, string>;
  /** Undefined where COSMOS is used. */
  emulator: string | undefined;
  connectionString: string;
  database: string;
  redis: RedisService;
  postgres: PostgresService;
  sql: SqlService;
  host: RunningHost | undefined;
  stop(): Promise<void>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const cleanup = options.cleanup ?? createCleanup(options.warn);
  try {
    return await bringUp(options, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function bringUp(options: StackOptions, cleanup: Cleanup): Promise<Stack> {
  const { given, ports, report, warn } = options;
  if (options.host !== 'none') requireHost(options.root, options.host);
  const database = given['COSMOS_DATABASE'] ?? 'warmfeed';
  const started = async <T extends Service>(starting: Promise<T>): Promise<T> => {
    const service = await starting;
    await cleanup.add(service.name, () => service.stop());
    report(service.name, service.what);
    return service;
  };
  const postgresPart = started(
    startPostgres({
      folder: stackFolder(options.root),
      url: given['POSTGRES'],
      port: ports.postgres,
      note: (text) => report('postgres', text),
      onExit: warn,
    }),
  );
  const parts = [
    started(
      startRedis({
        folder: stackFolder(options.root),
        url: given['REDIS_URL'],
        port: ports.redis,
        note: (text) => report('redis', text),
        onExit: warn,
      }),
    ),
    started(
      startCosmos({
        connectionString: given['COSMOS'],
        database,
        ...(given['WARMFEED_LEASE_CONTAINER'] ? { leases: given['WARMFEED_LEASE_CONTAINER'] } : {}),
        port: ports.cosmos,
        ranges: options.ranges,
        note: (text) => report('cosmos', text),
      }),
    ),
    postgresPart,
    started(
      // The emulator keeps its data in the embedded PostgreSQL.
      postgresPart.then(({ server }) =>
        startSql({
          folder: stackFolder(options.root),
          connectionString: given['SQL'],
          server,
          port: ports.sql,
          note: (text) => report('sql', text),
          onExit: warn,
        }),
      ),
    ),
    started(
      startStorage({
        connectionString: given['AzureWebJobsStorage'],
        content: given['CONTENT'],
        ports: ports.storage,
      }),
    ),
  ] as const;
  // Beside all the rest: nothing but the last line of the start waits for it.
  const content = parts[4].then((storage) => fillContent(storage, options));
  content.catch(() => {});
  const [redis, cosmos, postgres, sql, storage] = await Promise.all(parts);
  const settings: Record<string, string> = {
    WARMFEED_FEED_POLL: '200ms',
    ...cosmos.settings,
    ...given,
    ...redis.settings,
    ...postgres.settings,
    ...sql.settings,
    ...storage.settings,
    ...(options.fromBeginning === undefined ? {} : { WARMFEED_FEED_FROM_BEGINNING: String(options.fromBeginning) }),
  };
  // The embedded host has no use for storage, so that may still be starting.
  if (options.host !== 'embedded') await storage.ready;
  if (cosmos.written > 0 && settings['WARMFEED_FEED_FROM_BEGINNING'] !== 'true') await untilSeedIsPast();
  const host = await startHostOf(options, settings);
  if (host) {
    await cleanup.add('host', () => host.stop());
    report('host', host.what);
  }
  await content;
  return {
    services: [redis, cosmos, postgres, sql, storage],
    settings,
    emulator: cosmos.port === undefined ? undefined : cosmos.connectionString,
    connectionString: cosmos.connectionString,
    database,
    redis,
    postgres,
    sql,
    host,
    stop: () => cleanup.run(),
  };
}

async function fillContent(storage: StorageService, { given, report }: StackOptions): Promise<void> {
  await storage.ready;
  const connection = storage.settings['CONTENT'] ?? '';
  try {
    const written = await seedContent(connection);
    report('content', written > 0 ? `${count(written)} files written: flags, borders` : 'all files are there already');
  } catch (error) {
    const whose = given['CONTENT'] ? 'CONTENT is set, but that storage' : 'The storage';
    throw new StackError(`${whose} cannot be used: ${messageOf(error)}`);
  }
}

/**
 * A feed that starts "now" counts in whole seconds and takes one more to be safe, so what was seeded just before would come
 * with it: a cache that is warm by accident.
 */
const untilSeedIsPast = (): Promise<void> => sleep(2_000 - (Date.now() % 1_000));

async function startHostOf(options: StackOptions, settings: Record<string, string>): Promise<RunningHost | undefined> {
  if (options.host === 'none') return undefined;
  const start = options.host === 'func' ? startCoreTools : startEmbeddedHost;
  const { root, enableAuth, verbose } = options;
  // `func` writes its own log; of the embedded host come what is worth a warning, or all that was asked for.
  const log = options.host === 'func' ? (text: string) => options.report('func', text) : options.warn;
  return start({ root, port: options.ports.http, settings, enableAuth, verbose, log });
}
