/**
 * An Azure Functions host inside this process: it runs a built, unmodified app and behaves like the real host where that is
 * known. docs/local-host.md says what it does not do.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createApp } from './app.ts';
import { createAuth, type Keys } from './auth.ts';
import { inApp } from './core-module.ts';
import type { Log, LogEntry, TypedData } from './core-types.ts';
import { errorText } from './error-text.ts';
import { type FunctionIndex, type FunctionInfo, indexFunctions } from './function-index.ts';
import { startHttp } from './http-server.ts';
import { loadApp } from './load-app.ts';
import { applySettings } from './settings.ts';
import { timerInput } from './timer-trigger.ts';
import type { FeedIntervals } from './trigger.ts';

export type { Log, LogEntry } from './core-types.ts';
export type { FunctionInfo } from './function-index.ts';

export interface HostOptions {
  /** The app's folder, with package.json and host.json. */
  root: string;
  /** 0 takes a free port. Default 7071; a taken one rejects with EADDRINUSE. */
  port?: number;
  address?: string;
  /** App settings, in `process.env` until the host is closed. */
  settings?: Record<string, string>;
  /** Default: warnings and errors to the console. */
  log?: Log;
  enableAuth?: boolean;
  keys?: Keys;
  feed?: FeedIntervals;
  /** Multiplies the delays of retry policies. Default 1. */
  timeScale?: number;
  /** How long `close` waits for running invocations. Default 10 s. */
  shutdownTimeoutMs?: number;
}

export interface Host {
  port: number;
  url: string;
  functions: FunctionInfo[];
  keys: Keys;
  loadError: Error | undefined;
  /** Runs a function that is not HTTP-triggered, with its retry policy; rejects with what it threw. */
  invoke(name: string, input?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

interface HostJson {
  extensions?: { http?: { routePrefix?: string } };
}

/** A trigger whose endpoint hangs goes on trying after that; HTTP is served meanwhile. */
const startTimeoutMs = 5_000;

const toConsole = ({ level, category, message }: LogEntry): void => {
  if (level === 'warning' || level === 'error' || level === 'critical') console.error(`[${category}] ${message}`);
};

function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((settle) => {
    const timer = setTimeout(() => settle(false), ms);
    const done = (): void => {
      clearTimeout(timer);
      settle(true);
    };
    work.then(done, done);
  });
}

export async function startHost(options: HostOptions): Promise<Host> {
  const root = resolve(options.root);
  const log = options.log ?? toConsole;
  const address = options.address ?? '127.0.0.1';
  const shutdownTimeoutMs = options.shutdownTimeoutMs ?? 10_000;
  const hostJson = JSON.parse(readFileSync(join(root, 'host.json'), 'utf8')) as HostJson;
  const routePrefix = (hostJson.extensions?.http?.routePrefix ?? 'api').replace(/^\/+|\/+$/g, '');
  const app = createApp(log);
  const auth = createAuth(options.enableAuth === true, options.keys);
  const stop = new AbortController();
  const running = new Set<Promise<unknown>>();
  let index: FunctionIndex = {
    functions: [],
    routes: [],
    triggers: [],
    run: () => Promise.reject(new Error('Starting.')),
  };

  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work);
    const done = (): void => void running.delete(work);
    work.then(done, done);
    return work;
  };
  const start = (name: string, input: unknown): ReturnType<FunctionIndex['run']> => {
    const fn = index.functions.find((candidate) => candidate.name === name);
    if (!fn || fn.kind === 'httpTrigger') return Promise.reject(new Error(`There is no function "${name}" to start.`));
    return index.run(name, {
      data: inputData(fn.kind, input),
      reason: 'This function was programmatically called via the host APIs.',
    });
  };
  const fail = (error: unknown): void => log({ level: 'error', category: 'Host', message: errorText(error) });

  const http = await startHttp({
    port: options.port ?? 7071,
    address,
    auth,
    onError: fail,
    admin: { functions: () => index.functions, start: (name, input) => void start(name, input).catch(fail) },
    eventGrid: {
      has: (name) => index.functions.some((fn) => fn.kind === 'eventGridTrigger' && fn.name === name),
      run: (name, input) => index.run(name, input),
    },
  });
  const restoreSettings = applySettings({
    AZURE_FUNCTIONS_ENVIRONMENT: 'Development',
    FUNCTIONS_WORKER_RUNTIME: 'node',
    AzureWebJobsScriptRoot: root,
    WEBSITE_HOSTNAME: `${address}:${http.port}`,
    ...options.settings,
  });

  let closing: Promise<void> | undefined;
  const shutDown = async (): Promise<void> => {
    const drained = http.close();
    stop.abort();
    const idle = Promise.all([...index.triggers.map((trigger) => trigger.stopped), ...running, drained]);
    if (!(await within(shutdownTimeoutMs, idle))) {
      log({ level: 'warning', category: 'Host', message: 'Stopping with invocations still running.' });
    }
    http.closeNow();
    await drained;
    const hookContext = { hookData: app.appLevelHookData, appHookData: app.appHookData };
    await inApp(app, () => app.runHooks('appTerminate', hookContext)).catch(fail);
    restoreSettings();
  };
  const close = (): Promise<void> => (closing ??= shutDown());

  try {
    const startedAt = new Date();
    const loadError = await loadApp(app, root);
    index = await indexFunctions({
      app,
      log,
      routePrefix,
      signal: stop.signal,
      startedAt,
      timeScale: options.timeScale ?? 1,
      feed: options.feed ?? {},
      track,
    });
    http.setRoutes(index.routes);
    if (index.functions.length === 0)
      log({ level: 'warning', category: 'Host.Startup', message: 'No job functions found.' });
    await within(startTimeoutMs, Promise.all(index.triggers.map((trigger) => trigger.firstAttempt)));
    const { functions } = index;
    const url = `http://${address.includes(':') ? `[${address}]` : address}:${http.port}`;
    return {
      port: http.port,
      url,
      functions,
      keys: auth.keys,
      loadError,
      async invoke(name, input) {
        const outcome = await start(name, input);
        if (!outcome.ok) throw outcome.error;
        return valueOf(outcome.response.returnValue);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function inputData(kind: string, input: unknown): TypedData {
  const text = input === undefined ? '' : typeof input === 'string' ? input : JSON.stringify(input);
  if (text === '' && kind === 'timerTrigger') return timerInput(undefined, new Date(), false);
  return /^\s*[[{]/.test(text) ? { json: text } : { string: text };
}

function valueOf(data: TypedData | null | undefined): unknown {
  if (!data) return undefined;
  if (typeof data.json === 'string') return JSON.parse(data.json);
  return data.string ?? data.bytes ?? data.int ?? data.double ?? undefined;
}
