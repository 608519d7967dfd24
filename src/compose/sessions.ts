// Session state, with its durable copy where one is configured.

import type { ResolvedSessions } from '../config/resolve-sessions.ts';
import type { Settings } from '../config/settings.ts';
import type { RedisKeys } from '../core/key.ts';
import type { Observe } from '../core/ports.ts';
import { createSessions } from '../core/session/session.ts';
import { createMirror } from '../core/session/session-mirror.ts';
import type { OnSession } from '../core/session/session-outcome.ts';
import type { HealthCheck } from '../functions/health.ts';
import { registerSessions } from '../functions/sessions.ts';
import type { RedisConnection } from '../redis/connection.ts';
import { createSessionStore } from '../redis/session-store.ts';
import type { CosmosClients } from '../sources/cosmos.ts';
import { createCosmosSessions } from '../sources/cosmos-sessions.ts';
import type { GuardLimits } from '../sources/guard.ts';
import { clock, sessionEntropy } from './runtime.ts';

interface SessionClients {
  readonly settings: Settings;
  readonly keys: RedisKeys;
  readonly connection: RedisConnection;
  readonly clients: CosmosClients;
  readonly limits: GuardLimits;
  readonly observe: Observe;
  readonly onSession: OnSession;
}

export function startSessions(
  definition: ResolvedSessions | undefined,
  { settings, keys, connection, clients, limits, observe, onSession }: SessionClients,
): { readonly checks: readonly HealthCheck[]; readonly drain: () => Promise<void> } {
  if (definition === undefined) return { checks: [], drain: async () => undefined };
  const { life, maxBytes, subject, durable } = definition;
  const store = createSessionStore(connection);
  const copy = durable && createCosmosSessions({ ...durable, limits }, clients);
  const capacity = settings.WARMFEED_SESSION_QUEUE;
  const mirrored = { store, keys, entropy: sessionEntropy, clock, observe, markMs: life.absoluteMs, capacity };
  const mirror = copy && createMirror({ ...mirrored, copy });
  const sessions = createSessions({
    store,
    keys,
    entropy: sessionEntropy,
    life,
    maxBytes,
    subject: subject ?? (() => undefined),
    ...(copy && mirror && { durable: { copy, mirror: (name: string) => mirror.add(name) } }),
  });
  registerSessions({ sessions, maxBytes, hasSubjects: subject !== undefined, onSession });
  return {
    checks: copy === undefined ? [] : [{ name: copy.name, check: () => copy.check().then(() => undefined) }],
    drain: async () => {
      await mirror?.drain(settings.WARMFEED_SESSION_DRAIN);
    },
  };
}
