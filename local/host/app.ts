/**
 * What the worker knows of one loaded app: its functions, hooks and programming model. It decides when a registration is
 * still allowed; it knows nothing of triggers or of HTTP.
 */
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  Log,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './core-types.ts';

const hookNames = ['preInvocation', 'postInvocation', 'appStart', 'appTerminate', 'log'] as const;
export type HookName = (typeof hookNames)[number];

export interface RegisteredFunction {
  metadata: FunctionMetadata;
  callback: FunctionCallback;
}

export interface App {
  readonly functions: Map<string, RegisteredFunction>;
  readonly appHookData: object;
  readonly appLevelHookData: object;
  model: ProgrammingModel | undefined;
  locked: boolean;
  readonly log: Log;
  hooks(name: string): HookCallback[];
  register(metadata: FunctionMetadata, callback: FunctionCallback): () => void;
  runHooks(name: HookName, context: object): Promise<void>;
  workerLog(source: string, level: LogLevel, category: LogCategory, message: string, invocationContext?: unknown): void;
}

/** The library tells the worker's own errors from the user's by this mark. */
const systemError = <E extends Error>(error: E): E => Object.assign(error, { isAzureFunctionsSystemError: true });

export function createApp(log: Log): App {
  const functions = new Map<string, RegisteredFunction>();
  const hooks = new Map<string, HookCallback[]>(hookNames.map((name) => [name, []]));

  const app: App = {
    functions,
    appHookData: {},
    appLevelHookData: {},
    model: undefined,
    locked: false,
    log,
    hooks(name) {
      const list = hooks.get(name);
      if (!list) throw systemError(new RangeError(`Unrecognized hook "${name}"`));
      return list;
    },
    register(metadata, callback) {
      if (app.locked) throw systemError(new Error('A function can only be registered during app startup.'));
      const id = metadata.functionId ?? metadata.name;
      if (functions.has(id)) {
        throw systemError(new Error(`A function with id "${id}" has already been registered.`));
      }
      functions.set(id, { metadata, callback });
      return () => {
        if (app.locked) throw systemError(new Error('A function can only be disposed during app startup.'));
        functions.delete(id);
      };
    },
    async runHooks(name, context) {
      for (const callback of app.hooks(name)) await callback(context);
    },
    workerLog(source, level, category, message, invocationContext) {
      const context = { level, message, category, invocationContext, hookData: {}, appHookData: app.appHookData };
      for (const callback of app.hooks('log')) callback(context);
      log({
        level: context.level,
        category: category === 'user' ? `${source}.User` : source,
        message: context.message,
      });
    },
  };
  return app;
}
