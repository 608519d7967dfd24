// The auditor, unless it is switched off.

import type { Settings } from '../config/settings.ts';
import { type AuditDeps, createAuditor } from '../core/audit/audit.ts';
import { createSampler, type Sampler } from '../core/audit/audit-sample.ts';
import { registerAudit } from '../functions/audit.ts';
import { createAuditStore } from '../redis/audit-store.ts';
import type { RedisConnection } from '../redis/connection.ts';

interface AuditParts extends Omit<AuditDeps, 'audits'> {
  readonly settings: Settings;
  readonly connection: RedisConnection;
}

/** @param stop aborted, no audit is begun any more @returns what is told of applied changes */
export function startAudit(parts: AuditParts, stop: AbortSignal): { readonly sample?: Sampler } {
  const perMinute = parts.settings.WARMFEED_AUDIT_PER_MINUTE;
  if (perMinute === 0 || parts.entities.length === 0) return {};
  const deps = { ...parts, audits: createAuditStore(parts.connection), perMinute };
  registerAudit(createAuditor(deps), () => parts.clock.now(), stop);
  return { sample: createSampler(deps) };
}
