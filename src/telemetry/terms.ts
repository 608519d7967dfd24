// The words that measuring and exporting share.

import { isWarmfeedError } from '../core/errors.ts';

export interface TelemetryOptions {
  /** An OTLP collector (HTTP); empty: none. */
  readonly otlpEndpoint: string;
  /** Of Application Insights; empty: none. */
  readonly insightsConnection: string;
  /** As Functions has it: `ClientId=…;Authorization=AAD`; empty: the connection's key. */
  readonly insightsAuthentication: string;
  readonly serviceName: string;
  readonly exportIntervalMs: number;
  readonly onError: (error: unknown) => void;
}

/** Counts by name, in the order of READ_OUTCOMES or SESSION_OUTCOMES. */
export type Counts = ReadonlyMap<string, readonly number[]>;

export type BreakerState = 'closed' | 'half-open' | 'open';

/** How an error is called in metrics and traces: its code, as a message may name hosts or keys. */
export function codeOf(error: unknown): string {
  return isWarmfeedError(error) ? error.code : 'UNKNOWN';
}
