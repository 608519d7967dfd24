/**
 * Loads the entry files that package.json's `main` names, as the worker does, and freshly each time: module state must not
 * leak from one host of this process to the next. An error while loading leaves no functions.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { App } from './app.ts';
import { inApp, installCoreModule, programmingModel } from './core-module.ts';
import { errorText } from './error-text.ts';

interface PackageJson {
  main?: string;
  type?: string;
}

/** Modules that an app brought into the require cache; the next load must not see them. */
const loadedByApps = new Set<string>();
let loads = 0;

const isEsm = (file: string, manifest: PackageJson): boolean =>
  file.endsWith('.mjs') || (!file.endsWith('.cjs') && manifest.type === 'module');

function entryFiles(root: string, pattern: string): string[] {
  if (existsSync(join(root, pattern))) return [pattern];
  const files = globSync(pattern, { cwd: root }).toSorted();
  if (files.length === 0) {
    throw new Error(
      /[*?{}[\]]/.test(pattern) ? 'Found zero files matching the supplied pattern' : 'File does not exist',
    );
  }
  return files;
}

async function loadFile(file: string, manifest: PackageJson): Promise<void> {
  loads += 1;
  if (isEsm(file, manifest)) {
    await import(/* @vite-ignore */ `${pathToFileURL(file).href}?load=${loads}`);
    return;
  }
  const require = createRequire(file);
  const before = new Set(Object.keys(require.cache));
  try {
    require(file);
  } finally {
    for (const key of Object.keys(require.cache)) if (!before.has(key)) loadedByApps.add(key);
  }
}

function forgetEarlierLoads(root: string): void {
  const { cache } = createRequire(join(root, 'package.json'));
  const own = resolve(root) + sep;
  const library = `${sep}@azure${sep}functions${sep}`;
  for (const key of Object.keys(cache)) {
    const ofApp = key.startsWith(own) && !key.slice(own.length).includes(`node_modules${sep}`);
    // The library remembers the core module of its first load, or that there was none.
    if (ofApp || loadedByApps.has(key) || key.includes(library)) delete cache[key];
  }
  loadedByApps.clear();
}

/** Resolves to the error that stopped the load, if any; `app.functions` is then empty. */
export async function loadApp(app: App, root: string): Promise<Error | undefined> {
  installCoreModule(app);
  return inApp(app, async () => {
    let failure: Error | undefined;
    let entry = '';
    try {
      const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson;
      entry = manifest.main ?? '';
      if (entry === '') throw new Error('package.json names no "main"');
      forgetEarlierLoads(root);
      for (const file of entryFiles(root, entry)) {
        entry = file;
        await loadFile(resolve(root, file), manifest);
      }
    } catch (error) {
      failure = new Error(`Worker was unable to load entry point "${entry}": ${errorText(error, 'message')}`, {
        cause: error,
      });
    }
    try {
      const hookContext = { hookData: app.appLevelHookData, appHookData: app.appHookData, functionAppDirectory: root };
      await app.runHooks('appStart', hookContext);
      await refuseStreams(app);
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
    app.locked = true;
    if (failure) {
      app.functions.clear();
      app.log({ level: 'error', category: 'Host.Startup', message: errorText(failure) });
    }
    return failure;
  });
}

/** Asking for the capabilities also locks `app.setup`, as in the worker. */
async function refuseStreams(app: App): Promise<void> {
  const capabilities = await programmingModel(app)?.getCapabilities?.({});
  if (capabilities?.['HttpUri']) {
    throw new Error(
      'This host has no HTTP streaming: remove `enableHttpStream` from app.setup, or use the Core Tools.',
    );
  }
}
