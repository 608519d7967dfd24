// The benchmarks: `npm run bench`. Every figure is a ratio to a reference that runs interleaved with it; nothing is asserted.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRedis } from '../local/services/redis.ts';
import { backlog } from './backlog.ts';
import { changes } from './changes.ts';
import type { Context } from './context.ts';
import { writeDocs } from './docs.ts';
import { growth } from './growth.ts';
import { hits } from './hit.ts';
import { http } from './http.ts';
import { lag } from './lag.ts';
import { machine } from './machine.ts';
import { peers } from './peers.ts';
import { queries } from './queries.ts';
import { type Figure, print, type Report, type Section } from './report.ts';
import { stampede } from './stampede.ts';
import { startup } from './startup.ts';
import { firstStart } from './warm.ts';

interface Measurement {
  readonly title: string;
  readonly run: (context: Context) => Promise<readonly Figure[]>;
}

const MEASUREMENTS: Readonly<Record<string, Measurement>> = {
  hit: { title: 'A hit, the whole read path, against a bare GET of the same bytes', run: hits },
  http: { title: 'A hit over HTTP, in-process host', run: http },
  stampede: { title: 'A stampede on a cold key', run: stampede },
  startup: { title: 'Start-up', run: startup },
  changes: { title: 'Pages of changes, refreshed', run: changes },
  lag: { title: 'From commit to visible, local stack', run: lag },
  backlog: { title: 'An hour of changes to catch up with', run: backlog },
  queries: { title: 'Results of queries', run: queries },
  growth: { title: 'More records', run: growth },
  warm: { title: 'A first start', run: firstStart },
  peers: { title: 'A hit, against other caches on the same Redis', run: peers },
};

const HELP = `npm run bench -- [options]
Measures against bare Redis, peers and the goals; some minutes.
  --quick        fewer and shorter rounds: a minute or two
  --only a,b     of ${Object.keys(MEASUREMENTS).join(', ')}
  --records N    how many records growth goes up to: 1000000; ten million need 4 GB
  --json FILE    also writes the figures there
  --docs         also puts the tables and plots into docs/performance.md
  --help         this
REDIS_URL names another Redis; it is flushed.`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    records: { type: 'string' },
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});
const mostRecords = Number(values.records ?? (values.quick ? 100_000 : 1_000_000));
if (values.help) console.log(HELP);
else await main();

async function main(): Promise<void> {
  const names = values.only?.split(',') ?? Object.keys(MEASUREMENTS);
  const unknown = names.filter((name) => !(name in MEASUREMENTS));
  if (!(mostRecords > 0)) unknown.push(`number ${values.records}`);
  if (unknown.length > 0) {
    console.error(`There is no ${unknown.join(', ')}.\n${HELP}`);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'warmfeed-bench-'));
  const redis = await startRedis({ folder, url: process.env['REDIS_URL'] });
  try {
    const sections: Section[] = [];
    for (const name of names) {
      const measurement = MEASUREMENTS[name] as Measurement;
      const context = contextOf(name, folder, redis.settings['REDIS_URL'] ?? '');
      // Where lines cannot be written over, one for each measurement is progress enough.
      if (!process.stderr.isTTY) console.error(`${name}: ${measurement.title}`);
      try {
        sections.push({ name, title: measurement.title, figures: await measurement.run(context) });
      } catch (error) {
        // The others are worth having.
        console.error(`\n${name} failed:`, error);
        process.exitCode = 1;
      }
    }
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
    const report: Report = { machine: machine(redis.what), isQuick: values.quick, sections };
    console.log(print(report));
    if (values.docs) writeDocs(report);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function contextOf(name: string, folder: string, redis: string): Context {
  return {
    redis,
    folder,
    isQuick: values.quick,
    mostRecords,
    rounds: values.quick ? 5 : 15,
    progress: (text) => void (process.stderr.isTTY && process.stderr.write(`\r\u001B[K${name}: ${text}`)),
  };
}
