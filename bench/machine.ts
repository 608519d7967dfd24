// What the figures were measured on.

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';

export type Machine = Readonly<Record<string, string>>;

export function machine(redis: string): Machine {
  return {
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    node: `${process.version} (V8 ${process.versions.v8})`,
    // Its address is of no use to others.
    redis: redis.replace(/ on \S+$/, ''),
    ioredis: versionOf('ioredis'),
    // More than there are processors: other work was in the way.
    load: loadavg()
      .map((load) => load.toFixed(1))
      .join(', '),
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Of an installed package, ours or of this workspace. */
export function versionOf(name: string): string {
  for (const folder of [import.meta.dirname, join(import.meta.dirname, '..')]) {
    try {
      const text = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      // Looked for in the next folder.
    }
  }
  return 'not installed';
}
