// Bundles the app into dist/: main.cjs, and each SDK into a file of its own that is read when the first source needs it. What
// lies in one file is read and compiled at every start, also where nothing calls it.

import { resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');

/** Packages that not every configuration needs, with the names of their files. */
const SDKS: Readonly<Record<string, string>> = {
  '@azure/cosmos': 'cosmos',
  '@azure/identity': 'identity',
  '@azure/storage-blob': 'storage-blob',
  mssql: 'mssql',
  pg: 'pg',
};
const OPEN_TELEMETRY = 'open-telemetry';

export const SDK_FILES: readonly string[] = Object.values(SDKS).map((name) => `${name}.cjs`);
/** All that is deployed of `dist/`. */
export const BUNDLES: readonly string[] = ['main.cjs', `${OPEN_TELEMETRY}.cjs`, ...SDK_FILES];

/** @param configuration a file instead of src/cache.config.ts */
export async function buildApp(outdir: string, options: BuildOptions = {}, configuration?: string): Promise<void> {
  const entryPoints = { main: `${ROOT}/src/main.ts`, [OPEN_TELEMETRY]: `${ROOT}/src/telemetry/open-telemetry.ts` };
  const plugins = [sdksApart, ...(configuration === undefined ? [] : [configured(resolve(configuration))])];
  await build({ entryPoints, outdir, plugins, ...COMMON, ...options });
}

export async function buildSdks(outdir: string, options: BuildOptions = {}): Promise<void> {
  const entries = Object.entries(SDKS).map(([entry, name]) => ({ [name]: entry }));
  const one = { outdir, plugins: [sdksApart], absWorkingDir: ROOT, ...COMMON, ...options };
  await Promise.all(entries.map((entryPoints) => build({ ...one, entryPoints })));
}

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  external: ['@azure/functions-core'],
  // By `require`, which takes the exports of a CommonJS package as they are.
  supported: { 'dynamic-import': false },
  loader: { '.lua': 'text', '.html': 'text', '.css': 'text', '.client.js': 'text' },
  minifySyntax: true,
  logLevel: 'warning',
};

/** An SDK is required from its own file, by our code and by other SDKs. */
const sdksApart: Plugin = {
  name: 'sdks-apart',
  setup: (plugin) => {
    const filter = new RegExp(`^(${Object.keys(SDKS).join('|')})$`);
    plugin.onResolve({ filter }, ({ path, kind }) =>
      kind === 'entry-point' ? undefined : { path: `./${SDKS[path]}.cjs`, external: true },
    );
  },
};

function configured(path: string): Plugin {
  return {
    name: 'configuration',
    setup: (plugin) => plugin.onResolve({ filter: /^\.\/cache\.config\.ts$/ }, () => ({ path })),
  };
}

if (process.argv[1] === import.meta.filename) {
  const outdir = resolve(ROOT, 'dist');
  await Promise.all([buildApp(outdir, { sourcemap: 'linked' }), buildSdks(outdir, { sourcemap: 'linked' })]);
}
