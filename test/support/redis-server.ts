// A real redis-server (or valkey-server) of one's own: on a free port, in a directory of its own, without a word.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Undefined while it does not run. */
  pid(): number | undefined;
  /** Again, on the same port; what was in it is gone. */
  start(): Promise<void>;
  /** Ends it in good order, if it runs, and removes its directory unless it is started again. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface RedisServerOptions {
  readonly port?: number;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const START_MS = 10_000;

// A test run that is interrupted leaves no servers behind.
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = findBinary();
  const port = options.port ?? (await freePort());
  let running: ChildProcess | undefined;
  let directory: string | undefined;

  async function start(): Promise<void> {
    directory = await mkdtemp(join(tmpdir(), 'warmfeed-redis-'));
    const own = `--port ${port} --bind 127.0.0.1 --appendonly no --dir ${directory} --save`.split(' ');
    const child = spawn(binary, [...own, '', ...(options.args ?? [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    running = child;
    children.add(child);
    child.once('exit', () => children.delete(child));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
    child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
    const deadline = Date.now() + START_MS;
    while (!(await answers(port))) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${binary} does not start:\n${output}`);
      await sleep(10);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = running;
    running = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: () => running?.pid,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

function findBinary(): string {
  const wanted = process.env['REDIS_SERVER'];
  const names = wanted === undefined ? ['redis-server', 'valkey-server'] : [wanted];
  const name = names.find((candidate) => spawnSync(candidate, ['--version']).status === 0);
  if (name === undefined) {
    throw new Error(`No ${names.join(' or ')} on the PATH. On Debian or Ubuntu: apt-get install -y redis-server`);
  }
  return name;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether a server answers PING there, be it with an error. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(500, () => done(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (reply) => done(!reply.toString().startsWith('-LOADING')));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
  });
}

/** In which Redis compares strings otherwise than byte by byte. */
export const LOCALE = 'en_US.UTF-8';

/** @throws Error where the locale is required (REQUIRE_LOCALE=1) and missing */
export function hasLocale(): boolean {
  const has = spawnSync('locale', ['-a']).stdout?.toString().split('\n').includes('en_US.utf8') ?? false;
  if (!has && process.env['REQUIRE_LOCALE'] === '1') {
    throw new Error(`No locale ${LOCALE}: apt-get install -y locales && localedef -i en_US -f UTF-8 en_US.UTF-8`);
  }
  return has;
}
