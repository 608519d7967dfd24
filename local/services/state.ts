/** What runs, in `.local/state.json`, so that the other commands find it. It holds no secret of an account that is not ours. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface State {
  pid: number;
  startedAt: string;
  /** The command that runs it. */
  command: string;
  /** With the route prefix; undefined where no host runs. */
  api?: string | undefined;
  /** Function key, where the host asks for one. */
  key?: string | undefined;
  /** Connection string of the emulator; undefined where COSMOS is used. */
  cosmos?: string | undefined;
  database: string;
  /** URL of the embedded PostgreSQL; undefined where POSTGRES is used. */
  postgres?: string | undefined;
  /** URL of the Redis; undefined where REDIS_URL is used. */
  redis?: string | undefined;
  /** Connection string of the TDS emulator; undefined where SQL is used. */
  sql?: string | undefined;
  services: { name: string; what: string; pid?: number }[];
}

/** Where the stack keeps its files; tests use one of their own. */
export const stackFolder = (root: string): string => process.env['WARMFEED_LOCAL_FOLDER'] ?? join(root, '.local');

const fileIn = (folder: string): string => join(folder, 'state.json');

export function writeState(folder: string, state: State): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileIn(folder), `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
}

/** Undefined if nothing runs; a file that a killed stack left behind counts as nothing. */
export function readState(folder: string): State | undefined {
  if (!existsSync(fileIn(folder))) return undefined;
  try {
    const state = JSON.parse(readFileSync(fileIn(folder), 'utf8')) as State;
    return alive(state.pid) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Only our own: a stack that was started later may have written its state over it. */
export function removeState(folder: string): void {
  if (readState(folder)?.pid === process.pid) rmSync(fileIn(folder), { force: true });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
