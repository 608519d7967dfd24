/** What the host hands to a trigger, and what it expects back. A trigger never sees the app, only how to run its function. */
import type { Binding, Log, TypedData } from './core-types.ts';
import type { Outcome } from './retry.ts';

/** Overrides of the feed's intervals, in milliseconds, for tests that cannot wait for seconds. */
export interface FeedIntervals {
  feedPollDelay?: number;
  leaseAcquireInterval?: number;
  leaseRenewInterval?: number;
  leaseExpirationInterval?: number;
  /** How long to wait while another host creates the leases. */
  initialisationDelay?: number;
  /** The first delay before a failed start is tried again; it doubles up to 30 s. */
  startRetryDelay?: number;
}

export interface TriggerContext {
  name: string;
  binding: Binding;
  /** Runs the function under its retry policy, which the signal (the host's by default) ends early; never rejects. */
  run: (input: { data: TypedData; reason: string }, signal?: AbortSignal) => Promise<Outcome>;
  /** Aborted when the host stops. */
  signal: AbortSignal;
  log: Log;
  startedAt: Date;
  feed: FeedIntervals;
}

export interface Trigger {
  /** Settles when the first attempt to start has ended, either way. */
  firstAttempt: Promise<void>;
  /** Settles when everything has ended after the signal. */
  stopped: Promise<void>;
}
