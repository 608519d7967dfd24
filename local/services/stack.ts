/** Brings up the parts of the stack in the order that they need each other, reporting each as it comes. */
import { type Cleanup, createCleanup } from './cleanup.ts';
import { startCosmos } from './cosmos.ts';
import type { Given } from './given.ts';
import { type RunningHost, requireHost, startCoreTools, startEmbeddedHost } from './host.ts';
import { type PostgresService, startPostgres } from './postgres.ts';
import { type RedisService, startRedis } from './redis.ts';
import { messageOf, type Service, sleep } from './service.ts';
import { type SqlService, startSql } from './sql.ts';
import { stackFolder } from './state.ts';
import { startStorage } from './storage.ts';

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
    started(startStorage({ connectionString: given['AzureWebJobsStorage'], ports: ports.storage })),
  ] as const;
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
  if (options.host === 'embedded') {
    // The embedded host has no use for storage, so that may still be starting.
    storage.ready.catch((error: unknown) => cleanup.started || warn(messageOf(error)));
  } else {
    await storage.ready;
  }
  if (cosmos.written > 0 && settings['WARMFEED_FEED_FROM_BEGINNING'] !== 'true') await untilSeedIsPast();
  const host = await startHostOf(options, settings);
  if (host) {
    await cleanup.add('host', () => host.stop());
    report('host', host.what);
  }
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
