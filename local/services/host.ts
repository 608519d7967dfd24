/** The Functions host of the stack, embedded or the Core Tools, up to the moment when the app says that it is ready. */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { format } from 'node:util';
import { type LogEntry, startHost } from '../host/host.ts';
import { get, jsonOf } from './http.ts';
import { keep } from './keeper.ts';
import { freePort, onFreePort } from './ports.ts';
import { messageOf, type Note, StackError, sleep } from './service.ts';

export interface HostOptions {
  root: string;
  port: number;
  settings: Record<string, string>;
  enableAuth: boolean;
  verbose: boolean;
  /** Lines of the host and the app. */
  log: Note;
}

export interface RunningHost {
  what: string;
  /** With the route prefix. */
  api: string;
  key?: string;
  pid?: number;
  stop(): Promise<void>;
}

const readyTimeoutMs = 30_000;
const settlingMs = 10_000;
const funcReadyTimeoutMs = 180_000;
const shownLevels = ['warning', 'error', 'critical'];

/** The configuration is wrong; the message lists every problem. */
class ConfigurationError extends StackError {}

const pathWithTools = (root: string): string =>
  `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}`;

/** What can be known to be missing before anything is started. */
export function requireHost(root: string, kind: 'embedded' | 'func'): void {
  if (!existsSync(join(root, 'dist/main.cjs'))) {
    throw new StackError('dist/main.cjs is not there: run `npm run build` first (npm start and npm run demo do).');
  }
  const folders = pathWithTools(root).split(delimiter);
  if (kind === 'func' && !folders.some((folder) => existsSync(join(folder, 'func')))) {
    throw new StackError(
      [
        'The Azure Functions Core Tools (`func`) are not installed. Get them with',
        '  npm install --global azure-functions-core-tools@4',
        'or leave out --host func: the host in local/host/ runs the same bundle.',
      ].join('\n'),
    );
  }
}

export async function startEmbeddedHost(options: HostOptions): Promise<RunningHost> {
  // The worker's current folder is the app's.
  process.chdir(options.root);
  // Held back until the start has come out: problems of the configuration are told once, not twice.
  let held: string[] | undefined = [];
  const log = ({ level, category, message }: LogEntry): void => {
    if (!options.verbose && !shownLevels.includes(level)) return;
    const line = `${level} [${category}] ${message}`;
    if (held) held.push(line);
    else options.log(line);
  };
  const release = (): void => {
    const lines = held ?? [];
    held = undefined;
    lines.forEach(options.log);
  };
  const { root, settings, enableAuth } = options;
  const restoreConsole = captureConsole(log);
  const starting = onFreePort(options.port, (port) => startHost({ root, port, settings, enableAuth, log }));
  const host = await starting.catch((error: unknown) => {
    restoreConsole();
    release();
    throw error;
  });
  const stop = (): Promise<void> => host.close().finally(restoreConsole);
  try {
    if (host.loadError) throw new StackError(`The app does not load. ${host.loadError.message}`);
    const api = host.url + routePrefix(options.root);
    await untilReady(api, readyTimeoutMs, () => undefined);
    release();
    return {
      what: `in this process, ${host.functions.length} functions on ${api}`,
      api,
      ...(enableAuth ? { key: host.keys.master } : {}),
      stop,
    };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) release();
    await stop();
    throw error;
  }
}

/** As in the real host, what the app writes to the console is a log entry. */
function captureConsole(log: (entry: LogEntry) => void): () => void {
  const levels = { debug: 'debug', log: 'information', info: 'information', warn: 'warning', error: 'error' } as const;
  const originals = { ...console };
  for (const [method, level] of Object.entries(levels)) {
    console[method as keyof typeof levels] = (...args: unknown[]) =>
      log({ level, category: 'console', message: format(...args) });
  }
  return () => void Object.assign(console, originals);
}

export async function startCoreTools(options: HostOptions): Promise<RunningHost> {
  const port = await freePort(options.port);
  const path = pathWithTools(options.root);
  const env = { ...process.env, ...options.settings, FUNCTIONS_WORKER_RUNTIME: 'node', PATH: path };
  const flags = ['start', '--port', String(port), ...(options.enableAuth ? ['--enableAuth'] : [])];
  const kept = keep('func', flags, { cwd: options.root, env, onOutput: (text) => options.log(text.trimEnd()) });
  try {
    const api = `http://127.0.0.1:${port}${routePrefix(options.root)}`;
    await untilReady(api, funcReadyTimeoutMs, () => (kept.running() ? undefined : `func has ended. ${kept.output()}`));
    return { what: `func start on ${api}`, api, pid: kept.pid, stop: () => kept.stop() };
  } catch (error) {
    await kept.stop();
    throw error;
  }
}

function routePrefix(root: string): string {
  const text = readFileSync(join(root, 'host.json'), 'utf8');
  const parsed = JSON.parse(text) as { extensions?: { http?: { routePrefix?: string } } };
  const prefix = (parsed.extensions?.http?.routePrefix ?? 'api').replace(/^\/+|\/+$/g, '');
  return prefix === '' ? '' : `/${prefix}`;
}

/** A configuration that is wrong stays wrong: its problems end the wait at once. */
async function untilReady(api: string, timeoutMs: number, failed: () => string | undefined): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last = 'it did not answer';
  let readySince: number | undefined;
  while (Date.now() < deadline) {
    const failure = failed();
    if (failure !== undefined) throw new StackError(failure);
    try {
      const answer = await get(`${api}/health/ready`);
      if (answer.status === 200) {
        // Some of it may still be settling, such as the change feed; a remark that stays is no reason to fail.
        readySince ??= Date.now();
        if (jsonOf(answer)?.['status'] === 'ok' || Date.now() > readySince + settlingMs) return;
      }
      const problems = jsonOf(answer)?.['problems'];
      if (Array.isArray(problems)) throw new ConfigurationError(problemText(problems));
      last = `it answered ${answer.status}: ${answer.body}`;
    } catch (error) {
      if (error instanceof StackError) throw error;
      last = messageOf(error);
    }
    await sleep(50);
  }
  throw new StackError(`${api}/health/ready was not 200 within ${timeoutMs / 1000} s; ${last}`);
}

function problemText(problems: unknown[]): string {
  const lines = problems.map((problem) => {
    const { path, message } = problem as { path?: string; message?: string };
    return path === undefined ? `  ${JSON.stringify(problem)}` : `  ${path}: ${message ?? ''}`;
  });
  const many = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`The configuration has ${many}:`, ...lines].join('\n');
}
