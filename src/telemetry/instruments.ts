// The metrics, and which event of the core counts in which. Attributes are names of the configuration and words of the
// code, never keys.

import type { Meter } from '@opentelemetry/api';
import type { BatchReport, CacheEvent } from '../core/ports.ts';
import { READ_OUTCOMES } from '../core/read/read-outcome.ts';
import { SESSION_OUTCOMES } from '../core/session/session-outcome.ts';
import { type BreakerState, type Counts, codeOf } from './terms.ts';

/** What is kept outside and looked at when it is exported. */
export interface Watched {
  readonly reads: Counts;
  readonly sessions: Counts;
  readonly breakers: ReadonlyMap<string, BreakerState>;
}

export type Instruments = ReturnType<typeof createInstruments>;

const AGE_BUCKETS = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600];
const LOAD_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3];
const SIZE_BUCKETS = [1, 5, 10, 50, 100, 500, 1000, 5000];
const BREAKER = { closed: 0, 'half-open': 1, open: 2 } as const;
const RESULTS = ['refreshed', 'evicted', 'ignored', 'deadLettered', 'reread'] as const satisfies (keyof BatchReport)[];

export function createInstruments(meter: Meter, watched: Watched) {
  const counter = (name: string, description: string) => meter.createCounter(`warmfeed.${name}`, { description });
  const histogram = (name: string, unit: string, description: string, buckets: number[]) =>
    meter.createHistogram(`warmfeed.${name}`, {
      unit,
      description,
      advice: { explicitBucketBoundaries: buckets },
    });
  const fills = counter('fills', 'Fills by outcome: stored, or why they were refused');
  const changes = counter('batch.changes', 'Changes by what became of them');
  const size = histogram('batch.size', '{change}', 'Changes of a page', SIZE_BUCKETS);
  const age = histogram('change.age', 's', 'From commit of a change to its being visible in the cache', AGE_BUCKETS);
  const loads = histogram('load.duration', 's', 'Reads of a source', LOAD_BUCKETS);
  const letters = counter('dead_letters', 'Changes that could not be handled');
  const storeFailures = counter('store.failures', 'Calls of Redis that failed');
  const sourceFailures = counter('source.failures', 'Reads of a source that failed');
  const lost = counter('feed.lost', 'Change feeds that lost their positions');
  const healed = counter('generation.healed', 'Generations that had been rolled back');
  const failovers = counter('failovers', 'Shards of Redis that may have gone back in time');
  const audits = counter('audits', 'Changes that were audited, by what was found');
  const seeded = counter('watermark.seeded', 'Watermarks that became known');
  watch(meter, watched);

  /** @param atMs when it happened, milliseconds since the epoch */
  function observe(event: CacheEvent, atMs: number): void {
    switch (event.kind) {
      case 'fill':
        return fills.add(1, { entity: event.entity, by: event.by, outcome: event.outcome });
      case 'batch': {
        const { source, report, committedAt } = event;
        size.record(report.changes, { source });
        for (const result of RESULTS) if (report[result] > 0) changes.add(report[result], { source, result });
        for (const at of committedAt) age.record(Math.max(0, atMs - at) / 1000, { source });
        return;
      }
      case 'dead-letter':
        return letters.add(1, { entity: event.entity, written: event.written });
      case 'store-failed':
        return storeFailures.add(1, { during: event.during });
      case 'source-failed':
        return sourceFailures.add(1, { entity: event.entity, code: codeOf(event.error) });
      case 'feed-positions':
        return event.are === 'lost' ? lost.add(1, { source: event.source }) : undefined;
      case 'healed':
        return healed.add(1, { source: event.source });
      case 'failover':
        return failovers.add(event.shards.length, { by: event.by });
      case 'audit':
        return audits.add(1, { entity: event.entity, delay: event.delayS, verdict: event.verdict });
      case 'seeded':
        return seeded.add(1, { source: event.source });
      case 'poll-failed':
        return sourceFailures.add(1, { entity: event.source, code: codeOf(event.error) });
      case 'feed-unfollowed':
      case 'nameless':
        return lost.add(1, { source: event.source });
      case 'session-not-copied':
      case 'shard-anonymous':
      case 'audit-failed':
        return undefined;
    }
  }

  return {
    observe,
    onLoad: (source: string, outcome: string, seconds: number) => loads.record(seconds, { source, outcome }),
  };
}

function watch(meter: Meter, { reads, sessions, breakers }: Watched): void {
  watchCounts(meter, 'warmfeed.reads', 'entity', READ_OUTCOMES, reads);
  watchCounts(meter, 'warmfeed.sessions', 'call', SESSION_OUTCOMES, sessions);
  meter
    .createObservableGauge('warmfeed.breaker.state', { description: '0 closed, 1 half open, 2 open' })
    .addCallback((result) => {
      for (const [source, state] of breakers) result.observe(BREAKER[state], { source });
    });
}

function watchCounts(meter: Meter, name: string, by: string, outcomes: readonly string[], all: Counts): void {
  meter.createObservableCounter(name, { description: `By ${by} and outcome` }).addCallback((result) => {
    for (const [of, counts] of all) {
      counts.forEach((count, i) => {
        if (count > 0) result.observe(count, { [by]: of, outcome: outcomes[i] ?? '' });
      });
    }
  });
}
