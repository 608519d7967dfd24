// The auditor: looks at changes some time after they were applied, in the cache and then in the source, and says whether
// the cache was right. It trusts no position of the record that it looks at: a difference that stays although everything
// up to it was applied is stale, whatever the record says. What is stale is evicted.

import { equalBytes, hash64, hex } from '../bytes.ts';
import { type Entity, represent } from '../entity.ts';
import { isWarmfeedError } from '../errors.ts';
import { keyOfJson, type RedisKeys } from '../key.ts';
import type {
  AuditVerdict,
  Clock,
  Entropy,
  Observe,
  Partition,
  Position,
  Representation,
  SourceRead,
  Store,
} from '../ports.ts';
import type { Generations } from '../protocol/generations.ts';
import { floorAt } from '../protocol/watermark.ts';
import { asOfOf, decodeEntry, type Entry, etagOf, hasIdentity, hasStamp } from '../record.ts';
import type { AuditStore } from './audit-ports.ts';
import { auditField } from './audit-report.ts';
import { type Doubt, MOST_WAITING, type Sample, sampleOf, textOf } from './audit-sample.ts';

export interface AuditDeps {
  readonly store: Store;
  readonly audits: AuditStore;
  readonly keys: RedisKeys;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observe: Observe;
  readonly entities: readonly Entity[];
}

const AT_ONCE = 8;
const TIMEOUT_MS = 3000;
/** Longer than a page is between its watermark and its keys, and often enough for a checkpoint to come by. */
const DOUBT_MS = 4000;
const MOST_LOOKS = 4;

type Outcome = { readonly verdict: AuditVerdict } | { readonly doubt: Doubt };

export function createAuditor(deps: AuditDeps) {
  const { store, audits, keys, generations, clock, entropy, observe } = deps;
  const entities = new Map(deps.entities.map((entity) => [entity.name, entity]));

  /**
   * Audits what is due, and what becomes due until `end`; then it ends, or earlier when nothing waits.
   * @param end by the clock, ms
   * @throws WarmfeedError STORE_*
   */
  async function turn(end: number, stop: AbortSignal): Promise<void> {
    while (!stop.aborted && clock.now() < end) {
      const { due, nextMs } = await audits.take(keys.audits, AT_ONCE);
      await Promise.all(due.map(auditText));
      if (nextMs === undefined || clock.now() + nextMs >= end) return;
      if (nextMs > 0) await clock.sleep(nextMs);
    }
  }

  async function auditText(text: string): Promise<void> {
    const sample = sampleOf(text);
    const entity = sample && entities.get(sample.entity);
    if (sample === undefined || entity === undefined) return;
    try {
      const outcome = await audit(sample, entity);
      if (outcome === undefined) return;
      if ('doubt' in outcome) {
        const again = textOf({ ...sample, doubt: outcome.doubt });
        return await audits.add(keys.audits, [{ text: again, inMs: DOUBT_MS }], MOST_WAITING);
      }
      await audits.count(keys.audit, auditField(sample.delayS, outcome.verdict));
      observe({ kind: 'audit', entity: entity.name, delayS: sample.delayS, verdict: outcome.verdict });
    } catch (error) {
      // Of what cannot be looked at nothing is known: it is no sample.
      if (!isWarmfeedError(error)) throw error;
      observe({ kind: 'audit-failed', entity: entity.name, error });
    }
  }

  /** Undefined: it is not cached, so there is nothing to be right or wrong. */
  async function audit(sample: Sample, entity: Entity): Promise<Outcome | undefined> {
    const key = keyOfJson(entity.columns, sample.key);
    const recordKey = keys.record(entity.name, key);
    const entry = await cached(entity, recordKey);
    if (entry === undefined) return sample.doubt && { verdict: 'superseded' };
    if (entry.guarantee === 'provisional') return { verdict: 'provisional' };
    // In this order, and from a replica that has both: what the source says is then never older than what is cached.
    const partition: Partition = { id: sample.partition, ancestors: [] };
    const least = hasIdentity(entry, hash64(partition.id)) ? max(sample.version, asOfOf(entry)) : sample.version;
    const answer = await entity.source.read(key, {
      floor: floorAt(partition, least),
      signal: clock.deadline(TIMEOUT_MS),
    });
    const { value } = represent(entity, answer.document, entropy.digest);
    if (isSame(entry, value)) return { verdict: sample.doubt ? 'superseded' : 'match' };
    const outcome = await judge(sample, entity, entry, answer, value);
    if ('verdict' in outcome && outcome.verdict === 'stale') await store.drop(recordKey);
    return outcome;
  }

  async function cached(entity: Entity, recordKey: string): Promise<Entry | undefined> {
    const [bytes, snapshot] = await Promise.all([store.get(recordKey), generations.refresh()]);
    const entry = bytes && decodeEntry(bytes);
    const isLive = entry && hasStamp(entry, generations.stamp(entity, snapshot));
    return isLive && generations.storeTime(snapshot) < entry.hardAt ? entry : undefined;
  }

  async function judge(
    { version, doubt }: Sample,
    entity: Entity,
    entry: Entry,
    answer: SourceRead,
    value: Representation,
  ): Promise<Outcome> {
    const isOlder = hasIdentity(entry, hash64(answer.partition.id)) && asOfOf(entry) < version;
    if (isOlder) return { verdict: 'stale' };
    const seen = { cached: `${entry.filledAt}/${asOfOf(entry)}`, source: sourceText(value) };
    if (doubt === undefined) return { doubt: { ...seen, position: answer.asOf, looks: 1 } };
    if (doubt.cached !== seen.cached || doubt.source !== seen.source) return { verdict: 'superseded' };
    if (await isApplied(entity, answer.partition, doubt.position)) return { verdict: 'stale' };
    if (doubt.looks >= MOST_LOOKS) return { verdict: 'superseded' };
    return { doubt: { ...doubt, looks: doubt.looks + 1 } };
  }

  /** Whether all changes up to a position were applied: by the watermark, or by a table's checkpoint. */
  async function isApplied({ source }: Entity, partition: Partition, position: Position): Promise<boolean> {
    const snapshot = await generations.refresh();
    const [watermark, checkpoint] = await Promise.all([
      store.watermark(keys.watermark(source.name, partition.id), generations.ofSource(source.name, snapshot)),
      source.changesHold === 'keys' ? store.recall(keys.checkpoint(source.name)) : undefined,
    ]);
    const polled = /\|(\d+)$/.exec(checkpoint ?? '')?.[1];
    return (watermark.state === 'known' && watermark.position >= position) || BigInt(polled ?? -1) >= position;
  }

  return { turn };
}

export type Auditor = ReturnType<typeof createAuditor>;

function isSame(entry: Entry, value: Representation): boolean {
  if (value.state === 'absent' || entry.state === 'absent') return value.state === entry.state;
  return equalBytes(etagOf(entry), value.etag) && equalBytes(entry.body, value.body);
}

function sourceText(value: Representation): string {
  return value.state === 'absent' ? 'absent' : hex(value.etag);
}

function max(a: Position, b: Position): Position {
  return a > b ? a : b;
}
