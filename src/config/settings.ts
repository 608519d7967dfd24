// App settings: every one with its default, read in one place. docs/settings.md is this table; a test compares them.

import type { ConfigProblem } from '../core/errors.ts';
import { parseDuration } from './units.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Setting<T> {
  readonly fallback: string | undefined;
  readonly meaning: string;
  readonly parse: (text: string) => T | undefined;
  /** What a value must be, for the problem report. */
  readonly form: string;
}

const name = (fallback: string, meaning: string): Setting<string> => ({
  fallback,
  meaning,
  parse: (text) => (/^[A-Za-z0-9][\w.-]{0,59}$/.test(text) ? text : undefined),
  form: 'a name of letters, digits, ".", "_" and "-", at most 60 characters',
});

const duration = (fallback: string, meaning: string, least = 0): Setting<number> => ({
  fallback,
  meaning,
  parse: (text) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= least ? ms : undefined;
  },
  form: `a duration such as "250ms", "5s" or "1m"${least > 0 ? `, at least ${least}ms` : ''}`,
});

const whole = (fallback: string, meaning: string, least: number): Setting<number> => ({
  fallback,
  meaning,
  parse: (text) => (/^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : undefined),
  form: `a whole number, at least ${least}`,
});

const flag = (fallback: 'true' | 'false', meaning: string): Setting<boolean> => ({
  fallback,
  meaning,
  parse: (text) => ({ true: true, '1': true, false: false, '0': false })[text.toLowerCase()],
  form: '"true" or "false"',
});

const share = (fallback: string, meaning: string): Setting<number> => ({
  fallback,
  meaning,
  parse: (text) => (/^(0(\.\d+)?|1(\.0+)?)$/.test(text) ? Number(text) : undefined),
  form: 'a number from 0 to 1',
});

const redisUrl: Setting<string> = {
  fallback: undefined,
  meaning: 'Redis: `redis://` or, with TLS, `rediss://` URL',
  parse: (text) => (/^rediss?:\/\/./.test(text) && URL.canParse(text) ? text : undefined),
  form: 'a URL "redis://host:port" or "rediss://…"',
};

const optional = (meaning: string): Setting<string> => ({
  fallback: '',
  meaning,
  parse: (text) => text,
  form: 'a text',
});

const schedule = (fallback: string, meaning: string): Setting<string> => ({
  fallback,
  meaning,
  parse: (text) => (/^[\d*/,-]+( [\d*/,\w-]+){5}$/.test(text) ? text : undefined),
  form: 'a schedule of six fields, seconds first, such as "*/30 * * * * *"',
});

const choice = <const T extends string>(fallback: T, options: readonly T[], meaning: string): Setting<T> => ({
  fallback,
  meaning,
  parse: (text) => options.find((option) => option === text),
  form: `one of ${options.map((option) => `"${option}"`).join(', ')}`,
});

export const SETTINGS = {
  REDIS_URL: redisUrl,
  REDIS_URL__credential: choice(
    'url',
    ['url', 'managedidentity'],
    'What Redis is shown: user and password of the URL, or Entra tokens of the identity of the app',
  ),
  WARMFEED_APP: name('warmfeed', 'Name of the app: the first part of all its Redis keys'),
  WARMFEED_LEASE_CONTAINER: name('leases', 'Container of the change-feed leases, in the database of the watched one'),
  WARMFEED_LEASE_PREFIX: name(
    'default',
    'Prefix of the leases; two apps that share one take changes from each other. `default`: app, site and slot',
  ),
  WARMFEED_FEED_POLL: duration('500ms', 'Pause of the change feed after it was drained', 1),
  WARMFEED_FEED_BATCH: whole('100', 'Changes an invocation asks for', 1),
  WARMFEED_FEED_ACQUIRE: duration(
    '5s',
    'How often partitions without a reader are looked for: how soon a feed goes on after its connection failed',
    100,
  ),
  WARMFEED_FEED_FROM_BEGINNING: flag('false', 'A feed without leases starts with the oldest change, not with now'),
  WARMFEED_FEED_WATCH: schedule('*/30 * * * * *', 'When the positions of the change feeds are looked after (NCRONTAB)'),
  WARMFEED_FAILOVER_WATCH: schedule(
    '*/10 * * * * *',
    'When Redis is looked at for failovers that broke no connection (NCRONTAB); others are noticed at once',
  ),
  WARMFEED_AUDIT_PER_MINUTE: whole(
    '60',
    'Changes a minute that a process takes for the auditor, which looks at each three times; 0: none',
    0,
  ),
  WARMFEED_TABLE_POLL: duration('200ms', 'Pause between two polls of a table of PostgreSQL or Azure SQL', 10),
  WARMFEED_TABLE_BATCH: whole('1000', 'Changes that such a poll asks for', 1),
  WARMFEED_OUTBOX_RETENTION: duration(
    '1h',
    'How long changes stay in the outbox of PostgreSQL: an app that did not poll for longer starts with an old cache',
    60_000,
  ),
  WARMFEED_POOL_SIZE: whole('16', 'Connections of a process to a database of PostgreSQL or Azure SQL', 1),
  WARMFEED_REPLICA_LAG: duration(
    '5s',
    'Bound of how far a read of a source lags (D); `0s` where reads go to a primary',
  ),
  WARMFEED_GENERATION_TTL: duration('1s', 'How long a process judges hits by the generations it read (T)', 50),
  WARMFEED_PROVISIONAL_TTL: duration('1s', 'Life of a provisional fill (P), `0s`: none'),
  WARMFEED_LEASE: duration('10s', 'How long a load or a refresh may hold a key', 100),
  WARMFEED_FENCE: duration('1m', 'How long a fence is kept after an invalidation', 1000),
  WARMFEED_WAIT: duration('1s', "How long a reader waits for another's load before it loads uncached"),
  WARMFEED_JITTER: share('0.1', 'Share of a ttl that is taken off at random'),
  WARMFEED_CLIENT_DIRECTIVES: choice(
    'honour',
    ['honour', 'ignore'],
    'Whether `Cache-Control` of requests may reload, limit or widen what is served',
  ),
  WARMFEED_REDIS_CLUSTERING: choice(
    'NoCluster',
    ['NoCluster', 'EnterpriseCluster', 'OSSCluster'],
    "Azure Managed Redis' clustering policy; `OSSCluster` for every Redis Cluster whose clients go to its nodes",
  ),
  WARMFEED_REDIS_TIMEOUT: duration('1s', 'A Redis connection that owes a reply for so long is given up', 50),
  WARMFEED_REDIS_CONNECT_TIMEOUT: duration('2s', 'How long connecting to Redis may take', 50),
  WARMFEED_SOURCE_TIMEOUT: duration('3s', 'How long a read of a source may take, retries included', 50),
  WARMFEED_SOURCE_CONCURRENCY: whole('64', 'Reads of one source at a time in a process', 1),
  WARMFEED_SOURCE_QUEUE: whole('256', 'Reads that may wait for their turn; beyond it 503', 0),
  WARMFEED_BREAKER_FAILURES: whole('10', 'Failures in a row after which a source is left alone', 1),
  WARMFEED_BREAKER_RESET: duration('5s', 'For how long it is left alone', 100),
  WARMFEED_RELOAD_CONCURRENCY: whole('4', 'Reloads that clients may force at a time in a process', 1),
  WARMFEED_RELOAD_TIMEOUT: duration('1s', 'How long such a reload may take', 50),
  WARMFEED_CONTENT_LARGE_CONCURRENCY: whole(
    '4',
    'Reads at a time, in a process, of content that is too large for the cache',
    1,
  ),
  WARMFEED_CONTENT_LARGE_TIMEOUT: duration('30s', 'How long such a read may take, with the wait for its turn', 100),
  WARMFEED_QUERY_FIELDS: whole(
    '100000',
    "Tags and items that the index of an entity's query results may have; beyond, it is dropped, and all of them are loaded anew",
    100,
  ),
  WARMFEED_SESSION_QUEUE: whole('10000', 'Sessions of a process that may wait for their durable copy', 1),
  WARMFEED_SESSION_DRAIN: duration('5s', 'How long a process that ends goes on copying sessions'),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional('An OpenTelemetry collector (OTLP over HTTP) for metrics and traces'),
  OTEL_METRIC_EXPORT_INTERVAL: whole('60000', 'How often metrics are exported, in milliseconds', 10),
  APPLICATIONINSIGHTS_CONNECTION_STRING: optional('Application Insights for metrics and traces; the host reads it too'),
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: optional(
    'By which identity: `ClientId=…;Authorization=AAD`; else by the key of the connection string',
  ),
  WARMFEED_DEAD_LETTERS: whole('10000', 'Dead letters kept, about', 1),
} as const;

export type Settings = {
  readonly [K in keyof typeof SETTINGS]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/** Reads all settings; what is wrong is added to `problems`, by the name of the setting. */
export function readSettings(environment: Environment, problems: ConfigProblem[]): Settings {
  const entries = Object.entries(SETTINGS).map(([key, setting]: [string, Setting<unknown>]) => {
    const text = environment[key]?.trim() || setting.fallback;
    if (text === undefined) {
      problems.push({ path: key, message: `the app setting is missing: ${setting.form}` });
      return [key, undefined];
    }
    const value = setting.parse(text);
    // The value may be a secret, so it is never repeated.
    if (value === undefined) problems.push({ path: key, message: `the app setting must be ${setting.form}` });
    return [key, value];
  });
  const settings = Object.fromEntries(entries) as Settings;
  if (settings.REDIS_URL__credential === 'managedidentity' && settings.REDIS_URL?.startsWith('redis:')) {
    problems.push({ path: 'REDIS_URL', message: 'an identity is only shown over TLS: the URL must begin "rediss://"' });
  }
  return settings;
}

/** The prefix of an app's change-feed leases: one per app, site and slot, so that no two take each other's changes. */
export function leasePrefix(settings: Settings, environment: Environment): string {
  if (settings.WARMFEED_LEASE_PREFIX !== 'default') return settings.WARMFEED_LEASE_PREFIX;
  const site = environment['WEBSITE_SITE_NAME'] ?? 'local';
  const slot = environment['WEBSITE_SLOT_NAME'] ?? 'Production';
  return `${settings.WARMFEED_APP}-${site}-${slot}-`;
}
