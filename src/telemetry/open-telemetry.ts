// OpenTelemetry itself: providers and exporters. Loaded by import() only, so that an app that exports nothing never has it.

import { type Context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import { createInstruments, type Instruments, type Watched } from './instruments.ts';
import type { TelemetryOptions } from './terms.ts';
import type { Tracing } from './traced.ts';

export interface Exporting {
  readonly instruments: Instruments;
  readonly tracer: Tracing;
  contextOf(traceParent: string | undefined): Context;
  shutdown(): Promise<void>;
}

interface Exporters {
  readonly metrics: PushMetricExporter;
  readonly spans: SpanExporter;
}

export async function startOpenTelemetry(options: TelemetryOptions, watched: Watched): Promise<Exporting> {
  const exporters = await Promise.all([
    ...(options.otlpEndpoint === '' ? [] : [otlp(options.otlpEndpoint)]),
    ...(options.insightsConnection === '' ? [] : [insights(options)]),
  ]);
  const resource = resourceFromAttributes({ 'service.name': options.serviceName });
  const meters = new MeterProvider({
    resource,
    readers: exporters.map(
      ({ metrics }) =>
        new PeriodicExportingMetricReader({
          exporter: metrics,
          exportIntervalMillis: options.exportIntervalMs,
          exportTimeoutMillis: Math.min(30_000, options.exportIntervalMs),
        }),
    ),
  });
  const traces = new BasicTracerProvider({
    resource,
    spanProcessors: exporters.map(
      ({ spans }) => new BatchSpanProcessor(spans, { scheduledDelayMillis: Math.min(5000, options.exportIntervalMs) }),
    ),
  });
  const propagator = new W3CTraceContextPropagator();
  const getter = { keys: () => ['traceparent'], get: (from: Record<string, string>, name: string) => from[name] };
  return {
    instruments: createInstruments(meters.getMeter('warmfeed'), watched),
    tracer: { tracer: traces.getTracer('warmfeed'), within: trace.setSpan },
    contextOf: (traceparent) =>
      traceparent === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, { traceparent }, getter),
    async shutdown() {
      await Promise.allSettled([meters.shutdown(), traces.shutdown()]);
    },
  };
}

/** OTLP over HTTP, as JSON; `OTEL_EXPORTER_OTLP_HEADERS` is read by the exporters. */
async function otlp(endpoint: string): Promise<Exporters> {
  const [{ OTLPMetricExporter }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const base = endpoint.replace(/\/+$/, '');
  return {
    metrics: new OTLPMetricExporter({ url: `${base}/v1/metrics` }),
    spans: new OTLPTraceExporter({ url: `${base}/v1/traces` }),
  };
}

async function insights({ insightsConnection, insightsAuthentication }: TelemetryOptions): Promise<Exporters> {
  const { AzureMonitorMetricExporter, AzureMonitorTraceExporter } = await import(
    '@azure/monitor-opentelemetry-exporter'
  );
  const options = {
    connectionString: insightsConnection,
    disableOfflineStorage: true,
    ...(/Authorization=AAD/i.test(insightsAuthentication)
      ? { credential: await credentialOf(insightsAuthentication) }
      : {}),
  };
  return { metrics: new AzureMonitorMetricExporter(options), spans: new AzureMonitorTraceExporter(options) };
}

async function credentialOf(authentication: string) {
  const { DefaultAzureCredential } = await import('@azure/identity');
  const clientId = /ClientId=([^;]+)/i.exec(authentication)?.[1];
  return new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId });
}
