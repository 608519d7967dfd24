// Builds the app as `npm run build` does, with the configuration that a test brings, as a team would edit it.

import { cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildSdks, buildApp as bundle, SDK_FILES } from '../../infra/tools/build.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The folder of an app like the deployed one: package.json, host.json, dist/*.cjs. */
export async function buildApp(configuration: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'warmfeed-app-'));
  const dist = join(folder, 'dist');
  mkdirSync(dist);
  cpSync(join(ROOT, 'host.json'), join(folder, 'host.json'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', main: 'dist/main.cjs' }));
  await bundle(dist, {}, configuration);
  await linkSdks(dist);
  return folder;
}

/** The files of the SDKs are those that `npm test` has built: they know nothing of a configuration. */
async function linkSdks(dist: string): Promise<void> {
  const built = join(ROOT, 'dist');
  if (!SDK_FILES.every((file) => existsSync(join(built, file)))) return buildSdks(dist);
  for (const file of SDK_FILES) symlinkSync(join(built, file), join(dist, file));
}
