// Schemas of the operator's routes that several operations share.

import { type Json, list, object } from './openapi-parts.ts';

export const TEXT: Json = { type: 'string' };
export const WHOLE: Json = { type: 'integer' };
export const TIME: Json = { type: 'string', format: 'date-time' };
export const COUNTS: Json = { type: 'object', additionalProperties: WHOLE };

export const orNull = (schema: Json): Json => ({ anyOf: [schema, { type: 'null' }] });

const EXPLANATION = object({
  entity: TEXT,
  key: TEXT,
  keyHash: TEXT,
  verdict: {
    enum: [
      'live',
      'stale',
      'expired',
      'old generation',
      'old tags',
      'other fingerprint',
      'purged',
      'softly purged',
      'missing',
      'leased',
      'fenced',
      'foreign',
    ],
  },
  reasons: list(TEXT),
  record: orNull({ type: 'object' }),
  generation: object({ record: orNull(TEXT), now: TEXT, same: { type: ['boolean', 'null'] } }),
  fingerprint: object({ record: orNull(TEXT), now: TEXT, same: { type: ['boolean', 'null'] } }),
  partition: orNull(TEXT),
  watermark: orNull({ type: 'object' }),
  lease: orNull(object({ ageMs: WHOLE, leftMs: WHOLE })),
  lastRefusal: orNull({ type: 'object' }),
  purges: list({ type: 'object' }),
  source: orNull({ type: 'object' }),
});
const LETTER = object({
  id: TEXT,
  at: TIME,
  source: TEXT,
  entity: TEXT,
  key: TEXT,
  version: TEXT,
  reason: TEXT,
});
const SOURCE = object({
  name: TEXT,
  kind: { enum: ['cosmos', 'postgres', 'sql'] },
  entities: list(TEXT),
  state: { enum: ['ok', 'warn', 'error', 'paused'] },
  remark: orNull(TEXT),
  remedy: orNull(TEXT),
  paused: orNull(object({ at: TIME, by: TEXT })),
  commitToVisibleMs: { type: 'object' },
  deadLetters: object({ count: WHOLE, oldestAt: orNull(TIME) }),
  lastError: orNull({ type: 'object' }),
  partitions: list({ type: 'object' }),
});
const JOB = object({
  id: TEXT,
  entity: TEXT,
  what: { enum: ['all', 'keys', 'since'] },
  since: orNull(TIME),
  unitsPerSecond: orNull({ type: 'number' }),
  state: { enum: ['queued', 'running', 'paused', 'cancelled', 'done', 'failed'] },
  scanned: WHOLE,
  filled: WHOLE,
  skipped: WHOLE,
  units: { type: 'number' },
  error: orNull(TEXT),
  createdAt: TIME,
  startedAt: orNull(TIME),
  updatedAt: TIME,
  endedAt: orNull(TIME),
  total: orNull(WHOLE),
});

/** The schemas that several operations share. */
export const OPS_SCHEMAS: Json = {
  Explanation: EXPLANATION,
  DeadLetter: LETTER,
  Source: SOURCE,
  WarmJob: JOB,
};
export const ref = (name: 'Explanation' | 'DeadLetter' | 'Source' | 'WarmJob'): Json => ({
  $ref: `#/components/schemas/${name}`,
});
