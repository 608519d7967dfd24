/** Azurite for the host's own storage and for content, in memory, or what AzureWebJobsStorage and CONTENT name. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { keep } from './keeper.ts';
import { freePort } from './ports.ts';
import { type Service, StackError, sleep } from './service.ts';

const address = '127.0.0.1';
const development = 'UseDevelopmentStorage=true';
/** The public account of every storage emulator. */
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const defaultPorts = [10_000, 10_001, 10_002] as const;
const startTimeoutMs = 30_000;

type Ports = readonly [blob: number, queue: number, table: number];

export interface StorageOptions {
  /** AzureWebJobsStorage: use that one instead. */
  connectionString?: string | undefined;
  /** CONTENT: use that one for content. */
  content?: string | undefined;
  /** First choices for blob, queue and table. */
  ports?: Ports;
}

export interface StorageService extends Service {
  /** Resolves when it answers; rejects if it does not come up. Nothing else has to wait for it. */
  ready: Promise<void>;
}

export async function startStorage(options: StorageOptions): Promise<StorageService> {
  const given = options.connectionString;
  const content = options.content === development ? undefined : options.content;
  if (given && given !== development) {
    return {
      name: 'storage',
      what: 'the one in AzureWebJobsStorage',
      settings: { AzureWebJobsStorage: given, CONTENT: content ?? given },
      ready: Promise.resolve(),
      stop: async () => {},
    };
  }
  const ports = await choose(options.ports ?? defaultPorts);
  const manifest = createRequire(import.meta.url).resolve('azurite/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const [blob, queue, table] = ports;
  const flags = ['--inMemoryPersistence', '--skipApiVersionCheck', '--silent', '--disableTelemetry', '--loose'];
  const hosts = ['blob', 'queue', 'table'].flatMap((name) => [`--${name}Host`, address]);
  const where = ['--blobPort', String(blob), '--queuePort', String(queue), '--tablePort', String(table)];
  const main = join(dirname(manifest), 'dist/src/azurite.js');
  // It takes a second or two of CPU to load, which the parts that somebody waits for shall have first.
  const polite = process.platform === 'win32' ? [] : ['nice', '-n', '10'];
  const [command = '', ...args] = [...polite, process.execPath, main, ...flags, ...hosts, ...where];
  const kept = keep(command, args);
  const ready = (async () => {
    const deadline = Date.now() + startTimeoutMs;
    while (kept.running() && Date.now() < deadline) {
      if ((await Promise.all(ports.map(listens))).every(Boolean)) return;
      await sleep(50);
    }
    throw new StackError(`azurite did not start on ${ports.join(', ')}. It said:\n${kept.output()}`);
  })();
  // Whoever wants to know awaits it.
  ready.catch(() => {});
  const own = connectionString(ports);
  return {
    name: 'storage',
    what: `azurite ${version} on ${address}:${ports.join(', ')}`,
    settings: { AzureWebJobsStorage: own, CONTENT: content ?? own },
    pid: kept.pid,
    ready,
    stop: () => kept.stop(),
  };
}

async function choose(first: Ports): Promise<Ports> {
  const chosen: number[] = [];
  for (const wanted of first) {
    let port = await freePort(wanted);
    while (chosen.includes(port)) port = await freePort(wanted === 0 ? 0 : port + 1);
    chosen.push(port);
  }
  return chosen as unknown as Ports;
}

function connectionString(ports: Ports): string {
  if (ports.every((port, index) => port === defaultPorts[index])) return development;
  const endpoints = (['Blob', 'Queue', 'Table'] as const).map(
    (name, index) => `${name}Endpoint=http://${address}:${ports[index]}/${account};`,
  );
  return `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};${endpoints.join('')}`;
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: address });
    const end = (open: boolean): void => {
      socket.destroy();
      done(open);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
