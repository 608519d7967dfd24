// An app in a host in a process of its own, whose CPU time can be asked for.

import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp, buildSdks } from '../infra/tools/build.ts';

const ROOT = join(import.meta.dirname, '..');

export interface BenchHost {
  readonly url: string;
  readonly child: ChildProcess;
  /** So far. */
  readonly cpuUs: () => Promise<number>;
}

/** @param main instead of src/main.ts @param configuration instead of src/cache.config.ts @returns its folder */
export async function builtApp(folder: string, main?: string, configuration?: string): Promise<string> {
  const root = join(folder, main ?? 'app');
  const dist = join(root, 'dist');
  mkdirSync(dist, { recursive: true });
  cpSync(join(ROOT, 'host.json'), join(root, 'host.json'));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'app', main: 'dist/main.cjs' }));
  const entry = main === undefined ? {} : { entryPoints: { main: join(import.meta.dirname, main) } };
  await buildApp(dist, entry, configuration && join(ROOT, configuration));
  await buildSdks(dist);
  return root;
}

export async function startBenchHost(root: string, settings: Readonly<Record<string, string>>): Promise<BenchHost> {
  const child = fork(join(import.meta.dirname, 'host-child.ts'), [JSON.stringify({ root, settings })]);
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', () => reject(new Error('the host has ended')));
  });
  ended.catch(() => undefined);
  const answer = () => Promise.race([ended, new Promise<unknown>((resolve) => child.once('message', resolve))]);
  const url = (await answer()) as string;
  const cpuUs = async () => {
    const asked = answer();
    child.send('cpu');
    const { user, system } = (await asked) as NodeJS.CpuUsage;
    return user + system;
  };
  return { url, child, cpuUs };
}

/** Until `found` answers true, asked every `everyMs`. @throws after `mostMs` */
export async function until(
  what: string,
  found: () => Promise<boolean>,
  everyMs = 100,
  mostMs = 60_000,
): Promise<void> {
  const end = performance.now() + mostMs;
  while (!(await found())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
