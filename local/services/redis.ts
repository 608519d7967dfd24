/**
 * A real Redis (or Valkey) of our own: found on the PATH, installed by the system's package manager where that can be done
 * without asking, replaced by REDIS_URL. It keeps nothing: every start begins with an empty cache.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Kept, keep } from './keeper.ts';
import { onFreePort } from './ports.ts';
import { messageOf, type Note, type Service, StackError, sleep } from './service.ts';

const run = promisify(execFile);
const address = '127.0.0.1';
const startTimeoutMs = 10_000;
const servers = ['redis-server', 'valkey-server'];
const aptCommand = 'apt-get update -qq && apt-get install -y -qq redis-server';

export interface RedisOptions {
  /** Its folder is made inside this one. */
  folder: string;
  /** REDIS_URL: use that one instead. */
  url?: string | undefined;
  port?: number;
  note?: Note;
  /** Told if the server ends without having been asked to. */
  onExit?: Note;
  env?: NodeJS.ProcessEnv;
  /** Replaced by tests. */
  install?: (note: Note) => Promise<void>;
}

export interface RedisService extends Service {
  /** Undefined where it is not ours. */
  port: number | undefined;
}

export async function startRedis(options: RedisOptions): Promise<RedisService> {
  if (options.url) return otherRedis(options.url);
  const command = await redisCommand(options);
  const label = `${command.split('/').at(-1) ?? command} ${await versionOf(command)}`;
  return onFreePort(options.port ?? 6399, async (port) => {
    const kept = await launch(command, port, options);
    let stopping = false;
    void kept.exited.then((code) => {
      if (!stopping) options.onExit?.(`${label} on ${port} has ended (exit code ${String(code)}). ${kept.output()}`);
    });
    return {
      name: 'redis',
      what: `${label} on ${address}:${port}`,
      settings: { REDIS_URL: `redis://${address}:${port}` },
      pid: kept.pid,
      port,
      stop: () => {
        stopping = true;
        return kept.stop();
      },
    };
  });
}

async function launch(command: string, port: number, { folder, env }: RedisOptions): Promise<Kept> {
  const home = join(folder, 'redis', String(port));
  mkdirSync(home, { recursive: true });
  const args = {
    port: String(port),
    bind: address,
    dir: home,
    save: '',
    appendonly: 'no',
    maxmemory: '256mb',
    'maxmemory-policy': 'volatile-lru',
    daemonize: 'no',
  };
  const flags = Object.entries(args).flatMap(([name, value]) => [`--${name}`, value]);
  const kept = keep(command, flags, { cwd: home, ...(env ? { env } : {}) });
  const deadline = Date.now() + startTimeoutMs;
  while (kept.running() && Date.now() < deadline) {
    // Ours, not another that took the port meanwhile: a Redis that cannot bind ends, and is no longer running.
    if ((await ping(port)) && /ready to accept connections/i.test(kept.output())) return kept;
    await sleep(10);
  }
  await kept.stop();
  const output = kept.output();
  if (/address already in use/i.test(output)) {
    throw Object.assign(new Error(`Port ${port} is in use.`), { code: 'EADDRINUSE' });
  }
  throw new StackError(`${command} did not start on port ${port}. It said:\n${output}`);
}

function ping(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: address });
    const end = (alive: boolean): void => {
      socket.destroy();
      done(alive);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (reply) => end(reply.toString().startsWith('+PONG')));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}

async function versionOf(command: string): Promise<string> {
  const { stdout } = await run(command, ['--version']).catch((error: unknown) => {
    throw new StackError(`${command} cannot be run: ${messageOf(error)}`);
  });
  return /\bv=(\S+)/.exec(stdout)?.[1] ?? '(unknown version)';
}

/** The server's binary; installs it where that can be done without asking. */
export async function redisCommand({
  env = process.env,
  install,
  note = () => {},
}: Pick<RedisOptions, 'env' | 'install' | 'note'>): Promise<string> {
  const named = env['REDIS_SERVER'];
  if (named) {
    if (!executable(named)) throw new StackError(`REDIS_SERVER names ${named}, which cannot be run.`);
    return named;
  }
  const found = onPath(servers, env);
  if (found) return found;
  if (!install && !(process.getuid?.() === 0 && existsSync('/etc/debian_version') && onPath(['apt-get'], env))) {
    throw new StackError(missingText(env));
  }
  await (install ?? installByApt)(note);
  const installed = onPath(servers, env);
  if (!installed) throw new StackError(`Redis was installed, but is not on the PATH. ${missingText(env)}`);
  return installed;
}

async function installByApt(note: Note): Promise<void> {
  note(`no redis-server or valkey-server on the PATH; installing one: ${aptCommand}`);
  await run('/bin/sh', ['-c', aptCommand], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => {
    const { stderr } = error as { stderr?: string };
    throw new StackError(
      `The installation failed:\n${(stderr || messageOf(error)).trim()}\n${missingText(process.env)}`,
    );
  });
}

function missingText(env: NodeJS.ProcessEnv): string {
  const known: [tool: string, command: string][] = [
    ['apt-get', 'sudo apt-get update && sudo apt-get install -y redis-server'],
    ['brew', 'brew install redis'],
    ['dnf', 'sudo dnf install -y valkey'],
    ['apk', 'sudo apk add redis'],
    ['pacman', 'sudo pacman -S --noconfirm valkey'],
  ];
  const command = known.find(([tool]) => onPath([tool], env))?.[1] ?? 'install Redis 6.2 or later, or Valkey';
  return [
    'Redis is needed, and there is no redis-server or valkey-server on the PATH. Install it with',
    `  ${command}`,
    'or name a server binary in REDIS_SERVER, or a running Redis in REDIS_URL (redis://host:port).',
  ].join('\n');
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function onPath(names: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(executable);
}

/** Looks whether anything listens there; the URL may hold a password and is not shown. */
async function otherRedis(text: string): Promise<RedisService> {
  const url = URL.parse(text);
  if (!url || !/^rediss?:$/.test(url.protocol))
    throw new StackError('REDIS_URL must be redis://host:port or rediss://…');
  const port = Number(url.port || 6379);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  await new Promise<void>((done, fail) => {
    const refuse = (why: string): void => {
      socket.destroy();
      fail(new StackError(`REDIS_URL is set, but nothing answers at ${host}:${port} (${why}).`));
    };
    const socket = connect({ host, port });
    socket.setTimeout(3_000, () => refuse('no connection within 3 s'));
    socket.once('error', (error) => refuse(error.message));
    socket.once('connect', () => {
      socket.destroy();
      done();
    });
  });
  return {
    name: 'redis',
    what: `the one in REDIS_URL, ${host}:${port}`,
    settings: { REDIS_URL: text },
    port: undefined,
    stop: async () => {},
  };
}
