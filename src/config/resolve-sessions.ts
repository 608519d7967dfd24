// Checks what a definition says about session state.

import type { JsonObject } from '../core/json.ts';
import type { SessionLife } from '../core/session/session-ports.ts';
import { type CosmosConnection, duration, type Report, resolveConnection, resolveText } from './checks.ts';
import type { SessionsDefinition } from './define.ts';
import type { Environment } from './settings.ts';
import { parseSize } from './units.ts';

export interface ResolvedSessions {
  readonly life: SessionLife;
  readonly maxBytes: number;
  /** Undefined: sessions belong to nobody. */
  readonly subject: ((data: JsonObject) => string | undefined) | undefined;
  readonly durable: ResolvedCosmosContainer | undefined;
}

export interface ResolvedCosmosContainer {
  readonly connectionName: string;
  readonly connection: CosmosConnection;
  readonly database: string;
  readonly container: string;
}

const OPTIONS = ['ttl', 'absolute', 'maxBytes', 'subject', 'durable'];
const ABSOLUTE_MS = 86_400_000;
/** An item of Cosmos DB has 2 MB at most, and text may need twice its bytes in it. */
const COPIED_BYTES = 1000 * 1024;
/** Lives are counted in ms within 53 bits, and Redis takes no more. */
const LONGEST_MS = 10 * 365 * ABSOLUTE_MS;

/** @param sessions undefined: there are none */
export function resolveSessions(
  sessions: SessionsDefinition | undefined,
  environment: Environment,
  report: Report,
): ResolvedSessions | undefined {
  if (sessions === undefined) return undefined;
  if (typeof sessions !== 'object' || sessions === null) return report('', 'must be { ttl: … }');
  for (const option of Object.keys(sessions)) {
    if (!OPTIONS.includes(option)) report(option, `unknown option; there are ${OPTIONS.join(', ')}`);
  }
  const { subject, durable } = sessions;
  if (subject !== undefined && typeof subject !== 'function') report('subject', 'must be a function');
  const maxBytes =
    parseSize(sessions.maxBytes ?? '64kb') ?? report('maxBytes', 'must be a size such as "64kb" or "1mb"');
  if (durable !== undefined && maxBytes !== undefined && maxBytes > COPIED_BYTES) {
    report('maxBytes', 'must be "1000kb" at most with a durable copy');
  }
  const life = resolveLife(sessions, report);
  const copy = durable === undefined ? undefined : resolveContainer(durable, environment, report);
  return life && maxBytes ? { life, maxBytes, subject, durable: copy } : undefined;
}

function resolveLife({ ttl, absolute }: SessionsDefinition, report: Report): SessionLife | undefined {
  const ttlMs = duration('ttl', ttl, report, 1);
  const absoluteMs =
    absolute === undefined ? Math.max(ABSOLUTE_MS, ttlMs ?? 0) : duration('absolute', absolute, report);
  if (ttlMs === undefined || absoluteMs === undefined) return undefined;
  if (absoluteMs < ttlMs) return report('absolute', 'must be at least ttl');
  return absoluteMs > LONGEST_MS ? report('absolute', 'must be ten years at most') : { ttlMs, absoluteMs };
}

function resolveContainer(
  durable: unknown,
  environment: Environment,
  report: Report,
): ResolvedCosmosContainer | undefined {
  const definition = durable as SessionsDefinition['durable'];
  if (definition?.kind !== 'cosmos-container') return report('durable', 'must be cosmosContainer({…})');
  const connection = resolveConnection('durable.connection', definition.connection, environment, report);
  const database = resolveText('durable.database', definition.database, environment, report);
  const container = resolveText('durable.container', definition.container, environment, report);
  return connection && database && container
    ? { connectionName: definition.connection, connection, database, container }
    : undefined;
}
