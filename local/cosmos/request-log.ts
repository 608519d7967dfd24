/** What was asked, so that tests can count reads of the source. Off until switched on; the oldest go first. */
import type { IncomingHttpHeaders } from 'node:http';
import { type CosmosRequest, headerOf, type Operation } from './request.ts';

export interface LoggedRequest {
  at: number;
  method: string;
  /** Decoded. */
  path: string;
  operation: Operation;
  status: number;
  substatus: number;
  durationMs: number;
  /** Those that decide what is answered. */
  headers: Record<string, string>;
}

export interface RequestLog {
  record: (on: boolean) => void;
  recording: () => boolean;
  add: (request: CosmosRequest, outcome: { status: number; substatus: number; startedAt: number }) => void;
  list: () => LoggedRequest[];
  counts: () => Record<string, number>;
  clear: () => void;
}

const capacity = 20_000;

const told = [
  'a-im',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'prefer',
  'x-ms-session-token',
  'x-ms-documentdb-partitionkey',
  'x-ms-documentdb-partitionkeyrangeid',
  'x-ms-start-epk',
  'x-ms-end-epk',
  'x-ms-max-item-count',
  'x-ms-continuation',
  'user-agent',
];

const pick = (headers: IncomingHttpHeaders): Record<string, string> => {
  const picked: Record<string, string> = {};
  for (const name of told) {
    const value = headerOf(headers, name);
    if (value !== undefined) picked[name] = value;
  }
  return picked;
};

export const createRequestLog = (): RequestLog => {
  let on = false;
  let entries: LoggedRequest[] = [];
  return {
    record: (next) => {
      on = next;
    },
    recording: () => on,
    add: ({ method, segments, operation, headers }, { status, substatus, startedAt }) => {
      if (!on) return;
      if (entries.length >= capacity) entries = entries.slice(capacity / 2);
      const durationMs = Date.now() - startedAt;
      const path = `/${segments.join('/')}`;
      entries.push({ at: startedAt, method, path, operation, status, substatus, durationMs, headers: pick(headers) });
    },
    list: () => [...entries],
    counts: () => {
      const counts: Record<string, number> = {};
      for (const { operation } of entries) counts[operation] = (counts[operation] ?? 0) + 1;
      return counts;
    },
    clear: () => {
      entries = [];
    },
  };
};
