/** What tests do to the emulator from outside: faults, delays, ended connections, and what was asked of it. */
import { SqlError } from './errors.ts';

export interface Fault {
  /** Matched on the text of a request, so that a pool's own `SELECT 1` does not use it up. */
  match: string | RegExp;
  /** Answered with this error … */
  error?: { number: number; message?: string; severity?: number };
  /** … or the connection is ended before (`kill`) or after (`killAfter`) it runs. */
  kill?: boolean;
  killAfter?: boolean;
  /** Before it runs. */
  delayMs?: number;
  /** How often; 1 unless said, Infinity for always. */
  times?: number;
}

export interface RecordedRequest {
  text: string;
  parameters: Record<string, string | null>;
}

export interface Control {
  fail(fault: Fault): { hits(): number; remove(): void };
  /** Added to every request. */
  latency(ms: number): void;
  /** Logins are refused with this error, so often. */
  refuseLogins(number: number, times?: number): void;
  /** Ends all connections at once. @returns how many there were */
  killConnections(): number;
  connections(): number;
  record(on: boolean): void;
  requests(): RecordedRequest[];
  /** Drops changes up to a version, as the retention does. */
  expireChanges(table: string, version: number): Promise<void>;
  /** No faults, no latency, nothing recorded. */
  reset(): void;
}

/** What the connections ask of it. */
export interface Hooks {
  /** @throws SqlError as a fault says */
  before(request: RecordedRequest): Promise<'run' | 'kill' | 'killAfter'>;
  refusal(): SqlError | undefined;
}

interface Surroundings {
  kill: () => number;
  connections: () => number;
  expire: (table: string, version: number) => Promise<void>;
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

export function createControl({ kill, connections, expire }: Surroundings): { control: Control; hooks: Hooks } {
  let faults: { fault: Fault; left: number; hits: number }[] = [];
  let refused = { number: 0, times: 0 };
  let latencyMs = 0;
  let recording = false;
  let requests: RecordedRequest[] = [];
  const matches = ({ match }: Fault, text: string): boolean =>
    typeof match === 'string' ? text.includes(match) : match.test(text);
  const hooks: Hooks = {
    async before(request) {
      if (recording) requests.push(request);
      if (latencyMs > 0) await wait(latencyMs);
      const found = faults.find(({ fault, left }) => left > 0 && matches(fault, request.text));
      if (!found) return 'run';
      found.left -= 1;
      found.hits += 1;
      const { error, delayMs = 0, kill: killed = false, killAfter = false } = found.fault;
      if (delayMs > 0) await wait(delayMs);
      if (error) {
        const { number, message = `Injected error ${number}.`, severity = 16 } = error;
        throw new SqlError(number, message, { severity, ends: true });
      }
      return killed ? 'kill' : killAfter ? 'killAfter' : 'run';
    },
    refusal() {
      if (refused.times <= 0) return undefined;
      refused.times -= 1;
      return new SqlError(refused.number, `Injected error ${refused.number}.`, { severity: 14 });
    },
  };
  const control: Control = {
    fail(fault) {
      const entry = { fault, left: fault.times ?? 1, hits: 0 };
      faults.push(entry);
      return { hits: () => entry.hits, remove: () => void (faults = faults.filter((other) => other !== entry)) };
    },
    latency: (ms) => void (latencyMs = ms),
    refuseLogins: (number, times = 1) => void (refused = { number, times }),
    killConnections: kill,
    connections,
    record: (on) => void (recording = on),
    requests: () => [...requests],
    expireChanges: expire,
    reset() {
      faults = [];
      refused = { number: 0, times: 0 };
      latencyMs = 0;
      recording = false;
      requests = [];
    },
  };
  return { control, hooks };
}
