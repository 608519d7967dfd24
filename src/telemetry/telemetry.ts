// What is measured, and that it costs nothing where nobody collects it: OpenTelemetry is loaded only where an exporter is
// configured, and a read is counted by an addition. Names of metrics and spans are in docs/telemetry.md.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { CacheEvent, Observe, Source, Store } from '../core/ports.ts';
import { type OnRead, outcomeIndex, READ_OUTCOMES } from '../core/read/read-outcome.ts';
import { type OnSession, SESSION_OUTCOMES } from '../core/session/session-outcome.ts';
import type { Sync } from '../core/sync/sync.ts';
import type * as OpenTelemetry from './open-telemetry.ts';
import type { Exporting } from './open-telemetry.ts';
import type { BreakerState, TelemetryOptions } from './terms.ts';
import { type Carrier, tracedSource, tracedStore, tracedSync } from './traced.ts';

export interface Telemetry {
  readonly isOn: boolean;
  readonly observe: Observe;
  /** Counts a read. */
  readonly onRead: OnRead;
  /** Counts a call of a session. */
  readonly onSession: OnSession;
  onBreaker(source: string, state: BreakerState): void;
  store(store: Store): Store;
  source(source: Source): Source;
  sync(sync: Sync, source: string): Sync;
  /** Runs an invocation as part of its caller's trace (W3C `traceparent`). */
  readonly under: <T>(traceParent: string | undefined, work: () => T) => T;
  /** Exports what there is. Never rejects. */
  shutdown(): Promise<void>;
}

/**
 * A file of its own beside the bundle: within it, it would cost every start a quarter of its time, as code that is never run
 * is still read.
 */
const FILE: string = './open-telemetry.cjs';
const load = () => import(FILE) as Promise<typeof OpenTelemetry>;

/** Events that are kept until OpenTelemetry is there. */
const MOST_EARLY = 1000;

const OFF: Telemetry = {
  isOn: false,
  observe: () => undefined,
  onRead: () => undefined,
  onSession: () => undefined,
  onBreaker: () => undefined,
  store: (store) => store,
  source: (source) => source,
  sync: (sync) => sync,
  under: (_, work) => work(),
  shutdown: () => Promise.resolve(),
};

export function createTelemetry(options: TelemetryOptions): Telemetry {
  if (options.otlpEndpoint === '' && options.insightsConnection === '') return OFF;
  const reads = new Map<string, number[]>();
  const sessions = new Map<string, number[]>();
  const breakers = new Map<string, BreakerState>();
  const here = new AsyncLocalStorage<Carrier>();
  let exporting: Exporting | undefined;
  const early: { event: CacheEvent; atMs: number }[] = [];

  function observe(event: CacheEvent): void {
    if (exporting !== undefined) exporting.instruments.observe(event, Date.now());
    else if (early.length < MOST_EARLY) early.push({ event, atMs: Date.now() });
  }

  // Not before the functions are registered; what happens until it is loaded is counted, but not traced.
  const started = new Promise((resolve) => setImmediate(resolve))
    .then(load)
    .then(({ startOpenTelemetry }) => startOpenTelemetry(options, { reads, sessions, breakers }))
    .then((begun) => {
      exporting = begun;
      for (const { event, atMs } of early.splice(0)) begun.instruments.observe(event, atMs);
    })
    .catch(options.onError);

  const traces = { here, tracer: () => exporting?.tracer, instruments: () => exporting?.instruments };
  return {
    isOn: true,
    observe,
    onRead: (entity, outcome) => count(reads, entity, READ_OUTCOMES.length, outcomeIndex(outcome)),
    onSession: (call, outcome) => count(sessions, call, SESSION_OUTCOMES.length, SESSION_OUTCOMES.indexOf(outcome)),
    onBreaker: (source, state) => void breakers.set(source, state),
    store: (store) => tracedStore(store, traces),
    source: (source) => tracedSource(source, traces),
    sync: (sync, source) => tracedSync(sync, source, traces),
    under: (traceParent, work) =>
      exporting === undefined ? work() : here.run({ context: exporting.contextOf(traceParent), inBatch: false }, work),
    async shutdown() {
      await started;
      await exporting?.shutdown().catch(options.onError);
    },
  };
}

function count(all: Map<string, number[]>, name: string, length: number, at: number): void {
  let counts = all.get(name);
  if (counts === undefined) all.set(name, (counts = Array.from({ length }, () => 0)));
  counts[at] = (counts[at] ?? 0) + 1;
}

/** One observer of several. */
export function observeAll(...observers: readonly Observe[]): Observe {
  return (event) => {
    for (const observe of observers) observe(event);
  };
}
