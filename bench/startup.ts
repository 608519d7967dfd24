// How long a worker takes to load the app, as it is deployed: new processes, with configurations that need less and more.

import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from './context.ts';
import { spread } from './measure.ts';
import { type Figure, goal } from './report.ts';

const ROOT = join(import.meta.dirname, '..');
const GOAL_MS = 200;

const MAIN = `require('./main.cjs')`;
const SDKS = ['cosmos', 'identity', 'mssql', 'pg', 'storage-blob'];

const BARE = { REDIS_URL: 'redis://127.0.0.1:9' };
const ALL = {
  COSMOS: 'AccountEndpoint=http://127.0.0.1:9/;AccountKey=eA==;',
  COSMOS_DATABASE: 'w',
  POSTGRES: 'postgres://127.0.0.1:9/x',
  SQL: 'Server=127.0.0.1,9;Database=x',
  CONTENT: 'UseDevelopmentStorage=true',
};

export async function startup(context: Context): Promise<Figure[]> {
  context.progress('packaging');
  execFileSync(process.execPath, ['infra/tools/build.ts'], { cwd: ROOT });
  execFileSync(process.execPath, ['infra/tools/package.ts'], { cwd: ROOT });
  const loads = { invalid: [] as Load[], all: [] as Load[], everything: [] as Load[] };
  for (let round = 0; round <= context.rounds; round++) {
    context.progress(`round ${round}`);
    const invalid = loadOf(MAIN, BARE);
    const all = loadOf(MAIN, { ...BARE, ...ALL });
    const everything = loadOf(`${MAIN}; ${SDKS.map((sdk) => `require('./${sdk}.cjs')`).join(';')}`, {
      ...BARE,
      ...ALL,
    });
    if (round === 0) continue;
    loads.invalid.push(invalid);
    loads.all.push(all);
    loads.everything.push(everything);
  }
  const ms = (of: readonly Load[]) => ({
    value: spread(of.map((load) => load.ms)),
    unit: 'ms' as const,
    also: cpu(of),
  });
  const cpu = (of: readonly Load[]) => ({ 'CPU ms': spread(of.map(({ cpuMs }) => cpuMs)).median });
  const all = ms(loads.all);
  const bytes = (files: readonly string[]) =>
    files.reduce((sum, file) => sum + statSync(join(ROOT, 'dist/package', `${file}.cjs`)).size, 0);
  return [
    {
      what: 'load of the app, all sources configured',
      ...all,
      ...goal(`below ${GOAL_MS} ms`, all.value.median < GOAL_MS),
    },
    { what: 'load of the app, a configuration that lacks its settings', ...ms(loads.invalid) },
    {
      what: 'the same and every SDK at once, as if all were asked at the start',
      ...ms(loads.everything),
    },
    { what: 'size of main.cjs', value: spread([bytes(['main'])]), unit: 'bytes' },
    { what: 'size with every SDK', value: spread([bytes(['main', ...SDKS])]), unit: 'bytes' },
  ];
}

interface Load {
  readonly ms: number;
  readonly cpuMs: number;
}

function loadOf(work: string, settings: Record<string, string>): Load {
  const script = `
    const start = performance.now();
    const before = process.cpuUsage();
    ${work};
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ ms: performance.now() - start, cpuMs: (user + system) / 1000 }));
    process.exit();`;
  const output = execFileSync(process.execPath, ['-e', script], {
    cwd: join(ROOT, 'dist/package'),
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output.toString().trim().split('\n').at(-1) ?? '') as Load;
}
