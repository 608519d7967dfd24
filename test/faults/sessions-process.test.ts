import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HostProcess, startHostProcess } from '../support/host-process.ts';
import { get, type Stack, startStack, until } from '../support/stack.ts';

let stack: Stack;
const hosts: HostProcess[] = [];
beforeAll(async () => {
  stack = await startStack({
    configuration: new URL('../e2e/sessions.durable.config.ts', import.meta.url).pathname,
  });
});
afterEach(async () => {
  stack.emulator.control.reset();
  for (const host of hosts.splice(0)) await host.end('SIGKILL');
});
afterAll(() => stack?.close());

async function spawnHost(): Promise<HostProcess> {
  const host = await startHostProcess(stack);
  hosts.push(host);
  const probe = () => ask(host.url, 'GET', 'nobody-has-this-id-here');
  await until(async () => ((await probe()).status === 404 ? true : undefined));
  return host;
}

function ask(url: string, method: string, id: string, body?: object) {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return get(`${url}/api/sessions${method === 'POST' ? '' : '/current'}`, {
    method,
    headers: { 'x-session-id': id, 'content-type': type },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function create(url: string, data: object): Promise<string> {
  return (await ask(url, 'POST', '', data)).headers.get('x-session-id') ?? '';
}

/** The body of the durable copy. */
async function copyOf(id: string): Promise<unknown> {
  const name = createHash('sha256').update(id).digest('base64url');
  const item = stack.database.container('sessions').item(name, name);
  return (await item.read<{ body: string }>()).resource?.body;
}

describe('two processes', () => {
  it('serve one session; one that is killed in the middle takes nothing with it that was answered', async () => {
    const [one, two] = await Promise.all([spawnHost(), spawnHost()]);
    const id = await create(one.url, { n: 0 });
    const answered: string[] = [];
    const over = new AbortController();
    const writer = async ({ url }: { url: string }, name: string) => {
      for (let n = 0; !over.signal.aborted; n++) {
        const { status } = await ask(url, 'PATCH', id, { [`${name}${n % 40}`]: n }).catch(() => ({ status: 0 }));
        if (status === 200) answered.push(`${name}${n % 40}`);
        if (status === 0) return;
      }
    };
    const writers = [writer(one, 'a'), writer(one, 'b'), writer(two, 'c'), writer(two, 'd')];
    await until(() => (answered.length > 60 ? true : undefined));
    await two.end('SIGKILL');
    over.abort();
    await Promise.all(writers);
    expect(new Set(answered.map((name) => name[0]))).toEqual(new Set(['a', 'b', 'c', 'd']));
    const { json } = await ask(one.url, 'GET', id);
    expect(answered.filter((name) => !(name in json))).toEqual([]);
    expect((await ask(one.url, 'DELETE', id)).status).toBe(204);
  });

  it('one that ends copies what waits; one that is killed does not, and the other’s next write does', async () => {
    const [one, two] = await Promise.all([spawnHost(), spawnHost()]);
    const ids = [await create(one.url, { n: 0 }), await create(two.url, { n: 0 })] as const;
    for (const id of ids) await until(async () => ((await copyOf(id)) === '{"n":0}' ? true : undefined));
    // From now on a copy takes its time.
    for (const operation of ['read', 'replace'] as const) {
      stack.emulator.control.fault({ path: 'sessions', operation, delayMs: 300 });
    }
    await ask(one.url, 'PATCH', ids[0], { n: 1 });
    await one.end('SIGTERM');
    await ask(two.url, 'PATCH', ids[1], { n: 1 });
    await two.end('SIGKILL');
    stack.emulator.control.clearFaults();
    expect(await copyOf(ids[0])).toBe('{"n":1}');
    expect(await copyOf(ids[1])).toBe('{"n":0}');
    // Redis has it all the while.
    expect((await ask(stack.host.url, 'PATCH', ids[1], { m: 2 })).json).toEqual({ n: 1, m: 2 });
    await until(async () => ((await copyOf(ids[1])) === '{"n":1,"m":2}' ? true : undefined));
  });
});
