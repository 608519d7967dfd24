/** Command line of the host: starts it, lists the functions as `func start` does, stops cleanly on SIGINT and SIGTERM. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { LogEntry } from './core-types.ts';
import { errorText } from './error-text.ts';
import { type Host, startHost } from './host.ts';
import { readSettingsFile } from './settings.ts';

const help = `Runs a built Azure Functions app in this process.

node local/host/main.ts [options]
  --root <folder>     the app: package.json, host.json (default: .)
  --port <number>     default 7071; 0 takes a free one
  --address <ip>      default 127.0.0.1
  --settings <file>   local.settings.json to read (default: <root>/local.settings.json if there)
  --enable-auth       ask for function keys; they are printed
  --verbose           log invocations and user logs too
  --help`;

const options = {
  root: { type: 'string', default: '.' },
  port: { type: 'string', default: '7071' },
  address: { type: 'string', default: '127.0.0.1' },
  settings: { type: 'string' },
  'enable-auth': { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const order = ['trace', 'debug', 'information', 'warning', 'error', 'critical'];

const logger =
  (verbose: boolean) =>
  ({ level, category, message }: LogEntry): void => {
    const shown = verbose || category.endsWith('.User') || category.startsWith('Host') ? 'information' : 'warning';
    if (order.indexOf(level) < order.indexOf(shown)) return;
    console.log(`[${new Date().toISOString()}] ${level.toUpperCase().slice(0, 4)} ${category}: ${message}`);
  };

function describe(host: Host): string {
  const lines = host.functions.map((fn) =>
    fn.kind === 'httpTrigger'
      ? `  ${fn.name}: [${fn.methods?.join(',') ?? ''}] ${host.url}${fn.route ?? ''}`
      : `  ${fn.name}: ${fn.kind}`,
  );
  return ['', 'Functions:', '', ...lines, ''].join('\n');
}

function fileSettings(root: string, file: string | undefined): Record<string, string> {
  const found = file ?? resolve(root, 'local.settings.json');
  if (file === undefined && !existsSync(found)) return {};
  const { settings, skipped } = readSettingsFile(found);
  for (const name of skipped) {
    console.log(`Skipping '${name}' from local settings as it's already defined in current environment variables.`);
  }
  return settings;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  if (values.help) {
    console.log(help);
    return;
  }
  const root = resolve(values.root);
  const settings = fileSettings(root, values.settings);
  const port = Number(values.port);
  if (!Number.isInteger(port)) throw new Error(`--port ${values.port} is no number`);
  // The worker's current folder is the app's, and the app may count on it.
  process.chdir(root);
  const host = await startHost({
    root,
    port,
    address: values.address,
    settings,
    enableAuth: values['enable-auth'],
    log: logger(values.verbose),
  });
  console.log(describe(host));
  if (values['enable-auth']) console.log(`  keys: default ${host.keys.default}\n        master  ${host.keys.master}\n`);

  let stopping = false;
  const stop = (): void => {
    // A second Ctrl-C does not wait.
    if (stopping) process.exit(1);
    stopping = true;
    host.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // Last: whoever waits for this may stop the host at once.
  console.log(`Host started on ${host.url}`);
}

main().catch((error: unknown) => {
  const code = (error as NodeJS.ErrnoException).code;
  console.error(
    code === 'EADDRINUSE' ? `Port is already in use: ${errorText(error, 'message')}` : errorText(error, 'message'),
  );
  process.exit(1);
});
