/**
 * Indexing: turns the functions that the app registered into routes and triggers. What cannot be indexed is left out with one
 * logged error; the others work.
 */
import type { App, RegisteredFunction } from './app.ts';
import type { AuthLevel } from './auth.ts';
import type { Binding, Log } from './core-types.ts';
import { startCosmosTrigger } from './cosmos-trigger.ts';
import { errorText } from './error-text.ts';
import type { Route } from './http-server.ts';
import { type InvocationInput, invoke, triggerOf } from './invoke.ts';
import { invokeWithRetry, type Outcome } from './retry.ts';
import { parseTemplate } from './routes.ts';
import { resolveBinding } from './settings.ts';
import { startTimer } from './timer-trigger.ts';
import type { FeedIntervals, Trigger } from './trigger.ts';

export interface FunctionInfo {
  name: string;
  kind: string;
  route?: string;
  methods?: string[];
  authLevel?: AuthLevel;
}

export interface IndexOptions {
  app: App;
  log: Log;
  routePrefix: string;
  signal: AbortSignal;
  startedAt: Date;
  timeScale: number;
  feed: FeedIntervals;
  /** Counts the invocation among those that a stop waits for. */
  track: <T>(running: Promise<T>) => Promise<T>;
}

export interface FunctionIndex {
  functions: FunctionInfo[];
  routes: Route[];
  triggers: Trigger[];
  run(name: string, input: InvocationInput): Promise<Outcome>;
}

export async function indexFunctions(options: IndexOptions): Promise<FunctionIndex> {
  const { app, log } = options;
  const indexed: FunctionIndex = {
    functions: [],
    routes: [],
    triggers: [],
    run: async (name, input) => {
      const fn = app.functions.get(name);
      if (!fn) throw new Error(`There is no function "${name}".`);
      return runOf(options, fn)(input);
    },
  };
  for (const fn of app.functions.values()) {
    try {
      await indexOne(options, fn, indexed);
    } catch (error) {
      const { name } = fn.metadata;
      log({
        level: 'error',
        category: 'Host.Startup',
        message: `Error indexing method 'Functions.${name}': ${errorText(error, 'message')} The '${name}' function is in error and disabled.`,
      });
    }
  }
  return indexed;
}

const runOf =
  ({ app, signal, timeScale, track }: IndexOptions, fn: RegisteredFunction) =>
  (input: InvocationInput, ended = signal): Promise<Outcome> =>
    track(invokeWithRetry(app, fn, input, { signal: ended, timeScale }));

async function indexOne(options: IndexOptions, fn: RegisteredFunction, indexed: FunctionIndex): Promise<void> {
  const { name } = fn.metadata;
  const trigger = triggerOf(fn);
  // Every binding must resolve, not only the trigger's.
  const bindings = Object.entries(fn.metadata.bindings).map(
    ([key, binding]) => [key, resolveBinding(binding)] as const,
  );
  const binding = bindings.find(([key]) => key === trigger.name)?.[1] as Binding;
  const kind = trigger.type.toLowerCase();
  if (kind === 'httptrigger') {
    indexHttp(options, fn, binding, indexed);
    return;
  }
  const context = {
    name,
    binding,
    run: runOf(options, fn),
    signal: options.signal,
    log: options.log,
    startedAt: options.startedAt,
    feed: options.feed,
  };
  if (kind === 'timertrigger') indexed.triggers.push(startTimer(context));
  else if (kind === 'cosmosdbtrigger') indexed.triggers.push(await startCosmosTrigger(context));
  // Its events come over HTTP: event-grid.ts.
  else if (kind !== 'eventgridtrigger') {
    const message = `The '${name}' function has a ${trigger.type}, for which this host has no listener; it can only be started by hand.`;
    options.log({ level: 'warning', category: 'Host.Startup', message });
  }
  indexed.functions.push({ name, kind: trigger.type });
}

function indexHttp(options: IndexOptions, fn: RegisteredFunction, binding: Binding, indexed: FunctionIndex): void {
  const { name } = fn.metadata;
  const route = typeof binding['route'] === 'string' && binding['route'] !== '' ? binding['route'] : name;
  if (/^\/?(admin|runtime)/i.test(route))
    throw new Error('The specified route conflicts with one or more built in routes.');
  const level = binding['authLevel'];
  const authLevel = (typeof level === 'string' ? level.toLowerCase() : 'function') as AuthLevel;
  if (!['anonymous', 'function', 'admin'].includes(authLevel)) throw new Error(`'${authLevel}' is no authLevel.`);
  const methods = (Array.isArray(binding['methods']) ? binding['methods'] : []).map((method) =>
    String(method).toUpperCase(),
  );
  const template = parseTemplate(options.routePrefix === '' ? route : `${options.routePrefix}/${route}`);
  indexed.routes.push({
    template,
    methods: new Set(methods),
    authLevel,
    // Retry policies do not apply to HTTP: the client is waiting.
    invoke: (http, traceParent) =>
      options.track(
        invoke(options.app, fn, {
          data: { http },
          reason: 'This function was programmatically called via the host APIs.',
          traceParent,
        }),
      ),
  });
  indexed.functions.push({
    name,
    kind: 'httpTrigger',
    route: `/${template.text.replace(/^\//, '')}`,
    methods,
    authLevel,
  });
}
