// The app in a process of its own, which can be killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from './stack.ts';

const MAIN = resolve(import.meta.dirname, '../../local/host/main.ts');
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export interface HostProcessOptions {
  readonly root: string;
  readonly settings: Readonly<Record<string, string>>;
  /** How far its clock is from everybody else's. */
  readonly skewMs?: number;
}

export type HostProcess = Awaited<ReturnType<typeof startHostProcess>>;

export async function startHostProcess({ root, settings, skewMs = 0 }: HostProcessOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'warmfeed-host-'));
  const file = join(folder, 'settings.json');
  writeFileSync(file, JSON.stringify({ IsEncrypted: false, Values: settings }));
  const child = spawn(process.execPath, [MAIN, '--root', root, '--port', '0', '--settings', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: skewMs === 0 ? process.env : { ...process.env, NODE_OPTIONS: `--import=${skewed(skewMs)}` },
  });
  children.add(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => {
    children.delete(child);
    rmSync(folder, { recursive: true, force: true });
    return code as number | null;
  });
  const url = await until(() => /Host started on (\S+)/.exec(output)?.[1], 30_000);
  return {
    url,
    output: () => output,
    /** @returns its exit code; null: it was killed */
    end(signal: NodeJS.Signals) {
      child.kill(signal);
      return ended;
    },
  };
}

function skewed(ms: number): string {
  const code = `const Real = Date;
    globalThis.Date = class extends Real {
      constructor(...of) { super(...(of.length === 0 ? [Real.now() + ${ms}] : of)); }
      static now() { return Real.now() + ${ms}; }
    };`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
