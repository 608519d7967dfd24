// A real OTLP endpoint (HTTP, JSON) that remembers what it was sent.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly boolValue?: boolean; readonly intValue?: number };
}

interface Point {
  readonly attributes: readonly Attribute[];
  readonly asDouble?: number;
  readonly asInt?: string | number;
  readonly count?: string | number;
  readonly sum?: number;
}

interface Metric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status?: { readonly code?: number; readonly message?: string };
}

export interface CollectedPoint {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of a histogram: how many. */
  readonly value: number;
  readonly sum: number | undefined;
}

export async function startCollector() {
  const bodies: string[] = [];
  const spans: CollectedSpan[] = [];
  const metrics = new Map<string, readonly CollectedPoint[]>();
  const resources: Record<string, unknown>[] = [];

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      bodies.push(text);
      if (request.url === '/v1/traces') takeSpans(text);
      if (request.url === '/v1/metrics') takeMetrics(text);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  function takeSpans(text: string): void {
    const sent = JSON.parse(text) as {
      resourceSpans: { scopeSpans: { spans: (CollectedSpan & { attributes: Attribute[] })[] }[] }[];
    };
    for (const { scopeSpans } of sent.resourceSpans) {
      for (const scope of scopeSpans) {
        for (const span of scope.spans) spans.push({ ...span, attributes: valuesOf(span.attributes) });
      }
    }
  }

  function takeMetrics(text: string): void {
    const sent = JSON.parse(text) as {
      resourceMetrics: { resource: { attributes: Attribute[] }; scopeMetrics: { metrics: Metric[] }[] }[];
    };
    for (const { resource, scopeMetrics } of sent.resourceMetrics) {
      resources.push(valuesOf(resource.attributes));
      for (const metric of scopeMetrics.flatMap((scope) => scope.metrics)) {
        const points = (metric.sum ?? metric.gauge ?? metric.histogram)?.dataPoints ?? [];
        metrics.set(
          metric.name,
          points.map((point) => ({
            attributes: valuesOf(point.attributes),
            value: Number(point.asDouble ?? point.asInt ?? point.count),
            sum: point.sum,
          })),
        );
      }
    }
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    spans,
    resources,
    /** The last value of a metric for these attributes: counters and histograms are cumulative. */
    point: (name: string, attributes: Record<string, unknown> = {}) =>
      metrics
        .get(name)
        ?.find((point) => Object.entries(attributes).every(([key, value]) => point.attributes[key] === value)),
    names: () => [...metrics.keys()],
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
