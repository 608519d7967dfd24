// Spans around what a miss or a page of changes waits for: reads of a source, calls of Redis. A hit has none.

import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Context, Span, Tracer } from '@opentelemetry/api';
import type { Source, SourceRead, Store } from '../core/ports.ts';
import type { Sync } from '../core/sync/sync.ts';
import type { Instruments } from './instruments.ts';
import { codeOf } from './terms.ts';

/** The trace that the code at work belongs to. */
export interface Carrier {
  readonly context: Context;
  /** A page has calls by the thousand, which have no spans of their own. */
  readonly inBatch: boolean;
}

export interface Traces {
  readonly here: AsyncLocalStorage<Carrier>;
  readonly tracer: () => Tracing | undefined;
  readonly instruments: () => Instruments | undefined;
}

export interface Tracing {
  readonly tracer: Tracer;
  /** The context of what happens within a span. */
  readonly within: (context: Context, span: Span) => Context;
}

type Attributes = Record<string, string | number>;

/** Reads are timed whether or not anybody traces them. */
export function tracedSource(source: Source, traces: Traces): Source {
  async function timed<T>(name: string, work: () => Promise<T>, about: (result: T) => Attributes): Promise<T> {
    const start = performance.now();
    let outcome = 'ok';
    try {
      return await spanned(traces, name, { 'warmfeed.source': source.name }, work, about);
    } catch (error) {
      outcome = codeOf(error);
      throw error;
    } finally {
      traces.instruments()?.onLoad(source.name, outcome, (performance.now() - start) / 1000);
    }
  }
  const { query } = source;
  return {
    ...source,
    read: (key, options) => timed('warmfeed.source.read', () => source.read(key, options), costOf),
    readMany: (keys, options) =>
      timed(
        'warmfeed.source.read-many',
        () => source.readMany(keys, options),
        (answers) => ({ 'warmfeed.keys': keys.length, ...(answers[0] && costOf(answers[0])) }),
      ),
    ...(query && {
      query: (statement, options) =>
        timed(
          'warmfeed.source.query',
          () => query(statement, options),
          ({ rows }) => ({ 'warmfeed.rows': rows.length }),
        ),
    }),
  };
}

/** The calls that only misses make; `get` is left alone. */
export function tracedStore(store: Store, traces: Traces): Store {
  const span = <T>(name: string, work: () => Promise<T>): Promise<T> =>
    traces.here.getStore()?.inBatch === false
      ? spanned(traces, `warmfeed.redis.${name}`, { 'db.system.name': 'redis' }, work)
      : work();
  return {
    ...store,
    lease: (key, request) => span('lease', () => store.lease(key, request)),
    watermark: (key, generation) => span('watermark', () => store.watermark(key, generation)),
    fill: (key, request) => span('fill', () => store.fill(key, request)),
  };
}

export function tracedSync(sync: Sync, source: string, traces: Traces): Sync {
  return {
    apply(items, origin) {
      const carrier = traces.here.getStore();
      const attributes = { 'warmfeed.source': source, 'warmfeed.changes': items.length };
      const work = () => spanned(traces, 'warmfeed.changes', attributes, () => sync.apply(items, origin));
      return carrier === undefined ? work() : traces.here.run({ ...carrier, inBatch: true }, work);
    },
  };
}

async function spanned<T>(
  traces: Traces,
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
  about?: (result: T) => Attributes,
): Promise<T> {
  const carrier = traces.here.getStore();
  const tracing = traces.tracer();
  if (tracing === undefined || carrier === undefined) return work();
  const span = tracing.tracer.startSpan(name, { kind: CLIENT, attributes }, carrier.context);
  try {
    const result = await traces.here.run({ ...carrier, context: tracing.within(carrier.context, span) }, work);
    if (about !== undefined) span.setAttributes(about(result));
    return result;
  } catch (error) {
    span.setStatus({ code: ERROR, message: codeOf(error) });
    throw error;
  } finally {
    span.end();
  }
}

/** SpanKind.CLIENT and SpanStatusCode.ERROR: the library itself is loaded later, if at all. */
const CLIENT = 2;
const ERROR = 2;

function costOf({ units }: SourceRead): Attributes {
  return units === undefined ? {} : { 'warmfeed.request_units': units };
}
