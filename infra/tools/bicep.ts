// Finds the Bicep CLI: `bicep` of the PATH, or the one that NuGet has, by `dotnet`. By itself it builds and lints
// infra/main.bicep, and any warning is a failure: `npm run infra`.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const VERSION = '0.47.16';
const MAIN = join(ROOT, 'infra/main.bicep');

export interface Bicep {
  /** The command and its first arguments. */
  readonly command: readonly string[];
}

/** @returns the reason where there is none */
export function findBicep(): Bicep | { readonly missing: string } {
  if (has('bicep')) return { command: ['bicep'] };
  const restored = join(ROOT, `.local/nuget/azure.bicep.commandline.${runtime()}/${VERSION}/tools/${executable()}`);
  if (!existsSync(restored)) {
    if (!has('dotnet')) {
      return { missing: 'no bicep and no dotnet on the PATH: install either (https://aka.ms/bicep-install)' };
    }
    const failure = restore();
    if (failure !== undefined) return { missing: `dotnet restore of the Bicep CLI failed:\n${failure}` };
  }
  return { command: [restored] };
}

export interface Built {
  /** The ARM template, where it compiled. */
  readonly template: string;
  /** Errors and warnings, a line each. */
  readonly findings: string;
}

/** Compiles and lints a Bicep file. */
export function buildBicep({ command }: Bicep, file = MAIN): Built {
  const built = run(command, ['build', file, '--stdout']);
  const linted = run(command, ['lint', file]);
  if (built.error) throw built.error;
  return { template: built.stdout, findings: `${built.stderr}${linted.stdout}${linted.stderr}`.trim() };
}

/** A resource as Azure Resource Manager would be given it: what only Azure knows is left as `[reference(…)…]`. */
export interface PredictedResource {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly [other: string]: unknown;
}

/** All resources that a deployment of infra/main.bicep with these parameters makes. */
export function predictBicep({ command }: Bicep, parameters: Readonly<Record<string, unknown>>): PredictedResource[] {
  const folder = mkdtempSync(join(tmpdir(), 'warmfeed-bicep-'));
  try {
    const lines = Object.entries(parameters).map(([name, value]) => `param ${name} = json('${JSON.stringify(value)}')`);
    const file = join(folder, 'main.bicepparam');
    writeFileSync(file, [`using '${relative(folder, MAIN)}'`, ...lines].join('\n'));
    const some = '00000000-0000-4000-8000-000000000000';
    const where = [
      '--subscription-id',
      some,
      '--tenant-id',
      some,
      '--location',
      'westeurope',
      '--deployment-name',
      'x',
    ];
    const { status, stderr } = run(command, ['snapshot', file, '--mode', 'overwrite', ...where]);
    if (status !== 0) throw new Error(stderr);
    const text = readFileSync(join(folder, 'main.snapshot.json'), 'utf8');
    return (JSON.parse(text) as { predictedResources: PredictedResource[] }).predictedResources;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function restore(): string | undefined {
  const store = join(ROOT, '.local/nuget');
  const restored = run(
    ['dotnet'],
    [
      'restore',
      join(ROOT, 'infra/tools/bicep.csproj'),
      '--verbosity=quiet',
      `--packages=${store}`,
      `-p:BicepRuntime=${runtime()}`,
      `-p:BicepVersion=${VERSION}`,
      `-p:BaseIntermediateOutputPath=${join(store, 'obj')}/`,
    ],
  );
  return restored.status === 0 ? undefined : `${restored.stdout}${restored.stderr}`.trim();
}

function runtime(): string {
  const system = { linux: 'linux', darwin: 'osx', win32: 'win' }[process.platform as string] ?? 'linux';
  return `${system}-${process.arch === 'arm64' ? 'arm64' : 'x64'}`;
}

function executable(): string {
  return process.platform === 'win32' ? 'bicep.exe' : 'bicep';
}

function has(program: string): boolean {
  return run([program], ['--version']).status === 0;
}

function run([program = '', ...first]: readonly string[], rest: readonly string[]) {
  return spawnSync(program, [...first, ...rest], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

if (import.meta.main) {
  const bicep = findBicep();
  if ('missing' in bicep) {
    process.stderr.write(`${bicep.missing}\n`);
    process.exitCode = 1;
  } else {
    const { template, findings } = buildBicep(bicep);
    process.stderr.write(findings === '' ? '' : `${findings}\n`);
    process.stdout.write(`infra/main.bicep: ${template.length} bytes of ARM template, ${findings || 'no warning'}\n`);
    process.exitCode = findings === '' && template !== '' ? 0 : 1;
  }
}
