// Builds the app as `npm run build` does, with the configuration that a test brings, as a team would edit it.

import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');

/** The folder of an app like the deployed one: package.json, host.json, dist/main.cjs. */
export async function buildApp(configuration: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'warmfeed-app-'));
  cpSync(join(ROOT, 'host.json'), join(folder, 'host.json'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', main: 'dist/main.cjs' }));
  await build({
    entryPoints: {
      main: join(ROOT, 'src/main.ts'),
      'open-telemetry': join(ROOT, 'src/telemetry/open-telemetry.ts'),
    },
    outdir: join(folder, 'dist'),
    outExtension: { '.js': '.cjs' },
    ...buildOptions(),
    plugins: [
      {
        name: 'configuration',
        setup: (plugin) => {
          plugin.onResolve({ filter: /^\.\/cache\.config\.ts$/ }, () => ({ path: resolve(configuration) }));
        },
      },
    ],
  });
  return folder;
}

/** The options of the build script in package.json, so that a test's bundle is made like the shipped one. */
function buildOptions(): BuildOptions {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { build: string } };
  const flags = [...scripts.build.matchAll(/--([\w-]+)(?::(\.[\w.]+))?(?:=(\S+))?|--external:(\S+)/g)];
  const value = (name: string) => flags.find((flag) => flag[1] === name)?.[3];
  return {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: value('target') ?? 'node22',
    external: ['@azure/functions-core'],
    loader: Object.fromEntries(
      flags.flatMap(([, name, extension]) => (name === 'loader' && extension ? [[extension, 'text']] : [])),
    ),
    minifySyntax: scripts.build.includes('--minify-syntax'),
    logLevel: 'error',
  } satisfies BuildOptions;
}
