/** The hand on the emulator, for tests: replica lag, faults, latency, request log, partitions. In process, or over HTTP. */
import { callPartitions, createPartitionControl, type PartitionControl } from './control-partitions.ts';
import { createFaults, type Fault, type Faults } from './faults.ts';
import { isObject } from './json.ts';
import type { Replica, ReplicaMode } from './replica.ts';
import { type Reply, refusal, reply } from './reply.ts';
import { createRequestLog, type LoggedRequest, type RequestLog } from './request-log.ts';
import type { Store } from './store.ts';

export interface CosmosControl extends PartitionControl {
  replica: (mode: ReplicaMode) => void;
  /** Returns an id for `removeFault`. */
  fault: (fault: Fault) => number;
  removeFault: (id: number) => void;
  faults: () => (Fault & { id: number; hits: number })[];
  clearFaults: () => void;
  /** Added to every request of the service. */
  latency: (ms: number) => void;
  record: (on: boolean) => void;
  requests: () => LoggedRequest[];
  /** Of the recorded requests, by operation. */
  counts: () => Record<string, number>;
  clearRequests: () => void;
  /** All of the above as at the start; data and ranges stay. */
  reset: () => void;
}

export interface Panel {
  control: CosmosControl;
  faults: Faults;
  log: RequestLog;
  latencyMs: () => number;
  state: () => unknown;
}

export const createPanel = (store: Store, replica: Replica): Panel => {
  const faults = createFaults();
  const log = createRequestLog();
  const initial = replica.mode();
  let latencyMs = 0;
  const control: CosmosControl = {
    ...createPartitionControl(store),
    replica: replica.set,
    fault: faults.add,
    removeFault: faults.remove,
    faults: faults.list,
    clearFaults: faults.clear,
    latency: (ms) => {
      latencyMs = ms;
    },
    record: log.record,
    requests: log.list,
    counts: log.counts,
    clearRequests: log.clear,
    reset: () => {
      replica.set(initial);
      faults.clear();
      latencyMs = 0;
      log.record(false);
      log.clear();
    },
  };
  const state = () => ({ replica: replica.mode(), latencyMs, recording: log.recording(), faults: faults.list() });
  return { control, faults, log, latencyMs: () => latencyMs, state };
};

const modeOf = (body: unknown): ReplicaMode | undefined => {
  const mode = isObject(body) ? (body['mode'] ?? body) : body;
  if (mode === 'none' || mode === 'frozen') return mode;
  const lag = isObject(mode) ? mode['lagMs'] : undefined;
  return typeof lag === 'number' && lag >= 0 ? { lagMs: lag } : undefined;
};

const refuse = (message: string): Reply => reply(400, { code: 'BadRequest', message });

const partitions = (control: CosmosControl, method: string, path: string, body: unknown): Reply => {
  const call = method === 'POST' ? path.slice('/_control/'.length) : '';
  try {
    const result = callPartitions(control, call, body);
    if (result !== undefined) return reply(200, result);
  } catch (error) {
    return refusal(error);
  }
  return reply(404, { code: 'NotFound', message: `No control at ${method} ${path}` });
};

/** `/_control` and below; JSON in, JSON out. */
export const serveControl = ({ control, state }: Panel, method: string, path: string, body: unknown): Reply => {
  const done = (): Reply => reply(200, state());
  switch (`${method} ${path.replace(/\/$/, '')}`) {
    case 'GET /_control':
      return done();
    case 'POST /_control/reset':
      control.reset();
      return done();
    case 'PUT /_control/replica': {
      const mode = modeOf(body);
      if (mode === undefined) return refuse('{"mode": "none" | "frozen"} or {"lagMs": 500}');
      control.replica(mode);
      return done();
    }
    case 'PUT /_control/latency': {
      const ms = isObject(body) ? body['ms'] : undefined;
      if (typeof ms !== 'number' || ms < 0) return refuse('{"ms": 20}');
      control.latency(ms);
      return done();
    }
    case 'POST /_control/faults':
      if (!isObject(body)) return refuse('{"operation": "read", "status": 429, "retryAfterMs": 10, "times": 1}');
      return reply(201, { id: control.fault(body) });
    case 'GET /_control/faults':
      return reply(200, control.faults());
    case 'DELETE /_control/faults':
      control.clearFaults();
      return done();
    case 'PUT /_control/requests':
      control.record(isObject(body) && body['record'] === true);
      return done();
    case 'GET /_control/requests':
      return reply(200, control.requests());
    case 'GET /_control/counts':
      return reply(200, control.counts());
    case 'DELETE /_control/requests':
      control.clearRequests();
      return done();
    default:
      return partitions(control, method, path, body);
  }
};
