/** Life of the in-process host: loading, settings, keys, stopping; and the command line. */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Host, type HostOptions, type LogEntry, startHost } from '../../local/host/host.ts';
import { rawRequest, until } from './fixtures/host/support/raw-request.ts';

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures/host', name);
const mainFile = join(import.meta.dirname, '../../local/host/main.ts');

const hosts: Host[] = [];
let entries: LogEntry[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
  entries = [];
});
async function start(options: Partial<HostOptions>): Promise<Host> {
  const host = await startHost({
    root: fixture('http'),
    port: 0,
    log: (entry) => void entries.push(entry),
    ...options,
  });
  hosts.push(host);
  return host;
}

describe('loading', () => {
  it('loads the app afresh for every host of the process', async () => {
    const one = await start({ settings: { FIXTURE_SETTING: 'one' } });
    const two = await start({ settings: { FIXTURE_SETTING: 'two' } });
    expect(two.functions.length).toBe(one.functions.length);
    for (const host of [one, two]) {
      expect((await rawRequest(host.port, '/api/loads')).json()).toMatchObject({ loads: 1, hooks: ['appStart'] });
    }
  });

  it('leaves no functions and one clear error when the entry file throws', async () => {
    const host = await start({ root: fixture('broken') });
    expect(host.functions).toEqual([]);
    expect(host.loadError?.message).toContain('broken at load');
    expect((await rawRequest(host.port, '/api/before')).status).toBe(404);
    expect((await rawRequest(host.port, '/')).status).toBe(200);
    expect((await rawRequest(host.port, '/admin/host/status')).json()['state']).toBe('Running');
    expect(entries.filter((entry) => entry.level === 'error')).toHaveLength(1);
  });

  it('says that it has no HTTP streaming', async () => {
    const host = await start({ root: fixture('streaming') });
    expect(host.loadError?.message).toContain('no HTTP streaming');
  });

  it('reports a main that matches nothing', async () => {
    const root = mkdtempSync(join(tmpdir(), 'host-'));
    writeFileSync(join(root, 'package.json'), '{"main":"dist/{a,b}.js"}');
    writeFileSync(join(root, 'host.json'), '{}');
    const host = await start({ root });
    expect(host.loadError?.message).toContain('Found zero files');
  });
});

describe('settings', () => {
  it('are there while the host runs, and gone after, in whatever order hosts close', async () => {
    process.env['FIXTURE_SETTING'] = 'before';
    const one = await start({ settings: { FIXTURE_SETTING: 'one', FIXTURE_OTHER: 'x' } });
    const two = await start({ settings: { FIXTURE_SETTING: 'two' } });
    expect(process.env['FIXTURE_SETTING']).toBe('two');
    await one.close();
    expect([process.env['FIXTURE_SETTING'], process.env['FIXTURE_OTHER']]).toEqual(['two', undefined]);
    await two.close();
    expect(process.env['FIXTURE_SETTING']).toBe('before');
    delete process.env['FIXTURE_SETTING'];
  });
});

const status = async (host: Host, path: string, key?: string): Promise<number> =>
  (await rawRequest(host.port, path, key === undefined ? {} : { headers: { 'x-functions-key': key } })).status;

describe('keys', () => {
  const keys = { master: 'the-master', default: 'the-default' };
  it('are not asked for by default', async () => {
    const host = await start({});
    expect(await status(host, '/api/keyed')).toBe(200);
    expect(await status(host, '/api/master')).toBe(200);
  });

  it('are asked for according to the level with enableAuth', async () => {
    const host = await start({ enableAuth: true, keys });
    expect(await status(host, '/api/plain')).toBe(200);
    expect(await status(host, '/api/keyed')).toBe(401);
    expect(await status(host, '/api/keyed', 'wrong')).toBe(401);
    expect(await status(host, '/api/keyed', keys.default)).toBe(200);
    expect(await status(host, `/api/keyed?code=${keys.default}`)).toBe(200);
    expect(await status(host, '/api/keyed', keys.master)).toBe(200);
    expect(await status(host, '/api/master', keys.default)).toBe(401);
    expect(await status(host, '/api/master', keys.master)).toBe(200);
    expect(await status(host, '/admin/host/status')).toBe(401);
    expect(await status(host, '/admin/host/status', keys.master)).toBe(200);
  });
});

describe('stopping', () => {
  it('answers what is running, runs the appTerminate hooks once and frees the port', async () => {
    const before = (globalThis as { fixtureTerminated?: number }).fixtureTerminated ?? 0;
    const host = await start({});
    // fetch keeps its connection open after the answer, which must not hold up the stop.
    const running = fetch(`${host.url}/api/slow`);
    await until('it runs', () => entries.some((entry) => entry.message.includes("Executing 'Functions.slow'")));
    const stopping = performance.now();
    await Promise.all([host.close(), host.close()]);
    expect(await (await running).text()).toBe('slow');
    expect(performance.now() - stopping).toBeLessThan(5000);
    expect((globalThis as { fixtureTerminated?: number }).fixtureTerminated).toBe(before + 1);
    await expect(rawRequest(host.port, '/api/plain')).rejects.toThrow('ECONNREFUSED');
  });

  it('rejects with EADDRINUSE when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await until('it listens', () => server.listening);
    const { port } = server.address() as AddressInfo;
    await expect(startHost({ root: fixture('http'), port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });
});

const run = (args: string[]): Promise<{ code: number | null; output: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [mainFile, ...args]);
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    child.once('exit', (code) => resolve({ code, output }));
  });

describe('command line', () => {
  it('starts, lists the functions, and exits with 0 on SIGTERM', async () => {
    const settings = join(mkdtempSync(join(tmpdir(), 'host-')), 'local.settings.json');
    writeFileSync(settings, JSON.stringify({ IsEncrypted: false, Values: { FIXTURE_SETTING: 'from-file' } }));
    const child = spawn(process.execPath, [mainFile, '--root', fixture('http'), '--port', '0', '--settings', settings]);
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until('it started', () => output.includes('Host started on'));
    const port = Number(/Host started on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
    expect(output).toContain(`parameter: [GET,HEAD] http://127.0.0.1:${port}/api/items/{id}`);
    expect(output).toContain('queue: queueTrigger');
    expect((await rawRequest(port, '/api/loads')).json()['setting']).toBe('from-file');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  it('has a help text, and exits with 1 when it cannot start', async () => {
    expect(await run(['--help'])).toMatchObject({
      code: 0,
      output: expect.stringContaining('--enable-auth') as string,
    });
    expect(await run(['--root', '/no/such/folder'])).toMatchObject({ code: 1 });
  });
});
