/**
 * Supplies the built-in module `@azure/functions-core`, by patching `Module.prototype.require` as the worker does. One
 * object serves every app of the process and hands each call to the app in whose context it is made.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import Module from 'node:module';
import type { App } from './app.ts';
import type {
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './core-types.ts';

export const workerVersion = '3.14.1';
export const hostVersion = '4.1052.200';

const current = new AsyncLocalStorage<App>();
let latest: App | undefined;
/** An ES module stays cached, so a library that was loaded by an earlier app announces its model only once. */
let lastModel: ProgrammingModel | undefined;

class Disposable {
  static from(...parts: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const part of parts) part.dispose();
    });
  }
  #onDispose: (() => unknown) | undefined;
  constructor(onDispose: () => unknown) {
    this.#onDispose = onDispose;
  }
  dispose(): void {
    const dispose = this.#onDispose;
    this.#onDispose = undefined;
    dispose?.();
  }
}

function currentApp(): App {
  const app = current.getStore() ?? latest;
  if (!app) throw new Error('No Functions app is being hosted in this process.');
  return app;
}

const coreApi = {
  version: workerVersion,
  hostVersion,
  Disposable,
  registerHook(name: string, callback: HookCallback): Disposable {
    const hooks = currentApp().hooks(name);
    hooks.push(callback);
    return new Disposable(() => {
      const index = hooks.indexOf(callback);
      if (index >= 0) hooks.splice(index, 1);
    });
  },
  registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback): Disposable =>
    new Disposable(currentApp().register(metadata, callback)),
  setProgrammingModel(model: ProgrammingModel): void {
    if (currentApp().locked) throw new Error('Setting the programming model is only allowed during app startup.');
    currentApp().model = model;
    lastModel = model;
  },
  getProgrammingModel: (): ProgrammingModel | undefined => currentApp().model ?? lastModel,
  log: (level: LogLevel, category: LogCategory, message: string): void =>
    currentApp().workerLog('Worker', level, category, message),
};

/** Runs what belongs to an app, so that its calls of the core module reach that app. */
export const inApp = <T>(app: App, run: () => T): T => current.run(app, run);

export const programmingModel = (app: App): ProgrammingModel | undefined => app.model ?? lastModel;

let installed = false;

export function installCoreModule(app: App): void {
  latest = app;
  if (installed) return;
  installed = true;
  // oxlint-disable-next-line typescript/unbound-method -- the proxy passes `this` on
  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (target, self: unknown, args: [string]): unknown =>
      args[0] === '@azure/functions-core' ? coreApi : Reflect.apply(target, self, args),
  });
}
