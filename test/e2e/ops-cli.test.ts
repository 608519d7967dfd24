import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stack, startStack, until } from '../support/stack.ts';

const CLI = join(import.meta.dirname, '../../ops/cli.ts');
const CONFIGURATION = new URL('./ops-sessions.config.ts', import.meta.url).pathname;
const MASTER = 'master-key-of-the-tests-0123456789';
const COMMANDS = ['explain', 'explain-query', 'purge', 'warm', 'jobs', 'letters', 'sources', 'stats', 'consistency'];

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WARMFEED_OPS_KEY: MASTER, ...env },
  });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (ended.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (ended.err += chunk.toString()));
  return new Promise((done) => child.once('close', (code) => done({ ...ended, code })));
}

describe('npm run ops', () => {
  let stack: Stack;
  let url: string;
  beforeAll(async () => {
    stack = await startStack({
      configuration: CONFIGURATION,
      host: { enableAuth: true, keys: { master: MASTER, default: 'default-key' } },
    });
    url = `${stack.host.url}/api`;
    await stack.widgets.items.upsert({ id: 'a', region: 'eu', color: 'red' });
    await read();
  });
  afterAll(() => stack?.close());

  const read = () =>
    until(async () => {
      const answer = await stack.get('entities/widget/eu/a', { headers: { 'x-functions-key': MASTER } });
      return answer.cacheStatus.includes('; hit') ? true : undefined;
    });
  const ops = (...args: string[]) => run([...args, '--url', url]);
  const json = async (...args: string[]) => JSON.parse((await ops(...args, '--json')).out) as Record<string, unknown>;

  it('tells its commands, and of each what it takes', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    const helps = await Promise.all(COMMANDS.map((name) => run([name, '--help'])));
    for (const help of helps) expect([help.code, help.out.includes('--url <url>')]).toEqual([0, true]);
  });

  it('explains, purges, and explains again', async () => {
    const live = await ops('explain', 'widget', 'eu', 'a', '--source');
    expect([live.code, live.err]).toEqual([0, '']);
    expect(live.out).toMatch(/^widget eu\/a: live\n {2}fresh for \d+ s more/);
    expect(live.out).toMatch(/sameAsCached +true/);
    const purged = await ops('purge', 'key', 'widget', 'eu', 'a', '--soft');
    expect(purged.out).toMatch(/^stale now: 1 key\(s\), complete at \d{4}-/);
    expect(await json('explain', 'widget', 'eu', 'a')).toMatchObject({ verdict: 'softly purged' });
    expect(await json('purge', 'tags', 'color:red', 'color:blue')).toMatchObject({
      purged: { tags: ['color:red', 'color:blue'] },
      mode: 'drop',
    });
    expect((await ops('purge', 'entity', 'widget')).out).toContain('dropped: widget');
    expect((await ops('explain-query', 'widgetsOfColor', 'color=red')).out).toContain(
      'query/widgetsOfColor red/: missing',
    );
  });

  it('warms, and looks after jobs', async () => {
    const warmed = await ops('warm', 'widget');
    expect([warmed.code, warmed.err]).toEqual([0, '']);
    expect(warmed.out).toMatch(/^w-\S+ widget done: \d+ read, \d+ cached, \d+ left, [\d.]+ units\n$/);
    const [id = ''] = warmed.out.split(' ');
    expect((await ops('jobs')).out).toContain(id);
    expect((await ops('jobs', id)).out).toMatch(/state +done/);
    const late = await ops('jobs', id, 'cancel');
    expect([late.code, late.err]).toEqual([1, '409: the job has ended: it is done\n']);
    expect(await json('warm', 'widget', 'eu', 'a', '--detach', '--rate', '10')).toMatchObject({
      what: 'keys',
      total: 1,
    });
  });

  it('lists, replays and drops dead letters, and what they say cannot steer the terminal', async () => {
    await stack.widgets.items.upsert({ id: 'p', region: 'eu', poison: true });
    await until(async () => ((await json('letters'))['total'] === 1 ? true : undefined));
    await stack.redis.xadd(
      'wf:warmfeed:dead',
      '*',
      'source',
      's',
      'entity',
      'e',
      'key',
      '\u001b[2Jk',
      'version',
      '1',
      'reason',
      'r',
    );
    const listed = await ops('letters');
    expect(listed.out).toContain('this document is poison');
    expect(listed.out).toContain('\\u001b[2Jk');
    expect(listed.out).not.toContain('\u001b');
    const replayed = await ops('letters', 'replay', '--all');
    expect([replayed.code, replayed.out.split('\n')[0]]).toEqual([1, '0 replayed, 1 failing, 1 skipped, 0 gone']);
    expect((await ops('letters', 'drop', '--all')).out).toBe('2 dropped, 0 gone\n');
  });

  it('shows and pauses sources, stats and consistency', async () => {
    const listed = await ops('sources');
    expect([listed.code, listed.out]).toEqual([0, expect.stringContaining('cosmos/COSMOS/shop/widgets  ok')]);
    expect((await ops('sources', 'pause', 'cosmos/COSMOS/shop/widgets')).out).toBe(
      'cosmos/COSMOS/shop/widgets: paused\n',
    );
    expect((await ops('sources', 'show', 'cosmos/COSMOS/shop/widgets')).out).toMatch(
      /paused\n {2}at .*\n {2}by {2}key/,
    );
    expect((await ops('sources', 'resume', 'cosmos/COSMOS/shop/widgets')).out).toContain(': ok');
    await stack.get('sessions/current', {
      headers: { 'x-session-id': 'nobody-had-this-id-before', 'x-functions-key': MASTER },
    });
    expect((await ops('stats', '--minutes', '5')).out).toMatch(
      /^entity +hits +hit +stale[^]*\n\nsessions +ok +none +refused +failed\nread +0 +1 +0 +0$/m,
    );
    await stack.redis.hset('wf:warmfeed:audit', '1:stale', 1, '1:match', 9);
    const found = await ops('consistency');
    expect([found.code, found.out]).toEqual([1, expect.stringMatching(/share +0\.\d+/)]);
  });

  it('says what is wrong with its words: exit code 2', async () => {
    const wrong = [
      [],
      ['purge'],
      ['purge', 'everything'],
      ['purge', 'key', 'widget'],
      ['explain', 'widget'],
      ['explain', '--nonsense'],
      ['explain-query', 'q', 'x'],
      ['letters', 'replay'],
      ['letters', 'replay', '1-1', '--all'],
      ['letters', '--limit', '0'],
      ['sources', 'stop', 'x'],
      ['jobs', 'w', 'restart'],
      ['stats', 'now'],
      ['sing'],
    ];
    const ended = await Promise.all(wrong.map((args) => run(args)));
    expect(ended.map(({ code, out }, i) => [wrong[i], code, out])).toEqual(wrong.map((args) => [args, 2, '']));
  });

  it('says what the app refuses, and what to do about the key: exit code 1', async () => {
    const unknown = await ops('explain', 'gadget', 'x');
    expect([unknown.code, unknown.err]).toEqual([1, '404: there are widget\n']);
    const keyless = await run(['stats', '--url', url], { WARMFEED_OPS_KEY: '' });
    expect([keyless.code, keyless.err]).toEqual([1, expect.stringContaining('WARMFEED_OPS_KEY')]);
    const wrong = await run(['stats', '--url', url], { WARMFEED_OPS_KEY: 'default-key' });
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('refuses the key')]);
    const nobody = await run(['stats', '--url', 'http://127.0.0.1:9/api']);
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('No app answers at http://127.0.0.1:9/api')]);
    for (const at of ['nonsense', 'ftp://x', 'file:///etc/passwd'])
      expect((await run(['stats', '--url', at])).code).toBe(1);
  });

  it('never sends the key without TLS, nor to where it is redirected, and never prints it', async () => {
    const plain = await run(['stats', '--url', 'http://app.example/api']);
    expect([plain.code, plain.err]).toEqual([1, expect.stringContaining('must begin https://')]);
    const keys: unknown[] = [];
    const other = createServer((request, response) => {
      keys.push(request.url);
      response.writeHead(307, { location: `${url}/ops/stats` }).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const moved = await run(['stats', '--url', `http://127.0.0.1:${(other.address() as AddressInfo).port}/api`]);
    other.close();
    expect([moved.code, keys]).toEqual([1, ['/api/ops/stats?minutes=15']]);
    expect(JSON.stringify([plain, moved])).not.toContain(MASTER);
  });
});
