// `npm run verify`: is the promise of docs/consistency.md kept? Searches the model, fuzzes the shipped core on a real
// Redis, and shows that both can fail. Exit code 1 when anything is found.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { exploreDeep } from '../model/deep.ts';
import { fuzz, fuzzBroken, fuzzNaive, number } from './fuzz/campaign.ts';
import { KNOCK_OUTS } from './fuzz/knock-outs.ts';
import type { VerifyRow } from './row.ts';

type Progress = (line: string) => void;

const MINUTE = 60_000;
/** `--long`. */
const MANY = 10_000_000;

const HELP = `npm run verify -- [options]
Searches for a way to break what docs/consistency.md promises; a quarter of an hour at most.
  --quick       a minute: a short fuzz, and no search of the model (npm test has a bound of it)
  --long        until ${number(MANY)} reads after a completed invalidation were checked
  --only a,b    of model, fuzz, naive, broken
  --break RULE  breaks a rule under the fuzz, which must fail then: ${Object.keys(KNOCK_OUTS).join(', ')}
  --seed N      only the schedule N of the fuzz, again and again, on the server or the cluster that it needs
  --json FILE   also writes the table there
  --help        this`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    break: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
const knockOut = values.break === undefined ? undefined : KNOCK_OUTS[values.break];

const PARTS: Readonly<Record<string, (onProgress: Progress) => Promise<readonly VerifyRow[]>>> = {
  model: (onProgress) => exploreDeep({ budgetMs: values.quick ? MINUTE / 6 : 5 * MINUTE, onProgress }),
  fuzz: (onProgress) =>
    fuzz({
      seed,
      isReplay: values.seed !== undefined,
      budgetMs: values.quick ? 15_000 : 5 * MINUTE,
      leastChecked: values.long ? MANY : 0,
      onProgress,
      ...(knockOut === undefined ? {} : { knockOut }),
    }),
  naive: (onProgress) => fuzzNaive({ seed, budgetMs: MINUTE / 2, onProgress }),
  broken: async (onProgress) => [await fuzzBroken({ seed, budgetMs: MINUTE, onProgress })],
};

const only = values.only ?? (values.break === undefined && values.seed === undefined ? undefined : 'fuzz');
const names = only?.split(',') ?? Object.keys(PARTS).filter((name) => !values.quick || name !== 'model');
const isUnknown = names.some((name) => !(name in PARTS)) || (values.break !== undefined && knockOut === undefined);

if (values.help) console.log(HELP);
else if (isUnknown || Number.isNaN(seed)) {
  console.error(HELP);
  process.exitCode = 2;
} else await main();

async function main(): Promise<void> {
  const begun = performance.now();
  const rows: VerifyRow[] = [];
  for (const name of names) rows.push(...(await (PARTS[name] as (typeof PARTS)[string])(progressOf(name))));
  console.log(tableOf(rows));
  const failures = rows.flatMap(({ what, failures: each }) => each.map((failure) => `FAILED ${what}: ${failure}`));
  for (const failure of failures) console.error(failure);
  const minutes = ((performance.now() - begun) / MINUTE).toFixed(1);
  console.log(failures.length === 0 ? `Nothing found in ${minutes} minutes.` : `Failed after ${minutes} minutes.`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

/** A line a few seconds. */
function progressOf(name: string): Progress {
  let last = 0;
  return (line) => {
    const now = performance.now();
    if (now - last < 5000) return;
    last = now;
    console.error(`${name}: ${line}`);
  };
}

function tableOf(rows: readonly VerifyRow[]): string {
  const cells = rows.map(({ what, figures, failures }) => [failures.length === 0 ? 'ok' : 'FAILED', what, figures]);
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}
