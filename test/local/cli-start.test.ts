// The built app under the command line, as a user runs it: `npm test` builds first.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { State } from '../../local/services/state.ts';

const cli = join(import.meta.dirname, '../../local/cli.ts');
const folder = mkdtempSync(join(tmpdir(), 'warmfeed-start-'));
const children = new Set<ChildProcess>();

interface Running {
  child: ChildProcess;
  out: () => string;
  ended: Promise<number | null>;
}

function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const { COSMOS: _, REDIS_URL: __, POSTGRES: ___, SQL: ____, AzureWebJobsStorage: _____, ...inherited } = process.env;
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, WARMFEED_LOCAL_FOLDER: folder, ...env },
  });
  children.add(child);
  let out = '';
  const collect = (chunk: Buffer): void => {
    out += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = new Promise<number | null>((done) => {
    child.once('close', (code) => {
      children.delete(child);
      done(code);
    });
  });
  return { child, out: () => out, ended };
}

const stateOf = (): State => JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as State;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function started(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Running & { state: State }> {
  const running = runCli(['start', '--port', '0', ...args], env);
  await Promise.race([
    vi.waitFor(() => expect(running.out()).toMatch(/Ctrl-C stops everything/), { timeout: 40_000, interval: 50 }),
    running.ended.then(() => expect.unreachable(running.out())),
  ]);
  return { ...running, state: stateOf() };
}

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('start', () => {
  it('serves a miss, a hit and the changed hit, tells the lag, and leaves nothing', { timeout: 60_000 }, async () => {
    const { child, ended, state, out } = await started([]);
    const get = async (): Promise<string> => {
      const read = runCli(['get', 'airport', 'FR', 'CDG']);
      expect(await read.ended).toBe(0);
      return read.out();
    };
    expect(await get()).toMatch(/fwd=miss/);
    expect(await get()).toMatch(/; hit;/);
    const write = runCli(['write', 'airport', 'FR', 'CDG', 'name=Paris CDG']);
    expect(await write.ended).toBe(0);
    expect(write.out()).toMatch(/visible \d+ ms after the commit: 200/);
    expect(await get()).toMatch(/; hit;[^]*"Paris CDG"/);
    const remove = runCli(['delete', 'airport', 'FR', 'CDG']);
    expect(await remove.ended).toBe(0);
    expect(remove.out()).toMatch(/visible \d+ ms after the commit: 404/);
    const status = runCli(['status']);
    expect(await status.ended).toBe(0);
    expect(status.out()).toMatch(/health\/ready: 200/);
    const doctor = runCli(['doctor']);
    expect(await doctor.ended).toBe(0);
    for (const name of ['redis', 'feed of postgres', 'feed of sql'])
      expect(doctor.out()).toMatch(new RegExp(`ok +${name}`));

    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(out()).toContain('nothing is left running');
    const pids = state.services.flatMap(({ pid }) => pid ?? []);
    expect(pids.length).toBeGreaterThanOrEqual(2);
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]));
    expect(() => stateOf()).toThrow();
  });

  it('asks for a key with --enable-auth, prints it, and uses it itself', { timeout: 60_000 }, async () => {
    const { state, child, ended, out } = await started(['--enable-auth', '--warm', '--ranges', '3']);
    const url = `${state.api ?? ''}/entities/airport/FR/CDG`;
    expect((await fetch(url)).status).toBe(401);
    expect(out()).toContain(`x-functions-key: ${state.key ?? '?'}`);
    const read = runCli(['get', 'airport', 'FR', 'CDG']);
    expect(await read.ended).toBe(0);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  it('lists every problem of the configuration, once, and does not stay', { timeout: 60_000 }, async () => {
    const running = runCli(['start', '--port', '0'], { WARMFEED_FEED_POLL: 'often', WARMFEED_JITTER: '7' });
    expect(await running.ended).toBe(1);
    expect(running.out()).toContain('The configuration has 2 problems:');
    expect(running.out().match(/WARMFEED_FEED_POLL: /g)).toHaveLength(1);
    expect(running.out().match(/WARMFEED_JITTER: /g)).toHaveLength(1);
    expect(running.out()).not.toMatch(/^\s+at /m);
  });

  it('fails with a reason when a part that was named does not answer', { timeout: 60_000 }, async () => {
    const running = runCli(['start', '--port', '0'], { REDIS_URL: 'redis://127.0.0.1:1' });
    expect(await running.ended).toBe(1);
    expect(running.out()).toContain('REDIS_URL is set, but nothing answers at 127.0.0.1:1');
  });
});

describe('services', () => {
  it('prints the settings that a host needs', { timeout: 60_000 }, async () => {
    const running = runCli(['services']);
    await vi.waitFor(() => expect(running.out()).toMatch(/Ctrl-C stops everything/), { timeout: 40_000 });
    expect(running.out()).toMatch(/local\.settings\.sample\.json/);
    expect(stateOf()).toMatchObject({ command: 'services' });
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
  });
});

describe('demo', () => {
  it('does what it says', { timeout: 60_000 }, async () => {
    const running = runCli(['demo']);
    const code = await running.ended;
    expect(running.out()).not.toContain('FAIL');
    expect(running.out()).toMatch(/All steps did what they say/);
    expect(running.out().match(/^\d+\. /gm)).toHaveLength(11);
    expect(code).toBe(0);
  });
});
